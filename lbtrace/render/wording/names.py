"""Enums → words for people. One table per enum; a test proves that every member has its words."""

from __future__ import annotations

from lbtrace.language import N, Texts, tr
from lbtrace.model.http import Mark, Response
from lbtrace.model.net import Side
from lbtrace.model.pairing import (
    AttemptOutcome,
    Clock,
    ClockRefusal,
    Clue,
    Confidence,
    Pattern,
    Reason,
    Tier,
    Unpaired,
    UnpairedDetail,
    UnpairedReason,
)
from lbtrace.model.report import Kind, NotCaptured, Reuse, Severity

KIND: dict[Kind, str] = {
    Kind.DIRECT: "No balancer in between, or one that changes no packet",
    Kind.L4_PASSTHROUGH: "L4 load balancer, packets passed through",
    Kind.L4_PROXY: "L4 proxy",
    Kind.L7_PROXY: "L7 proxy",
    Kind.UNRELATED: "Unrelated captures",
    Kind.INCONCLUSIVE: "Inconclusive",
    Kind.AMBIGUOUS: "Ambiguous",
}

KIND_SENTENCE: dict[Kind, str] = {
    Kind.DIRECT: "The same connections appear in both captures, addresses and ports unchanged: "
    "nothing in between touches TCP. A balancer that only sends packets on, with direct server "
    "return (DSR), looks the same.",
    Kind.L4_PASSTHROUGH: "It hands the client's packets on: one TCP connection runs from client "
    "to backend, and HTTP is never read.",
    Kind.L4_PROXY: "It ends each client TCP connection, opens one of its own to a backend for it, "
    "and copies bytes without reading HTTP.",
    Kind.L7_PROXY: "It ends the client's TCP connections, reads each HTTP request, and sends it "
    "on over connections of its own.",
    Kind.UNRELATED: "Nothing in one capture was found again in the other.",
    Kind.INCONCLUSIVE: "What was captured does not show what stands between the two sides.",
    Kind.AMBIGUOUS: "The evidence speaks for more than one kind of balancer.",
}

# verdicts that say that nothing, or nearly nothing, could be compared
NOT_COMPARED = (Kind.UNRELATED, Kind.INCONCLUSIVE)
# verdicts whose reason is all that there is to say
NOT_KNOWN = (*NOT_COMPARED, Kind.AMBIGUOUS)

MODIFIER: dict[str, str] = {
    "snat": "the source address is rewritten (SNAT)",
    "dnat": "the destination address is rewritten (DNAT)",
    "dsr": "neither address is rewritten and answers return directly (DSR)",
    "tls-terminating": "TLS ends at the balancer",
    "tls-reencrypting": "the balancer speaks TLS of its own to the backend",
    "tls-passthrough": "TLS passes through to the backend",
    "proxy-protocol": "a PROXY protocol header names the client",
}

CONFIDENCE: dict[Confidence, str] = {
    Confidence.CERTAIN: "certain",
    Confidence.HIGH: "high",
    Confidence.MEDIUM: "medium",
    Confidence.LOW: "low",
}

# {already_open} is the number of connections behind the balancer that were open before
REUSE: dict[Reuse, str] = {
    Reuse.SHOWN: "connections behind are used again",
    Reuse.UNKNOWN: "no SYN of {already_open} behind the balancer was captured: no ratio",
}

NOT_CAPTURED: dict[NotCaptured, str] = {
    NotCaptured.OTHER_SIDE: "{which}: the packets do not show on which side of a balancer it was "
    "taken, and the other side is not in it.",
    NotCaptured.IN_FRONT: "{which}: its requests came through a balancer or proxy. What is in "
    "front of that is not in it.",
    NotCaptured.NOTHING: "{which}, taken on a balancer: both sides are in it, and each request "
    "that was passed on is counted twice. lbtrace compare --lb tells the sides apart.",
    NotCaptured.PERHAPS_NOTHING: "{which}, taken on a host that takes connections and opens "
    "others. If that is a balancer, both sides are in it: lbtrace compare --lb.",
    NotCaptured.BEHIND: "{which}: its responses came through a balancer or proxy. What is behind "
    "that is not in it.",
}
SEVERITY: dict[Severity, str] = {
    Severity.CRITICAL: "CRITICAL",
    Severity.HIGH: "HIGH",
    Severity.MEDIUM: "MEDIUM",
    Severity.LOW: "LOW",
    Severity.INFO: "INFO",
}

