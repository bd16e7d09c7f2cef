"""Where and when the captures were taken."""

from __future__ import annotations

from tests.play.cast import MS, Balancer, Play
from tests.play.scenarios.base import ALB, TWO, XFF, crowd, curls, mixed, scenario
from tests.play.wire import Clockwork


@scenario()
def client_stopped_early() -> Play:
    """The client capture stopped half-way"""
    return mixed(Balancer(add=[XFF]), client_window=(-9999, 200))


@scenario()
def backend_started_late() -> Play:
    """The backend capture began mid-connection"""
    return mixed(Balancer(add=[XFF]), backend_window=(120, 99_999_999))


def _late(kind: str) -> Play:
    play = Play(seed=20, balancer=Balancer(kind=kind), backend_window=(40, 99_999_999))
    crowd(play, 1, 12, connections=8)
    return play


@scenario()
def nat_started_late() -> Play:
    """Destination NAT, identical requests, the backend capture began mid-connection"""
    return _late("dnat")


@scenario()
def snat_started_late() -> Play:
    """Source NAT, identical requests, the backend capture began mid-connection"""
    return _late("snat")


@scenario()
def apart() -> Play:
    """The captures do not overlap in time"""
    return mixed(Balancer(add=[XFF]), client_window=(-9999, 100), backend_window=(200, 99_999_999))


@scenario(0.0)
def one_backend_uncaptured() -> Play:
    """Two backends, one captured, identical requests"""
    play = Play(seed=17, backends=TWO, uncaptured=1)
    curls(play.client("192.168.0.5"), ["/"] * 60, 200)
    return play


@scenario()
def two_points_identical() -> Play:
    """Two backends captured apart, identical requests, clocks 40 ms apart"""
    play = Play(seed=18, balancer=Balancer(), backends=TWO, separate_points=True, client_clock=Clockwork(40 * MS + 321))
    crowd(play, 1, 10, connections=8)
    return play


@scenario()
def two_nodes() -> Play:
    """A balancer with two node addresses, backends captured apart"""
    return mixed(Balancer(backs=("172.31.42.119", "172.31.7.20"), add=ALB, check_ms=5000), backends=TWO, separate_points=True)
