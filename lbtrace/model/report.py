"""The finished Report: what a renderer reads. Renderers only read; nothing here is computed
late.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from enum import StrEnum
from typing import TYPE_CHECKING, Any, Literal, NamedTuple

from lbtrace.model.http import ClientHello
from lbtrace.model.net import FrameRef, Side
from lbtrace.model.ordered import OrderedStrEnum
from lbtrace.model.pairing import Confidence, Correlation, Reason, Ref, Tier, UnpairedReason
from lbtrace.model.trace import Trace

if TYPE_CHECKING:
    from lbtrace.model.behaviour import Behaviour
    from lbtrace.model.problems import Problem

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
    `compared`: the frames are of messages without the fault, to compare.
    """

    frames: tuple[FrameRef, ...]
    note: str = ""
    client_filter: str = ""
    backend_filter: str = ""
    compared: bool = False

    def __post_init__(self) -> None:
        if not self.frames:
            raise ValueError("evidence needs at least one frame")


MOST_REQUESTS = 1000  # different ones, of a finding
MOST_CONNECTIONS = 1000  # of a finding


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing lbtrace tells the user. `statement` is a sentence with {name} places for `values`,
    filled by the renderer.

    `slug` is the name of its file in lbtrace/findings/*/ with dashes, plus an optional ".variant".
    `requests` are all those that it is about ("GET /health"), each once; none where it is not about
    requests, or about more than `MOST_REQUESTS` different ones. `failed` are
    the connections behind the balancer that failed in what it tells of, MOST_CONNECTIONS at most.
    """

    slug: str
    title: str
    severity: Severity
    confidence: Confidence
    statement: str
    values: tuple[Value, ...]
    evidence: tuple[Evidence, ...]
    remedy: str = ""
    requests: tuple[str, ...] = ()
    failed: tuple[Ref, ...] = ()

    def __post_init__(self) -> None:
        if not self.evidence:
            raise ValueError(f"finding {self.slug} has no evidence")

    @property
    def text(self) -> str:
        """The sentence, with its values filled in. Captured credentials are not masked."""
        from lbtrace.presentation import finding_text

        return finding_text(self)

    def __repr__(self) -> str:
        from lbtrace.presentation import finding_line

        return finding_line(self)

    def about(self, requests: tuple[str, ...]) -> Finding:
        """The same, with the requests that it is about."""
        return replace(self, requests=requests)

    def on(self, connections: tuple[Ref, ...]) -> Finding:
        """The same, with the connections behind the balancer that failed in it."""
        return replace(self, failed=connections)


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
    "dsr", "tls-terminating", "proxy-protocol"). `next_step`: if it decides nothing, the capture
    that would. `candidates` are the kinds that are possible where it is AMBIGUOUS, best first.
    """

    kind: Kind
    confidence: Confidence
    modifiers: tuple[str, ...]
    witnesses: tuple[Witness, ...]
    profiles: tuple[ProfileMatch, ...] = ()
    reason: str = ""
    next_step: str = ""
    candidates: tuple[Kind, ...] = ()


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

    @property
    def ratio(self) -> tuple[int, int] | None:
        """(SYNs, requests), None when either is 0: a connection whose SYN was not captured says
        nothing about reuse.
        """
        return (self.syns, self.requests) if self.syns and self.requests else None


class CaptureCounts(NamedTuple):
    """Counting one capture point alone. `exchanges` are those on each connection."""

    syns: int
    already_open: int
    requests: int
    exchanges: Sequence[int]


class Encrypted(NamedTuple):
    """The connections of a capture point that carry TLS, and the first ClientHello seen on one."""

    connections: int
    hello: ClientHello | None


@dataclass(frozen=True, slots=True)
class TierCount:
    """The pairs that one kind of evidence decided. `example` is the first piece of it, None when no
    pair has one.
    """

    tier: Tier
    count: int
    example: Reason | None


@dataclass(frozen=True, slots=True)
class UnpairedCount:
    """The exchanges of one side that have no partner for the same reason, and the first of them."""

    side: Side
    reason: UnpairedReason
    count: int
    first: Ref


class Reuse(StrEnum):
    """What the counts of both sides say about reuse of connections behind the balancer."""

    SHOWN = "shown"  # fewer connections carry requests there than in front
    UNKNOWN = "unknown"  # they were open before the capture began


@dataclass(frozen=True, slots=True)
class Summary:
    """What the pairs, and the exchanges without a partner, add up to.

    `tiers` are in order of strength, `unpaired` in order of frequency. `interchangeable` pairs form
    `groups`. `unsure` pairs have LOW confidence. `answered_by_balancer` are the client requests
    that never reached a backend, `sent_again` the attempts beyond the first of each pair,
    `syn_retransmissions` those of both sides. `requests_compared`: of how many known pairs both
    request heads are whole, so that no difference means that nothing was changed; of these,
    `targets_changed` ask the backend for another resource. `responses_compared`: some pair has both
    response heads whole. `past_the_balancer`: pairs of clients that asked a backend itself.
    `one_capture`: both sides are read from the same files. `behind_nat` are the addresses under
    which a NAT before the balancer shows clients.
    """

    tiers: tuple[TierCount, ...] = ()
    unpaired: tuple[UnpairedCount, ...] = ()
    interchangeable: int = 0
    groups: int = 0
    unsure: int = 0
    answered_by_balancer: int = 0
    sent_again: int = 0
    syn_retransmissions: int = 0
    requests_compared: int = 0
    targets_changed: int = 0
    responses_compared: bool = False
    past_the_balancer: int = 0
    reuse: Reuse | None = None
    one_capture: bool = False
    behind_nat: frozenset[str] = frozenset()


MIN_PERCENTILE_PAIRS = 20  # with fewer the 95th percentile is the maximum


class Excluded(NamedTuple):
    """Time that is taken off: in how many pairs, and the longest."""

    pairs: int
    longest_ns: int


NOTHING_TAKEN_OFF = Excluded(0, 0)


@dataclass(frozen=True, slots=True)
class Latency:
    """Nanoseconds, over `count` pairs. `added` is client total − backend total per pair (needs no
    common clock), without `sending` and `reading`, which are not the balancer's: by how much longer
    the client sent its request than the balancer sent it on, and for how long the client kept its
    window closed while the response came. The split before/after the backend needs the clock and
    carries its half-width, None when the clock was refused. `average`: the pairs are
    interchangeable, so median, percentile and maximum of what was added are all their average, the
    one number that does not depend on who is whose. `left_out`: why other pairs are not measured,
    and how many.
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
    sending: Excluded = NOTHING_TAKEN_OFF
    reading: Excluded = NOTHING_TAKEN_OFF
    left_out: tuple[tuple[str, int], ...] = ()

    @property
    def has_percentile(self) -> bool:
        """Whether the 95th percentile says more than the maximum."""
        return self.count >= MIN_PERCENTILE_PAIRS and not self.average

    @property
    def ways_ns(self) -> tuple[int, int, int] | None:
        """(to the backend, back, half-width of each), None when the clocks are not known."""
        ways = self.forward_median_ns, self.return_median_ns, self.half_width_ns
        return None if None in ways else ways  # type: ignore[return-value]

    @property
    def tells_ways_apart(self) -> bool:
        """Whether the clocks are known well enough to tell the two ways apart."""
        return self.ways_ns is not None and min(self.ways_ns[:2]) > self.ways_ns[2]


class ShownResult:
    """How a result of lbtrace shows itself in Python, and what it can be turned into."""

    __slots__ = ()

    def __str__(self) -> str:
        """The first screen, as on the command line."""
        from lbtrace.presentation import page

        return page(self._result)

    def _repr_html_(self) -> str:
        """The first screen, in a notebook."""
        from lbtrace.presentation import html

        return html(self._result)

    def to_dict(self, *, show_secrets: bool = False) -> dict[str, Any]:
        """What `--format json` writes (docs/json-format.md). Credentials are masked, unless
        `show_secrets`.
        """
        from lbtrace.presentation import to_dict

        return to_dict(self._result, show_secrets)

    def to_arrow(self, *, show_secrets: bool = False) -> dict[str, Any]:
        """Tables by name (docs/notebook.md), each a pyarrow.Table. Credentials are masked, unless
        `show_secrets`. OptionError without pyarrow.
        """
        from lbtrace.presentation import to_arrow

        return to_arrow(self._result, show_secrets)

    def to_pandas(self, *, show_secrets: bool = False) -> dict[str, Any]:
        """The same, each a pandas.DataFrame. OptionError without pyarrow or pandas."""
        from lbtrace.presentation import to_pandas

        return to_pandas(self._result, show_secrets)

    def to_polars(self, *, show_secrets: bool = False) -> dict[str, Any]:
        """The same, each a polars.DataFrame. OptionError without pyarrow or polars."""
        from lbtrace.presentation import to_polars

        return to_polars(self._result, show_secrets)

    @property
    def _result(self) -> Report | CaptureReport:
        assert isinstance(self, Report | CaptureReport)
        return self


@dataclass(frozen=True, slots=True)
class Report(ShownResult):
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
    summary: Summary = Summary()
    behaviour: Behaviour | None = None

    @property
    def problems(self) -> tuple[Problem, ...]:
        """What is wrong, the gravest first."""
        from lbtrace.model.problems import problems

        return problems(self.findings)

    @property
    def window_ns(self) -> tuple[int, int]:
        """When the captures of the client side ran, by their own clocks: first and last frame. Of
        the backend side if that side alone has frames.
        """
        for traces in (self.clients, self.backends):
            ran = [trace for trace in traces if trace.packets.read]
            if ran:
                return min(t.first_ns for t in ran), max(t.last_ns for t in ran)
        return 0, 0

    def trace(self, side: Side, point: int) -> Trace:
        """The trace of a capture point."""
        return (self.clients if side is Side.CLIENT else self.backends)[point]

    def __repr__(self) -> str:
        from lbtrace.presentation import report_line

        return report_line(self)


class NotCaptured(StrEnum):
    """What one capture alone does not hold: the side of a balancer beyond it."""

    OTHER_SIDE = "other-side"  # the packets do not show on which side the capture was taken
    IN_FRONT = "in-front"  # its requests came through a proxy: it was taken behind one
    BEHIND = "behind"  # its responses came through a proxy: it was taken in front of one
    NOTHING = "nothing"  # it was taken on a balancer, and holds both of its sides
    PERHAPS_NOTHING = "perhaps-nothing"  # its host takes connections and opens others


@dataclass(frozen=True, slots=True)
class CaptureAlone:
    """One capture point, what it shows alone, and what it cannot.

    Frames of the findings have the side that the trace was read as, whichever side it was taken on.
    """

    trace: Trace
    findings: tuple[Finding, ...] = ()
    not_captured: NotCaptured = NotCaptured.OTHER_SIDE


@dataclass(frozen=True, slots=True)
class CaptureReport(ShownResult):
    """The result of `lbtrace.show`: capture points, each read alone, in the order given.

    A finding of `captures[i]` names frames of point i. `trace` is that of the first capture.
    """

    captures: tuple[CaptureAlone, ...]

    @property
    def trace(self) -> Trace:
        """The capture, if there is one; the first of several."""
        return self.captures[0].trace

    @property
    def findings(self) -> tuple[Finding, ...]:
        """Those of each capture, one after the other."""
        return tuple(finding for alone in self.captures for finding in alone.findings)

    @property
    def problems(self) -> tuple[Problem, ...]:
        """What is wrong in any of them, the gravest first."""
        from lbtrace.model.problems import problems

        return problems(*(alone.findings for alone in self.captures))

    def problems_of(self, point: int) -> tuple[Problem, ...]:
        """Those of one capture."""
        return tuple(problem for problem in self.problems if problem.since.point == point)

    @property
    def not_captured(self) -> NotCaptured:
        """What none of them holds, if that is the same for all; else the other side of each."""
        every = {alone.not_captured for alone in self.captures}
        return every.pop() if len(every) == 1 else NotCaptured.OTHER_SIDE

    def __repr__(self) -> str:
        from lbtrace.presentation import capture_report_line

        return capture_report_line(self)
