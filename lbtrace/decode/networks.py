"""Which network (VLAN, tunnel) a flow belongs to, and when one pair of endpoints is two flows
because of it.

A network's name lists the tags and tunnels around a packet, outermost first: "vlan 10",
"vxlan 7 / vlan 3", "" for none. The name alone does not tell flows apart: requests may carry one
VLAN and responses another, a tunnel may use one identifier per direction (GTP-U), a mirror may
deliver each direction in a session of its own. Those are one connection.

Invariant: a pair of endpoints is several flows only when it shows both directions within each of
several networks (overlapping address plans, a packet captured before and after a tunnel).
"""

from __future__ import annotations

import numpy as np

from lbtrace.tables.packets import Column

MAX_NETWORKS = 65_535
MAX_NAMES_SHOWN = 4
BOTH_DIRECTIONS = 0b11


class NetworkBook:
    """Numbers network names; 0 is "" (none)."""

    def __init__(self) -> None:
        self.names: list[str] = [""]
        self._known: dict[str, int] = {"": 0}

    def number(self, name: str) -> int:
        """The number of a name; beyond what fits they share the last one."""
        number = self._known.get(name)
        if number is None:
            if len(self.names) == MAX_NETWORKS:
                self.names.append("other networks")
            if len(self.names) > MAX_NETWORKS:
                return MAX_NETWORKS
            number = self._known[name] = len(self.names)
            self.names.append(name)
        return number

    def below(self, networks: Column, kind: str, identifiers: Column) -> Column:
        """Networks and, in each, the tag or tunnel `kind` with an identifier (-1: it has none) →
        the networks inside.
        """
        distinct, where = np.unique(
            (networks.astype(np.int64) << 33) + identifiers + 1, return_inverse=True
        )
        numbers = np.empty(len(distinct), dtype=np.uint16)
        for i, code in enumerate(distinct.tolist()):
            outer, identifier = self.names[code >> 33], (code & ((1 << 33) - 1)) - 1
            label = kind if identifier < 0 else f"{kind} {identifier}"
            numbers[i] = self.number(f"{outer} / {label}" if outer else label)
        inside: Column = numbers[where]
        return inside


def separate_networks(
    flow: Column, forward: Column, network: Column, flows: int, book: NetworkBook
) -> tuple[Column, Column, Column]:
    """Flow, direction and network of each row, and how many flows there are → (flow of each row;
    of each flow the one whose endpoints it has, new flows behind the old; network of each flow).
    """
    endpoints_of = np.arange(flows, dtype=np.uint32)
    if not network.any():
        return flow, endpoints_of, np.zeros(flows, dtype=np.uint16)
    flow_network = np.zeros(flows, dtype=np.uint16)
    added: list[tuple[int, int]] = []  # (flow, network) that become flows of their own
    for number, directions in _directions(flow, forward, network).items():
        first, *others = directions
        flow_network[number] = first
        if not others:
            continue
        if all(seen == BOTH_DIRECTIONS for seen in directions.values()):
            added += [(number, other) for other in others]
        else:
            names = [book.names[n] or "untagged" for n in directions]
            more = ", …" if len(names) > MAX_NAMES_SHOWN else ""
            flow_network[number] = book.number(", ".join(names[:MAX_NAMES_SHOWN]) + more)
    if added:
        pairs = np.array(added, dtype=np.uint64)
        flow = _renumbered(flow, network, pairs, flows)
        endpoints_of = np.concatenate([endpoints_of, pairs[:, 0].astype(np.uint32)])
        flow_network = np.concatenate([flow_network, pairs[:, 1].astype(np.uint16)])
    return flow, endpoints_of, flow_network


def _directions(flow: Column, forward: Column, network: Column) -> dict[int, dict[int, int]]:
    """Flow → its networks, in the order they are first seen → bit 0 for rows backward in it, bit 1
    for rows forward.
    """
    key = flow.astype(np.uint64) << np.uint64(17) | network.astype(np.uint64) << np.uint64(1)
    seen, first = np.unique(key | forward.astype(np.uint64), return_index=True)
    found: dict[int, dict[int, int]] = {}
    for code in seen[np.argsort(first, kind="stable")].tolist():
        networks = found.setdefault(code >> 17, {})
        number = code >> 1 & 0xFFFF
        networks[number] = networks.get(number, 0) | 1 << (code & 1)
    return found


def _renumbered(flow: Column, network: Column, pairs: Column, flows: int) -> Column:
    """Flow per row, where the rows of each (flow, network) of `pairs` make another, counted from
    `flows`.
    """
    wanted = pairs[:, 0] << np.uint64(16) | pairs[:, 1]
    order = np.argsort(wanted)
    rows = flow.astype(np.uint64) << np.uint64(16) | network.astype(np.uint64)
    at = np.minimum(np.searchsorted(wanted[order], rows), len(wanted) - 1)
    return np.where(wanted[order][at] == rows, flows + order[at], flow).astype(np.uint32)
