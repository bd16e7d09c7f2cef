"""Report → the captures that it was made of, each with its frames: what is written for Wireshark.

A capture point is a source. Two points that read the same files (one capture taken on the balancer,
which holds both sides) are one source. Its files are read again, and must be as they were.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import PurePath

from lbtrace import capture
from lbtrace.errors import InputError
from lbtrace.model.net import FrameRef, Side
from lbtrace.model.report import Report
from lbtrace.model.trace import Trace
from lbtrace.options import Progress
from lbtrace.tables.packets import Recording


@dataclass(slots=True)
class CaptureSource:
    """The files of one or two capture points. `name` is what its packets are called: "client",
    "backend2"; "both" where one capture holds both sides.
    """

    name: str
    traces: list[Trace]
    number: int  # its place among the sources
    recording: Recording | None = field(default=None, repr=False)

    @property
    def paths(self) -> tuple[str, ...]:
        """Its files."""
        return tuple(file.path for file in self.traces[0].files)

    @property
    def title(self) -> str:
        """The names of its files, without their folders."""
        return ", ".join(PurePath(path).name for path in self.paths)

    def read(self, progress: Progress) -> Recording:
        """Its packets. InputError when a file is no longer the one that was compared."""
        if self.recording is None:
            self.recording = capture.read(self.paths, progress)
            capture.check_unchanged(self.traces[0].files, self.recording.buffers)
        return self.recording


class Sources:
    """All sources of a report, those of the client side first."""

    def __init__(self, report: Report) -> None:
        """InputError when a capture came from standard input: it cannot be read twice."""
        self.report = report
        self.every: list[CaptureSource] = []
        self._of: dict[tuple[Side, int], CaptureSource] = {}
        for trace in (*report.clients, *report.backends):
            self._add(trace)

    def _add(self, trace: Trace) -> None:
        paths = tuple(file.path for file in trace.files)
        if "-" in paths:
            raise InputError(
                "input-not-again",
                "standard input cannot be read twice, and the packets are needed again.",
                "Give a file.",
            )
        source = next((s for s in self.every if s.paths == paths), None)
        if source is None:
            source = CaptureSource(_name(trace, self.report), [], len(self.every))
            self.every.append(source)
        elif trace.side is not source.traces[0].side:
            source.name = "both"
        source.traces.append(trace)
        self._of[trace.side, trace.point] = source

    def of(self, side: Side, point: int) -> CaptureSource:
        """The source of a capture point."""
        return self._of[side, point]

    def frame(self, ref: FrameRef) -> tuple[CaptureSource, int]:
        """A frame → its source, and its number through the files of that."""
        trace = self.report.trace(ref.side, ref.point)
        return self.of(ref.side, ref.point), trace.files[ref.file].first_frame + ref.number - 1


def _name(trace: Trace, report: Report) -> str:
    points: Sequence[Trace] = report.clients if trace.side is Side.CLIENT else report.backends
    return trace.side.value if len(points) == 1 else f"{trace.side.value}{trace.point + 1}"
