"""What belongs together across the balancer, and on what evidence (docs/how-it-works.md,
design/pairing).

Backend things are named by (capture point, id in that point's trace); client things likewise.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from enum import IntEnum, StrEnum
from typing import NamedTuple

from lbtrace.model.net import Endpoint
from lbtrace.model.ordered import OrderedStrEnum


class Ref(NamedTuple):
    """An exchange or a connection of one side: `point` counts the side's capture points, `id` is
    its index in that trace.
    """

    point: int
    id: int


class Tier(IntEnum):
    """The evidence that decided a pair, strongest first."""

    SAME_PACKETS = 1  # same sequence numbers: the balancer passed the packets on
    # the balancer named the client's address and port (PROXY protocol, X-Forwarded-For, Forwarded)
    STATED_ADDRESS = 2
    RARE_TOKEN = 3  # a value seen on both sides that is rare in each
    SHAPE = 4  # method, target, body, status, response digest agree and nothing else does
    TIME = 5  # the backend exchange lies inside the client exchange and no other does
    ORDER = 6  # nothing separates the candidates: paired in order, interchangeable


class Confidence(OrderedStrEnum):
    """How sure a statement is. CERTAIN needs tier 1 or 2; LOW is never counted as knowledge."""

    LOW = "low"
    MEDIUM = "medium"
    HIGH = "high"
    CERTAIN = "certain"


CONFIDENCES = tuple(Confidence)  # by rank


class AttemptOutcome(StrEnum):
    """How one backend exchange that a client exchange caused ended."""

    ANSWERED = "answered"  # its response is the one the client got
    SUPERSEDED = (
        "superseded"  # a complete response the client did not get (retried 5xx, lost hedge)
    )
    # packets are passed on, and of this response none, or not enough, came to the client
    NOT_ARRIVED = "not-arrived"
    RESET = "reset"
    CLOSED = "closed"
    TIMEOUT = "timeout"  # nothing came before the balancer gave up
    UNKNOWN = "unknown"  # its response is not in the capture
    # mirrored traffic: sent beside the attempt whose answer the client got, to a server whose
    # answers nobody ever gets
    COPY = "copy"
    # the client got this answer or that of another attempt, which may be it as well (mirror, hedge)
    EITHER = "either"


class Attempt(NamedTuple):
    """One backend exchange that a client exchange caused."""

    backend: Ref
    outcome: AttemptOutcome


class Clue(StrEnum):
    """One piece of evidence for a pair. What a Reason's `field` and `value` are, is in the
    comments.
    """

    SEQUENCE_NUMBERS = "sequence-numbers"
    CLIENT_HELLO = "client-hello"  # the same random
    STATED_ADDRESS = "stated-address"  # field: where, as in Stated; value: address:port
    # values that both exchanges have and few others
    REQUEST_VALUE = "request-value"  # of a header field, whatever it is called
    RESPONSE_VALUE = "response-value"
    REQUEST_FIELD = "request-field"  # of the header field `field`
    RESPONSE_FIELD = "response-field"
    REQUEST_BODY = "request-body"  # value: its digest
    RESPONSE_BODY = "response-body"
    # what an end sent in a WebSocket; value: its digest
    CLIENT_MESSAGES = "client-messages"
    SERVER_MESSAGES = "server-messages"
    # what an end sent in a tunnel; value: its digest
    CLIENT_BYTES = "client-bytes"
    SERVER_BYTES = "server-bytes"
    # of a header field that the balancer wrote into the request and into the client's answer
    BALANCER_ID = "balancer-id"
    TARGET = "target"
    TARGET_END = "target-end"  # the last two segments of the path
    LAST_SEGMENT = "last-segment"
    QUERY = "query"
    # what was sent has the same shape: method, target, bodies, status
    SAME_REQUEST = "same-request"
    SAME_REQUEST_UNANSWERED = "same-request-unanswered"  # and no answer came from this backend
    SAME_EXCHANGE = "same-exchange"
    ONLY_SAME_EXCHANGE = "only-same-exchange"  # and no other is the same
    ONE_OF_ALIKE = "one-of-alike"  # value: of how many
    COPIES_SHARE_ID = "copies-share-id"  # the attempts carry one id
    ONLY_ONE_INSIDE = "only-one-inside"  # in time
    # its connection is that of the backend exchange, and it has the same place on it
    WHOLE_CONNECTION = "whole-connection"
    PAIRED_IN_ORDER = "paired-in-order"


class Reason(NamedTuple):
    """A Clue as it was met: `value` and `field` are text of the capture, "" when it needs none."""

    clue: Clue
    value: str = ""
    field: str = ""


class ExchangePair(NamedTuple):
    """A client exchange with the backend exchanges it caused, in time order; the last one is the
    one answered, if any was (the last ones, if it is one of several: EITHER).

    `group` numbers the set of interchangeable pairs it belongs to (None: it stands alone): within a
    group any assignment fits the packets equally well. `reasons` are the pieces of evidence,
    strongest first.
    """

    client: Ref
    attempts: tuple[Attempt, ...]
    tier: Tier
    confidence: Confidence
    group: int | None = None
    reasons: tuple[Reason, ...] = ()


class PairSet(NamedTuple):
    """A set of exchanges that nothing tells apart: within it any assignment fits the packets
    equally well.

    `group` is the number that its pairs bear. `clients` and `backends` are its members, also those
    that are left without a partner. `fixed` indexes `Correlation.pairs`: pairs of exchanges that
    could have been partners of members by themselves, and that every largest assignment has.
    """

    group: int
    clients: tuple[Ref, ...]
    backends: tuple[Ref, ...]
    fixed: tuple[int, ...] = ()


class Incomplete(StrEnum):
    """What shows that exchanges of a side may be missing in its captures."""

    BYTES_MISSING = "bytes-missing"  # bytes that were sent were not captured
    REQUEST_MISSING = "request-missing"  # of an exchange
    # an exchange of the other side, of a kind that pairs, has no partner here
    PARTNER_MISSING = "partner-missing"
    NOTHING_PAIRED = "nothing-paired"  # so nothing shows what belongs together


class SideCompleteness(NamedTuple):
    """Whether the captures of a side show every exchange that the other side's belong to.

    `reason` is why not, None where they do. Its packets are those of an exchange of this side
    (REQUEST_MISSING) or of the other one (PARTNER_MISSING), or of a connection of this side
    (BYTES_MISSING).
    """

    reason: Incomplete | None = Incomplete.NOTHING_PAIRED
    exchange: Ref | None = None
    connection: Ref | None = None

    @property
    def complete(self) -> bool:
        """Nothing shows that something is missing."""
        return self.reason is None


class Completeness(NamedTuple):
    """Of both sides."""

    client: SideCompleteness = SideCompleteness()
    backend: SideCompleteness = SideCompleteness()


class UnpairedReason(StrEnum):
    """Why an exchange has no partner."""

    ANSWERED_BY_BALANCER = "answered-by-balancer"
    NEVER_ANSWERED = "never-answered"  # a request without response and without partner
    OUTSIDE_OTHER_CAPTURE = "outside-other-capture"  # the other capture holds nothing of that time
    HEALTH_CHECK = "health-check"
    OTHER_CLIENT = "other-client"  # a client that is not in the client capture
    COPY = "copy"  # mirrored or warm-up traffic
    UNKNOWN = "unknown"  # the packets cannot tell


class UnpairedDetail(StrEnum):
    """What the reason for a missing partner rests on. Those with a value name it in the comment."""

    # client exchanges: the answer shows that the balancer made it
    NO_REQUEST = "no-request"  # what the client sent is no request
    CACHE_AGE = "cache-age"  # value: Age, in seconds (RFC 9111 §5.1)
    CACHE_HIT = "cache-hit"  # value: the header line that says so
    # value: the directive that says so; a stored answer was fresh, and no backend was asked
    STORED_ANSWER = "stored-answer"
    NO_DATE = "no-date"  # every answer of the backends has a Date (RFC 9110 §6.6.1)
    # names of fields are in lower case in every answer that is passed on, and not in this one
    OWN_CASE = "own-case"
    NO_UPSTREAM_FIELD = "no-upstream-field"  # value: what it writes into each answer of a backend
    OWN_PAGE = "own-page"  # value: the software whose built-in page the body is
    NO_SERVER = "no-server"  # the answers of the backends have a Server field
    OTHER_SERVER = "other-server"  # value: the Server field, which no backend sends
    GATEWAY_ERROR = "gateway-error"  # value: status 502, 503 or 504 (RFC 9110 §15.6)
    # value: a status about the request itself, in the name that the balancer puts in every answer
    REFUSED_REQUEST = "refused-request"
    UNPASSED_STATUS = "unpassed-status"  # value: the status, of an answer nothing lies behind
    # client exchanges: why that is not known
    CONNECTION_GOES_ON = "connection-goes-on"  # behind the balancer, with whatever it carries
    ALSO_ASKED = "also-asked"  # a backend was asked for the same, by an unknown client exchange
    OTHER_BACKEND = "other-backend"  # the answer looks like one of a backend
    ERROR_OF_EITHER = "error-of-either"  # of the balancer, or of a backend that was not captured
    ANSWER_NOT_CAPTURED = "answer-not-captured"
    BACKEND_REQUEST_LOST = "backend-request-lost"  # a backend gave such an answer, to one not seen
    REQUEST_NOT_CAPTURED = "request-not-captured"
    NO_ANSWER = "no-answer"  # and no backend exchange
    SENT_AFTER_CLOSE = "sent-after-close"  # the balancer had begun to close the connection
    NOT_ACKNOWLEDGED = "not-acknowledged"  # value: how often it was sent; nobody received it
    NO_ANSWER_UNDECIDED = "no-answer-undecided"  # and a backend may have been asked
    # backend exchanges
    # the server had answered, and ended the connection, before the request came
    ANSWERED_BEFORE = "answered-before"
    ASKED_BY_CLIENT = "asked-by-client"  # a client asked the same, and has no partner either
    # a client got such an answer, and has no partner either; its target may have been changed
    ANSWERED_ALIKE = "answered-alike"
    REPEATED = "repeated"  # value: the server that was asked the same
    OTHER_ADDRESS = "other-address"  # value: the client address that the balancer states
    CLIENT_REQUEST_LOST = "client-request-lost"  # a client's that is not in the capture may be it
    NO_CLIENT_EXCHANGE = "no-client-exchange"  # none of its time and kind is left
    MAY_BE_HTTP3 = "may-be-http3"  # the client side has UDP packets that are not read
    ONE_OF_SEVERAL = "one-of-several"  # that look the same, more than the client side has
    # exchanges of either side
    NOT_RUNNING = "not-running"  # no capture of the other side ran at that time
    CAPTURE_EDGE = "capture-edge"  # a capture of the other side began or ended meanwhile
    CLOCK_SET = "clock-set"  # both captures go on with such requests: a clock may have been set
    NOTHING_MATCHES = "nothing-matches"  # no exchange was paired at all


class Unpaired(NamedTuple):
    """A client (`side` "client") or backend exchange without a partner, and why. `value` is what a
    `detail` names, text of the capture.
    """

    side: str
    ref: Ref
    reason: UnpairedReason
    confidence: Confidence
    detail: UnpairedDetail | None = None
    value: str = ""


class ConnectionBasis(StrEnum):
    """Why two connections are one client's conversation."""

    SAME_PACKETS = (
        "same-packets"  # equal initial sequence numbers (or sequence numbers and payload)
    )
    STATED_ADDRESS = "stated-address"
    TLS_CLIENT_HELLO = "tls-client-hello"  # same ClientHello random
    SAME_BYTES = "same-bytes"  # byte streams agree
    EXCHANGES = "exchanges"  # their exchanges pair, one to one
    TIME = "time"


