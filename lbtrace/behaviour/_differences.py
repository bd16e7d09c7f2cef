"""Two Behaviours → the facts that differ, those that are the same, those known on one side only.

Two recordings have different lengths, so numbers of cases are never compared: a share is the same
when it holds in all, in some or in none of the cases of both. A time is the same when the errors of
both overlap. What belongs to a recording and not to a balancer (lines, shares per backend, the
longest time) is not compared.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from enum import StrEnum
from typing import NamedTuple

from lbtrace.model.behaviour import Behaviour, Fact
from lbtrace.model.pairing import ChangeKind

OF_THE_RECORDING = ("habits", "exchanges", "distribution")
LONGEST = "latency.added-max"
SUMMARIES = ("request.headers", "response.headers")
FEW = 2  # cases below which "new each time" and "the same each time" are one
CHANGES = tuple(kind.value for kind in ChangeKind)
NOT_THERE = "not there"
NONE_SUCH = "no such finding"


class Comparability(StrEnum):
    """What can be said of a fact on two sides."""

    DIFFERS = "differs"
    SAME = "same"
    UNKNOWN = "unknown in one"


class FactPair(NamedTuple):
    """A fact on both sides."""

    name: str
    result: Comparability
    before: Fact
    after: Fact


def compared(one: Behaviour, other: Behaviour) -> tuple[FactPair, ...]:
    """Every fact that either side has, in the order of the first."""
    names = dict.fromkeys([f.name for f in one.facts] + [f.name for f in other.facts])
    return tuple(
        _compared(name, _fact(one, other, name), _fact(other, one, name))
        for name in names
        if name.partition(".")[0] not in OF_THE_RECORDING and name not in (LONGEST, *SUMMARIES)
    )


def _fact(behaviour: Behaviour, other: Behaviour, name: str) -> Fact:
    """The fact; where there is none, what its absence means."""
    fact = behaviour.fact(name)
    if fact is not None:
        return fact
    parts = name.split(".")
    if parts[0] == "findings":
        return Fact(name, NOT_THERE, NONE_SUCH)
    heads = behaviour.fact(".".join(parts[:2]))
    theirs = other.fact(name)
    # a field that only the other balancer adds is absent here; one that clients or backends send
    # may simply not have been sent
    if (
        heads is not None
        and heads.value is not None
        and theirs is not None
        and str(theirs.value).startswith(ChangeKind.ADDED.value)
    ):
        return Fact(name, NOT_THERE, "in no message", evidence=heads.evidence)
    return Fact(name, None, "unknown", unknown="nothing in this recording shows it")


def _compared(name: str, one: Fact, other: Fact) -> FactPair:
    if one.value is None or other.value is None:
        return FactPair(name, Comparability.UNKNOWN, one, other)
    same = _same(one, other)
    return FactPair(name, Comparability.SAME if same else Comparability.DIFFERS, one, other)


def _same(one: Fact, other: Fact) -> bool:
    if one.low is not None and other.low is not None:
        assert one.high is not None
        assert other.high is not None
        return one.low <= other.high and other.low <= one.high
    if one.unit == "count":
        return _extents(one) == _extents(other)
    return _value(one, other) == _value(other, one) and _changes(one) == _changes(other)


def _value(fact: Fact, other: Fact) -> str:
    """The value; without its pattern where one of the two recordings is too short to show one."""
    text = str(fact.value)
    short = any(_cases(each) < FEW for each in (fact, other))
    return text.partition(",")[0] if short and fact.name.startswith(SUMMARIES) else text


def _cases(fact: Fact) -> int:
    present = fact.share("present")
    return FEW if present is None else present.count


def _extents(fact: Fact) -> Sequence[tuple[str, str]]:
    return [(share.name, share.extent) for share in fact.shares]


def _changes(fact: Fact) -> set[tuple[str, str]]:
    """What happens to a field, and whether always."""
    sent, present = fact.share("sent"), fact.share("present")
    if sent is None or present is None:
        return set()
    could = {"added": present.of - sent.count, "removed": sent.count, "changed": sent.count}
    return {
        (share.name, "all" if share.count >= could.get(share.name, share.of) else "some")
        for share in fact.shares
        if share.name in CHANGES and share.count
    }


def differing(one: Behaviour, other: Behaviour) -> Iterator[FactPair]:
    """The facts that are known on both sides and differ."""
    return (pair for pair in compared(one, other) if pair.result is Comparability.DIFFERS)
