"""Connections of no HTTP: equal lengths by chance, and equal lengths because the bytes were copied."""

from __future__ import annotations

from collections.abc import Sequence

from lbtrace.correlate import streams
from lbtrace.model.http import Protocol
from lbtrace.model.pairing import Clock, Confidence, Ref

CLOCK = {(0, 0): Clock(0, 0, pairs=9)}


def flows(*lengths: int, begins: Sequence[int] = ()) -> list[streams._Flow]:
    """Whole connections that sent so much; they begin one after another, or as told."""
    starts = begins or [1000 * i for i in range(len(lengths))]
    return [streams._Flow(Ref(0, i), Protocol.OTHER, starts[i], starts[i] + 10, up, 50, True) for i, up in enumerate(lengths)]


def known(front: list[streams._Flow], back: list[streams._Flow]) -> list[int]:
    return [p.client.id for p in streams._equal(front, back, CLOCK) if p.confidence is not Confidence.LOW]


def test_who_copies_bytes_copies_all_of_them() -> None:
    assert known(flows(100, 200, 300), flows(100, 200, 300)) == [0, 1, 2]
    assert known(flows(100, 200, 300, 400, 500), flows(100, 201, 301, 401, 501)) == []


def test_connections_of_one_backend_of_several_are_known() -> None:
    """The others went where nothing was captured; or others were served there too."""
    assert known(flows(100, 200, 300, 400, 500), flows(100, 300, begins=[0, 2000])) == [0, 2]
    assert known(flows(100, 300, begins=[0, 2000]), flows(100, 200, 300, 400, 500)) == [0, 1]


def test_a_clock_that_leaves_most_without_a_partner_tells_nothing() -> None:
    front, back = flows(100, 100, 100, 100, 100), flows(100, 100, 100, 100, 100, begins=[0, 1500, 2500, 3500, 4500])
    assert known(front, back) == []
    assert known(front, flows(100, 100, 100, 100, 100)) == [0, 1, 2, 3, 4]
