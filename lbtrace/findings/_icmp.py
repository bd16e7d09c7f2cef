"""ICMP messages that quote a packet of a connection → which connections they are about, and what
they are called in a sentence.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Iterable, Sequence

from lbtrace.comparison import Comparison
from lbtrace.findings._names import counted
from lbtrace.model.net import Endpoint, FrameRef, IcmpError, IcmpKind, Side
from lbtrace.model.pairing import Ref
from lbtrace.model.trace import Trace
from lbtrace.tables.columns import Column

NOT_DELIVERED = (IcmpKind.UNREACHABLE, IcmpKind.EXPIRED)
LISTED = 3
# RFC 792, RFC 1812 §5.2.7.1, RFC 4443 §3.1: what codes of "unreachable" mean
CODES_V4 = {
    0: "network unreachable",
    1: "host unreachable",
    2: "protocol unreachable",
    3: "port unreachable",
    9: "administratively prohibited",
    10: "administratively prohibited",
    13: "administratively prohibited",
}
CODES_V6 = {
    0: "no route to destination",
    1: "administratively prohibited",
    3: "address unreachable",
    4: "port unreachable",
}


def about(
    comparison: Comparison, side: Side, kinds: Collection[IcmpKind], protocol: str = "TCP"
) -> dict[tuple[int, Endpoint, Endpoint], list[IcmpError]]:
    """The messages of a side, by capture point, sender and receiver of the packet that they are
    about.
    """
    found: dict[tuple[int, Endpoint, Endpoint], list[IcmpError]] = defaultdict(list)
    for trace in comparison.traces(side):
        for error in trace.icmp:
            if error.kind in kinds and error.protocol == protocol:
                found[trace.point, error.source, error.target].append(error)
    return dict(found)


def of_connections(
    comparison: Comparison,
    side: Side,
    connections: Column,
    server: bool,
    kinds: Collection[IcmpKind],
) -> list[tuple[Trace, IcmpError]]:
    """The messages about what an end of these connections (their numbers) sent, each once: a
    message does not say which of the connections between the same two ports it is about.
    """
    known = about(comparison, side, kinds)
    found: list[tuple[Trace, IcmpError]] = []
    for row in connections.tolist() if known else ():
        ref: Ref = comparison.table(side).connection_ref(row)
        held = comparison.connection(side, ref)
        ends = (held.server, held.client) if server else (held.client, held.server)
        trace = comparison.traces(side)[ref.point]
        found += [(trace, error) for error in known.pop((trace.point, *ends), ())]
    return found


def frames(found: Iterable[tuple[Trace, IcmpError]]) -> list[FrameRef]:
    """Where the messages are."""
    return [trace.ref(error.frame, error.time_ns) for trace, error in found]


def called(errors: Sequence[IcmpError]) -> str:
    """What they say and who sent them: "port unreachable from 10.0.0.1 ×3"."""
    return counted((f"{_name(error)} from {error.sender}" for error in errors), LISTED)


def _name(error: IcmpError) -> str:
    six = ":" in error.sender
    if error.kind is IcmpKind.TOO_BIG:
        return "packet too big" if six else "fragmentation needed"
    if error.kind is IcmpKind.EXPIRED:
        return "time exceeded"
    return (CODES_V6 if six else CODES_V4).get(error.code, f"unreachable, code {error.code}")