TIER: dict[Tier, str] = {
    Tier.SAME_PACKETS: "same packets",
    Tier.STATED_ADDRESS: "address stated",
    Tier.RARE_TOKEN: "rare value",
    Tier.SHAPE: "same shape",
    Tier.TIME: "nested in time",
    Tier.ORDER: "order only",
}

TIER_SENTENCE: dict[Tier, str] = {
    Tier.SAME_PACKETS: "the same TCP sequence numbers on both sides",
    Tier.STATED_ADDRESS: "the balancer stated the client's address and port",
    Tier.RARE_TOKEN: "a value rare in both captures appears on both sides",
    Tier.SHAPE: "method, target, bodies and status agree, for no other candidate",
    Tier.TIME: "the backend exchange lies inside the client exchange in time, no other does",
    Tier.ORDER: "nothing separates the candidates: paired in order, interchangeable",
}

TIER_SLUG: dict[Tier, str] = {
    Tier.SAME_PACKETS: "same-packets",
    Tier.STATED_ADDRESS: "stated-address",
    Tier.RARE_TOKEN: "rare-token",
    Tier.SHAPE: "shape",
    Tier.TIME: "time",
    Tier.ORDER: "order",
}

OUTCOME: dict[AttemptOutcome, str] = {
    AttemptOutcome.ANSWERED: "answered",
    AttemptOutcome.SUPERSEDED: "answer not used",
    AttemptOutcome.NOT_ARRIVED: "answer did not arrive",
    AttemptOutcome.COPY: "copy",
    AttemptOutcome.RESET: "reset",
    AttemptOutcome.CLOSED: "closed",
    AttemptOutcome.TIMEOUT: "timed out",
    AttemptOutcome.UNKNOWN: "answer not captured",
    AttemptOutcome.EITHER: "one of these",
}

UNPAIRED: dict[UnpairedReason, str] = {
    UnpairedReason.ANSWERED_BY_BALANCER: "answered by the balancer itself",
    UnpairedReason.NEVER_ANSWERED: "never answered",
    UnpairedReason.OUTSIDE_OTHER_CAPTURE: "the other capture holds nothing of that time",
    UnpairedReason.HEALTH_CHECK: "health check",
    UnpairedReason.OTHER_CLIENT: "from a client that was not captured, or from the balancer itself",
    UnpairedReason.COPY: "a copy (mirrored or warm-up traffic)",
    UnpairedReason.UNKNOWN: "the packets cannot tell",
}

