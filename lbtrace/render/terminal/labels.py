"""Frames and exchanges → the short labels the page uses: "#9", or "B2 #9" when a side has several
capture points or files.

The list of captures at the end of the page says which file B2 is.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from lbtrace.language import N, tr
from lbtrace.model.http import Exchange
from lbtrace.model.net import FrameRef, Side
from lbtrace.model.pairing import Ref
from lbtrace.model.stream import Connection
from lbtrace.model.trace import Trace

SIDES = {Side.CLIENT: N("client"), Side.BACKEND: N("backend")}


class Labels:
    """The labels of one report."""

    def __init__(self, clients: Sequence[Trace], backends: Sequence[Trace]) -> None:
        self._traces = {
            side: {trace.point: trace for trace in traces}
            for side, traces in ((Side.CLIENT, clients), (Side.BACKEND, backends))
        }
        # of captures that are not compared it is not known which side they were taken on
        self.alone = not (clients and backends)
        self._several = {
            side: len(traces) > 1 or any(len(t.files) > 1 for t in traces.values())
            for side, traces in self._traces.items()
        }

    def point(self, side: Side, point: int, file: int = 0) -> str:
        """ "B1", or "B1.2" for the second file of a point with several files. Of captures that are
        not compared "capture 2", or "capture 2, file 1".
        """
        many = len(self._traces[side][point].files) > 1
        if self.alone:
            several = len(self._traces[side]) > 1
            which = [tr("capture {n}").format(n=point + 1)] if several else []
            return ", ".join([*which, tr("file {n}").format(n=file + 1)] if many else which)
        letter = "C" if side is Side.CLIENT else "B"
        return f"{letter}{point + 1}.{file + 1}" if many else f"{letter}{point + 1}"

    def trace(self, side: Side, point: int) -> Trace:
        """All that a capture point shows."""
        return self._traces[side][point]

    def path(self, side: Side, point: int, file: int) -> str:
        """Where a file is."""
        return self._traces[side][point].files[file].path

    def frame(self, ref: FrameRef) -> str:
        """ "#9"."""
        prefix = f"{self.point(ref.side, ref.point, ref.file)} " if self._several[ref.side] else ""
        return f"{prefix}#{ref.number}"

    def frame_of(self, side: Side, point: int, frame: int) -> str:
        """The label of a frame that is numbered through its point's files."""
        return self.frame(self._traces[side][point].ref(frame, 0))

    def begin(self, side: Side, ref: Ref) -> str:
        """The label of the frame an exchange begins in."""
        return self.frame_of(side, ref.point, self.exchange(side, ref).first_frame)

    def frames(self, refs: Iterable[FrameRef], most: int | None = 6) -> str:
        """ "client #4 #9 ↔ backend #12": as many as `most` per side, None for all."""
        parts = []
        for side in Side:
            every = list(dict.fromkeys(ref for ref in refs if ref.side is side))
            if every:
                rest = (
                    " " + tr("+{n} more").format(n=len(every[most:]))
                    if most and every[most:]
                    else ""
                )
                name = "" if self.alone else f"{tr(SIDES[side])} "
                parts.append(f"{name}{self._in_a_row(every[:most])}{rest}")
        return " ↔ ".join(parts)

    def _in_a_row(self, refs: Sequence[FrameRef]) -> str:
        """The labels of frames. Those of captures that are not compared name each capture or file
        once.
        """
        if not self.alone:
            return " ".join(map(self.frame, refs))
        found: dict[str, list[str]] = {}
        for ref in refs:
            label = self.point(ref.side, ref.point, ref.file)
            found.setdefault(label, []).append(f"#{ref.number}")
        return ", ".join(" ".join(filter(None, (f, *n))) for f, n in found.items())

    def wireshark(self, side: Side) -> str:
        """Where a display filter is for."""
        return "Wireshark" if self.alone else f"Wireshark, {tr(side.value)}"

    def exchange(self, side: Side, ref: Ref) -> Exchange:
        """The exchange a reference names."""
        return self._traces[side][ref.point].exchanges[ref.id]

    def connection(self, side: Side, ref: Ref) -> Connection:
        """The connection of the exchange a reference names."""
        trace = self._traces[side][ref.point]
        return trace.connections[trace.exchanges[ref.id].connection]
