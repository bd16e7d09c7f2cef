"""Everything one capture point shows, before it is compared with another."""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from enum import IntEnum
from pathlib import PurePath

from lbtrace.model.event_stream import EventStream
from lbtrace.model.grpc import GrpcCall
from lbtrace.model.http import Application, Exchange, Response
from lbtrace.model.http2 import ControlFrame, StreamParts, WindowStall
from lbtrace.model.net import FrameRef, IcmpError, Side
from lbtrace.model.stream import Connection
from lbtrace.model.tunnel import Tunnel
from lbtrace.model.websocket import WebSocket

HTTP3_NOT_READ = "http3-not-read"  # the diagnostic of UDP packets that may hold requests
# the diagnostics of a capture whose own clock cannot be trusted
SET_BACK, SET_FORWARD = "clock-set-back", "clock-set-forward"


# slugs of diagnostics by which a part of the input was not read
_NOT_READ = frozenset(
    (
        "compressed-cut",
        "compressed-damaged",
        "decompression-limit",
        "endless-filler",
        "exchanges-limited",
        "garbage-skipped",
        "record-cut",
        "sections-limited",
        "temporary-space",
    )
)


@dataclass(frozen=True, slots=True)
class Diagnostic:
    """Something worth saying about the input, counted; never an error.

    `slug` is stable and kebab-case, `text` one sentence, `frame` the first frame it concerns
    (numbered through the point's files), None when it concerns no frame; `time_ns` is when that one
    was captured, 0 where it is not told.
    """

    slug: str
    text: str
    count: int = 1
    frame: int | None = None
    time_ns: int = 0


@dataclass(frozen=True, slots=True)
class CaptureFile:
    """One file of a capture point. `first_frame` is the number its first frame has through all
    files of the point (1 for the first file). `fingerprint` is a digest of its size and of the
    bytes at its beginning and its end.
    """

    path: str
    format: str  # "pcap", "pcapng"
    compression: str  # "", "gzip", …
    size_bytes: int
    frames: int
    first_frame: int
    first_ns: int | None
    last_ns: int | None
    resolution_ns: int  # of its timestamps
    link_types: tuple[str, ...]
    snaplen: int | None
    dropped: int | None  # packets the capture itself reports as dropped; None when it does not say
    fingerprint: bytes = b""


@dataclass(frozen=True, slots=True)
class PacketCounts:
    """read = decoded + the sum of skipped: nothing is dropped silently. `truncated` of the decoded
    ones were cut by the snapshot length.

    `skipped` and `peeled` are (reason or name, count), most frequent first; `peeled` names tunnels
    and tags taken off.
    """

    read: int
    decoded: int
    skipped: tuple[tuple[str, int], ...] = ()
    truncated: int = 0
    duplicates: int = 0
    peeled: tuple[tuple[str, int], ...] = ()


class PacketDirection(IntEnum):
    """Which way a packet went at the machine that captured it."""

    UNKNOWN = 0
    RECEIVED = 1
    SENT = 2


@dataclass(frozen=True, slots=True)
class Trace:
    """One capture point, read to its exchanges.

    `connections[i].id == i`, `applications[i]` belongs to `connections[i]`, `exchanges[i].id == i`;
    exchanges are ordered by the frame they begin in. `first_ns`/`last_ns` is the window the capture
    was running for: the times of its first and last frame, 0 when empty.
    `packet_directions[frame - 1]` is the `PacketDirection` of a frame; it is empty when the link
    types tell of none. `pauses[frame]` is how often the stream of a frame with payload had paused
    when it came (`tcp.pauses`); it is empty when that is not known. `reasons` are what the bodies
    of error responses say, by their digests. `control` are the control frames of HTTP/2, `stalls`
    the times for which its flow control let nothing through, both by connection; `calls` are the
    exchanges that are gRPC calls, `parts` those of HTTP/2 that took as long as a pause or longer,
    `event_streams` those that are event streams, `web_sockets` what WebSockets carried, `tunnels`
    what was sent behind an upgrade to another protocol, both by connection. `icmp` are the messages
    about packets that were not delivered.
    """

    side: Side
    point: int
    files: tuple[CaptureFile, ...]
    packets: PacketCounts
    first_ns: int
    last_ns: int
    connections: Sequence[Connection]
    applications: Sequence[Application]
    exchanges: Sequence[Exchange]
    diagnostics: tuple[Diagnostic, ...] = ()
    packet_directions: bytes = b""
    pauses: Sequence[int] = ()
    reasons: Mapping[str, str] = field(default_factory=dict)
    control: Sequence[ControlFrame] = ()
    stalls: Sequence[WindowStall] = ()
    icmp: Sequence[IcmpError] = ()
    calls: Sequence[GrpcCall] = ()
    web_sockets: Sequence[WebSocket] = ()
    event_streams: Sequence[EventStream] = ()
    parts: Sequence[StreamParts] = ()
    tunnels: Sequence[Tunnel] = ()

    def __repr__(self) -> str:
        from lbtrace.presentation import trace_line

        return trace_line(self)

    @property
    def name(self) -> str:
        """The path of the first file, as given."""
        return self.files[0].path if self.files else ""

    def called(self, alone: bool, several: bool) -> str:
        """What a sentence calls the capture point: by its side, or by its first file where the side
        has `several`; `alone` when it is not compared with another.
        """
        if alone:
            return "this capture"
        file = f" {PurePath(self.name).name}" if several else ""
        return f"the {self.side.value} capture{file}"

    def reason_of(self, response: Response | None) -> str:
        """What the page of a response gives as the reason; "" if nothing."""
        return "" if response is None else self.reasons.get(response.body.digest or "", "")

    @property
    def not_read(self) -> list[Diagnostic]:
        """The diagnostics that say that a part of the capture was not read."""
        return [d for d in self.diagnostics if d.slug in _NOT_READ]

    @property
    def steady(self) -> bool:
        """Whether the clock of the capture was never seen to be set."""
        return not self.clock_set_at

    @property
    def clock_set_at(self) -> list[int]:
        """The first frames after the clock of the capture was set."""
        said = [d for d in self.diagnostics if d.slug in (SET_BACK, SET_FORWARD)]
        return [d.frame or 0 for d in said]

    @property
    def http3_packets(self) -> int:
        """The UDP packets to or from port 443, which may hold requests that are not read."""
        return sum(said.count for said in self.diagnostics if said.slug == HTTP3_NOT_READ)

    @property
    def first_http3(self) -> FrameRef:
        """The first of these packets; the first frame of the capture where there is none."""
        frames = ((d.frame, d.time_ns) for d in self.diagnostics if d.slug == HTTP3_NOT_READ)
        told = [(frame, time_ns) for frame, time_ns in frames if frame is not None]
        return self.ref(*min(told, default=(1, self.first_ns)))

    @property
    def duration_ns(self) -> int:
        """How long the capture ran."""
        return self.last_ns - self.first_ns

    @property
    def dropped(self) -> int:
        """The packets that the capture itself reports as dropped; 0 when it reports none."""
        return sum(file.dropped or 0 for file in self.files)

    def ref(self, frame: int, time_ns: int) -> FrameRef:
        """The address of a frame that is numbered through the point's files."""
        if len(self.files) == 1:
            return FrameRef(
                self.side, self.point, 0, frame - self.files[0].first_frame + 1, time_ns
            )
        starts = [f.first_frame for f in self.files]
        file = max(bisect_right(starts, frame) - 1, 0)
        return FrameRef(
            self.side, self.point, file, frame - (starts[file] if starts else 1) + 1, time_ns
        )