# {} is the value, {other} the other side
UNPAIRED_DETAIL: dict[UnpairedDetail, str] = {
    UnpairedDetail.NO_REQUEST: "what the client had sent is no request: there was none to pass on",
    UnpairedDetail.CACHE_AGE: "Age: {}: from a cache",
    UnpairedDetail.CACHE_HIT: "answered from a cache ({})",
    UnpairedDetail.STORED_ANSWER: "answered from a cache: an earlier answer was fresh ({})",
    UnpairedDetail.NO_DATE: "without the Date that every answer of the backends has",
    UnpairedDetail.OWN_CASE: "its field names have capitals, which the balancer takes away from "
    "every answer that it passes on",
    UnpairedDetail.NO_UPSTREAM_FIELD: "without {}, which the balancer writes into every answer of "
    "a backend",
    UnpairedDetail.OWN_PAGE: "with the built-in error page of {}",
    UnpairedDetail.NO_SERVER: "without the Server field of the backends",
    UnpairedDetail.OTHER_SERVER: "Server: {}, which no backend sends",
    UnpairedDetail.GATEWAY_ERROR: "{} is what a balancer says of its backends",
    UnpairedDetail.REFUSED_REQUEST: "{} says that the request itself is at fault, in the "
    "balancer's name",
    UnpairedDetail.UNPASSED_STATUS: "{} with nothing behind it",
    UnpairedDetail.CONNECTION_GOES_ON: "its connection goes on behind the balancer",
    UnpairedDetail.ALSO_ASKED: "a backend was asked for the same, and nothing tells whose request "
    "that was",
    UnpairedDetail.OTHER_BACKEND: "answered as a backend answers, but by none that was captured: "
    "another backend, or packets not captured",
    UnpairedDetail.ERROR_OF_EITHER: "an error of the balancer's, or of a backend that was not "
    "captured: others were answered by such a one",
    UnpairedDetail.ANSWER_NOT_CAPTURED: "its answer is not in the capture",
    UnpairedDetail.BACKEND_REQUEST_LOST: "a backend gave such an answer to a request that is not "
    "in the capture",
    UnpairedDetail.REQUEST_NOT_CAPTURED: "its request is not in the capture",
    UnpairedDetail.NO_ANSWER: "no answer, and no backend exchange",
    UnpairedDetail.SENT_AFTER_CLOSE: "the balancer had begun to close the connection before",
    UnpairedDetail.NOT_ACKNOWLEDGED: "sent {} times, and nobody acknowledged it",
    UnpairedDetail.ANSWERED_BEFORE: "the backend had answered before this request came",
    UnpairedDetail.NO_ANSWER_UNDECIDED: "no answer, and nothing tells whether a backend was asked",
    UnpairedDetail.ASKED_BY_CLIENT: "a client asked for the same, and nothing tells whether this "
    "is its request",
    UnpairedDetail.CLIENT_REQUEST_LOST: "it may be a request of a client that is not in the "
    "capture",
    UnpairedDetail.ANSWERED_ALIKE: "a client got such an answer, and nothing tells whether it is "
    "this one: the balancer may have changed the target",
    UnpairedDetail.REPEATED: "repeats what {} was asked, and no client got its answer",
    UnpairedDetail.OTHER_ADDRESS: "asked by {}, which no client capture shows",
    UnpairedDetail.NO_CLIENT_EXCHANGE: "no client exchange around it matches",
    UnpairedDetail.MAY_BE_HTTP3: "it may have come over HTTP/3 (QUIC), which is not read",
    UnpairedDetail.ONE_OF_SEVERAL: "one of several that look the same, more than the client side "
    "has",
    UnpairedDetail.NOT_RUNNING: "no {other} capture was running then",
    UnpairedDetail.CAPTURE_EDGE: "a {other} capture began or ended while it was going on",
    UnpairedDetail.CLOCK_SET: "both captures go on with requests like this: a clock may have been "
    "set in between",
    UnpairedDetail.NOTHING_MATCHES: "nothing on the {other} side matches",
}

# (what was compared, {} is the field; what was seen on both sides, {} is the value)
CLUE: dict[Clue, tuple[str, str]] = {
    Clue.SEQUENCE_NUMBERS: (N("sequence numbers"), N("the same on both sides")),
    Clue.CLIENT_HELLO: (N("TLS ClientHello"), N("the same random on both sides")),
    Clue.STATED_ADDRESS: ("{}", "{}"),
    Clue.REQUEST_VALUE: (N("request value"), "{}"),
    Clue.RESPONSE_VALUE: (N("response value"), "{}"),
    Clue.REQUEST_FIELD: (N("request {}"), "{}"),
    Clue.RESPONSE_FIELD: (N("response {}"), "{}"),
    Clue.REQUEST_BODY: (N("request body"), "{}"),
    Clue.RESPONSE_BODY: (N("response body"), "{}"),
    Clue.CLIENT_MESSAGES: (N("WebSocket messages of the client"), "{}"),
    Clue.SERVER_MESSAGES: (N("WebSocket messages of the server"), "{}"),
    Clue.CLIENT_BYTES: (N("bytes of the client in the tunnel"), "{}"),
    Clue.SERVER_BYTES: (N("bytes of the server in the tunnel"), "{}"),
    Clue.BALANCER_ID: (N("id of the balancer"), "{}"),
    Clue.TARGET: (N("target"), "{}"),
    Clue.TARGET_END: (N("end of the target"), "{}"),
    Clue.LAST_SEGMENT: (N("last segment of the target"), "{}"),
    Clue.QUERY: (N("query"), "{}"),
    Clue.SAME_REQUEST: (N("shape"), N("same request")),
    Clue.SAME_REQUEST_UNANSWERED: (N("shape"), N("same request, no answer from it")),
    Clue.SAME_EXCHANGE: (N("shape"), N("same request and answer")),
    Clue.ONLY_SAME_EXCHANGE: (N("shape"), N("the only one with this request and answer")),
    Clue.ONE_OF_ALIKE: (N("shape"), N("one of {} that look the same")),
    Clue.COPIES_SHARE_ID: (N("request"), N("its copies carry one id")),
    Clue.ONLY_ONE_INSIDE: (N("time"), N("the only one inside it")),
    Clue.WHOLE_CONNECTION: (N("connection"), N("at the same place of the same connection")),
    Clue.PAIRED_IN_ORDER: (N("order"), N("paired in order")),
}

