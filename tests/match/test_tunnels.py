"""Tunnels whose requests are all alike and open at the same time: what they carry tells, or nothing
does.
"""

from __future__ import annotations

import tempfile
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lbtrace.model.pairing import Clue, Confidence
from tests.laws import examples
from tests.simulator.score import Score, score
from tests.simulator.tunnels import KINDS, WAYS, Played, Talk, Tunnels

ORDER = (2, 0, 3, 1)


def talk(client: str, server: str = "") -> Talk:
    """Three messages of each end."""
    return Talk(
        [f"{client} {n}".encode() for n in range(3)],
        [f"{server or client.upper()} {n}".encode() for n in range(3)],
    )


DIFFERENT = [talk(f"what only number {n} says") for n in range(4)]
ALIKE = [talk("what everybody says")] * 4


def scored(played: Played) -> Score:
    """Nothing is confidently wrong."""
    counted, said = score(played.recording, played.report.correlation)
    assert said == []
    return counted


@pytest.mark.parametrize(
    ("kind", "passes"),
    [
        ("websocket", "as-is"),
        ("websocket", "masked-anew"),
        ("websocket", "cut-anew"),
        ("connect", "as-is"),
        ("upgrade", "as-is"),
    ],
)
def test_each_tunnel_finds_the_one_that_carries_the_same(
    tmp_path: Path, kind: str, passes: str
) -> None:
    played = Tunnels(kind, DIFFERENT, ORDER, passes).play(tmp_path)
    assert scored(played).right == len(DIFFERENT)
    clues = {reason.clue for pair in played.report.correlation.pairs for reason in pair.reasons}
    own = {Clue.CLIENT_MESSAGES} if kind == "websocket" else {Clue.CLIENT_BYTES}
    assert own <= clues


@pytest.mark.parametrize("kind", KINDS)
def test_one_end_is_enough(tmp_path: Path, kind: str) -> None:
    talks = [talk("what everybody says", f"the answer to number {n}") for n in range(4)]
    assert scored(Tunnels(kind, talks, ORDER).play(tmp_path)).right == len(talks)


@pytest.mark.parametrize("kind", KINDS)
def test_tunnels_that_carry_the_same_are_a_set(tmp_path: Path, kind: str) -> None:
    played = Tunnels(kind, ALIKE, ORDER).play(tmp_path)
    assert scored(played).right == 0
    pairs = played.report.correlation.pairs
    assert all(p.group is not None or p.confidence is Confidence.LOW for p in pairs)


@pytest.mark.parametrize("kind", KINDS)
def test_those_that_differ_are_told_from_those_that_do_not(tmp_path: Path, kind: str) -> None:
    talks = [DIFFERENT[0], ALIKE[0], ALIKE[0], DIFFERENT[3]]
    counted = scored(Tunnels(kind, talks, ORDER).play(tmp_path))
    assert counted.right == 2
    assert counted.grouped + counted.unsure == 2


def test_what_is_compressed_anew_does_not_tell(tmp_path: Path) -> None:
    """Other bytes on both sides: nothing says who is whose, and nobody says that he knows."""
    played = Tunnels("websocket", DIFFERENT, ORDER, "compressed-anew").play(tmp_path)
    assert all(held.deflate for held in played.report.clients[0].web_sockets)
    assert scored(played).right == 0


@given(st.data())
@examples(40)
def test_no_tunnel_is_confidently_paired_with_another(data: st.DataObject) -> None:
    """Whatever they say, in whatever order they are opened, whatever packets captures lack."""
    kind, passes = data.draw(st.sampled_from(KINDS)), data.draw(st.sampled_from(WAYS))
    texts = st.sampled_from(["hello there", "hello there!", "a message of some length", "x"])
    talks = data.draw(
        st.lists(st.builds(talk, texts, texts), min_size=2, max_size=5), label="talks"
    )
    order = data.draw(st.permutations(range(len(talks))))
    lost = data.draw(st.lists(st.tuples(st.booleans(), st.integers(0, 200)), max_size=3))
    with tempfile.TemporaryDirectory() as folder:
        scored(Tunnels(kind, talks, order, passes, 3, lost).play(Path(folder)))
