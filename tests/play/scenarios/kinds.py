"""What kind of balancer it is: the founding experiments, proxies of bytes, packets passed on, nothing at all."""

from __future__ import annotations

from tests.play.cast import Balancer, Play
from tests.play.scenarios.base import ALB, four, mixed, scenario


@scenario()
def founding_alb() -> Play:
    """ALB-like: four curls, one backend connection, checks every 10 s"""
    return four(Balancer(add=ALB, check_ms=10_000))


@scenario()
def founding_nlb() -> Play:
    """NLB-like: four curls, destination rewritten"""
    return four(Balancer(kind="dnat", check="", check_ms=10_000))


@scenario()
def founding_nlb_snat() -> Play:
    """NLB-like with source NAT"""
    return four(Balancer(kind="snat", check="", check_ms=10_000))


@scenario()
def tcp_proxy() -> Play:
    """Layer 4 proxy, one backend connection for each client connection"""
    return mixed(Balancer(kind="l4-proxy"))


@scenario()
def source_kept_by_proxy() -> Play:
    """Layer 4 proxy that keeps the client's address (TPROXY)"""
    return mixed(Balancer(kind="l4-proxy", preserve_source=True))


@scenario()
def dsr() -> Play:
    """Direct server return: same destination on both sides"""
    return mixed(Balancer(kind="dsr"))


@scenario()
def direct() -> Play:
    """No balancer between"""
    return mixed(Balancer(kind="direct"))
