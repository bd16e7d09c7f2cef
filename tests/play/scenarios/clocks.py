"""Clocks apart, drifting, set; packets that were not captured."""

from __future__ import annotations

from tests.play.cast import MS, Balancer, Play
from tests.play.scenarios.base import XFF, curls, mixed, scenario
from tests.play.wire import EPOCH_NS, Clockwork


@scenario()
def hour_offset() -> Play:
    """Clocks an hour apart"""
    return mixed(Balancer(add=[XFF]), client_clock=Clockwork(3_600_000 * MS + 12_345))


@scenario()
def hour_offset_identical() -> Play:
    """Clocks an hour apart and identical requests"""
    play = Play(seed=13, client_clock=Clockwork(-3_600_000 * MS + 777))
    curls(play.client("192.168.0.5"), ["/"] * 40, 500)
    return play


@scenario()
def drift() -> Play:
    """Clocks drift by 100 ppm over ten minutes"""
    play = Play(seed=14, client_clock=Clockwork(5 * MS, 100_000))
    curls(play.client("192.168.0.5"), [f"/item/{i}" for i in range(300)], 2000)
    return play


@scenario(0.8)
def step() -> Play:
    """The backend's clock is set forward by 2 s half-way"""
    play = Play(seed=15, backend_clock=Clockwork(0, 0, EPOCH_NS + 30_000 * MS, 2000 * MS))
    curls(play.client("192.168.0.5"), [f"/item/{i}" for i in range(100)], 600)
    return play


@scenario(0.8)
def loss_2() -> Play:
    """Both captures miss 2 % of messages"""
    return mixed(Balancer(add=[XFF]), client_loss=0.02, backend_loss=0.02)


@scenario(0.0)
def loss_identical() -> Play:
    """Both captures miss 5 %, identical requests: nothing can be sure"""
    play = Play(seed=16, client_loss=0.05, backend_loss=0.05)
    curls(play.client("192.168.0.5"), ["/"] * 100, 100)
    return play


def _stepping(step_ms: int, at_ms: int, seed: int) -> Play:
    play = Play(
        seed=seed,
        client_clock=Clockwork(37 * MS, 0, EPOCH_NS + at_ms * MS, step_ms * MS),
        balancer=Balancer(add=[XFF]),
    )
    curls(play.client("192.168.0.5", "198.51.100.5"), [f"/item/{i % 25}" for i in range(100)], 600)
    return play


@scenario(0.0)
def step_back() -> Play:
    """The client's clock is set back by 90 ms half-way, targets repeat"""
    return _stepping(-90, 30_000, 36)


@scenario(0.0)
def step_late() -> Play:
    """The client's clock is set forward by an hour when nine tenths are over, targets repeat"""
    return _stepping(3_600_000, 54_000, 37)


@scenario(0.0)
def step_identical() -> Play:
    """The backend's clock is set back by 2 s half-way, all requests are identical"""
    play = Play(seed=38, backend_clock=Clockwork(0, 0, EPOCH_NS + 30_000 * MS, -2000 * MS))
    curls(play.client("192.168.0.5"), ["/"] * 100, 600)
    return play


@scenario(0.8)
def step_back_proxy() -> Play:
    """The backend's clock is set back by 2 s half-way, behind PROXY headers: the order on a
    connection is that of its bytes
    """
    play = Play(
        seed=39,
        balancer=Balancer(kind="l4-proxy", proxy=1),
        backend_clock=Clockwork(0, 0, EPOCH_NS + 9_300 * MS, -2000 * MS),
    )
    client = play.client("192.168.0.5")
    for i in range(40):
        client.asks("GET", "/", at_ms=600 * i, connection=f"c{(i + 2) // 4}")
    return play
