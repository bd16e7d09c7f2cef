"""Two sides as they were given → whether they were given in the wrong order, and whether anything shows the order at all.

Four things tell, none of which needs a clock or a certain pair:

    durations   a client waits longer than the backend takes. Of pairs one by one; of interchangeable sets in order of duration: when every
                one of n waits is at least as long as its own service, so is the k-th longest wait as the k-th longest service
    nesting     a clock was found under which the exchanges behind lie inside those in front: the other way round none would fit
    fields      what balancers add (a PROXY header, X-Forwarded-For, Via, …) stands in the requests of one side and in none of the other's
    host        a host that is the server in one capture and the client in the other stands between them

Captures were swapped when something says so and nothing speaks against it. Requests that only look alike say nothing by their fields.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from lbtrace.correlate.facts import Facts
from lbtrace.correlate.pairing import Pairing
from lbtrace.model.pairing import Clock, Confidence, Tier
from lbtrace.model.trace import Trace

REVERSED = 0.8  # share of what was compared that decides
LOOKED_AT = 200  # pairs whose fields are read
NESTED = 3  # pairs that a clock needs to show the order
ADDED = ("x-forwarded-for", "forwarded", "via", "x-real-ip", "x-forwarded-proto", "x-forwarded-host", "x-amzn-trace-id", "x-envoy-internal")


@dataclass(frozen=True, slots=True)
class Order:
    """`swapped`: the captures look as if given in the wrong order. `shown`: something shows the order, this or the other."""

    swapped: bool
    shown: bool


def judge(state: Pairing, clocks: Iterable[Clock]) -> Order:
    """The pairs as given → what they say about the order. A positive vote is for the order as given, a negative one against it.

    By durations alone most of the exchanges must have been compared: a cache, say, makes backend exchanges that nobody waits for.
    """
    if not state.caused:
        return Order(swapped=False, shown=False)
    shorter, seen = reversed_share(state)
    durations = 0 if not seen else -1 if shorter >= REVERSED * seen else 1 if shorter <= (1 - REVERSED) * seen else 0
    nested = any(not k.refused and not k.stated and k.pairs >= NESTED for k in clocks)
    marks = (_fields(state), _host(state))
    votes = (durations, int(nested), *marks)
    known = any(k is not Confidence.LOW for k in state.confidence.values())
    enough = known and seen * 2 >= len(state.backend) and seen * 3 >= len(state.client)
    swapped = max(votes) <= 0 and (min(marks) < 0 or (durations < 0 and enough))
    return Order(swapped, shown=swapped or max(votes) > 0)


def reversed_share(state: Pairing) -> tuple[int, int]:
    """(pairs whose client exchange is shorter than the backend's, pairs whose times were seen), of those that more
    than their times made: a hit that a cache answers at once may be paired with the fetch it left behind."""
    shorter = seen = 0
    sets: dict[int, list[tuple[int, int]]] = defaultdict(list)
    c_facts, b_facts = state.client, state.backend
    for c, bs in state.caused.items():
        b = bs[-1]
        if len(bs) > 1 or state.tier[c] is Tier.TIME or not (_solid(c_facts, c) and _solid(b_facts, b)):
            continue
        both = int(c_facts.reply[c] - c_facts.start[c]), int(b_facts.reply[b] - b_facts.start[b])
        sets[state.group.get(c, -1)].append(both)
    for group, held in sets.items():
        compared = held if group < 0 else zip(*(sorted(side) for side in zip(*held, strict=True)), strict=True)
        shorter += sum(wait < service for wait, service in compared)
        seen += len(held)
    return shorter, seen


def _solid(facts: Facts, number: int) -> bool:
    return bool(facts.solid_start[number] and facts.solid_reply[number])


def _fields(state: Pairing) -> int:
    """Whose requests bear what balancers add: the backend's (as it should be), the client's, or nobody's alone."""
    pairs = list(state.caused.items())[:LOOKED_AT]
    fronts = sum(_added(state.client, c) for c, _ in pairs)
    backs = sum(_added(state.backend, bs[-1]) for _, bs in pairs)
    if fronts >= REVERSED * len(pairs) and not backs:
        return -1
    return int(backs >= REVERSED * len(pairs) and not fronts)


def _added(facts: Facts, number: int) -> bool:
    e = facts.items[number]
    if facts.traces[facts.refs[number].point].applications[e.connection].proxy:
        return True
    return e.request is not None and any(line.name.lower() in ADDED for line in e.request.lines)


def _host(state: Pairing) -> int:
    """Which way a host that is a server on one side and a client on the other stands between the captures."""
    c_servers, c_clients = _hosts(state.client.traces)
    b_servers, b_clients = _hosts(state.backend.traces)
    between, reverse = c_servers & b_clients - c_clients - b_servers, c_clients & b_servers - c_servers - b_clients
    return bool(between) - bool(reverse)


def _hosts(traces: Sequence[Trace]) -> tuple[set[str], set[str]]:
    spoken = [c for t in traces for c in t.connections if c.from_client.bytes or c.from_server.bytes]
    return {c.server.address for c in spoken}, {c.client.address for c in spoken}
