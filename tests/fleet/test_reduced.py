"""What slices show together: what may be added, and what may not."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

from lbtrace.comparison.latency import NO_CLOCK
from lbtrace.fleet import reduced
from lbtrace.fleet.slices import CutConnection, counts_with, counts_without
from lbtrace.model.net import Side
from lbtrace.model.pairing import ChangeKind, Confidence, HeaderChange, Pattern
from lbtrace.model.report import Kind, Latency, SideCounts, Verdict
from lbtrace.render.fleet.terminal import _in_slices


def said(*kinds: Kind, confidence: Confidence = Confidence.HIGH) -> list[Any]:
    """Slices with these verdicts."""
    return [
        SimpleNamespace(
            number=k, report=SimpleNamespace(verdict=Verdict(kind, confidence, (), (), (), "why"))
        )
        for k, kind in enumerate(kinds)
    ]


def test_slices_that_agree_give_one_verdict() -> None:
    slices = said(Kind.L7_PROXY) + said(Kind.L7_PROXY, confidence=Confidence.LOW)
    verdict, differing = reduced.verdict(slices)
    assert (verdict.kind, verdict.confidence, differing) == (Kind.L7_PROXY, Confidence.HIGH, ())


def test_slices_that_decide_nothing_take_nothing_from_the_others() -> None:
    verdict, differing = reduced.verdict(said(Kind.INCONCLUSIVE, Kind.L4_PROXY, Kind.AMBIGUOUS))
    assert verdict.kind is Kind.L4_PROXY
    assert dict(differing) == {
        Kind.INCONCLUSIVE: (0,),
        Kind.L4_PROXY: (1,),
        Kind.AMBIGUOUS: (2,),
    }


@pytest.mark.parametrize("other", [Kind.L4_PASSTHROUGH, Kind.UNRELATED])
def test_slices_that_contradict_each_other_decide_nothing(other: Kind) -> None:
    verdict, differing = reduced.verdict(said(Kind.L7_PROXY, other, Kind.L7_PROXY))
    assert (verdict.kind, verdict.confidence) == (Kind.AMBIGUOUS, Confidence.LOW)
    assert verdict.reason == reduced.NOT_THE_SAME
    assert dict(differing) == {Kind.L7_PROXY: (0, 2), other: (1,)}


def test_where_no_slice_decides_the_most_frequent_answer_is_given() -> None:
    verdict, _ = reduced.verdict(said(Kind.INCONCLUSIVE, Kind.UNRELATED, Kind.UNRELATED))
    assert verdict.kind is Kind.UNRELATED


def changed(number: int, pattern: Pattern, after: str, count: int, of: int) -> Any:
    """A slice in which a field was added."""
    change = HeaderChange(True, ChangeKind.ADDED, "X-A", pattern, count, of, "", after, 0)
    return SimpleNamespace(
        number=number, report=SimpleNamespace(correlation=SimpleNamespace(changes=(change,)))
    )


def test_changes_add_up() -> None:
    same = Pattern.CONSTANT
    (change,) = reduced.changes(
        [changed(0, same, "X-A: 1", 3, 4), changed(2, same, "X-A: 1", 5, 6)]
    )
    assert (change.count, change.of, change.pattern, change.slices) == (8, 10, same, (0, 2))


def test_a_value_that_is_another_one_in_each_slice_is_not_constant() -> None:
    same = Pattern.CONSTANT
    (change,) = reduced.changes(
        [changed(0, same, "X-A: 1", 3, 3), changed(1, same, "X-A: 2", 3, 3)]
    )
    assert change.pattern is None
    (change,) = reduced.changes(
        [changed(0, Pattern.FRESH, "X-A: 1", 3, 3), changed(1, same, "X-A: 2", 3, 3)]
    )
    assert change.pattern is None


EMPTY = SideCounts(Side.CLIENT, 0, 0, 0, 0, 0, 0, 0, 0, 0, ())


def cut(syns: int, asked: int) -> CutConnection:
    return CutConnection(("a",), True, True, 9, syns, 0, syns, asked, asked)


def test_a_connection_that_slices_share_is_counted_once() -> None:
    one = SideCounts(Side.CLIENT, 9, 1, 1, 0, 1, 0, 3, 3, 1, ((3, 1),))
    other = SideCounts(Side.CLIENT, 9, 1, 0, 0, 0, 1, 2, 2, 1, ((2, 1),))
    held = [cut(1, 3), cut(0, 2)]
    without = [
        counts_without(counts, [each]) for counts, each in zip((one, other), held, strict=True)
    ]
    assert [c.connections for c in without] == [0, 0]
    assert [c.requests_per_connection for c in without] == [(), ()]
    whole = counts_with(EMPTY, {"a": held})
    assert (whole.packets, whole.connections, whole.syns, whole.opened) == (9, 1, 1, 1)
    assert (whole.already_open, whole.requests) == (0, 5)
    assert whole.requests_per_connection == ((5, 1),)


def timed(added: list[int], alone: bool) -> Any:
    """A slice with these times."""
    times = {name: np.array(added, np.int64) for name in ("client", "added", "forward", "back")}
    nothing = np.zeros(len(added), np.int64)
    times |= {"backend": nothing, "sending": nothing, "reading": nothing}
    times["width"] = nothing + NO_CLOCK
    own = Latency(len(added), added[0], added[0], added[0], 1, 1, None, None, None, 0, not alone)
    return SimpleNamespace(timed=times, alone=alone, report=SimpleNamespace(latency=own))


def test_times_are_measured_again_over_all_slices() -> None:
    found = reduced.latency([timed([1, 2, 30], True), timed([4, 5], True)])
    assert found is not None
    assert (found.count, found.added_median_ns, found.added_max_ns) == (5, 4, 30)
    assert found.half_width_ns is None


def test_sets_are_left_out_where_some_pair_stands_alone() -> None:
    found = reduced.latency([timed([1, 2, 3], True), timed([900, 900], False)])
    assert found is not None
    assert (found.count, found.added_max_ns, dict(found.left_out)) == (3, 3, {"interchangeable": 2})


def test_sets_alone_have_their_average() -> None:
    found = reduced.latency([timed([10, 10, 10], False), timed([20], False)])
    assert found is not None
    assert (found.count, found.added_median_ns, found.average) == (4, 12, True)
    assert reduced.latency([]) is None


def test_numbers_of_slices_are_told_from_one() -> None:
    assert _in_slices((2,)) == "slice 3"
    assert _in_slices((0, 1, 2, 6)) == "slices 1–3, 7"
