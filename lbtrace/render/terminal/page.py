"""Lines, prose and tables → a stream of text that fits its width.

Everything that is written goes through `Page.text`, so what is true there is true of the page: no
control character, no markup interpreted, and in ASCII mode no other character. Text from a capture
is escaped by whoever has it (`shown`); `Page.text` escapes control characters once more as the last
gate.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from itertools import islice
from typing import TextIO, TypeVar, cast

from rich.cells import cell_len, set_cell_size
from rich.console import Console
from rich.padding import Padding
from rich.text import Text

from lbtrace.language import tr
from lbtrace.render import View
from lbtrace.render.terminal.theme import THEME
from lbtrace.render.wording.escape import cut

_IN_NUMBER = re.compile(r"(?<=[0-9]) (?=[0-9]{3}(?![0-9]))")
_UNBROKEN = "\ue000"  # for private use (Unicode §23.5): one column wide, and no blank
_ASCII = str.maketrans(
    dict(zip("─▶◀┆│└→·−–×“”’≈\xa0", '-><||`>*--x""\'~ ', strict=True))
    | {"…": "...", "±": "+/-", "µ": "u", "→": "->", "↔": "<->", "—": "--"}
    | {"≥": ">=", "≤": "<=", "§": "section ", "δ": "delta"}
)
_CONTROL = {c: f"\\x{c:02x}" for c in (*range(0x20), *range(0x7F, 0xA0)) if c != 0x0A}

_BLANKS = re.compile(r" +(?=\n|\Z)")
_BATCH = 1000  # rows laid out together

Cell = str | tuple[str, str]  # text, or (text, style)
_T = TypeVar("_T")


@dataclass(frozen=True, slots=True)
class Column:
    """One column of a table. `flexible` columns share what the others leave; `cut` shortens their
    text instead of wrapping it; `yielding` ones give way first, up to half of their width.
    """

    title: str = ""
    right: bool = False
    flexible: bool = False
    cut: bool = False
    yielding: bool = False
    style: str = ""


@dataclass(frozen=True, slots=True)
class Remark:
    """A line across the table, about the row above it."""

    text: str
    style: str = "warning"
    indent: int = 6


class _Trimmed:
    """A stream without blanks at the ends of its lines."""

    def __init__(self, out: TextIO) -> None:
        self._out = out
        self.encoding = getattr(out, "encoding", None) or "utf-8"

    def flush(self) -> None:
        """Not after every line: whoever opened the stream flushes it."""

    def write(self, text: str) -> int:
        self._out.write(_BLANKS.sub("", text))
        return len(text)


class _Console(Console):
    """A console whose reader may go away: that is for the command line to answer, not for rich."""

    def on_broken_pipe(self) -> None:
        """Let the error through."""
        raise


class Page:
    """Writes to `out` as `view` says."""

    def __init__(self, out: TextIO, view: View) -> None:
        self.view = view
        self.width = view.width
        self.prose_width = min(view.width, 110)  # longer lines are hard to follow; tables may
        self._out = _Trimmed(out)
        self._console = _Console(
            file=cast(TextIO, self._out),
            width=view.width,
            theme=THEME,
            force_terminal=view.colour,
            no_color=not view.colour,
            color_system="standard" if view.colour else None,
            markup=False,
            highlight=False,
            emoji=False,
            legacy_windows=False,
        )

    def plain(self, text: str) -> str:
        """The text as it can be written here."""
        text = text.translate(_CONTROL)
        if self.view.ascii_only:
            text = text.translate(_ASCII).encode("ascii", "backslashreplace").decode("ascii")
        return text

    def cut(self, text: str, width: int) -> str:
        """Shortened in the middle to so many columns; a letter may take two."""
        text, mark = self.plain(text), "..." if self.view.ascii_only else "…"
        if cell_len(text) == len(text):
            return cut(text, width, mark)
        if cell_len(text) <= width:
            return text
        room = max(width - len(mark), 0)
        end = set_cell_size(text[::-1], room // 3)[::-1]
        while end and not cell_len(end[0]):  # a mark whose letter is gone would stand on ours
            end = end[1:]
        return set_cell_size(text, room - room // 3) + mark[:width] + end

    def text(self, *parts: Cell) -> Text:
        """Parts in a row, each with its style."""
        line = Text()
        for part in parts:
            content, style = (part, "") if isinstance(part, str) else part
            line.append(self.plain(content), style=style or None)
        return line

    def blank(self) -> None:
        """An empty line."""
        self._console.print()

    def line(self, *parts: Cell, indent: int = 1) -> None:
        """One line; wrapped with a hanging indent when it is too long."""
        self._console.print(
            Padding(self.text(*parts), (0, 0, 0, indent), expand=False), overflow="fold"
        )

    def prose(self, text: str, indent: int = 1, style: str = "") -> None:
        """A paragraph."""
        block = Padding(self.text((text, style)), (0, 0, 0, indent), expand=False)
        self._console.print(block, width=self.prose_width, overflow="fold")

    def hanging(self, lead: Sequence[Cell], *parts: Cell, indent: int = 1) -> int:
        """A paragraph that begins behind `lead` and goes on below itself; the column it has."""
        label, column = self.text(*lead), indent + self.text(*lead).cell_len
        body = self._wrapped(self.text(*parts), self.prose_width - column)
        for number, part in enumerate(body):
            line = Text(" " * column if number else " " * indent)
            if not number:
                line.append_text(label)
            line.append_text(part)
            self._console.print(line, no_wrap=True, overflow="ignore", crop=False)
        return column

    def _wrapped(self, text: Text, width: int) -> Sequence[Text]:
        """The lines of a paragraph. The blanks in a number ("3 000 000") are no place to break."""
        if _UNBROKEN in text.plain:  # of the capture itself
            return list(text.wrap(self._console, width, overflow="fold"))
        text.plain = _IN_NUMBER.sub(_UNBROKEN, text.plain)
        lines = text.wrap(self._console, width, overflow="fold")
        for line in lines:
            line.plain = line.plain.replace(_UNBROKEN, " ")
        return list(lines)

    def raw(self, line: str) -> None:
        """A line that a Page has written."""
        self._out.write(line + "\n")

    def heading(self, title: str, note: str = "") -> None:
        """An empty line and the title of a section."""
        self.blank()
        self.line((tr(title), "heading"), (f"   {tr(note)}" if note else "", "note"), indent=0)

    def table(
        self, columns: Sequence[Column], rows: Iterable[Sequence[Cell] | Remark], indent: int = 1
    ) -> None:
        """Aligned columns that fit the width: `flexible` ones give way first, by cutting or
        wrapping. Long tables are laid out batch by batch, so that any number of rows streams.
        """
        titles = [self.plain(tr(c.title)) for c in columns]
        remaining = iter(rows)
        first = True
        while batch := list(islice(remaining, _BATCH)):
            laid = [
                row if isinstance(row, Remark) else [self._cell(c) for c in row] for row in batch
            ]
            cells = [row for row in laid if not isinstance(row, Remark)]
            widths = [
                max([cell_len(titles[i]), *(cell_len(row[i][0]) for row in cells)])
                for i in range(len(columns))
            ]
            self._shrink(columns, widths, self.width - indent)
            if first and any(titles):
                self._row(columns, widths, [(title, "label") for title in titles], indent)
            for row in laid:
                if isinstance(row, Remark):
                    self.prose(row.text, row.indent, row.style)
                else:
                    self._row(columns, widths, row, indent)
            first = False

    def _cell(self, cell: Cell) -> tuple[str, str]:
        if isinstance(cell, str):
            return self.plain(cell), ""
        content, style = cell
        return self.plain(tr(content) if style == "label" else content), style

    def _row(
        self,
        columns: Sequence[Column],
        widths: Sequence[int],
        row: Sequence[tuple[str, str]],
        indent: int,
    ) -> None:
        fitted = [
            self._fitted(text, width, column)
            for (text, _), width, column in zip(row, widths, columns, strict=True)
        ]
        height = max(map(len, fitted))
        if height == 1 and not self.view.colour:  # most rows of most pages: no need of rich
            texts = [
                _aligned(texts[0], width, column)
                for texts, width, column in zip(fitted, widths, columns, strict=True)
            ]
            self._out.write(" " * indent + "  ".join(texts).rstrip() + "\n")
            return
        for level in range(height):
            line = Text(" " * indent)
            for texts, (_, style), width, column in zip(fitted, row, widths, columns, strict=True):
                text = texts[level] if level < len(texts) else ""
                line.append(_aligned(text, width, column), style=style or column.style or None)
                line.append("  ")
            line.rstrip()
            self._console.print(line, no_wrap=True, overflow="ignore", crop=False)

    def _fitted(self, text: str, width: int, column: Column) -> list[str]:
        """The lines a cell takes."""
        if cell_len(text) <= width:
            return [text]
        if column.cut and not self.view.everything:
            return [self.cut(text, width)]
        return [
            part.plain.rstrip() for part in Text(text).wrap(self._console, width, overflow="fold")
        ]

    @staticmethod
    def _shrink(columns: Sequence[Column], widths: list[int], room: int) -> None:
        """Take what is too much from yielding columns, up to half of their width; then from the
        widest flexible column, again and again; then from any column.
        """
        over = sum(widths) + 2 * (len(widths) - 1) - room
        yielding = [i for i, c in enumerate(columns) if c.yielding]
        halves = {i: (widths[i] + 1) // 2 for i in yielding}
        for candidates, least in (
            (yielding, halves),
            ([i for i, c in enumerate(columns) if c.flexible], {}),
            (list(range(len(columns))), dict.fromkeys(range(len(columns)), 3)),
        ):
            while over > 0:
                able = [i for i in candidates if widths[i] > least.get(i, 12)]
                if not able:
                    break
                widths[max(able, key=lambda i: widths[i])] -= 1
                over -= 1

    def some(self, every: Sequence[_T], most: int) -> Sequence[_T]:
        """The rows to show: the first ones, or all when all are asked for."""
        return every if self.view.everything else every[:most]

    def more(self, count: int, shown: int, what: str) -> None:
        """The line that says a table was cut."""
        if count > shown:
            where = "(--all shows them, --format json has everything)"
            self.line((f"… and {count - shown} more {what} {where}", "note"), indent=3)


def _aligned(text: str, width: int, column: Column) -> str:
    room = " " * (width - cell_len(text))
    return room + text if column.right else text + room