class ConnectionPair(NamedTuple):
    """A client connection and a backend connection that carried it as a whole."""

    client: Ref
    backend: Ref
    basis: ConnectionBasis
    confidence: Confidence


class ClockRefusal(StrEnum):
    """Why there is no estimate of a clock."""

    NO_PAIR = "no-pair"  # no pair of exchanges bounds it
    # pairs agree on one offset up to some moment and on another from there: see `Clock.step`
    CLOCK_SET = "clock-set"
    CONTRADICTED = "contradicted"  # too many pairs contradict every offset
    DOUBTFUL = "doubtful"  # only pairs of low confidence bound it


class ClockStep(NamedTuple):
    """A clock was set: δ changed by `by_ns`, at `after_ns` after the first pair or later.

    `before_ns` and `since_ns` are the intervals of δ before and since. Of the backend requests,
    frame `last_frame` is the last one that is known to come before it, `first_frame` the first one
    since; both are 0 where that is not known.
    """

    by_ns: int
    after_ns: int
    before_ns: tuple[int, int] = (0, 0)
    since_ns: tuple[int, int] = (0, 0)
    last_frame: int = 0
    first_frame: int = 0


class TimesAlone(NamedTuple):
    """How a clock was found that no pair bounds: `inside` of a sample of backend exchanges lie
    inside client exchanges at its offset, `elsewhere` at the best other one, which is `other_ns`
    (None: none lies inside anywhere else). `bits`: how improbable that is by chance.
    """

    sample: int
    inside: int
    elsewhere: int
    other_ns: int | None
    bits: float


