"""The kernel as a balancer: nftables DNAT, DNAT with SNAT, and nothing at all.

Its log is the kernel's connection tracking table.
"""

from __future__ import annotations

from lbtrace.lab.addresses import BALANCER
from lbtrace.lab.conntrack import translations
from lbtrace.lab.network import Network
from lbtrace.lab.plan import Balancer, BalancerLine, Setup

RULES = """
table {family} {name} {{
 chain {chain} {{
 type nat hook {chain} priority {priority};
 {rule}
 }}
}}
"""


def destination(network: Network, setup: Setup) -> None:
    """DNAT: the source stays."""
    family, count = setup.addresses.family, len(setup.backends)
    if count == 1:
        to = f"dnat to {setup.backends[0]}"
    else:
        targets = ", ".join(f"{n} : {a} . {p}" for n, (a, p) in enumerate(setup.backends))
        to = f"dnat {family} addr . port to numgen inc mod {count} map {{ {targets} }}"
    to_the_front = f"{family} daddr {setup.front.address} tcp dport {setup.front.port}"
    _load(network, setup, "balancer", "prerouting", "dstnat", f"{to_the_front} {to}")


def both(network: Network, setup: Setup) -> None:
    """DNAT and SNAT: the balancer's own address is the source."""
    destination(network, setup)
    to = f"ct status dnat snat to {setup.addresses.node}"
    _load(network, setup, "source", "postrouting", "srcnat", to)


def _load(network: Network, setup: Setup, name: str, chain: str, priority: str, rule: str) -> None:
    """A table of one rule."""
    named = {"family": setup.addresses.family, "name": name, "chain": chain, "priority": priority}
    network.nft(BALANCER, RULES.format(rule=rule, **named))


def nothing(_network: Network, _setup: Setup) -> None:
    """The client connects to the backend itself."""


def lines(_network: Network, _setup: Setup) -> list[BalancerLine]:
    """The connection tracking table: which connection became which."""
    return [
        BalancerLine(t.client, 0, "", "", None, "", t.client_after, t.server_after)
        for t in translations(BALANCER)
    ]


def same(_network: Network, _setup: Setup) -> list[BalancerLine]:
    """No address changes, and the experiment knows all connections."""
    return []


PROGRAMS = {"nft": "nftables"}
VERSION = ("nft", "--version")
FEATURES = frozenset({"tls", "websocket"})
BALANCERS = (
    Balancer(
        "nat",
        "a Network Load Balancer that keeps the source (nftables)",
        "l4-passthrough",
        PROGRAMS,
        FEATURES,
        destination,
        lines,
        VERSION,
    ),
    Balancer(
        "snat",
        "a Network Load Balancer that hides the source (+ SNAT)",
        "l4-passthrough",
        PROGRAMS,
        FEATURES,
        both,
        lines,
        VERSION,
    ),
    Balancer(
        "direct",
        "no balancer: the client speaks to the backend",
        "direct",
        {},
        FEATURES,
        nothing,
        same,
        home_nat=False,
        front="instance",
    ),
)
