"""The finished FleetReport: what the captures of a fleet show together. Renderers only read."""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple

from lbtrace.model.net import FrameRef, Side
from lbtrace.model.pairing import (
    ChangeKind,
    Clock,
    Confidence,
    Pattern,
    Tier,
    UnpairedReason,
)
from lbtrace.model.report import Finding, Kind, Latency, Severity, SideCounts, Verdict


class FleetFile(NamedTuple):
    """A file of a capture point."""

    path: str
    frames: int
    first_ns: int | None
    last_ns: int | None


@dataclass(frozen=True, slots=True)
class FleetPoint:
    """A capture point of the plan. `packets` were read, `decoded` of them are TCP segments.
    `shards`: in how many parts it was read. `diagnostics` are sentences about its input.
    """

    name: str
    side: Side
    files: tuple[FleetFile, ...]
    packets: int
    decoded: int
    connections: int
    exchanges: int
    shards: int
    diagnostics: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class SliceSummary:
    """One slice. Times are by the clock of the first client point. `verdict` is that of the slice
    alone. `clients` and `backends` are exchanges. `command` compares the files that it is in,
    "" where none does.
    """

    number: int
    first_ns: int
    last_ns: int
    verdict: Verdict
    clients: int
    backends: int
    pairs: int
    command: str


class PointPair(NamedTuple):
    """How many pairs there are between a client point and a backend point."""

    client_point: int
    backend_point: int
    pairs: int


class PairCount(NamedTuple):
    """How many pairs there are of a kind of evidence and a confidence."""

    tier: Tier
    confidence: Confidence
    pairs: int


class UnpairedTotal(NamedTuple):
    """How many exchanges of a side have no partner, for a reason."""

    side: Side
    reason: UnpairedReason
    exchanges: int


@dataclass(frozen=True, slots=True)
class FleetChange:
    """One kind of change to one field, in all slices. `pattern` is None where slices show
    different ones. `before` and `after` are of the first slice that shows it.
    """

    request: bool
    kind: ChangeKind
    name: str
    pattern: Pattern | None
    count: int
    of: int
    before: str
    after: str
    slices: tuple[int, ...]


class FindingInSlice(NamedTuple):
    """A finding, in the words of one slice."""

    number: int
    finding: Finding


@dataclass(frozen=True, slots=True)
class FleetFinding:
    """The findings of one kind. `severity` and `confidence` are the highest of any slice. `shown`
    are those of each slice, the gravest first; a sentence and its numbers are of that slice alone.
    """

    slug: str
    title: str
    severity: Severity
    confidence: Confidence
    slices: tuple[int, ...]
    shown: tuple[FindingInSlice, ...]


class SlowExchange(NamedTuple):
    """A pair in which the balancer added much. `client` and `backend` are the frames in which the
    requests begin.
    """

    slice: int
    request: str
    status: int
    client_ns: int
    added_ns: int
    client: FrameRef
    backend: FrameRef


@dataclass(frozen=True, slots=True)
class FleetReport:
    """The result of `lbtrace fleet`.

    Counts are sums over the slices; a connection that slices share is counted once. `latency` is
    exact. `verdict` is that of the slices that decide, if they agree; `differing` says where they
    do not. `cut` is the number of connections that slices share. `whole_because` says why nothing
    was cut where that was wanted. `files` are the tables that were written.
    """

    version: str
    engine: str
    clients: tuple[FleetPoint, ...]
    backends: tuple[FleetPoint, ...]
    slices: tuple[SliceSummary, ...]
    client_counts: SideCounts
    backend_counts: SideCounts
    verdict: Verdict
    differing: tuple[tuple[Kind, tuple[int, ...]], ...]
    pairs: tuple[PairCount, ...]
    by_points: tuple[PointPair, ...]
    unpaired: tuple[UnpairedTotal, ...]
    changes: tuple[FleetChange, ...]
    latency: Latency | None
    findings: tuple[FleetFinding, ...]
    slowest: tuple[SlowExchange, ...]
    clocks: tuple[tuple[int, Clock], ...]
    cut: int = 0
    whole_because: str = ""
    tables: tuple[str, ...] = ()

    def point(self, side: Side, number: int) -> FleetPoint:
        """A capture point."""
        return (self.clients if side is Side.CLIENT else self.backends)[number]

    def file(self, frame: FrameRef) -> str:
        """The path of the file that a frame is in."""
        return self.point(frame.side, frame.point).files[frame.file].path
