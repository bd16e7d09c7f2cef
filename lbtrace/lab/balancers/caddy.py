"""Caddy as an HTTP reverse proxy.

At level debug it logs each round trip with the request it sent, X-Request-Id (its own uuid)
included.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

from lbtrace.lab.addresses import BALANCER
from lbtrace.lab.network import Network
from lbtrace.lab.plan import Balancer, BalancerLine, Setup

CONFIGURATION = """
{{
  admin off
  debug
  auto_https off
  log {{
    output file {directory}/caddy.log
    format json
    level DEBUG
  }}
}}
{scheme}://:{port} {{
  bind {front}
  {tls}
  log {{
    output file {directory}/access.log
    format json
  }}
  {gzip}
  redir /old/* /new/ 301
  respond /fixed "fixed
" 200
  {prefix}
  reverse_proxy {targets} {{
    header_up X-Request-Id {{http.request.uuid}}
    {retry}
    {timeout}
    {checks}
  }}
}}
"""


def launch(network: Network, setup: Setup) -> None:
    """Start it."""
    timeout = "transport http {\n      response_header_timeout 1s\n    }"
    checks = "health_uri /health\n    health_interval 1s"
    text = CONFIGURATION.format(
        directory=setup.directory,
        front=setup.front.address,
        scheme="https" if setup.wants("tls") else "http",
        port=setup.front.port,
        tls=setup.given("tls", f"tls {setup.certificate} {setup.certificate}"),
        gzip=setup.given("gzip", "encode {\n    gzip\n    minimum_length 100\n  }"),
        prefix=setup.given("prefix", "uri strip_prefix /api"),
        targets=" ".join(map(str, setup.backends)),
        retry="lb_policy round_robin\n    lb_try_duration 2s\n    lb_try_interval 50ms"
        if len(setup.backends) > 1
        else "",
        timeout=setup.given("timeout", timeout),
        checks=setup.given("checks", checks),
    )
    configuration = network.configure("Caddyfile", text)
    homes = {
        "HOME": str(setup.directory),
        "XDG_DATA_HOME": str(setup.directory / "data"),
        "XDG_CONFIG_HOME": str(setup.directory / "config"),
    }
    started = network.start(
        BALANCER, ["caddy", "run", "--adapter", "caddyfile", "--config", str(configuration)], homes
    )
    network.wait_for_port(BALANCER, setup.front, started)


def lines(_network: Network, setup: Setup) -> list[BalancerLine]:
    """The access log. The debug log adds the backend of each round trip."""
    trips: dict[tuple[str, str], list[tuple[str, str]]] = {}
    for row in _rows(setup, "caddy.log"):
        if row.get("logger") == "http.handlers.reverse_proxy" and "request" in row:
            request = row["request"]
            name = (request["headers"].get("X-Request-Id") or [""])[0]
            trips.setdefault(
                (f"{request['remote_ip']}:{request['remote_port']}", request["uri"]), []
            ).append((name, row.get("upstream", "")))
    found = []
    for row in _rows(setup, "access.log"):
        request = row["request"]
        client = f"{request['remote_ip']}:{request['remote_port']}"
        uri = request["uri"].removeprefix("/api") if setup.wants("prefix") else request["uri"]
        waiting = trips.get((client, uri), [])
        name, server = waiting.pop(0) if waiting else ("", "")
        while waiting and waiting[0][0] == name:
            server = waiting.pop(0)[1]
        began = int((row["ts"] - row.get("duration", 0)) * 1e9)
        found.append(
            BalancerLine(
                client,
                began,
                request["method"],
                request["uri"],
                row["status"] or None,
                name,
                "",
                server,
            )
        )
    return found


def _rows(setup: Setup, name: str) -> Iterator[dict[str, Any]]:
    """The JSON lines of a log, as Caddy writes them."""
    path = setup.directory / name
    for row in path.read_text().splitlines() if path.exists() else ():
        yield json.loads(row)


BALANCERS = (
    Balancer(
        "caddy",
        "Caddy",
        "l7-proxy",
        {"caddy": "caddy"},
        frozenset(
            {"http", "tls", "websocket", "timeout", "gzip", "prefix", "redirect", "fixed", "checks"}
        ),
        launch,
        lines,
        ("caddy", "version"),
    ),
)
