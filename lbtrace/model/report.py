"""The finished Report: what a renderer reads. Renderers only read; nothing here is computed
late.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from typing import Literal, NamedTuple

from lbtrace.model.net import FrameRef, Side
from lbtrace.model.ordered import OrderedStrEnum
from lbtrace.model.pairing import Confidence, Correlation
from lbtrace.model.trace import Trace

Unit = Literal["text", "count", "ns", "bytes", "percent"]


class Value(NamedTuple):
    """A measured value with its unit; numbers stay integers (ns, bytes, count, percent) until a
    renderer writes them.
    """

    name: str
    value: int | str
    unit: Unit = "text"


class Severity(OrderedStrEnum):
    """How much a finding matters to whoever runs the balancer, apart from how sure it is."""

    INFO = "info"
    LOW = "low"
    MEDIUM = "medium"
    HIGH = "high"
    CRITICAL = "critical"


@dataclass(frozen=True, slots=True)
class Evidence:
    """The packets behind a claim: at least one frame, what each shows, and a Wireshark display
    filter per side that finds them.

    `client_filter`/`backend_filter` are "" when the evidence has no frame on that side.
    """

    frames: tuple[FrameRef, ...]
    note: str = ""
    client_filter: str = ""
    backend_filter: str = ""

    def __post_init__(self) -> None:
        if not self.frames:
            raise ValueError("evidence needs at least one frame")


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing lbtrace tells the user. `statement` is a sentence with {name} places for `values`,
    filled by the renderer.

    `slug` is the name of its file in lbtrace/findings with dashes, plus an optional ".variant".
    """

    slug: str
    title: str
    severity: Severity
    confidence: Confidence
    statement: str
    values: tuple[Value, ...]
    evidence: tuple[Evidence, ...]
    remedy: str = ""

    def __post_init__(self) -> None:
        if not self.evidence:
            raise ValueError(f"finding {self.slug} has no evidence")


class Kind(StrEnum):
    """What kind of load balancer stands between the captures."""

    DIRECT = "direct"
    L4_PASSTHROUGH = "l4-passthrough"
    L4_PROXY = "l4-proxy"
    L7_PROXY = "l7-proxy"
    UNRELATED = "unrelated"
    INCONCLUSIVE = "inconclusive"
    AMBIGUOUS = "ambiguous"


@dataclass(frozen=True, slots=True)
class Witness:
    """One independent observation and the kinds it speaks for and against. `name` is stable ("isn",
    "head-differences", …).
    """

    name: str
    statement: str
    values: tuple[Value, ...]
    speaks_for: tuple[Kind, ...]
    speaks_against: tuple[Kind, ...]
    evidence: tuple[Evidence, ...]


@dataclass(frozen=True, slots=True)
class ProfileMatch:
    """How well a known balancer fits. `matched`/`contradicted` are (rule, example) lines; `named`
    is True when it is distinctive enough to be named.
    """

    id: str
    name: str
    score: int  # 0 … 100
    named: bool
    matched: tuple[tuple[str, str], ...] = ()
    contradicted: tuple[tuple[str, str], ...] = ()
    forgiven: int = 0


@dataclass(frozen=True, slots=True)
class Verdict:
    """What kind of balancer this is, with its witnesses; `modifiers` refine it ("snat", "dnat",
    "dsr", "tls-terminating", "proxy-protocol").
    """

    kind: Kind
    confidence: Confidence
    modifiers: tuple[str, ...]
    witnesses: tuple[Witness, ...]
    profiles: tuple[ProfileMatch, ...] = ()
    reason: str = ""


@dataclass(frozen=True, slots=True)
class SideCounts:
    """Counting one side, health checks left out (and counted apart). Ratios are never taken from 0
    SYNs: see `already_open`.

    `syns` distinct SYNs, `opened` completed handshakes, `already_open` connections whose start was
    not captured, `requests`/`responses` HTTP messages, `http_connections` connections with at least
    one request, `requests_per_connection` (requests, connections) sorted, `check_*` what health
    checks account for.
    """

    side: Side
    packets: int
    connections: int
    syns: int
    syn_retransmissions: int
    opened: int
    already_open: int
    requests: int
    responses: int
    http_connections: int
    requests_per_connection: tuple[tuple[int, int], ...]
    check_connections: int = 0
    check_requests: int = 0


@dataclass(frozen=True, slots=True)
class Latency:
    """Nanoseconds, over `count` pairs. `added` is client total − backend total per pair (needs no
    common clock); the split before/after the backend needs the clock and carries its half-width,
    None when the clock was refused. `average`: the pairs are interchangeable, so median, percentile
    and maximum of what was added are all their average, the one number that does not depend on who
    is whose.
    """

    count: int
    added_median_ns: int
    added_p95_ns: int
    added_max_ns: int
    client_median_ns: int
    backend_median_ns: int
    forward_median_ns: int | None
    return_median_ns: int | None
    half_width_ns: int | None
    slowest_pair: int  # index in Correlation.pairs
    average: bool = False


@dataclass(frozen=True, slots=True)
class Report:
    """The result of `lbtrace.compare`."""

    version: str
    clients: tuple[Trace, ...]
    backends: tuple[Trace, ...]
    correlation: Correlation
    client_counts: SideCounts
    backend_counts: SideCounts
    latency: Latency | None
    findings: tuple[Finding, ...]
    verdict: Verdict

    def trace(self, side: Side, point: int) -> Trace:
        """The trace of a capture point."""
        return (self.clients if side is Side.CLIENT else self.backends)[point]
