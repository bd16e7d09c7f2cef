"""How sure pairs are that rest on who else there was."""

from lbtrace.correlate import correlate
from lbtrace.correlate.tokens import drawn
from lbtrace.model.pairing import Confidence
from lbtrace.options import DEFAULT
from tests.play import Play


def test_one_likeness_between_strangers_is_no_knowledge_and_no_clock() -> None:
    """Two captures of other traffic, in each of which the same form was sent once."""
    sides = []
    for seed, name in ((1, "a"), (2, "b")):
        play = Play(seed=seed)
        client = play.client("192.168.0.5")
        for i in range(12):
            client.asks("GET", f"/{name}/{i}", at_ms=100 * i, answer=f"{name}{i}".encode())
        client.asks("POST", "/form", at_ms=1300, body=b"name=value&" * 60, answer=b"thank you")
        sides.append(play.perform())
    found = correlate(sides[0].clients, sides[1].backends, DEFAULT)
    assert {p.confidence for p in found.pairs} <= {Confidence.LOW}
    assert all(clock.refused for clock in found.clocks)
    assert not found.connection_pairs


def test_a_value_of_a_megabyte_is_judged_at_once() -> None:
    assert not drawn("h" * 1_000_000)
    assert drawn("7f3a9c0d51e24b86" + "h" * 1_000_000)
