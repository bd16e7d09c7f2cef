"""Comparison → what kind of load balancer this is, with the reasons.

Witnesses observe, each on its own (`witnesses`); a table says what every observation speaks for and
against and how strongly (`weigh`); which known balancer it looks like is a second, separate
judgement (`likeness`). INCONCLUSIVE and AMBIGUOUS are answers: a guess is not.
"""

from __future__ import annotations

from lbtrace.comparison import Comparison
from lbtrace.model.pairing import Confidence
from lbtrace.model.report import Kind, Verdict
from lbtrace.verdict.beside import beside
from lbtrace.verdict.likeness import likeness
from lbtrace.verdict.modifiers import modifiers
from lbtrace.verdict.next_capture import next_capture
from lbtrace.verdict.nothing import (
    as_a_set,
    at_one_time,
    belong_together,
    mostly_elsewhere,
    taken_on_balancer,
    without_pairs,
)
from lbtrace.verdict.weigh import KINDS, Judgement, undecided, weigh
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
ALIKE_AT_OTHER_TIMES = (
    "Exchanges only look alike on both sides, and by their own clocks the captures do not overlap "
    "in time: a script that ran twice looks the same. If a clock is wrong, state by how much with "
    "--clock-offset."
)


def judge(given: Comparison) -> Verdict:
    """Weigh the witnesses."""
    together = belong_together(given)
    most = beside(given)
    comparison = most.comparison
    paired = bool(comparison.pairs or comparison.connection_pairs)
    if not paired or not together:
        as_set = as_a_set(comparison)
        comparison = as_set if as_set.pairs or not paired else comparison
    observations = observe(comparison)
    if not comparison.pairs and not comparison.connection_pairs and not observations:
        judged = Judgement(*without_pairs(given))
    elif (comparison.pairs or comparison.connection_pairs) and not (
        together or belong_together(comparison)
    ):
        alike = ALIKE_BY_CHANCE if at_one_time(comparison) else ALIKE_AT_OTHER_TIMES
        judged = undecided(Kind.INCONCLUSIVE, alike)
    else:
        judged = most.weaken(_doubted(comparison, weigh(comparison, observations)))
    kind, confidence, reason, candidates = judged
    witnesses = tuple(o.witness() for o in observations)
    if kind in (Kind.UNRELATED, Kind.INCONCLUSIVE):
        return Verdict(kind, confidence, (), witnesses, (), reason, next_capture(given, kind))
    refined = modifiers(comparison, kind, observations)
    profiles = likeness(comparison, kind, refined) if confidence is not Confidence.LOW else ()
    step = next_capture(given, kind)
    return Verdict(kind, confidence, refined, witnesses, profiles, reason, step, candidates)


def _doubted(comparison: Comparison, judged: Judgement) -> Judgement:
    """A judgement, or why packets that were passed on unchanged say less than they seem to."""
    if judged.kind not in (Kind.DIRECT, Kind.L4_PASSTHROUGH):
        return judged
    both_sides = TWICE if comparison.same_captures else taken_on_balancer(comparison)
    if both_sides:
        return undecided(Kind.INCONCLUSIVE, both_sides)
    if judged.kind is Kind.DIRECT and (elsewhere := mostly_elsewhere(comparison)):
        return undecided(Kind.AMBIGUOUS, elsewhere, KINDS)
    return judged
