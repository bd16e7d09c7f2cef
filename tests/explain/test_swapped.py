"""Which side is which: shown by durations, nesting, fields or a host between; turned only when
nothing speaks against it.
"""

import dataclasses

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lbtrace.correlate import correlate
from lbtrace.model.net import Endpoint, Side
from lbtrace.model.pairing import Correlation
from lbtrace.options import DEFAULT
from tests.laws import examples
from tests.play import Balancer, Play, Shown
from tests.play.chance import any_play
from tests.play.scenarios import SCENARIOS


def backwards(shown: Shown) -> Correlation:
    front = [dataclasses.replace(t, side=Side.CLIENT) for t in shown.backends]
    return correlate(
        front,
        [dataclasses.replace(t, side=Side.BACKEND) for t in shown.clients],
        DEFAULT,
    )


@given(st.integers(0, 5000))
@examples(40)
def test_captures_in_order_are_never_turned(seed: int) -> None:
    shown = any_play(seed, most=60).perform()
    assert not correlate(shown.clients, shown.backends, DEFAULT).swapped


@given(st.integers(0, 5000))
@examples(40)
def test_swapped_captures_are_seen_or_the_order_is_unknown(seed: int) -> None:
    play = any_play(seed, most=60)
    play.balancer.cache = play.balancer.give_up = (
        0  # answers without a backend's are shorter than any
    )
    found = backwards(play.perform())
    assert found.swapped or not found.order_shown


@pytest.mark.parametrize(
    "name", ["crowd-8", "tcp-proxy", "proxy-protocol", "proxy-protocol-2", "retry-reset"]
)
def test_swapped_without_certain_pairs(name: str) -> None:
    assert backwards(SCENARIOS[name]().perform()).swapped


def test_a_host_that_is_server_here_and_client_there_stands_between() -> None:
    """Ten identical requests with no field added; the balancer speaks from the address it listens
    on.
    """
    play = Play(seed=2, balancer=Balancer(front=Endpoint("172.31.42.119", 80)))
    for i in range(10):
        (play.clients or [play.client("192.168.0.5")])[0].asks(
            "GET", "/", at_ms=1000 * i + (i * 37) % 23
        )
    shown = play.perform()
    assert backwards(shown).swapped
    assert not correlate(shown.clients, shown.backends, DEFAULT).swapped


def test_ten_that_look_alike_show_no_order() -> None:
    assert not backwards(SCENARIOS["identical-curls"]().perform()).order_shown


def test_strangers_show_no_order() -> None:
    one, other = Play(seed=6), Play(seed=7)
    for play, target in ((one, "/"), (other, "/else")):
        play.client("192.168.0.5").asks("GET", target)
    found = correlate(one.perform().clients, other.perform().backends, DEFAULT)
    assert not found.swapped
    assert not found.order_shown
