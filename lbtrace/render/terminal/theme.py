"""Style names → how they look. Text never says by colour what it does not also say in words."""

from __future__ import annotations

from rich.theme import Theme

THEME = Theme(
    {
        "verdict": "bold",
        "heading": "bold cyan",
        "label": "dim",
        "added": "green",
        "removed": "red",
        "changed": "yellow",
        "frame": "cyan",
        "filter": "italic",
        "note": "dim",
        "marked": "reverse",
        "severity.critical": "bold white on red",
        "severity.high": "bold red",
        "severity.medium": "bold yellow",
        "severity.low": "yellow",
        "severity.info": "bold",
        "confidence.certain": "bold green",
        "confidence.high": "green",
        "confidence.medium": "yellow",
        "confidence.low": "red",
        "warning": "yellow",
    },
    inherit=True,
)
