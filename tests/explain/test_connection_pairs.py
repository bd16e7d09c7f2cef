"""Connections of no HTTP: equal lengths by chance, and equal lengths because the bytes were
copied.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from lbtrace.explain import connection_pairs
from lbtrace.model.http import Protocol
from lbtrace.model.pairing import Clock, Confidence, ConnectionBasis, Ref

CLOCK = {(0, 0): Clock(0, 0, pairs=9)}


def flows(*lengths: int, begins: Sequence[int] = ()) -> list[connection_pairs._Flow]:
    """Whole connections that sent so much; they begin one after another, or as told."""
    starts = begins or [1000 * i for i in range(len(lengths))]
    return [
        connection_pairs._Flow(Ref(0, i), Protocol.OTHER, starts[i], starts[i] + 10, up, 50, True)
        for i, up in enumerate(lengths)
    ]


def known(front: list[connection_pairs._Flow], back: list[connection_pairs._Flow]) -> list[int]:
    return [
        p.client.id
        for p in connection_pairs._equal(front, back, CLOCK)
        if p.confidence is not Confidence.LOW
    ]


def test_who_copies_bytes_copies_all_of_them() -> None:
    assert known(flows(100, 200, 300), flows(100, 200, 300)) == [0, 1, 2]
    assert known(flows(100, 200, 300, 400, 500), flows(100, 201, 301, 401, 501)) == []


def test_connections_of_one_backend_of_several_are_known() -> None:
    """The others went where nothing was captured; or others were served there too."""
    assert known(flows(100, 200, 300, 400, 500), flows(100, 300, begins=[0, 2000])) == [0, 2]
    assert known(flows(100, 300, begins=[0, 2000]), flows(100, 200, 300, 400, 500)) == [0, 1]


def test_a_clock_that_leaves_most_without_a_partner_tells_nothing() -> None:
    front, back = (
        flows(100, 100, 100, 100, 100),
        flows(100, 100, 100, 100, 100, begins=[0, 1500, 2500, 3500, 4500]),
    )
    assert known(front, back) == []
    assert known(front, flows(100, 100, 100, 100, 100)) == [0, 1, 2, 3, 4]


def speaking(*digests: str | None) -> list[connection_pairs._Flow]:
    """Connections one after another that all sent and got as many bytes; and which ones."""
    return [
        replace(flow, digests=(digest, digest))
        for flow, digest in zip(flows(*[100] * len(digests)), digests, strict=True)
    ]


def test_of_equal_lengths_the_bytes_decide() -> None:
    backwards = speaking("c", "b", "a")
    assert [
        (p.client.id, p.backend.id)
        for p in connection_pairs._equal(speaking("a", "b", "c"), backwards, {})
    ] == [(0, 2), (1, 1), (2, 0)]
    assert known(speaking("a", "b", "c"), speaking("d", "e", "f")) == []


def test_the_same_bytes_said_twice_need_a_clock() -> None:
    assert connection_pairs._equal(speaking("a", "a"), speaking("a", "a"), {}) == []
    assert known(speaking("a", "a"), speaking("a", "a")) == [0, 1]


def test_a_short_conversation_is_told_by_its_bytes_not_by_its_length() -> None:
    short = [connection_pairs._Flow(Ref(0, 0), Protocol.OTHER, 0, 10, 20, 20, True)]
    told = [replace(flow, digests=("a", "b")) for flow in short]
    assert connection_pairs._equal(short, short, {})[0].basis is ConnectionBasis.TIME
    assert connection_pairs._equal(told, told, {})[0].basis is ConnectionBasis.SAME_BYTES


def test_one_script_run_twice_is_not_one_connection() -> None:
    """No offset puts the backend's client behind the client's and its server before."""
    front, back = speaking("a", "b"), speaking("a", "b")

    def timed(
        flows: list[connection_pairs._Flow], *spoke: tuple[int, int, int, int]
    ) -> list[connection_pairs._Flow]:
        return [replace(flow, spoke=times) for flow, times in zip(flows, spoke, strict=True)]

    mine = timed(front, (0, 10, 20, 30), (100, 110, 120, 130))
    for theirs, sure in (
        (timed(back, (5, 15, 18, 28), (105, 115, 118, 128)), [0, 1]),
        (timed(back, (905, 915, 918, 928), (1005, 1015, 1018, 1028)), [0, 1]),
        (timed(back, (5, 15, 18, 28), (155, 165, 168, 178)), []),
        (timed(back, (5, 15, 30, 40), (105, 115, 130, 140)), []),
    ):
        found = connection_pairs._equal(mine, theirs, {})
        assert [p.client.id for p in found if p.confidence is not Confidence.LOW] == sure
