"""Squid as an accelerator (reverse proxy).

Its log has the address it used towards the backend (%<la:%<lp).
"""

from __future__ import annotations

import json

from lbtrace.lab.addresses import BALANCER
from lbtrace.lab.network import SCRATCH, Network
from lbtrace.lab.plan import Balancer, BalancerLine, Setup

CONFIGURATION = """
http_port {front} accel no-vhost defaultsite=divide
pid_filename {directory}/squid.pid
cache_log {directory}/squid-cache.log
coredump_dir {directory}
visible_hostname balancer
cache_effective_user proxy
cache_effective_group proxy
workers 1
{peers}
acl all_of src all
http_access allow all
never_direct allow all
{cache}
shutdown_lifetime 0 seconds
logformat truth {format}
access_log stdio:{directory}/access.log logformat=truth
"""
FORMAT = (
    '{"client":"%>a:%>p","time":"%ts.%03tu","method":"%rm","target":"%>rp",'
    '"status":%>Hs,"from":"%<la:%<lp","server":"%<a:%<p","how":"%Ss"}'
)


def launch(network: Network, setup: Setup) -> None:
    """Start it."""
    peers = [
        f"cache_peer {a} parent {p} 0 no-query originserver round-robin name=b{n}"
        for n, (a, p) in enumerate(setup.backends)
    ]
    text = CONFIGURATION.format(
        directory=SCRATCH,
        format=FORMAT,
        front=setup.front,
        peers="\n".join(peers),
        cache="" if setup.wants("cache") else "cache deny all",
    )
    path = network.configure("squid.conf", text)
    started = network.start(BALANCER, ["squid", "-N", "-f", str(path)])
    network.wait_for_port(BALANCER, setup.front, started)


def lines(network: Network, setup: Setup) -> list[BalancerLine]:
    """The access log. Squid writes it out when it ends."""
    for started in network.started:
        if started.log.name.endswith("-balancer-squid.log"):
            started.stop()
    found = []
    for row in map(json.loads, (SCRATCH / "access.log").read_text().splitlines()):
        from_ = "" if row["from"].startswith("-") or row["from"].endswith(":0") else row["from"]
        server = "" if row["server"].startswith("-") else row["server"]
        time_ns = int(float(row["time"]) * 1000) * 1_000_000
        found.append(BalancerLine.logged(row, time_ns, from_=from_, server=server))
    return found


BALANCERS = (
    Balancer(
        "squid",
        "Squid as an accelerator",
        "l7-proxy",
        {"squid": "squid"},
        frozenset({"http", "cache"}),
        launch,
        lines,
        ("squid", "-v"),
    ),
)
