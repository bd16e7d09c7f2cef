"""Large segments vanish.

Meaning:
    Small answers pass, and of large ones nothing arrives: full-size segments do not fit through the
    path (MTU), and the ICMP message that says so ("fragmentation needed", "packet too big") is
    dropped on the way or goes to the wrong host. It is called an MTU black hole.
Decided by:
    Segments at the first byte that was never acknowledged, sent three times or more in a tenth of a
    second or longer, all larger than every segment of the same way that was acknowledged. The other
    end spoke later, or several connections show the same. If packets are passed on, their absence
    on the other side is said. An ICMP message that quotes one of these segments states the size
    that fits.
Evidence:
    The first of the segments that vanished, and the ICMP messages about them.
Remedy:
    Let ICMP "fragmentation needed" (type 3, code 4) and "packet too big" (ICMPv6 type 2) pass; or
    clamp the MSS (`--clamp-mss-to-pmtu`), or lower the MTU of the hosts, on tunnels and overlays
    (VXLAN, WireGuard) above all; or turn on `net.ipv4.tcp_mtu_probing`.
Variants:
    from-client, from-client-client, from-client-backend: the end that asks sent them.
    from-server, from-server-client, from-server-backend: the end that answers sent them.
"""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from lbtrace.comparison import Comparison
from lbtrace.comparison.unanswered import Unanswered, largest_passed
from lbtrace.findings import _icmp
from lbtrace.findings._kind import FindingKind
from lbtrace.findings._side import ends, named, told, variant
from lbtrace.findings.connections.idle_limits import ends_of, shown_ends
from lbtrace.model.frame_parts import FramePart
from lbtrace.model.net import IcmpKind, Side
from lbtrace.model.pairing import Confidence
from lbtrace.model.report import Finding, Severity

KIND = FindingKind.of(__name__, __doc__)
RESTS_ON = (FramePart.SEQUENCE,)
ONE_CAPTURE = True
REMEDY = (
    'The path carries smaller packets than these: let ICMP "fragmentation needed" pass, clamp the '
    "MSS to the path's MTU, or lower the MTU of the hosts."
)
UNHEARD = (
    "If the sender goes on, it does not get the ICMP message or does not heed it: look for a "
    "firewall, a translation (NAT) or a tunnel on its way; clamp the MSS to the path's MTU, or "
    "lower the MTU of the hosts."
)


def find(comparison: Comparison) -> Iterator[Finding]:
    """One finding per side and sender."""
    for side in comparison.captured:
        stuck = comparison.oversized(side)
        for server in (False, True):
            of = stuck.server == server
            if of.any():
                yield _finding(comparison, side, Unanswered(stuck.connection[of], stuck.server[of]))


def _finding(comparison: Comparison, side: Side, stuck: Unanswered) -> Finding:
    table, server = comparison.table(side), bool(stuck.server[0])
    least, tries = (
        ends_of(table, stuck.connection, stuck.server, name)
        for name in ("unacked_least", "unacked")
    )
    count = len(table.client_address)
    passed = largest_passed(table)[1][stuck.connection + server * count]
    behind = _seen_elsewhere(comparison, side, stuck)
    icmp = _icmp.of_connections(comparison, side, stuck.connection, server, [IcmpKind.TOO_BIG])
    return KIND.finding(
        variant(comparison, "from-server" if server else "from-client", side),
        Severity.HIGH,
        Confidence.HIGH,
        told(
            comparison,
            "Segments with {least} bytes of payload from the {sender} vanish on the {side} side: "
            "none of the {tries} that were sent on {count} connections, repeats included, was "
            "acknowledged. Smaller ones, up to {passed} bytes, were: the path carries only smaller "
            "packets (MTU).",
        )
        + (" None of them is in the {other} capture." if behind is False else "")
        + (
            " ICMP says so ({said}): packets of at most {mtu} bytes fit."
            if icmp
            else " No ICMP message that says so is in this capture."
        ),
        (
            *_icmp.frames(icmp[:2]),
            *shown_ends(comparison, side, stuck.connection, stuck.server, "unacked"),
        ),
        note="the first segment that vanished",
        remedy=UNHEARD if icmp else REMEDY,
        side=named(comparison, side),
        sender=ends(comparison, side)[server],
        least=int(least.min()),
        tries=int(tries.sum()),
        count=len(stuck.connection),
        passed=int(passed.max()),
        other=(Side.CLIENT if side is Side.BACKEND else Side.BACKEND).value
        if behind is False
        else None,
        icmp=len(icmp) or None,
        said=_icmp.called([error for _, error in icmp]) or None,
        mtu=min(error.mtu for _, error in icmp) if icmp else None,
    )


def _seen_elsewhere(comparison: Comparison, side: Side, stuck: Unanswered) -> bool | None:
    """Whether the other capture shows more of what these ends sent than was acknowledged; None
    where that is not known.
    """
    if comparison.alone or not comparison.passes_packets:
        return None
    pairs, server = comparison.connection_pairs, bool(stuck.server[0])
    mine, theirs = (
        (pairs.client, pairs.backend) if side is Side.CLIENT else (pairs.backend, pairs.client)
    )
    which = np.isin(mine, stuck.connection)
    other = comparison.table(Side.BACKEND if side is Side.CLIENT else Side.CLIENT)
    largest = other.of_ends("acked_most", server), other.of_ends("unacked_least", server)
    there = np.maximum(*largest)[theirs[which]]
    least = ends_of(comparison.table(side), stuck.connection, stuck.server, "unacked_least").min()
    return bool((there >= least).any()) if which.sum() == len(stuck.connection) else None
