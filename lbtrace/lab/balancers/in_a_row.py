"""Two balancers in a row, both on the balancer's host: what goes between them crosses its loopback
interface, which no capture shows.

    client ─▶ nginx ─▶ HAProxy ─▶ backend                        both read HTTP
    client ─▶ HAProxy, mode tcp, send-proxy ─▶ nginx ─▶ backend   an L4 proxy before an ingress

The log of the nginx tells which request is whose: by the id that it gave the request, which HAProxy
passes on beside its own.
"""

from __future__ import annotations

from dataclasses import replace

from lbtrace.lab.balancers import haproxy, nginx
from lbtrace.lab.network import Network
from lbtrace.lab.plan import Balancer, Setup
from lbtrace.model.net import Endpoint

INNER = Endpoint("127.0.0.1", 8090)
STATED = """
      proxy_set_header X-Request-Id $request_id;
      proxy_set_header X-Forwarded-For $proxy_protocol_addr;
      proxy_set_header X-Forwarded-Proto $scheme;
      proxy_set_header Host $host;
"""
PROGRAMS = {"nginx": "nginx", "haproxy": "haproxy"}


def both_read_http(network: Network, setup: Setup) -> None:
    """nginx in front of HAProxy."""
    haproxy.launcher("http")(network, replace(setup, front=INNER))
    nginx.launch(network, _to_the_inner(setup))


def tcp_before_http(network: Network, setup: Setup) -> None:
    """HAProxy in mode tcp, which names the client in a PROXY header, in front of nginx."""
    nginx.launch(network, replace(setup, front=INNER), location=STATED, behind_proxy=True)
    haproxy.launcher("tcp", server="send-proxy")(network, _to_the_inner(setup))


def _to_the_inner(setup: Setup) -> Setup:
    """What the outer one is asked for: its backend is the inner one."""
    return replace(setup, backends=(INNER,))


FEATURES = frozenset({"http"})
BALANCERS = (
    Balancer(
        "nginx-haproxy",
        "two in a row: nginx, then HAProxy",
        "l7-proxy",
        PROGRAMS,
        FEATURES,
        both_read_http,
        nginx.lines,
        ("nginx", "-v"),
    ),
    Balancer(
        "haproxy-nginx",
        "two in a row: HAProxy in mode tcp (send-proxy), then nginx",
        "l7-proxy",
        PROGRAMS,
        FEATURES,
        tcp_before_http,
        nginx.lines,
        ("nginx", "-v"),
    ),
)
