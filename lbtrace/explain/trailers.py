"""Paired messages → what the balancer changes in their trailers, over all pairs.

Trailers are fields behind the body (RFC 9110 §6.5). Who takes off the chunked coding may drop them
(RFC 9112 §7.1.2), and many balancers do; gRPC puts its status there. They are compared like heads
(`header_changes`), of pairs that stand alone, where both bodies were captured to their end. Most
captures have none, so only exchanges with trailers are looked at.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Iterator, Sequence

import numpy as np

from lbtrace.explain.header_changes import HTTP2, Difference, Tally, change, differences
from lbtrace.http_fields.lines import lowered
from lbtrace.model.http import Exchange, HeaderLine, Request, Response
from lbtrace.model.pairing import ChangeKind, HeaderChange, Ref
from lbtrace.model.trace import Trace
from lbtrace.tables.exchanges import Exchanges
from lbtrace.tables.pairs import ANSWERED, NONE, PairTable
from lbtrace.tables.side_table import SideTable

Message = Request | Response


def changes(client: SideTable, backend: SideTable, pairs: PairTable) -> tuple[HeaderChange, ...]:
    """Every kind of change to a trailer, requests before responses."""
    having = [_having(table.traces) for table in (client, backend)]
    if not any(having):
        return ()
    out: list[HeaderChange] = []
    compared = [
        (place, client.traces[c.point].exchanges[c.id], backend.traces[b.point].exchanges[b.id])
        for place, c, b in _alone(pairs)
        if c in having[0] or b in having[1]
    ]
    for request in (True, False):
        found: dict[tuple[ChangeKind, str], list[Difference]] = defaultdict(list)
        of = 0
        for place, before, after in _messages(compared, request):
            of += 1
            converted = (before.version == HTTP2) != (after.version == HTTP2)
            for kind, name, line, other in _differences(before.trailers, after.trailers):
                if converted and kind is ChangeKind.RECASED:
                    continue
                found[kind, name].append(Difference(place, line, other, ""))
        out += [
            change(request, kind, name, Tally.of(each, frozenset()), of)
            for (kind, name), each in found.items()
        ]
    return tuple(out)


def _having(traces: Sequence[Trace]) -> set[Ref]:
    """The exchanges with trailers. Those that were read in bulk have none."""
    found = set()
    for point, trace in enumerate(traces):
        every: Iterable[Exchange] = trace.exchanges
        if isinstance(trace.exchanges, Exchanges):
            every = trace.exchanges.objects
        found |= {
            Ref(point, e.id)
            for e in every
            if any(m is not None and m.trailers for m in (e.request, e.response))
        }
    return found


def _alone(pairs: PairTable) -> Iterator[tuple[int, Ref, Ref]]:
    """Pairs that are known and in no set: their place, client exchange and answered attempt."""
    last = pairs.last
    rows = np.flatnonzero(pairs.known & (pairs.group == NONE) & (pairs.outcome[last] == ANSWERED))
    at = last[rows]
    columns = (
        column.tolist()
        for column in (
            rows,
            pairs.client_point[rows],
            pairs.client[rows],
            pairs.backend_point[at],
            pairs.backend[at],
        )
    )
    for place, point, number, other, backend in zip(*columns, strict=True):
        yield place, Ref(point, number), Ref(other, backend)


def _messages(
    compared: Iterable[tuple[int, Exchange, Exchange]], request: bool
) -> Iterator[tuple[int, Message, Message]]:
    """The messages of pairs in the direction of travel, as far as both were captured to their end
    and one has trailers.
    """
    for place, client, backend in compared:
        before: Message | None = client.request if request else backend.response
        after: Message | None = backend.request if request else client.response
        if before is None or after is None or not (before.trailers or after.trailers):
            continue
        if before.body.complete and after.body.complete:
            yield place, before, after


def _differences(
    before: Sequence[HeaderLine], after: Sequence[HeaderLine]
) -> Iterator[tuple[ChangeKind, str, HeaderLine | None, HeaderLine | None]]:
    """Field by field."""
    fields: dict[str, tuple[list[HeaderLine], list[HeaderLine]]] = defaultdict(lambda: ([], []))
    for side, lines in enumerate((before, after)):
        for line in lines:
            fields[lowered(line.name)][side].append(line)
    for name, (old, new) in fields.items():
        for kind, one, other in differences(old, new):
            yield kind, name, one, other
