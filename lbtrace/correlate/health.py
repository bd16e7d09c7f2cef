"""Backend exchanges and connections nobody asked for → health checks: by period, source and sameness first, by User-Agent second.

A check comes from one source, asks one backend endpoint always the same, at an even pace. A client's own polling does that
too, but it has a client
exchange for every backend exchange, and those are paired before this is asked. A connection that is opened and closed without
a byte, again and
again, from an address the balancer speaks from, is a check too. The pace is the median distance of neighbours; it is even when
three of four distances are
within a tenth of a multiple of it (a check that was not captured doubles one).
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence

import numpy as np

from lbtrace.correlate.pairing import Pairing
from lbtrace.model.net import Endpoint
from lbtrace.model.pairing import Confidence, HealthCheck, Tier
from lbtrace.model.trace import Trace

AGENTS = (
    "elb-healthchecker",
    "googlehc",
    "health",
    "kube-probe",
    "consul",
    "haproxy",
    "varnish",
    "monitor",
    "probe",
    "amazon-route53",
    "nginx-check",
    "load balancer agent",
)
_GIVES_IDENTITY = ("x-forwarded-for", "forwarded", "x-real-ip", "x-amzn-trace-id", "via", "x-forwarded-proto")
QUICK_NS = 250_000_000  # repeated faster than this is traffic, not checking

_Key = tuple[int, str, Endpoint, str, str, str]


def find(state: Pairing) -> list[HealthCheck]:
    """The checks among the backend exchanges without an owner."""
    found: dict[_Key, list[int]] = defaultdict(list)
    for b in state.free_backends():
        e = state.backend.items[b]
        if e.request is None:
            continue
        point = state.backend.refs[b].point
        c = state.backend.traces[point].connections[e.connection]
        agent = next((x.value for x in e.request.lines if x.name.lower() == "user-agent"), "")
        found[point, c.client.address, c.server, e.request.method, e.request.target, agent].append(b)
    if not found:
        return []
    forwarded, asked = _identity_names(state), _asked(state)
    checks = []
    for key, numbers in found.items():
        check = _judge(state, key, numbers, forwarded, asked)
        if check is not None:
            checks.append(check)
    return checks


def _client_sources(state: Pairing) -> set[str]:
    """Addresses that client hosts themselves have on the backend side: those of the clients, and those that pass on one host's packets."""
    out = {c.client.address for trace in state.client.traces for c in trace.connections}
    hosts: dict[str, set[str]] = defaultdict(set)
    for c, bs in state.caused.items():
        if state.tier[c] is Tier.SAME_PACKETS:
            mine = state.client.traces[state.client.refs[c].point].connections[state.client.items[c].connection]
            theirs = state.backend.traces[state.backend.refs[bs[0]].point].connections[state.backend.items[bs[0]].connection]
            if mine.client.port == theirs.client.port:
                hosts[theirs.client.address].add(mine.client.address)
    return out | {address for address, behind in hosts.items() if len(behind) == 1}


def _asked(state: Pairing) -> set[tuple[str, str, str]]:
    """Method, target and User-Agent of client requests, and of the backend requests they became."""
    out: set[tuple[str, str, str]] = set()
    partners = (state.backend.items[bs[0]] for bs in state.caused.values())
    for e in (*state.client.items, *partners):
        if e.request is not None:
            out.add((e.request.method, e.request.target, next((x.value for x in e.request.lines if x.name.lower() == "user-agent"), "")))
    return out


def _identity_names(state: Pairing) -> set[str]:
    """The fields that say who asked, as seen on forwarded requests."""
    names: set[str] = set()
    for bs in list(state.caused.values())[:50]:
        q = state.backend.items[bs[0]].request
        if q is not None:
            names |= {x.name.lower() for x in q.lines}
    return names & set(_GIVES_IDENTITY)


