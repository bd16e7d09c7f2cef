"""The docstring of a finding → its parts, and the variants of its slug.

Meaning:                              sections(doc)["Meaning"]
    Attempts to connect that failed.
Variants:                             variants(doc)["refused"]
    refused, refused-client: a SYN answered by a RST.
"""

from __future__ import annotations

import inspect
import re

PARTS = ("Meaning", "Decided by", "Evidence", "Remedy")
VARIANTS = "Variants"
_VARIANT = re.compile(r"    ([a-z0-9-]+(?:, [a-z0-9-]+)*): (.*)")


def sections(doc: str) -> dict[str, str]:
    """A docstring → its parts: {"": the summary, "Meaning": …, "Decided by": …, "Evidence": …,
    "Remedy": …, "Variants": …}.
    """
    return {
        name: " ".join(line.strip() for line in lines if line.strip())
        for name, lines in _lines(doc).items()
    }


def variants(doc: str) -> dict[str, str]:
    """The variants that a docstring declares, each with what it says."""
    found: dict[str, str] = {}
    names: list[str] = []
    for line in _lines(doc).get(VARIANTS, ()):
        begun = _VARIANT.fullmatch(line)
        if begun is not None:
            names = begun[1].split(", ")
            found |= dict.fromkeys(names, begun[2])
        elif line.strip():
            found |= {name: f"{found[name]} {line.strip()}" for name in names}
    return found


def _lines(doc: str) -> dict[str, list[str]]:
    parts: dict[str, list[str]] = {"": []}
    name = ""
    for line in inspect.cleandoc(doc).splitlines():
        if line and not line.startswith(" ") and line.endswith(":"):
            name = line[:-1]
            parts[name] = []
        else:
            parts[name].append(line)
    return parts
