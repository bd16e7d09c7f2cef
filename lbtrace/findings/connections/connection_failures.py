"""Failed connections.

Meaning:
    Attempts to open a connection that failed: refused (the SYN was answered by a RST), turned away
    (an ICMP message quotes the SYN) or unanswered (a SYN without SYN-ACK), on either side. UDP
    packets that were turned away are named too.
Decided by:
    Connections with a captured SYN, no SYN-ACK, and a RST or nothing from the other end. If more
    than SYNs was sent, there was an answer that was not captured. A capture that ends within a
    second of a SYN does not show that nobody answers, nor does one that lacks the packets of that
    server. Nor does a SYN that was sent once, where other packets are missing for certain, or where
    its server said anything, unless there are three. Health checks are counted apart. Requests that
    were answered well and spent a second or longer at the balancer, while it made these attempts,
    waited for them. Where packets are passed on, a SYN that is in no capture behind the balancer,
    though these ran, did not get that far.
Evidence:
    The SYNs, and the ICMP messages.
Remedy:
    Refused: nothing listens on that port. Unanswered: a firewall, a wrong address, or a full accept
    queue; in one capture, where others to the same address and port opened, something drops
    SYNs.
Variants:
    refused, refused-client, refused-backend: a SYN answered by a RST.
    unreachable, unreachable-client, unreachable-backend: a SYN turned away by ICMP.
    udp, udp-client, udp-backend: UDP packets turned away by ICMP.
    no-answer, no-answer-client, no-answer-backend: a SYN that nothing answered.
"""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from lbtrace.comparison import FRAMES_PER_SIDE, Comparison
from lbtrace.comparison.claims import ns
from lbtrace.comparison.counts import counted_once
from lbtrace.findings import _icmp
from lbtrace.findings._backend_events import NO_EVENT, SLUGS, UNREACHABLE, failed_attempts
from lbtrace.findings._kind import FindingKind
from lbtrace.findings._names import few
from lbtrace.findings._side import named, told, variant
from lbtrace.findings._waited_meanwhile import waited_meanwhile
from lbtrace.findings._where_time_went import Slow
from lbtrace.findings.connections.lost_syn import REMEDY as SYNS_DROPPED
from lbtrace.model.frame_parts import FramePart
from lbtrace.model.net import Side
from lbtrace.model.pairing import Confidence
from lbtrace.model.report import Finding, Severity
from lbtrace.tables.columns import Column, among, distinct
from lbtrace.tables.side_table import SideTable

KIND = FindingKind.of(__name__, __doc__)
RESTS_ON = (FramePart.SYN, FramePart.END, FramePart.TIME)
ONE_CAPTURE = True
TURNED_AWAY = (
    "{count} attempts to connect on the {side} side {count:was|were} turned away by ICMP ({said})"
    "{checks}: to {targets}."
)
STATEMENT = {
    "unreachable": TURNED_AWAY,
    "refused": "{count} connections on the {side} side {count:was|were} refused{checks}: to "
    "{targets}.",
    "no-answer": "{count} attempts to connect on the {side} side {count:was|were} not "
    "answered{checks}: to {targets}.",
}
DATAGRAMS = (
    "{count} UDP packets on the {side} side {count:was|were} turned away by ICMP ({said}): to "
    "{targets}."
)
HTTP3 = " Port 443 of UDP is HTTP/3: clients that get no answer there use HTTP/2 or HTTP/1.1."
REMEDY = {
    "unreachable": "The sender of the ICMP message refuses or cannot pass the connection on: look "
    "at its firewall (REJECT), its routes, and whether the server runs.",
    "refused": "Nothing listens there, or a firewall rejects it: start the server, or take the "
    "target out.",
    "no-answer": "Look for a firewall, a wrong address or a full accept queue; or the answers "
    "take a way that was not captured.",
}
HAIRPIN = (
    " from a backend to the balancer's own address (hairpin): the answer must come back through "
    "the balancer."
)
OPENED = " {opened} other connections there opened."
SOONER = {
    "no-answer": " Until then, let the balancer wait less for a connection (nginx: "
    "proxy_connect_timeout; HAProxy: timeout connect; Envoy: connect_timeout), and let health "
    "checks take the server out.",
    "refused": " Until then, let the balancer ask another server sooner (HAProxy: option "
    "redispatch, retries; nginx: proxy_next_upstream), and let health checks take this one out.",
}
NOT_BEHIND = " None of them is in the backend capture."
DROPPED = (
    "They were dropped before the backend capture, or went to a backend without one: look at the "
    "balancer's connection tracking table (full), the source ports of its NAT (none left), its "
    "firewall and its limits."
)
HTTP3_PORT = 443
SOURCE_NAT = (
    "For a hairpin let the balancer translate the source address too (SNAT, masquerade), or let "
    "the backend ask itself directly."
)


