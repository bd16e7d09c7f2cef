"""A HAProxy configuration ↔ its sections and lines (configuration.txt §2.2: words are separated by
spaces, quoted with " or ', escaped with a backslash; # begins a comment).
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

from lbtrace.errors import OptionError
from lbtrace.lab.own import read, wrong

SECTIONS = {
    "global", "defaults", "frontend", "backend", "listen", "peers", "resolvers", "userlist",
    "mailers", "cache", "program", "ring", "log-forward", "log-profile", "http-errors", "fcgi-app",
    "crt-store", "traces", "acme",
}  # fmt: skip
_WORD = re.compile(r"""(?:\\.|"(?:\\.|[^"\\])*"|'[^']*'|[^\s#"'\\]|(?<=\S)#)+""")


@dataclass
class Line:
    """A line of a section, in words; quotes stay in them."""

    words: list[str]
    number: int

    @property
    def text(self) -> str:
        """As it is written."""
        return " ".join(self.words)

    def value(self, name: str) -> str:
        """The word behind a keyword, "" without it."""
        at = self.words.index(name) if name in self.words[:-1] else -1
        return self.words[at + 1] if at >= 0 else ""


@dataclass
class HaproxySection:
    """A section with its lines."""

    kind: str
    head: Line
    lines: list[Line] = field(default_factory=list)

    @property
    def name(self) -> str:
        """Its name, "" without."""
        return self.head.words[1] if len(self.head.words) > 1 else ""

    def having(self, *keywords: str) -> Iterator[Line]:
        """Its lines that begin with one of these keywords."""
        return (line for line in self.lines if line.words[0] in keywords)


@dataclass
class HaproxyDocument:
    """All sections of a file."""

    path: Path
    sections: list[HaproxySection]

    def error(self, line: int, message: str, hint: str = "") -> OptionError:
        """What cannot work in it."""
        return wrong(self.path, line, message, hint)

    @property
    def text(self) -> str:
        """As a configuration."""
        rows: list[str] = []
        for section in self.sections:
            rows += [section.head.text, *(f"  {line.text}" for line in section.lines)]
        return "\n".join(rows) + "\n"


def document(path: Path) -> HaproxyDocument:
    """The sections of a file. OptionError when it is no configuration of HAProxy."""
    found = HaproxyDocument(path, [])
    for number, row in enumerate(read(path).splitlines(), 1):
        words = _WORD.findall(_without_comment(row))
        if not words:
            continue
        line = Line(words, number)
        if words[0] in SECTIONS:
            found.sections.append(HaproxySection(words[0], line))
        elif found.sections:
            found.sections[-1].lines.append(line)
        elif not words[0].startswith("."):
            raise found.error(number, f'"{words[0]}" stands before any section (global, frontend).')
    return found


def _without_comment(row: str) -> str:
    match = re.match(r"""(?:\\.|"(?:\\.|[^"\\])*"|'[^']*'|[^#\\])*""", row)
    return row if match is None else match[0]