@dataclass(frozen=True, slots=True)
class Clock:
    """δ = client clock − backend clock, for one client point and one backend point, as an interval.

    At backend time `reference_ns`, δ lies in [`low_ns`, `high_ns`]; it changes by `drift_ppb`
    (parts per billion; 0 when none was fitted) of elapsed time. `pairs` pairs bound it, `outliers`
    contradict it and were left out. `refused` is why there is no estimate, None when there is one.
    `step` goes with CLOCK_SET. `stated` marks an offset given by the user.
    """

    client_point: int
    backend_point: int
    low_ns: int = 0
    high_ns: int = 0
    drift_ppb: int = 0
    reference_ns: int = 0
    pairs: int = 0
    outliers: int = 0
    refused: ClockRefusal | None = None
    stated: bool = False
    step: ClockStep | None = None
    times_alone: TimesAlone | None = None  # where times found it, and pairs at most tightened it

    @property
    def half_width_ns(self) -> int:
        """The ± that every time carried across the two captures has."""
        return (self.high_ns - self.low_ns + 1) // 2

    @property
    def middle_ns(self) -> int:
        """The middle of the interval for δ at `reference_ns`."""
        return (self.low_ns + self.high_ns) // 2

    def delta_ns(self, backend_ns: int) -> int:
        """The middle of the interval for δ at a backend time."""
        return self.middle_ns + self.drift_ppb * (backend_ns - self.reference_ns) // 1_000_000_000


