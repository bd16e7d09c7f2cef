"""Text → workflow commands of GitHub Actions: `::error file=…,line=…,title=…::message`.

In a message `%`, CR and LF are written %25, %0D, %0A; in a property `:` and `,` too
(docs.github.com, "Workflow commands for GitHub Actions"). So a command is one line, and no text can
begin another.
"""

from __future__ import annotations

from collections.abc import Mapping


def annotation(level: str, properties: Mapping[str, str], text: str) -> str:
    """One command; `level` is error, warning or notice."""
    said = ",".join(f"{name}={_property(value)}" for name, value in properties.items())
    return f"::{level} {said}::{_message(text)}\n"


def _message(text: str) -> str:
    return text.replace("%", "%25").replace("\r", "%0D").replace("\n", "%0A")


def _property(text: str) -> str:
    return _message(text).replace(":", "%3A").replace(",", "%2C")
