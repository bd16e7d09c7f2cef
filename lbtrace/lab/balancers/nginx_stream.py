"""nginx's stream module: a TCP proxy that does not read what it carries, with and without PROXY
protocol v1.

At level `info` its error log names both of its connections: "client A connected to B" and "proxy C
connected to D".
"""

from __future__ import annotations

import re
from pathlib import Path

from lbtrace.lab.addresses import BALANCER
from lbtrace.lab.network import Network
from lbtrace.lab.plan import Balancer, BalancerLine, Setup

CONFIGURATION = """
{load}
user root root;
daemon off;
worker_processes 1;
pid {directory}/nginx.pid;
error_log {directory}/nginx-error.log info;
events {{ worker_connections 1024; }}
stream {{
  upstream targets {{
{servers}
  }}
  server {{
    listen {front};
    proxy_pass targets;
    {proxy}
  }}
}}
"""
MODULE = Path("/usr/lib/nginx/modules/ngx_stream_module.so")
CLIENT = re.compile(r"\*(\d+) client (\S+) connected to")
PROXY = re.compile(r"\*(\d+) proxy (\S+) connected to (\S+?),? ")


def launch(network: Network, setup: Setup, proxy: str = "") -> None:
    """Start it."""
    configuration = network.configure(
        "nginx.conf",
        CONFIGURATION.format(
            load=f"load_module {MODULE};" if MODULE.exists() else "",
            directory=setup.directory,
            servers="\n".join(f"    server {backend};" for backend in setup.backends),
            front=setup.front,
            proxy=proxy,
        ),
    )
    started = network.start(
        BALANCER,
        ["nginx", "-e", str(setup.directory / "nginx-start.log"), "-c", str(configuration)],
    )
    network.wait_for_port(BALANCER, setup.front, started)


def lines(_network: Network, setup: Setup) -> list[BalancerLine]:
    """One line for each pair of connections."""
    clients: dict[str, str] = {}
    found = []
    for row in (setup.directory / "nginx-error.log").read_text().splitlines():
        if match := CLIENT.search(row):
            clients[match[1]] = match[2]
        elif (match := PROXY.search(row + " ")) and match[1] in clients:
            found.append(BalancerLine(clients[match[1]], 0, "", "", None, "", match[2], match[3]))
    return found


def missing() -> str:
    """Why it cannot run: Debian packages the module separately."""
    return (
        ""
        if MODULE.exists()
        else "nginx has no stream module: sudo apt-get install libnginx-mod-stream"
    )


FEATURES = frozenset({"tls", "websocket"})
BALANCERS = (
    Balancer(
        "nginx-stream",
        "nginx as a TCP proxy",
        "l4-proxy",
        {"nginx": "nginx"},
        FEATURES,
        launch,
        lines,
        ("nginx", "-v"),
        missing=missing,
    ),
    Balancer(
        "nginx-stream-proxy",
        "nginx as a TCP proxy that sends PROXY protocol v1",
        "l4-proxy",
        {"nginx": "nginx"},
        FEATURES | {"proxy-header"},
        lambda network, setup: launch(network, setup, "proxy_protocol on;"),
        lines,
        ("nginx", "-v"),
        missing=missing,
    ),
)
