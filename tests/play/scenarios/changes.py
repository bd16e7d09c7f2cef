"""What a balancer rewrites: targets, heads, bodies, framing."""

from __future__ import annotations

from tests.play.cast import Balancer, Play
from tests.play.scenarios.base import XFF, mixed, scenario


@scenario()
def rewriting() -> Play:
    """Prefix stripped, Host replaced, fields re-cased, dropped and re-ordered"""
    return mixed(Balancer(strip="/api", host="backend:8080", recase=True, drop=["Cookie", "User-Agent"], reorder=True, add=[XFF]))


@scenario()
def gzip_added() -> Play:
    """gzip added by the balancer, Content-Length to chunked"""
    return mixed(Balancer(gzip=True, chunk=True, add=[XFF]))


@scenario()
def http_1_0() -> Play:
    """HTTP/1.1 in front, HTTP/1.0 behind, a connection each"""
    return mixed(Balancer(version="HTTP/1.0", keep_alive=False, drop=["Connection"]))


@scenario()
def own_date_and_server() -> Play:
    """The balancer writes its own Server and a fresh id into each answer"""
    return mixed(Balancer(respond=[("Server", "nginx"), ("X-Request-Id", "{fresh}")]))