def _judge(state: Pairing, key: _Key, numbers: list[int], forwarded: set[str], asked: set[tuple[str, str, str]]) -> HealthCheck | None:
    point, source, target, method, path, agent = key
    times = sorted(int(state.backend.start[b]) for b in numbers)
    period, even = pace(times)
    known_agent = any(a in agent.lower() for a in AGENTS)
    first = state.backend.items[numbers[0]].request
    anonymous = bool(forwarded) and first is not None and not {x.name.lower() for x in first.lines} & forwarded
    reasons: list[tuple[str, str]] = []
    if period is not None and even and period >= QUICK_NS:
        reasons.append(("period", f"every {period / 1e9:.3g} s, {len(numbers)} times the same"))
    if known_agent:
        reasons.append(("user-agent", agent))
    if anonymous:
        reasons.append(("identity", "without the fields that forwarded requests carry"))
    if not known_agent and not anonymous and (method, path, agent) in asked:
        return None  # clients ask just that: it may be one that was not captured
    if not known_agent and not anonymous and source in _client_sources(state):
        return None
    paced = even and period is not None and period >= QUICK_NS
    if not paced and not known_agent:
        return None
    certain = known_agent or (paced and (len(numbers) >= 5 or (anonymous and len(numbers) >= 4)))
    likely = paced and len(numbers) >= 4
    confidence = Confidence.HIGH if certain else Confidence.MEDIUM if likely else Confidence.LOW
    connections = sorted({state.backend.items[b].connection for b in numbers})
    ids = tuple(state.backend.refs[b].id for b in numbers)
    said = tuple(f"{name}: {value}" for name, value in reasons)
    return HealthCheck(source, target, point, method, path, agent, period, ids, tuple(connections), confidence, said)


def pace(times: Sequence[int]) -> tuple[int | None, bool]:
    """Sorted times → (median distance, None with fewer than three times; whether the pace is even)."""
    if len(times) < 3:
        return None, False
    gaps = np.diff(np.array(times, np.int64))
    period = int(np.median(gaps))
    if period <= 0:
        return 0, False
    multiples = np.maximum(np.rint(gaps / period), 1)
    if len(times) < 6:
        return period, bool((np.abs(gaps / period - 1) <= 0.05).all())
    even = np.abs(gaps / period - multiples) <= 0.1
    return period, bool(even.mean() >= 0.75)


def connects(backends: Sequence[Trace], balancer: set[str]) -> list[HealthCheck]:
    """Connections that are opened and closed without a byte (or with a PROXY header alone), at an even pace, from one source to
    one endpoint.

    A PROXY header with the command LOCAL says outright that the connection is the balancer's own (proxy-protocol.txt §2.2). A
    connection that was
    refused is no check of its own: a balancer that cannot connect for a client tries again at an even pace too.
    """
    found: dict[tuple[int, str, Endpoint], list[int]] = defaultdict(list)
    local: set[tuple[int, str, Endpoint]] = set()
    for point, trace in enumerate(backends):
        for c in trace.connections:
            said = trace.applications[c.id].proxy
            silent = (
                c.from_client.bytes <= sum(p.length for p in said)
                and not c.from_server.bytes
                and not c.from_client.missing
                and not c.from_server.missing
            )
            if silent and c.synacks and not trace.exchanges_of(c.id):
                found[point, c.client.address, c.server].append(c.id)
                if any(p.command == "LOCAL" or not p.source for p in said):
                    local.add((point, c.client.address, c.server))
    checks = []
    for key, ids in found.items():
        point, source, target = key
        period, even = pace(sorted(backends[point].connections[i].first_ns for i in ids))
        if not even or period is None or period < QUICK_NS:
            if key not in local:
                continue
            period = None
        confidence = Confidence.HIGH if key in local or (source in balancer and len(ids) >= 4) else Confidence.MEDIUM
        reasons = [f"period: every {period / 1e9:.3g} s, {len(ids)} times opened and closed without a request"] if period else []
        reasons += ["PROXY header: the balancer's own connection (LOCAL)"] if key in local else []
        checks.append(HealthCheck(source, target, point, "", "", "", period, (), tuple(ids), confidence, tuple(reasons)))
    return checks
