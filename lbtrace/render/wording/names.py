"""Enums → words for people. One table per enum; a test proves that every member has its words."""

from __future__ import annotations

from lbtrace.model.http import Mark
from lbtrace.model.pairing import AttemptOutcome, Behaviour, Confidence, Tier, UnpairedReason
from lbtrace.model.report import Kind, Severity

KIND: dict[Kind, str] = {
    Kind.DIRECT: "No balancer in between",
    Kind.L4_PASSTHROUGH: "L4 load balancer, packets passed through",
    Kind.L4_PROXY: "L4 proxy",
    Kind.L7_PROXY: "L7 proxy",
    Kind.UNRELATED: "Unrelated captures",
    Kind.INCONCLUSIVE: "Inconclusive",
    Kind.AMBIGUOUS: "Ambiguous",
}

KIND_SENTENCE: dict[Kind, str] = {
    Kind.DIRECT: "The same connections appear in both captures, addresses and ports unchanged: "
    "nothing in between touches TCP.",
    Kind.L4_PASSTHROUGH: "It hands the client's packets on: one TCP connection runs from client "
    "to backend, and HTTP is never read.",
    Kind.L4_PROXY: "It ends each client TCP connection, opens one of its own to a backend for it, "
    "and copies bytes without reading HTTP.",
    Kind.L7_PROXY: "It ends the client's TCP connections, reads each HTTP request, and sends it "
    "on over connections of its own.",
    Kind.UNRELATED: "Nothing in one capture was found again in the other.",
    Kind.INCONCLUSIVE: "What was captured does not show what stands between the two captures.",
    Kind.AMBIGUOUS: "The evidence speaks for more than one kind of balancer.",
}

MODIFIER: dict[str, str] = {
    "snat": "the source address is rewritten (SNAT)",
    "dnat": "the destination address is rewritten (DNAT)",
    "dsr": "neither address is rewritten and answers return directly (DSR)",
    "tls-terminating": "TLS ends at the balancer",
    "tls-passthrough": "TLS passes through to the backend",
    "proxy-protocol": "a PROXY protocol header names the client",
}

CONFIDENCE: dict[Confidence, str] = {
    Confidence.CERTAIN: "certain",
    Confidence.HIGH: "high",
    Confidence.MEDIUM: "medium",
    Confidence.LOW: "low",
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
    AttemptOutcome.RESET: "reset",
    AttemptOutcome.CLOSED: "closed",
    AttemptOutcome.TIMEOUT: "timed out",
    AttemptOutcome.UNKNOWN: "answer not captured",
    AttemptOutcome.EITHER: "one of these",
}

UNPAIRED: dict[UnpairedReason, str] = {
    UnpairedReason.ANSWERED_BY_BALANCER: "answered by the balancer itself",
    UnpairedReason.NEVER_ANSWERED: "never answered, and never reached a backend",
    UnpairedReason.OUTSIDE_OTHER_CAPTURE: "the other capture was not running then",
    UnpairedReason.HEALTH_CHECK: "health check",
    UnpairedReason.OTHER_CLIENT: "from a client that was not captured, or from the balancer itself",
    UnpairedReason.COPY: "a copy (mirrored or warm-up traffic)",
    UnpairedReason.UNKNOWN: "the packets cannot tell",
}

BEHAVIOUR: dict[Behaviour, str] = {
    Behaviour.CONSTANT: "same each time",
    Behaviour.CLIENT_ADDRESS: "client's address",
    Behaviour.FRESH: "new each time",
    Behaviour.APPENDED: "appended to",
    Behaviour.REPLACED: "replaced",
    Behaviour.REMOVED: "removed",
    Behaviour.VARYING: "varies",
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
}


def reason(kind: str) -> str:
    """The kind of a piece of evidence → words: "<etag" is of the request, ">etag" of the
    response.
    """
    direction = {"<": "request ", ">": "response "}.get(kind[:1], "")
    return direction + kind[1:] if direction else kind
