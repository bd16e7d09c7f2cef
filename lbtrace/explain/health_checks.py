"""Backend exchanges and connections nobody asked for → health checks: by period, source and
sameness first, by User-Agent second.

A check comes from one source, asks one backend endpoint always the same, at an even pace. A
client's own polling does that too, but it has a client exchange for every backend exchange, and
those are paired before this is asked. Where the requests of clients are not in the capture, a pace
alone is no check. A connection that is opened and closed without a byte, again
and again, from an address the balancer speaks from, is a check too. The pace is the median distance
of neighbours; it is even when three of four distances are within a tenth of a multiple of it (a
check that was not captured doubles one).
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Sequence, Set

import numpy as np

from lbtrace.http_fields import ADDED_BY_PROXIES, USER_AGENT
from lbtrace.http_fields.agents import is_health_checker
from lbtrace.match.exchange_times import Facts, unasked
from lbtrace.match.pairing import Pairing
from lbtrace.model.net import Endpoint
from lbtrace.model.pairing import Confidence, HealthCheck, Ref, Tier
from lbtrace.model.trace import Trace
from lbtrace.tables.columns import distinct
from lbtrace.tables.connections import ConnectionTable
from lbtrace.tables.exchanges import by_connection
from lbtrace.tables.messages import NO_VALUE
from lbtrace.tables.pace import FEWEST, pace
from lbtrace.tables.packets import Column
from lbtrace.tables.side_table import SideTable
from lbtrace.tables.words import Words

QUICK_NS = 250_000_000  # requests repeated faster than this are traffic, not checking …
SILENT_QUICK_NS = (
    20_000_000  # … many connections without a byte may come faster: no client asks anything on them
)
MANY = 10
LOOKED_AT = 50  # pairs, for the fields that say who asked

_Key = tuple[int, str, Endpoint, str, str, str]


def find(state: Pairing) -> list[HealthCheck]:
    """The checks among the backend exchanges without an owner."""
    table, words = state.backend.table, state.backend.table.words
    free = np.array(state.free_backends(), np.int64)
    free = free[table.requests.there[free]]
    if not len(free):
        return []
    ends = table.connection[free]
    ports = table.of_connections("server_port")[ends]
    rows = zip(
        *(
            c.tolist()
            for c in (
                table.point[free],
                table.client_address[ends],
                table.server_address[ends],
                ports,
            )
        ),
        strict=True,
    )
    asked_for = zip(*(column[free].tolist() for column in _asked_for(table)), strict=True)
    alike: dict[tuple[tuple[int, ...], tuple[int, ...]], list[int]] = defaultdict(list)
    for b, ends_of, what in zip(free.tolist(), rows, asked_for, strict=True):
        alike[ends_of, what].append(b)
    calls_itself_one = _checkers(words, {what[2] for _, what in alike})
    found: dict[_Key, list[int]] = {
        (
            point,
            words.text_list[source],
            Endpoint(words.text_list[server], port),
            *_named(words, *what),
        ): numbers
        for ((point, source, server, port), what), numbers in alike.items()
        if len(numbers) >= FEWEST or what[2] in calls_itself_one
    }
    forwarded, asked, hosts = _identity_names(state), _asked(state), _client_sources(state)
    used = _used_connections(state)
    shown = _every_request_shown(state.client)
    checks = []
    for key, numbers in found.items():
        if used[table.connection[numbers]].any():
            continue  # the balancer sends clients' requests there: these came through it too
        check = _judge(state, key, numbers, forwarded, asked, hosts, shown)
        if check is not None:
            checks.append(check)
    return checks


def _checkers(words: Words, agents: Set[int]) -> set[int]:
    """Which of these User-Agents, by number, say that they check health."""
    values = words.field_values
    return {n for n in agents if n != NO_VALUE and is_health_checker(values[n])}


def _every_request_shown(client: Facts) -> bool:
    """Whether the client side shows requests, and the request of every answer: otherwise what asks
    at an even pace may be a client.
    """
    there = client.table.requests.there
    return bool(there.any() and (there | unasked(client)).all())


def _used_connections(state: Pairing) -> Column:
    """Which backend connections carry the requests of clients: no balancer checks on those."""
    table = state.backend.table
    used = np.zeros(len(table.client_address), bool)
    for c, bs in state.caused.items():
        if state.confidence[c] is not Confidence.LOW:
            used[table.connection[bs]] = True
    return used


def _asked_for(table: SideTable) -> tuple[Column, Column, Column]:
    """Method, target and what is said by the first User-Agent, as numbers, of every request."""
    agent = table.requests.line_of(table.words, USER_AGENT)
    said = np.append(
        table.words.field_value_of, NO_VALUE
    )  # the same agent however the name of the field is written
    return (
        table.requests.method,
        table.requests.start,
        np.where(agent == NO_VALUE, NO_VALUE, said[agent]),
    )


def _named(words: Words, method: int, target: int, agent: int) -> tuple[str, str, str]:
    """The same as text."""
    return (
        words.text_list[method],
        words.text_list[target],
        words.field_values[agent] if agent != NO_VALUE else "",
    )


def _client_sources(state: Pairing) -> set[str]:
    """Addresses that client hosts themselves have on the backend side: those of the clients, and
    those that pass on one host's packets.
    """
    front, back = state.client.table, state.backend.table
    same = [(c, bs[0]) for c, bs in state.caused.items() if state.tier[c] is Tier.SAME_PACKETS]
    c, b = np.array(same, np.int64).reshape(-1, 2).T
    mine, theirs = front.connection[c], back.connection[b]
    kept = front.of_connections("client_port")[mine] == back.of_connections("client_port")[theirs]
    width = int(front.client_address.max(initial=0)) + 1
    seen = distinct(back.client_address[theirs][kept] * width + front.client_address[mine][kept])
    sources, hosts = np.unique(seen // width, return_counts=True)
    return front.hosts | {front.words.text_list[i] for i in sources[hosts == 1].tolist()}


def _asked(state: Pairing) -> set[tuple[str, str, str]]:
    """Method, target and User-Agent of client requests, and of the backend requests they became."""
    front, back = state.client.table, state.backend.table
    partners = np.fromiter((bs[0] for bs in state.caused.values()), np.int64, len(state.caused))
    out: set[tuple[str, str, str]] = set()
    for table, at in (
        (front, np.flatnonzero(front.requests.there)),
        (back, partners[back.requests.there[partners]]),
    ):
        rows = (column[at].tolist() for column in _asked_for(table))
        out |= {_named(table.words, *row) for row in set(zip(*rows, strict=True))}
    return out


def _identity_names(state: Pairing) -> set[str]:
    """The fields that say who asked, as the balancer writes them: most forwarded requests have
    them. A few clients may send such a field themselves.
    """
    times: Counter[str] = Counter()
    looked = 0
    for bs in list(state.caused.values())[:LOOKED_AT]:
        q = state.backend.exchange(bs[0]).request
        if q is not None:
            looked += 1
            times.update({x.name.lower() for x in q.lines} & ADDED_BY_PROXIES)
    return {name for name, count in times.items() if 2 * count >= looked}


def _judge(
    state: Pairing,
    key: _Key,
    numbers: list[int],
    forwarded: set[str],
    asked: set[tuple[str, str, str]],
    hosts: set[str],
    shown: bool,
) -> HealthCheck | None:
    point, source, target, method, path, agent = key
    period, even = pace(sorted(state.backend.start[numbers].tolist()))
    paced = even and period is not None and period >= QUICK_NS
    known_agent = is_health_checker(agent)
    if not paced and not known_agent:
        return None
    first = state.backend.exchange(numbers[0]).request
    anonymous = (
        bool(forwarded)
        and first is not None
        and not {x.name.lower() for x in first.lines} & forwarded
    )
    if forwarded and not anonymous and first is not None:
        return None  # the balancer says who asked: it is no request of its own
    reasons: list[tuple[str, str]] = []
    if paced and period is not None:
        reasons.append(("period", f"every {period / 1e9:.3g} s, {len(numbers)} times the same"))
    if known_agent:
        reasons.append((USER_AGENT, agent))
    if anonymous:
        reasons.append(("identity", "without the fields that forwarded requests carry"))
    named = known_agent or anonymous
    if not named and not shown:
        return None  # what clients ask is not captured: one may poll
    if not named and (method, path, agent) in asked:
        return None  # clients ask just that: it may be one that was not captured
    if not named and source in hosts:
        return None
    likely = paced and len(numbers) >= 4
    certain = (known_agent and (paced or anonymous)) or (likely and anonymous)
    certain = certain or (paced and len(numbers) >= 5)
    confidence = Confidence.HIGH if certain else Confidence.MEDIUM if likely else Confidence.LOW
    connections = sorted({state.backend.connection_ref(b).id for b in numbers})
    ids = tuple(state.backend.id[numbers].tolist())
    said = tuple(f"{name}: {value}" for name, value in reasons)
    return HealthCheck(
        source,
        target,
        point,
        method,
        path,
        agent,
        period,
        ids,
        tuple(connections),
        confidence,
        said,
    )


def _silent(trace: Trace) -> list[int]:
    """The connections that were accepted and carried nothing, but perhaps a PROXY header."""
    table = ConnectionTable.of(trace.connections)
    client, server = (slice(None, None, 2), slice(1, None, 2))
    ends = table.ends
    headers = np.zeros(len(table), np.int64)
    for i, application in enumerate(trace.applications):
        if application.proxy:
            headers[i] = sum(p.length for p in application.proxy)
    silent = (
        (ends.bytes[client] <= headers)
        & (ends.bytes[server] == 0)
        & (ends.missing[client] == 0)
        & (ends.missing[server] == 0)
    )
    found: list[int] = np.flatnonzero(silent & (table.synacks > 0)).tolist()
    return found


def connects(
    clients: Sequence[Trace], backends: Sequence[Trace], balancer: set[str], known: Set[Ref]
) -> list[HealthCheck]:
    """Connections that are opened and closed without a byte (or with a PROXY header alone), at an
    even pace, from one source to one endpoint.

    A PROXY header with the command LOCAL says outright that the connection is the balancer's own
    (proxy-protocol.txt §2.2). A connection that was refused is no check of its own: a balancer that
    cannot connect for a client tries again at an even pace too. One that a client's goes on in
    (`known`) is the client's, and where clients open and close connections without a byte, a
    balancer that passes these on does so too.
    """
    theirs = sum(len(_silent(trace)) for trace in clients)
    found: dict[tuple[int, str, Endpoint], list[int]] = defaultdict(list)
    local: set[tuple[int, str, Endpoint]] = set()
    for point, trace in enumerate(backends):
        carried = by_connection(trace).sizes.tolist()
        for i in _silent(trace):
            said, c = trace.applications[i].proxy, trace.connections[i]
            if not carried[i] and Ref(point, i) not in known:
                found[point, c.client.address, c.server].append(i)
                if any(p.command == "LOCAL" or not p.source for p in said):
                    local.add((point, c.client.address, c.server))
    checks = []
    for key, ids in found.items():
        point, source, target = key
        period, even = pace(sorted(backends[point].connections[i].first_ns for i in ids))
        if (
            not even
            or period is None
            or period < (QUICK_NS if len(ids) < MANY else SILENT_QUICK_NS)
            or len(ids) <= theirs
        ):
            if key not in local:
                continue
            period = None
        confidence = (
            Confidence.HIGH
            if key in local or (source in balancer and len(ids) >= 4)
            else Confidence.MEDIUM
        )
        reasons = (
            [
                f"period: every {period / 1e9:.3g} s, {len(ids)} times opened and closed without "
                "a request"
            ]
            if period
            else []
        )
        reasons += ["PROXY header: the balancer's own connection (LOCAL)"] if key in local else []
        checks.append(
            HealthCheck(
                source,
                target,
                point,
                "",
                "",
                "",
                period,
                (),
                tuple(ids),
                confidence,
                tuple(reasons),
            )
        )
    return checks