@dataclass(frozen=True, slots=True)
class AddressMapping:
    """A client address in the client capture and the address the balancer saw for it, in `count` of
    `of` pairs.

    `stated_by` is the field that states it, or "PROXY" for a PROXY header; None when nothing does,
    and it is the source of the backend connections.
    """

    client: str
    seen_as: str
    stated_by: str | None
    count: int
    of: int

    @property
    def stated_in(self) -> str:
        """What `stated_by` is called in a report."""
        return "source address" if self.stated_by is None else self.stated_by


@dataclass(frozen=True, slots=True)
class Topology:
    """The roles of the hosts: clients, the endpoints the balancer listens on, the addresses it
    connects from (none when it leaves the clients' on the packets), backends.
    """

    clients: tuple[str, ...] = ()
    fronts: tuple[Endpoint, ...] = ()
    balancer_back: tuple[str, ...] = ()
    backends: tuple[Endpoint, ...] = ()
    mappings: tuple[AddressMapping, ...] = ()

    @property
    def sources(self) -> tuple[str, ...]:
        """The addresses that backends see: the balancer's own, else those that it left on the
        packets.
        """
        kept = (m.seen_as for m in self.mappings if m.stated_by is None)
        return self.balancer_back or tuple(dict.fromkeys(kept))


class ChangeKind(StrEnum):
    """What happened to a header field between client and backend side (direction says which
    way).
    """

    ADDED = "added"
    REMOVED = "removed"
    CHANGED = "changed"
    RECASED = "re-cased"
    REORDERED = "re-ordered"
    DUPLICATED = "duplicated"


