"""Which network (VLAN, tunnel) a flow belongs to, and when one pair of endpoints is two flows
because of it.

A network's name lists what was peeled, outermost first: "vlan 10", "vxlan 7 / vlan 3", "" for none.
Decision: the name is NOT part of a flow's key by itself. Requests may travel tagged with one VLAN
and responses with another, a tunnel may use one identifier per direction (GTP-U), a mirror may
deliver each direction in a session of its own: those are one connection. Only when the same pair of
endpoints shows both directions within each of several networks (overlapping address plans, a packet
captured before and after a tunnel) are these separate flows.
"""

from __future__ import annotations

import numpy as np

from lbtrace.tables.packets import Column

MOST_NETWORKS = 65_535
MOST_NAMED = 4


class NetworkBook:
    """Numbers network names; 0 is "" (none)."""

    def __init__(self) -> None:
        self.names: list[str] = [""]
        self._known: dict[str, int] = {"": 0}

    def number(self, name: str) -> int:
        """The number of a name; beyond what fits they share the last one."""
        number = self._known.get(name)
        if number is None:
            if len(self.names) == MOST_NETWORKS:
                self.names.append("other networks")
            if len(self.names) > MOST_NETWORKS:
                return MOST_NETWORKS
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
    """Rows' flow, direction and network → (flow per row, the flow each new flow is a copy of,
    network per flow).
    """
    same = np.arange(flows, dtype=np.uint32)
    if not network.any():
        return flow, same, np.zeros(flows, dtype=np.uint16)
    key = (
        (flow.astype(np.uint64) << np.uint64(17))
        | (network.astype(np.uint64) << np.uint64(1))
        | forward.astype(np.uint64)
    )
    seen, first = np.unique(key, return_index=True)
    seen = seen[np.argsort(first, kind="stable")]
    where: dict[int, dict[int, int]] = {}
    for code in seen.tolist():
        of = where.setdefault(code >> 17, {})
        of[code >> 1 & 0xFFFF] = of.get(code >> 1 & 0xFFFF, 0) | 1 << (code & 1)
    flow_network = np.zeros(flows, dtype=np.uint16)
    extra: list[tuple[int, int]] = []
    for number, networks in where.items():
        if len(networks) > 1 and all(directions == 3 for directions in networks.values()):
            flow_network[number] = next(iter(networks))
            extra += [(number, n) for n in list(networks)[1:]]
        elif len(networks) > 1:
            names = [book.names[n] or "untagged" for n in networks]
            more = ", …" if len(names) > MOST_NAMED else ""
            flow_network[number] = book.number(", ".join(names[:MOST_NAMED]) + more)
        else:
            flow_network[number] = next(iter(networks))
    if extra:
        wanted = np.array([number << 16 | n for number, n in extra], dtype=np.uint64)
        order = np.argsort(wanted)
        rows = (flow.astype(np.uint64) << np.uint64(16)) | network.astype(np.uint64)
        at = np.minimum(np.searchsorted(wanted[order], rows), len(wanted) - 1)
        hit = wanted[order][at] == rows
        flow = np.where(hit, flows + order[at], flow).astype(np.uint32)
        same = np.concatenate([same, np.array([number for number, _ in extra], dtype=np.uint32)])
        flow_network = np.concatenate(
            [flow_network, np.array([n for _, n in extra], dtype=np.uint16)]
        )
    return flow, same, flow_network
