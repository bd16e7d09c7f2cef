"""The kernel as a balancer: nftables DNAT, DNAT with SNAT, and nothing at all.

Its log is the kernel's connection tracking table.
"""

from __future__ import annotations

from lbtrace.lab.conntrack import translations
from lbtrace.lab.network import BALANCER, FRONT, NODE, Network
from lbtrace.lab.plan import Balancer, BalancerLine, Setup


def destination(network: Network, setup: Setup) -> None:
    """DNAT: the source stays."""
    if len(setup.backends) == 1:
        (address, port) = setup.backends[0]
        to = f"dnat to {address}:{port}"
    else:
        targets = ", ".join(
            f"{n} : {address} . {port}" for n, (address, port) in enumerate(setup.backends)
        )
        to = f"dnat ip addr . port to numgen inc mod {len(setup.backends)} map {{ {targets} }}"
    network.nft(
        BALANCER,
        f"table ip balancer {{\n chain prerouting {{\n type nat hook prerouting priority dstnat;\n"
        f" ip daddr {FRONT} tcp dport {setup.port} {to}\n }}\n}}\n",
    )


def both(network: Network, setup: Setup) -> None:
    """DNAT and SNAT: the balancer's own address is the source."""
    destination(network, setup)
    network.nft(
        BALANCER,
        f"table ip source {{\n chain postrouting {{\n type nat hook postrouting priority srcnat;\n"
        f" ct status dnat snat to {NODE}\n }}\n}}\n",
    )


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
