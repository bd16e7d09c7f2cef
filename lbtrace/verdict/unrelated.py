"""No pairs → why it may still not be said that the captures are unrelated.

That nothing was found does not show that there is nothing. Captures are called unrelated only where
something must have been on both sides if they belonged together, and was not. So they ran at the
same time by their own clocks; nothing names one service, host or client in both; and each side
holds several different requests, sent while the other capture ran, that got what they asked for.

Errors, redirects and answers that the balancer made itself do not count: the balancer may have made
them all. One request again and again counts once: a balancer checks its backends that way. That
holds for both sides, since nothing shows here which of them is in front.

Even so, clients may have been served by backends that were not captured: the verdict is no surer
than MEDIUM.
"""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from lbtrace.comparison import Comparison, field_values
from lbtrace.explain.unmatched import EDGE_NS
from lbtrace.http_fields import HOST, Meaning, fields_of
from lbtrace.http_fields.addresses import is_loopback, node, stated_addresses
from lbtrace.http_fields.lines import lowered
from lbtrace.model.net import Side
from lbtrace.model.pairing import UnpairedReason
from lbtrace.tables.columns import Column, distinct
from lbtrace.tables.words import joint

MUST_SHOW = 3  # different requests on each side
LOCAL = "localhost"
SUCCESS = range(200, 300)


def apart_in_time(comparison: Comparison) -> bool:
    """Whether by their own clocks one side's captures ended before the other's began, and nothing
    is known of these clocks.
    """
    known = any(not clock.refused for clock in comparison.correlation.clocks)
    return not known and apart_by_own_clocks(comparison)


def apart_by_own_clocks(comparison: Comparison) -> bool:
    """Whether by their own clocks one side's captures ended before the other's began, whatever
    pairs say. Where the user states the difference of the clocks, that counts.
    """
    if any(clock.stated for clock in comparison.correlation.clocks):
        return False
    if not comparison.clients or not comparison.backends:
        return False
    (first, last), (begin, end) = (
        (min(t.first_ns for t in traces), max(t.last_ns for t in traces))
        for traces in (comparison.clients, comparison.backends)
    )
    return last + EDGE_NS < begin or end + EDGE_NS < first


def why_not(comparison: Comparison) -> str:
    """Why captures without a pair may belong together, "" where something speaks against it."""
    if apart_in_time(comparison):
        return (
            "By their own clocks the two captures do not overlap in time: unless a clock is wrong, "
            "no exchange can be on both."
        )
    shared = next(_in_common(comparison), "")
    if shared:
        return f"Both sides have {shared}, but no exchange that was found on both."
    counts = [_must_show(comparison, side) for side in Side]
    if min(counts) >= MUST_SHOW:
        return ""
    return (
        "That shows little: different requests that were granted (2xx) while both captures ran: "
        f"{counts[0]} on the client side, {counts[1]} on the backend side. A balancer answers some "
        "requests itself, and checks its backends by the same request again and again."
    )


def _in_common(comparison: Comparison) -> Iterator[str]:
    """What both sides name: a host that is asked on one and asks on the other, a Host, a client."""
    client, backend = comparison.sides
    text = client.words.text_list
    between = np.intersect1d(
        client.server_address[client.connection[client.requests.there]],
        backend.client_address[backend.connection[backend.requests.there]],
    )
    for address in map(text.__getitem__, between.tolist()):
        if not is_loopback(address):
            yield f"the host {address}, which is asked in front and asks behind"
    hosts = field_values(comparison, HOST)
    for host in np.intersect1d(hosts.client, hosts.backend).tolist():
        name = _service(hosts.texts[host])
        if name:
            yield f"requests for {name}"
    clients = {text[i] for i in distinct(client.client_address[client.connection]).tolist()}
    for address in sorted(clients & _stated(comparison)):
        if not is_loopback(address):
            yield f"the client {address}, which requests behind name"


def _service(host: str | None) -> str:
    """The name in a Host, "" for an address or the machine itself."""
    name = (host or "").rpartition(":")[0] or (host or "")
    return "" if name.lower() == LOCAL or node(host or "") is not None else name


def _stated(comparison: Comparison) -> set[str]:
    """The addresses that requests on the backend side name as their client's."""
    backend = comparison.sides[1]
    lines = backend.words.line_list
    wanted = backend.words.fields_named(fields_of(Meaning.CLIENT_ADDRESS).__contains__)
    sent = distinct(backend.requests.heads.line)
    found = (lines[n] for n in sent[wanted[sent]].tolist())
    return {a for line in found for a in stated_addresses(lowered(line.name), line.value)}


def _must_show(comparison: Comparison, side: Side) -> int:
    """How many different requests of a side had to be seen on the other one."""
    table = comparison.table(side)
    q, status = table.requests, table.status
    wanted = q.there & np.isin(status, SUCCESS)
    wanted &= _while_other_ran(comparison, side)
    own = [
        u.ref
        for u in comparison.correlation.unpaired
        if u.side == side and u.reason is UnpairedReason.ANSWERED_BY_BALANCER
    ]
    wanted[comparison.numbers(side, own)] = False
    if side is Side.BACKEND:
        wanted &= ~comparison.check_exchanges
    rows = np.flatnonzero(wanted)
    asked = joint(table.method[rows], q.start[rows], q.digest[rows])
    return len(distinct(asked))


def _while_other_ran(comparison: Comparison, side: Side) -> Column:
    """Per exchange of a side, whether it was under way while a capture of the other side ran, by
    what is known of the clocks.
    """
    table, of_client = comparison.table(side), side is Side.CLIENT
    others = comparison.backends if of_client else comparison.clients
    known = {(k.client_point, k.backend_point): k for k in comparison.correlation.clocks}
    out = np.zeros(len(table), bool)
    for mine in distinct(table.point).tolist():
        here = table.point == mine
        for theirs, trace in enumerate(others):
            clock = known.get((mine, theirs) if of_client else (theirs, mine))
            shift = 0 if clock is None or clock.refused else clock.middle_ns
            shift = shift if of_client else -shift
            asked, answered = table.requests.first_ns, table.responses.first_ns
            ran = answered >= trace.first_ns + shift - EDGE_NS
            ran &= asked <= trace.last_ns + shift + EDGE_NS
            out |= here & ran
    return out
