"""Correlation → what kind of load balancer this is, with the reasons.

Witnesses observe, each on its own (`witnesses`); a table says what every observation speaks for and
against and how strongly (`weigh`); which known balancer it looks like is a second, separate
judgement (`likeness`). INCONCLUSIVE and AMBIGUOUS are answers: a guess is not.
"""

from __future__ import annotations

from lbtrace.comparison import Comparison
from lbtrace.model.pairing import Confidence
from lbtrace.model.report import Kind, Verdict
from lbtrace.verdict.likeness import likeness
from lbtrace.verdict.modifiers import modifiers
from lbtrace.verdict.next_capture import next_capture
from lbtrace.verdict.nothing import (
    as_a_set,
    belong_together,
    mostly_elsewhere,
    taken_on_balancer,
    without_pairs,
)
from lbtrace.verdict.weigh import weigh
from lbtrace.verdict.witnesses import observe

__all__ = ["judge"]

TWICE = (
    "Both captures hold the same packets at the same times: the same capture was given twice, "
    "and cannot show what a balancer did."
)
ALIKE_BY_CHANCE = (
    "Some exchanges look alike on both sides, but too few, and too little like each other, to "
    "show that the captures belong together."
)


def judge(given: Comparison) -> Verdict:
    """Weigh the witnesses."""
    comparison = given
    paired = bool(comparison.pairs or comparison.connection_pairs)
    if not paired or not belong_together(comparison):
        as_set = as_a_set(comparison)
        comparison = as_set if as_set.pairs or not paired else comparison
    observations = observe(comparison)
    if not comparison.pairs and not comparison.connection_pairs and not observations:
        kind, confidence, reason = without_pairs(given)
    elif (comparison.pairs or comparison.connection_pairs) and not belong_together(comparison):
        kind, confidence, reason = Kind.INCONCLUSIVE, Confidence.LOW, ALIKE_BY_CHANCE
    else:
        kind, confidence, reason = weigh(comparison, observations)
        both_sides = (
            ""
            if kind not in (Kind.DIRECT, Kind.L4_PASSTHROUGH)
            else TWICE
            if comparison.same_captures
            else taken_on_balancer(comparison)
        )
        if both_sides:
            kind, confidence, reason = Kind.INCONCLUSIVE, Confidence.LOW, both_sides
        elif kind is Kind.DIRECT and (elsewhere := mostly_elsewhere(comparison)):
            kind, confidence, reason = Kind.AMBIGUOUS, Confidence.LOW, elsewhere
    witnesses = tuple(o.witness() for o in observations)
    if kind in (Kind.UNRELATED, Kind.INCONCLUSIVE):
        return Verdict(kind, confidence, (), witnesses, (), reason, next_capture(given, kind))
    refined = modifiers(comparison, kind, observations)
    profiles = likeness(comparison, kind, refined) if confidence is not Confidence.LOW else ()
    step = next_capture(given, kind)
    return Verdict(kind, confidence, refined, witnesses, profiles, reason, step)
