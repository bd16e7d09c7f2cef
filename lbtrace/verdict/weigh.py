"""Observations → one kind, by a table.

Every observation has a name and a variant; `TABLE` says which kinds the variant speaks for, which
it speaks against, and how strongly. DECISIVE rules out what it speaks against: a packet NAT cannot
change an initial sequence number, and a proxy of byte streams cannot change a header field. When
everything is ruled out the witnesses contradict each other and the answer is AMBIGUOUS; likewise
when two kinds come out level.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from enum import IntEnum

from lbtrace.comparison import Comparison, confidence_of
from lbtrace.model.pairing import CONFIDENCES, Confidence
from lbtrace.model.report import Evidence, Kind, Value, Witness
from lbtrace.tables.columns import distinct

DIRECT, PASSTHROUGH, L4, L7 = Kind.DIRECT, Kind.L4_PASSTHROUGH, Kind.L4_PROXY, Kind.L7_PROXY
WITHOUT_PAIRS = Confidence.MEDIUM  # what witnesses that need no pair can reach at most
CARRIED = ("head-differences", "byte-streams", "tls")  # witnesses of what connections carried
KINDS = (DIRECT, PASSTHROUGH, L4, L7)


class Strength(IntEnum):
    """How much an observation counts; DECISIVE excludes what it speaks against."""

    WEAK = 1
    MODERATE = 4
    STRONG = 10
    TELLING = 14  # outweighs a STRONG one, with a MODERATE margin
    DECISIVE = 100


@dataclass(frozen=True, slots=True)
class Weight:
    """What one variant of an observation means, and why. `needs_http`: only a proxy that reads HTTP
    can do this.
    """

    strength: Strength
    speaks_for: tuple[Kind, ...]
    speaks_against: tuple[Kind, ...]
    because: str
    needs_http: bool = False


TABLE: dict[tuple[str, str], Weight] = {
    ("isn", "same"): Weight(
        Strength.DECISIVE,
        (DIRECT, PASSTHROUGH),
        (L4, L7),
        "the sequence numbers are the same on both sides, where a proxy would choose its own",
    ),
    ("isn", "different"): Weight(
        Strength.STRONG,
        (L4, L7),
        (DIRECT, PASSTHROUGH),
        "the initial sequence numbers differ, so the balancer opens connections of its own",
    ),
    ("syn-options", "same"): Weight(
        Strength.MODERATE,
        (DIRECT, PASSTHROUGH),
        (L4, L7),
        "the SYNs carry the same options and timestamps on both sides",
    ),
    ("syn-options", "different"): Weight(
        Strength.MODERATE,
        (L4, L7),
        (DIRECT, PASSTHROUGH),
        "the SYNs behind the balancer are made by another TCP stack or clock",
    ),
    ("addresses", "same"): Weight(Strength.STRONG, (DIRECT,), (), "no address was rewritten"),
    ("addresses", "rewritten"): Weight(
        Strength.DECISIVE, (PASSTHROUGH, L4, L7), (DIRECT,), "addresses were rewritten"
    ),
    ("direct-return", "several-backends"): Weight(
        Strength.DECISIVE,
        (PASSTHROUGH,),
        (DIRECT, L4, L7),
        "several backends answer for one address, so something deals packets out to them",
    ),
    ("direct-return", "detour"): Weight(
        Strength.TELLING,
        (PASSTHROUGH,),
        (),
        "packets take a detour to the backend but come straight back, as with direct server return",
    ),
    ("direct-return", "asymmetric"): Weight(
        Strength.STRONG,
        (PASSTHROUGH,),
        (),
        "packets take another way to the backend than back, as with direct server return",
    ),
    ("connection-mapping", "shared"): Weight(
        Strength.DECISIVE,
        (L7,),
        (DIRECT, PASSTHROUGH, L4),
        "requests that share a connection on one side come over several on the other",
        needs_http=True,
    ),
    ("connection-mapping", "one-to-one"): Weight(
        Strength.WEAK,
        (L4,),
        (),
        "each client connection has a backend connection of its own, as with a proxy of byte "
        "streams",
    ),
    ("head-differences", "changed"): Weight(
        Strength.DECISIVE,
        (L7,),
        (DIRECT, PASSTHROUGH, L4),
        "start lines or header fields are changed",
        needs_http=True,
    ),
    ("head-differences", "changed-in-some"): Weight(
        Strength.MODERATE,
        (L7,),
        (DIRECT, PASSTHROUGH, L4),
        "some start lines or header fields are changed",
        needs_http=True,
    ),
    ("head-differences", "identical-hop-fields"): Weight(
        Strength.STRONG,
        (DIRECT, PASSTHROUGH, L4),
        (L7,),
        "heads pass unchanged, with fields that an HTTP proxy would have made its own",
    ),
    ("head-differences", "identical"): Weight(
        Strength.MODERATE,
        (DIRECT, PASSTHROUGH, L4),
        (L7,),
        "heads pass unchanged, where HTTP proxies usually leave a trace",
    ),
    ("proxy-header", "added"): Weight(
        Strength.MODERATE, (L4,), (DIRECT,), "a PROXY header was put before the client's bytes"
    ),
    ("byte-streams", "same"): Weight(
        Strength.STRONG,
        (DIRECT, PASSTHROUGH, L4),
        (L7,),
        "connections carry the same bytes on both sides",
    ),
    ("tls", "passed"): Weight(
        Strength.DECISIVE,
        (DIRECT, PASSTHROUGH, L4),
        (L7,),
        "TLS is passed on, and who cannot decrypt cannot read HTTP",
    ),
    ("tls", "removed"): Weight(
        Strength.DECISIVE, (L4, L7), (DIRECT, PASSTHROUGH), "TLS ends at the balancer"
    ),
    ("tls", "renewed"): Weight(
        Strength.DECISIVE,
        (L4, L7),
        (DIRECT, PASSTHROUGH),
        "the balancer ends TLS and begins it anew",
    ),
    ("forwarding-fields", "state-https"): Weight(
        Strength.STRONG,
        (L7,),
        (L4,),
        "requests say that the client spoke https, which needs a proxy that writes HTTP",
    ),
    ("forwarding-fields", "state-client"): Weight(
        Strength.MODERATE,
        (L7,),
        (L4,),
        "all requests state a client or a proxy, which clients seldom do themselves",
    ),
    ("own-answers", "some"): Weight(
        Strength.WEAK,
        (L7,),
        (),
        "some requests were answered by the balancer itself, which needs HTTP",
    ),
    ("attempts", "several"): Weight(
        Strength.MODERATE,
        (L7,),
        (DIRECT, PASSTHROUGH, L4),
        "requests were sent to backends again, which only a proxy that keeps them can do",
    ),
}


@dataclass(frozen=True, slots=True)
class Observation:
    """What a witness saw. `statement` has {name} places for `values`; `evidence` holds the
    frames.
    """

    name: str
    variant: str
    statement: str
    values: tuple[Value, ...]
    evidence: tuple[Evidence, ...]

    @property
    def weight(self) -> Weight:
        """What it means."""
        return TABLE[self.name, self.variant]

    def witness(self) -> Witness:
        """As the report shows it."""
        return Witness(
            self.name,
            self.statement,
            self.values,
            self.weight.speaks_for,
            self.weight.speaks_against,
            self.evidence,
        )


def weigh(
    comparison: Comparison, observations: Sequence[Observation]
) -> tuple[Kind, Confidence, str]:
    """(kind, confidence, why in a sentence)."""
    if not observations:
        return (
            Kind.INCONCLUSIVE,
            Confidence.LOW,
            "Exchanges correspond, but nothing captured tells how the balancer treats connections.",
        )
    score = dict.fromkeys(KINDS, 0)
    excluded: dict[Kind, Observation] = {}
    for o in observations:
        for kind in o.weight.speaks_for:
            score[kind] += o.weight.strength
        for kind in o.weight.speaks_against:
            score[kind] -= o.weight.strength
            if o.weight.strength is Strength.DECISIVE:
                excluded.setdefault(kind, o)
    left = sorted((k for k in KINDS if k not in excluded and score[k] > 0), key=lambda k: -score[k])
    if not left:
        names = sorted({o.name for o in excluded.values()} or {o.name for o in observations})
        return (
            Kind.AMBIGUOUS,
            Confidence.LOW,
            f"The witnesses contradict each other: {', '.join(names)}.",
        )
    best = left[0]
    margin = score[best] - score[left[1]] if len(left) > 1 else score[best]
    if margin < Strength.MODERATE and len(left) > 1:
        return (
            Kind.AMBIGUOUS,
            Confidence.LOW,
            f"What was seen fits {left[0].value} as well as {left[1].value}.",
        )
    return best, _confidence(comparison, margin, observations, best), _reason(best, observations)


def _confidence(
    comparison: Comparison, margin: int, observations: Sequence[Observation], best: Kind
) -> Confidence:
    """The pairs' own confidence bounds it; so does the distance to the next kind, and every witness
    that speaks against.
    """
    pairs = _pair_confidence(comparison)
    by_margin = (
        Confidence.CERTAIN
        if margin >= Strength.DECISIVE
        else Confidence.HIGH
        if margin >= Strength.STRONG
        else Confidence.MEDIUM
        if margin >= Strength.MODERATE
        else Confidence.LOW
    )
    dissent = any(
        best in o.weight.speaks_against and o.weight.strength >= Strength.MODERATE
        for o in observations
    )
    ceiling = Confidence.MEDIUM if dissent else Confidence.CERTAIN
    if best is L4 and not any(o.name in CARRIED for o in observations):
        # a proxy that reads HTTP opens connections of its own, and may send a PROXY header, just
        # the same
        ceiling = Confidence.LOW
    return min(pairs, by_margin, ceiling)


def _pair_confidence(comparison: Comparison) -> Confidence:
    known = [CONFIDENCES[rank] for rank in distinct(comparison.connection_matches.rank).tolist()]
    if comparison.matches:
        known.append(confidence_of(comparison.matches))
    return max(known, default=WITHOUT_PAIRS)


def _reason(best: Kind, observations: Sequence[Observation]) -> str:
    """The two strongest observations in favour, the most telling (for the fewest kinds) first."""
    telling = sorted(
        (o for o in observations if best in o.weight.speaks_for),
        key=lambda o: (-o.weight.strength, len(o.weight.speaks_for)),
    )
    weights = [o.weight for o in telling[:2]]
    if len(weights) == 2 and all(m.needs_http for m in weights):
        because = "; ".join(m.because for m in weights)
        text = f"{because}: both need a proxy that reads HTTP"
    else:
        text = "; ".join(
            f"{m.because}, which needs a proxy that reads HTTP" if m.needs_http else m.because
            for m in weights
        )
    more = (
        " A balancer that hands packets on unchanged would look the same." if best is DIRECT else ""
    )
    return f"{text[:1].upper()}{text[1:]}.{more}"