CLOCK_REFUSAL: dict[ClockRefusal, str] = {
    ClockRefusal.NO_PAIR: "no pair of exchanges bounds it",
    ClockRefusal.CLOCK_SET: "the client's clock was set {client}, or the backend's {backend}, by "
    "{by_s:.3f} s, {after_s:.1f} s or more after the first pair",
    ClockRefusal.CONTRADICTED: "{outliers} of {pairs} pairs contradict every offset",
    ClockRefusal.DOUBTFUL: "only doubtful pairs bound it",
}

BEHAVIOUR: dict[Pattern, str] = {
    Pattern.CONSTANT: "same each time",
    Pattern.CLIENT_ADDRESS: "client's address",
    Pattern.FRESH: "new each time",
    Pattern.APPENDED: "appended to",
    Pattern.REPLACED: "replaced",
    Pattern.REMOVED: "removed",
    Pattern.VARYING: "varies",
}

MARK: dict[Mark, str] = {
    Mark.HEAD_TRUNCATED: "head cut",
    Mark.BODY_TRUNCATED: "body cut",
    Mark.RETRANSMITTED: "retransmitted",
    Mark.RESYNCED: "found after a gap",
    Mark.PIPELINED: "pipelined",
    Mark.LOST: "lost in capture",
    Mark.RESET: "reset",
    Mark.CLOSED: "closed early",
    Mark.CAPTURE_ENDED: "capture ended",
    Mark.MALFORMED: "malformed",
    Mark.AMBIGUOUS_FRAMING: "ambiguous framing",
    Mark.PAIRED_BY_ORDER: "paired by order",
    Mark.FROM_SERVER: "sent by the server",
}

# looked up in the language that is spoken
KIND = Texts(KIND)
KIND_SENTENCE = Texts(KIND_SENTENCE)
MODIFIER = Texts(MODIFIER)
CONFIDENCE = Texts(CONFIDENCE)
REUSE = Texts(REUSE)
NOT_CAPTURED = Texts(NOT_CAPTURED)
SEVERITY = Texts(SEVERITY)
TIER = Texts(TIER)
TIER_SENTENCE = Texts(TIER_SENTENCE)
OUTCOME = Texts(OUTCOME)
UNPAIRED = Texts(UNPAIRED)
UNPAIRED_DETAIL = Texts(UNPAIRED_DETAIL)
BEHAVIOUR = Texts(BEHAVIOUR)
MARK = Texts(MARK)
CLOCK_REFUSAL = Texts(CLOCK_REFUSAL)


def status(response: Response | None) -> str:
    """The status of a response, "none" without a response."""
    if response is None:
        return tr("none")
    return str(response.status) if response.status else tr("unstated")


def unpaired_detail(u: Unpaired) -> str:
    """What the reason for a missing partner rests on, "" when nothing more is known. The value in
    it is text of the capture.
    """
    if u.detail is None:
        return ""
    other = Side.BACKEND if u.side == Side.CLIENT else Side.CLIENT
    return UNPAIRED_DETAIL[u.detail].format(u.value, other=tr(other.value))


def clock_refusal(clock: Clock) -> str:
    """Why a clock has no estimate, "" when it has one."""
    if clock.refused is None:
        return ""
    by_ns, after_ns, *_ = clock.step or (0, 0)
    ways = (tr("forward"), tr("back"))
    client, backend = ways if by_ns > 0 else ways[::-1]
    return CLOCK_REFUSAL[clock.refused].format(
        client=client,
        backend=backend,
        by_s=abs(by_ns) / 1e9,
        after_s=after_ns / 1e9,
        outliers=clock.outliers,
        pairs=clock.pairs,
    )


def reason(found: Reason) -> tuple[str, str]:
    """A piece of evidence → (what was compared, what was seen on both sides). A field and a value
    are text of the capture.
    """
    return reason_kind(found), reason_value(found)


def reason_kind(found: Reason) -> str:
    """What was compared."""
    return tr(CLUE[found.clue][0]).format(found.field)


def shows_value(clue: Clue) -> bool:
    """Whether what was seen on both sides is told by the value alone."""
    return CLUE[clue][1] == "{}"


def reason_value(found: Reason) -> str:
    """What was seen on both sides."""
    if shows_value(found.clue):
        return found.value
    return tr(CLUE[found.clue][1]).format(found.value)