def find(comparison: Comparison) -> Iterator[Finding]:
    """One finding a side and kind."""
    for side in comparison.captured:
        yield from _datagrams(comparison, side)
        table = comparison.table(side)
        tried = [
            failed_attempts(t, of_point)
            for of_point, t in zip(table.connections, comparison.traces(side), strict=True)
        ]
        events = np.concatenate([*tried, np.zeros(0, np.int64)])
        # elsewhere the same SYN may have been answered, or from another address
        failed = (events != NO_EVENT) & counted_once(table)
        failed[comparison.strays(side).known] = False
        failed = np.flatnonzero(failed)
        for event in dict.fromkeys(events[failed].tolist()):
            kind, connections = SLUGS[event], failed[events[failed] == event]
            servers = table.servers[connections].tolist()
            checks = (
                int(comparison.check_connections[connections].sum()) if side is Side.BACKEND else 0
            )
            hairpins = _hairpins(comparison, side, connections)
            # two captures show more: how far a SYN came, who sent it
            alone = comparison.alone and kind == "no-answer"
            opened = _opened(table, connections) if alone else 0
            dropped = kind == "no-answer" and _not_behind(comparison, side, connections)
            slow = _waited(comparison, side, connections)
            asked = comparison.sides[1].connection[slow.pairs.backend] if slow else None
            icmp = (
                _icmp.of_connections(comparison, side, connections, False, _icmp.NOT_DELIVERED)
                if event == UNREACHABLE
                else []
            )
            yield KIND.finding(
                variant(comparison, kind, side),
                Severity.MEDIUM,
                Confidence.HIGH,
                told(comparison, STATEMENT[kind]).replace(
                    "{checks}", " ({checks} of them health checks)" if checks else ""
                )
                + _hairpin(hairpins, len(connections))
                + (NOT_BEHIND if dropped else "")
                + (OPENED if opened else "")
                + (_waiting(len(slow.pairs)) if slow else ""),
                [
                    *comparison.opening_frames(side, connections)[: 2 if icmp else None],
                    *_icmp.frames(icmp[:2]),
                    *(comparison.request_frames(slow.pairs[:2]) if slow else ()),
                ],
                count=len(connections),
                targets=few(str(table.endpoint(server)) for server in servers),
                side=named(comparison, side),
                checks=checks,
                hairpins=hairpins or None,
                said=_icmp.called([error for _, error in icmp]) or None,
                opened=opened or None,
                remedy=DROPPED
                if dropped
                else SYNS_DROPPED
                if opened
                else (f"{SOURCE_NAT} " if hairpins else "")
                + REMEDY[kind]
                + (SOONER.get(kind, "") if slow else ""),
                waiting=len(slow.pairs) if slow else None,
                waited=ns(int(slow.parts["held"].max())) if slow else None,
                answering=few(str(table.endpoint(s)) for s in table.servers[asked].tolist())
                if slow
                else None,
            ).on(comparison.failed(side, connections))


def _waited(comparison: Comparison, side: Side, connections: Column) -> Slow | None:
    """The requests that waited while these attempts failed; None without any."""
    if side is Side.CLIENT or comparison.alone:
        return None
    waited = waited_meanwhile(comparison)
    those = waited.on(connections)
    return waited.slow.where(those) if len(those) else None


def _datagrams(comparison: Comparison, side: Side) -> Iterator[Finding]:
    """UDP packets to servers, whose ports are the lower ones, that were turned away."""
    found = [
        (trace, error)
        for trace in comparison.traces(side)
        for error in trace.icmp
        if error.protocol == "UDP"
        and error.kind in _icmp.NOT_DELIVERED
        and error.target.port < error.source.port
    ]
    if not found:
        return
    http3 = any(error.target.port == HTTP3_PORT for _, error in found)
    yield KIND.finding(
        variant(comparison, "udp", side),
        Severity.LOW if http3 else Severity.INFO,
        Confidence.HIGH,
        told(comparison, DATAGRAMS) + (HTTP3 if http3 else ""),
        _icmp.frames(found[:FRAMES_PER_SIDE]),
        count=len(found),
        said=_icmp.called([error for _, error in found]),
        targets=few(dict.fromkeys(str(error.target) for _, error in found)),
        side=named(comparison, side),
        remedy=REMEDY["unreachable"],
    )


def _hairpin(hairpins: int, count: int) -> str:
    if not hairpins:
        return ""
    if hairpins < count:
        return " {hairpins} of them {hairpins:goes|go}" + HAIRPIN
    return (" It goes" if count == 1 else " All of them go") + HAIRPIN


def _waiting(requests: int) -> str:
    return (
        " Meanwhile {waiting} requests waited "
        + ("{waited}" if requests == 1 else "up to {waited}")
        + " at the balancer, until it asked {answering}."
    )


def _hairpins(comparison: Comparison, side: Side, connections: Column) -> int:
    """How many of these connections go from a backend to the address of the balancer in front of
    it.
    """
    if side is Side.CLIENT or comparison.alone:
        return 0
    front, table = comparison.sides
    sources, targets = (c[connections] for c in (table.client_address, table.server_address))
    fronts = np.setdiff1d(front.server_address, table.server_address[_served(comparison)])
    served = table.server_address[_served(comparison)]
    return int((among(sources, served) & among(targets, fronts)).sum())


def _opened(table: SideTable, failed: Column) -> int:
    """How many connections to the servers of these attempts opened, if some did to each."""
    opened = np.flatnonzero(table.of_connections("opened") & counted_once(table))
    there = among(table.servers[opened], table.servers[failed])
    every = among(table.servers[failed], table.servers[opened]).all()
    return int(there.sum()) if every else 0


def _not_behind(comparison: Comparison, side: Side, connections: Column) -> bool:
    """Whether none of these SYNs came behind a balancer that passes packets on, in captures that
    ran then.
    """
    if side is Side.BACKEND or comparison.alone or not comparison.passes_packets:
        return False
    front, behind = comparison.sides
    if among(front.of_ends("isn", False)[connections], behind.of_ends("isn", False)).any():
        return False
    began = front.of_connections("first_ns")[connections]
    for connection, at in zip(connections.tolist(), began.tolist(), strict=True):
        point = front.connection_ref(connection).point
        for place, trace in enumerate(comparison.backends):
            clock = comparison.clock(point, place)
            if clock is None:
                return False
            there = at - clock.delta_ns(at - clock.middle_ns)
            if not trace.first_ns <= there <= trace.last_ns:
                return False
    return True


def _served(comparison: Comparison) -> Column:
    """The backend connections that carry what clients asked."""
    return distinct(comparison.all_pairs.backend_connection)