class Pattern(StrEnum):
    """What is regular about a change, over all pairs."""

    CONSTANT = "constant"
    CLIENT_ADDRESS = "client-address"
    FRESH = "fresh"  # another value each time
    APPENDED = "appended"
    REPLACED = "replaced"
    REMOVED = "removed"
    VARYING = "varying"


@dataclass(frozen=True, slots=True)
class HeaderChange:
    """One kind of change to one field, over all pairs. `request`: on the way to the backend, else
    on the way back.

    `count` of `of` comparable pairs show it. `before`/`after` are example raw lines in the
    direction of travel ("" when absent), `example` indexes the pair in `Correlation.pairs`.
    `hop_by_hop`: the field is this hop's own business (RFC 9110 §7.6.1) or re-framing, legal to
    differ.
    """

    request: bool
    kind: ChangeKind
    name: str
    behaviour: Pattern
    count: int
    of: int
    before: str
    after: str
    example: int
    hop_by_hop: bool = False
    values: tuple[str, ...] = ()  # up to five distinct values after the change


@dataclass(frozen=True, slots=True)
class HealthCheck:
    """A balancer's probing of one backend endpoint. `period_ns` is the median distance of two
    checks, None with fewer than three.
    """

    source: str
    target: Endpoint
    point: int
    method: str  # "" for a TCP-only check
    path: str
    user_agent: str
    period_ns: int | None
    exchanges: tuple[int, ...]
    connections: tuple[int, ...]
    confidence: Confidence = Confidence.HIGH
    reasons: tuple[str, ...] = ()


class OtherOffset(NamedTuple):
    """An offset that fits more pairs than the stated one: how many fit each, and some that fit it,
    as (client, backend).
    """

    stated_ns: int
    fitting: int
    offset_ns: int
    half_width_ns: int
    fitting_there: int
    examples: tuple[tuple[Ref, Ref], ...]


@dataclass(frozen=True, slots=True)
class Correlation:
    """Everything the two sides have to do with each other. Every client exchange is in exactly one
    pair or `unpaired`, and so is every backend exchange.
    """

    pairs: Sequence[ExchangePair] = ()
    connection_pairs: tuple[ConnectionPair, ...] = ()
    unpaired: tuple[Unpaired, ...] = ()
    clocks: tuple[Clock, ...] = ()
    topology: Topology = Topology()
    changes: tuple[HeaderChange, ...] = ()
    trailer_changes: tuple[HeaderChange, ...] = ()
    health_checks: tuple[HealthCheck, ...] = ()
    sets: Sequence[PairSet] = ()
    completeness: Completeness = field(default_factory=Completeness)
    # the captures were given in the wrong order; in a Report they are the right way round
    swapped: bool = False
    order_shown: bool = True  # something shows which side is which, in the order given or the other
    other_offset: OtherOffset | None = None  # what fits better than the stated clock offset
