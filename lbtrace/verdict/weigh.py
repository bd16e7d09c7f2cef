"""Observations → one kind of balancer, by a table.

Every observation has a name and a variant. `TABLE` says which kinds the variant supports, which it
opposes, and how strongly. A DECISIVE observation rules out the kinds it opposes: a packet NAT
cannot change an initial sequence number, and a proxy of byte streams cannot change a header field.

The kind with the highest score wins. The answer is AMBIGUOUS when every kind is ruled out, because
then the observations contradict each other, and when two kinds score nearly the same. A proxy of
whose bytes nothing was seen is AMBIGUOUS as well: one that reads HTTP opens connections of its own
too, and may send a PROXY header.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from enum import IntEnum
from typing import NamedTuple

from lbtrace.comparison import Comparison, confidence_of, evidence
from lbtrace.comparison.claims import Measured, values
from lbtrace.language import N
from lbtrace.language.reasons import joined
from lbtrace.model.net import FrameRef
from lbtrace.model.pairing import CONFIDENCES, Confidence
from lbtrace.model.report import Evidence, Kind, Value, Witness
from lbtrace.tables.columns import distinct

DIRECT, PASSTHROUGH, L4, L7 = Kind.DIRECT, Kind.L4_PASSTHROUGH, Kind.L4_PROXY, Kind.L7_PROXY
KINDS = (DIRECT, PASSTHROUGH, L4, L7)
MAX_WITHOUT_PAIRS = Confidence.MEDIUM  # observations that need no pair are no surer than this
ABOUT_BYTES = (
    "head-differences",
    "settings",
    "byte-streams",
    "tls",
)  # they look at what connections carried
BYTES_UNSEEN = (
    "What was seen fits l4-proxy as well as l7-proxy: only bytes that are known from both sides "
    "show whether the balancer reads HTTP."
)


class Strength(IntEnum):
    """How much an observation adds to the score of a kind, or takes from it."""

    NONE = 0  # it is told, and decides nothing
    WEAK = 1
    MODERATE = 4
    STRONG = 10
    VERY_STRONG = 14  # more than a STRONG one by a MODERATE margin
    DECISIVE = 100  # the kinds it speaks against are ruled out


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
        "the SYNs on the backend side come from another TCP stack or clock",
    ),
    ("addresses", "same"): Weight(Strength.STRONG, (DIRECT,), (), "no address was rewritten"),
    ("addresses", "rewritten"): Weight(
        Strength.DECISIVE, (PASSTHROUGH, L4, L7), (DIRECT,), "addresses were rewritten"
    ),
    ("direct-return", "several-backends"): Weight(
        Strength.DECISIVE,
        (PASSTHROUGH,),
        (DIRECT, L4, L7),
        "several backends answer for one address, so something distributes packets to them",
    ),
    ("direct-return", "detour"): Weight(
        Strength.VERY_STRONG,
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
    ("connection-mapping", "outlasting"): Weight(
        Strength.MODERATE,
        (L7,),
        (L4,),
        "requests of one connection behind come over a longer time than any client's lasts",
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
        "the heads are unchanged, even the fields that an HTTP proxy writes anew",
    ),
    ("head-differences", "identical"): Weight(
        Strength.MODERATE,
        (DIRECT, PASSTHROUGH, L4),
        (L7,),
        "the heads are unchanged, though HTTP proxies usually leave a trace",
    ),
    ("settings", "different"): Weight(
        Strength.DECISIVE,
        (L7,),
        (DIRECT, PASSTHROUGH, L4),
        "the SETTINGS of HTTP/2 are others behind the balancer, so it ends HTTP/2 and begins it "
        "anew",
        needs_http=True,
    ),
    ("settings", "different-in-some"): Weight(
        Strength.MODERATE,
        (L7,),
        (DIRECT, PASSTHROUGH, L4),
        "some connections have other SETTINGS of HTTP/2 behind the balancer",
        needs_http=True,
    ),
    ("settings", "same"): Weight(
        Strength.NONE,
        (DIRECT, PASSTHROUGH, L4),
        (),
        "the SETTINGS of HTTP/2 are the same on both sides, as they also are where the same "
        "library speaks on both",
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
        "TLS is passed on, and whoever cannot decrypt it cannot read HTTP",
    ),
    ("tls", "removed"): Weight(
        Strength.DECISIVE, (L4, L7), (DIRECT, PASSTHROUGH), "TLS ends at the balancer"
    ),
    ("tls", "renewed"): Weight(
        Strength.DECISIVE,
        (L4, L7),
        (DIRECT, PASSTHROUGH),
        "the balancer ends TLS and starts its own",
    ),
    ("forwarding-fields", "state-https"): Weight(
        Strength.STRONG,
        (L7,),
        (L4,),
        "requests state that the client used https, which only a proxy that writes HTTP can add",
    ),
    ("forwarding-fields", "state-client"): Weight(
        Strength.MODERATE,
        (L7,),
        (L4,),
        "every request carries X-Forwarded-For or the like, which clients rarely send",
    ),
    ("own-answers", "some"): Weight(
        Strength.WEAK,
        (L7,),
        (),
        "the balancer answered some requests itself, so it reads HTTP",
    ),
    ("own-answers", "of-a-gateway"): Weight(
        Strength.MODERATE,
        (L7,),
        (),
        "clients were told in HTTP that no backend answered, while no connection behind opened",
        needs_http=True,
    ),
    ("attempts", "several"): Weight(
        Strength.MODERATE,
        (L7,),
        (DIRECT, PASSTHROUGH, L4),
        "requests were sent to a backend more than once, which only a proxy that stores them "
        "can do",
    ),
}


AS_UNCHANGED = N("A balancer that hands packets on unchanged would look the same.")


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

    @classmethod
    def of(
        cls,
        name: str,
        variant: str,
        statement: str,
        frames: Iterable[FrameRef],
        **measured: Measured,
    ) -> Observation:
        """A sentence with the values of its places, and the frames that prove it."""
        return cls(name, variant, statement, values(**measured), evidence(frames))

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


class Judgement(NamedTuple):
    """A kind, how sure it is, and why in a sentence or two; of an AMBIGUOUS one the kinds that are
    possible, best first.
    """

    kind: Kind
    confidence: Confidence
    reason: str
    candidates: tuple[Kind, ...] = ()


def undecided(kind: Kind, reason: str, candidates: Sequence[Kind] = ()) -> Judgement:
    """INCONCLUSIVE or AMBIGUOUS, which is never sure."""
    return Judgement(kind, Confidence.LOW, reason, tuple(candidates))


def weigh(comparison: Comparison, observations: Sequence[Observation]) -> Judgement:
    """The kind that the observations support best."""
    observations = [o for o in observations if o.weight.strength]
    if not observations:
        return undecided(
            Kind.INCONCLUSIVE,
            "Exchanges correspond, but nothing captured shows how the balancer treats connections.",
        )
    ruled_out = {
        kind: o
        for o in reversed(observations)
        if o.weight.strength is Strength.DECISIVE
        for kind in o.weight.speaks_against
    }
    score = _scores(observations)
    left = [kind for kind in KINDS if kind not in ruled_out and score[kind] > 0]
    left.sort(key=lambda kind: -score[kind])
    if not left:
        names = sorted({o.name for o in ruled_out.values()} or {o.name for o in observations})
        return undecided(
            Kind.AMBIGUOUS,
            f"The observations contradict each other: {', '.join(names)}.",
            _supported(observations, score),
        )
    best, *others = left
    margin = score[best] - (score[others[0]] if others else 0)
    if others and margin < Strength.MODERATE:
        return undecided(
            Kind.AMBIGUOUS,
            f"What was seen fits {best.value} as well as {others[0].value}.",
            [kind for kind in left if score[best] - score[kind] < Strength.MODERATE],
        )
    if best is L4 and not any(o.name in ABOUT_BYTES for o in observations):
        return undecided(Kind.AMBIGUOUS, BYTES_UNSEEN, (L4, L7))
    confidence = min(_pair_confidence(comparison), _by_margin(margin), _ceiling(best, observations))
    return Judgement(best, confidence, _reason(best, observations))


def _supported(observations: Sequence[Observation], score: Mapping[Kind, int]) -> list[Kind]:
    """The kinds that some observation supports, best first."""
    supported = {kind for o in observations for kind in o.weight.speaks_for}
    return sorted((kind for kind in KINDS if kind in supported), key=lambda kind: -score[kind])


def _scores(observations: Sequence[Observation]) -> dict[Kind, int]:
    """What the observations add to each kind and take from it."""
    score = dict.fromkeys(KINDS, 0)
    for o in observations:
        for kind in o.weight.speaks_for:
            score[kind] += o.weight.strength
        for kind in o.weight.speaks_against:
            score[kind] -= o.weight.strength
    return score


def _pair_confidence(comparison: Comparison) -> Confidence:
    """The kind is no surer than the pairs that the observations rest on. Connections that carried
    nothing show how they were opened, and not what becomes of traffic.
    """
    pairs = comparison.connection_pairs
    used = comparison.pairs_that_carried(pairs)
    known = [CONFIDENCES[rank] for rank in distinct(pairs.rank[used]).tolist()]
    if comparison.pairs:
        known.append(confidence_of(comparison.pairs))
    return max(known, default=MAX_WITHOUT_PAIRS)


def _by_margin(margin: int) -> Confidence:
    """The farther the next kind is behind, the surer."""
    if margin >= Strength.DECISIVE:
        return Confidence.CERTAIN
    if margin >= Strength.STRONG:
        return Confidence.HIGH
    return Confidence.MEDIUM if margin >= Strength.MODERATE else Confidence.LOW


def _ceiling(best: Kind, observations: Sequence[Observation]) -> Confidence:
    """An observation that opposes the kind leaves a doubt."""
    opposed = any(
        best in o.weight.speaks_against and o.weight.strength >= Strength.MODERATE
        for o in observations
    )
    return Confidence.MEDIUM if opposed else Confidence.CERTAIN


def _reason(best: Kind, observations: Sequence[Observation]) -> str:
    """The two strongest observations in favour; of equally strong ones those that support the
    fewest kinds.
    """
    in_favour = sorted(
        (o.weight for o in observations if best in o.weight.speaks_for),
        key=lambda weight: (-weight.strength, len(weight.speaks_for)),
    )[:2]
    text = joined([(weight.because, weight.needs_http) for weight in in_favour])
    return f"{text} {AS_UNCHANGED}" if best is DIRECT else text
