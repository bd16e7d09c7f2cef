"""Who asked, by what the balancer states → which of the stated addresses is the captured client's,
where it is not stated as its own.

A client behind a NAT is known to the balancer by another address. When pairs found by content agree
on it, it is that. Otherwise, with one client host captured, and as many requests of each kind as
one stated address has: its exchanges must have those of that address inside them, under some offset
of the clocks. When that holds for one of the stated addresses and for no other, it is the client's.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Sequence
from itertools import chain

import numpy as np

from lbtrace.match import order_statistics
from lbtrace.match.classes import Class
from lbtrace.match.pairing import Pairing
from lbtrace.tables.columns import distinct

FEW = 3  # exchanges: fewer fit under almost any offset


def known(state: Pairing, told: Sequence[str]) -> dict[str, str]:
    """Client addresses → the address the balancer states for them, where that is known. `told`: the
    stated one per backend exchange.

    It is known when clients are stated by their own addresses, or when pairs found by content agree
    on another (a NAT in front).
    """
    stated = set(told)
    hosts = state.client.table.hosts
    found = {a: a for a in hosts & stated}
    votes: dict[str, Counter[str]] = defaultdict(Counter)
    for c, bs in state.caused.items() if stated - {""} else ():
        if told[bs[-1]]:
            votes[state.client.client_address(c)][told[bs[-1]]] += 1
    for host, counted in votes.items():
        if len(counted) == 1 and counted.total() >= 3:
            found[host] = next(iter(counted))
    return found


def fitting(state: Pairing, whole: Sequence[Class], told: Sequence[str]) -> dict[str, str]:
    """The classes of all requests, whoever asked → {the client's address: the address stated for
    it}, when only one can be.
    """
    facts = state.client
    members = np.fromiter(chain.from_iterable(k.clients for k in whole), np.int64)
    numbers = distinct(facts.table.client_address[facts.connection[members]]).tolist()
    hosts = {facts.table.words.text_list[number] for number in numbers}
    stated = {told[b] for k in whole for b in k.backends}
    if (
        len(hosts) != 1
        or len(facts.traces) != 1
        or "" in stated
        or len(stated) < 2
        or sum(len(k.clients) for k in whole) < FEW
    ):
        return {}
    possible = [address for address in stated if _possible(state, whole, told, address)]
    return {next(iter(hosts)): possible[0]} if len(possible) == 1 else {}


def _possible(state: Pairing, whole: Sequence[Class], told: Sequence[str], address: str) -> bool:
    """Whether the backend exchanges stated for an address can all be those of the clients, for
    every backend point.
    """
    sets: dict[int, list[order_statistics.Times]] = defaultdict(list)
    c_facts, b_facts = state.client, state.backend
    for k in whole:
        theirs = np.array([b for b in k.backends if told[b] == address], np.int64)
        if len(theirs) != len(k.clients):
            return False
        mine = np.array(k.clients, np.int64)
        for point in distinct(b_facts.point[theirs]).tolist():
            here = theirs[b_facts.point[theirs] == point]
            sets[point].append(
                (c_facts.start[mine], c_facts.reply[mine], b_facts.start[here], b_facts.reply[here])
            )
    return bool(sets) and all(
        order_statistics.surrounded(held) is not None for held in sets.values()
    )
