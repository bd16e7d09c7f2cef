"""The columns of a table for notebooks: name, type, meaning; and the captures of its rows."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any, Final, NamedTuple, TypeAlias

from lbtrace.model.report import CaptureReport, Report
from lbtrace.model.trace import Trace
from lbtrace.render.json.frames import FrameWriter

ArrowRow: TypeAlias = tuple[object, ...]


class ArrowColumn(NamedTuple):
    """A column. `kind` names the type: "integer", "text", "flag", "time" (ns since the epoch, by
    the clock of the capture), "duration" (ns), "texts" (a list), "frames" or "values" (lists of
    structures).
    """

    name: str
    kind: str
    meaning: str


@dataclass(frozen=True)
class ArrowTable:
    """A table: its columns, and what makes its rows of a result."""

    name: str
    columns: tuple[ArrowColumn, ...]
    rows: Callable[[Report | CaptureReport], Iterator[ArrowRow]]

    def schema(self, pa: Any) -> Any:
        """The schema; what a column means stands in its metadata."""
        types = {
            "integer": pa.int64(),
            "text": pa.string(),
            "flag": pa.bool_(),
            "time": pa.timestamp("ns", "UTC"),
            "duration": pa.duration("ns"),
            "texts": pa.list_(pa.string()),
            "frames": pa.list_(_structure(pa, side="s", point="i", frame="i", file="i")),
            "values": pa.list_(_structure(pa, name="s", value="s", unit="s")),
        }
        return pa.schema(
            [pa.field(c.name, types[c.kind], metadata={"meaning": c.meaning}) for c in self.columns]
        )


def _structure(pa: Any, **members: str) -> Any:
    kinds = {"s": pa.string(), "i": pa.int64()}
    return pa.struct([pa.field(name, kinds[kind]) for name, kind in members.items()])


PLACE: Final = (
    ArrowColumn("side", "text", "client or backend: the side of the balancer"),
    ArrowColumn("point", "integer", "the capture point of the side, from 0"),
)


class FrameNumbers:
    """The frames of a trace, as numbered in its files."""

    def __init__(self, trace: Trace) -> None:
        self._writer = FrameWriter(trace)

    def of(self, frame: int | None) -> tuple[int | None, int | None]:
        """(number in its file, index of the file); None where there is none."""
        if not frame:
            return None, None
        file, number = self._writer.split(frame)
        return number, file


def traces(report: Report | CaptureReport) -> Iterator[Trace]:
    """The captures of a result."""
    if isinstance(report, Report):
        yield from (*report.clients, *report.backends)
    else:
        yield from (alone.trace for alone in report.captures)


def told_text(text: str) -> str:
    """A text with what is no Unicode in it (bytes of file names) as escapes."""
    return text.encode("utf-8", "backslashreplace").decode("utf-8")
