"""What is open, and why, as data: the sets of exchanges that nothing tells apart, and whether each
side is complete (docs/json-format.md specifies the keys).
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import numpy as np

from lbtrace.model.pairing import Incomplete, Ref, SideCompleteness
from lbtrace.model.report import Report
from lbtrace.model.trace import Trace
from lbtrace.render.json.pairs import References
from lbtrace.render.json.text import NULL, TRUTH, quoted
from lbtrace.tables.pair_sets import Role, SetTable


def sets(report: Report) -> Iterator[str]:
    """One line for each set of interchangeable exchanges."""
    table = SetTable.of(report.correlation.sets)
    if not len(table):
        return
    clients, backends = References(report.clients), References(report.backends)
    for row in range(len(table)):
        mine = clients.texts(*table.members(row, Role.CLIENT))
        theirs = backends.texts(*table.members(row, Role.BACKEND))
        fixed = table.members(row, Role.FIXED)[1].tolist()
        yield (
            f'{{"group":{table.group[row]},"size":{len(mine) + len(theirs)},'
            f'"clients":[{",".join(mine)}],"backends":[{",".join(theirs)}],'
            f'"fixed":[{",".join(map(str, fixed))}]}}'
        )


def completeness(report: Report) -> str:
    """Whether each side shows every exchange that belongs to one of the other side's, and what
    shows that it does not.
    """
    known = report.correlation.completeness
    client = _side(known.client, report.clients, report.backends)
    return (
        f'{{"client":{client},"backend":{_side(known.backend, report.backends, report.clients)}}}'
    )


def _side(held: SideCompleteness, own: Sequence[Trace], other: Sequence[Trace]) -> str:
    """Of one side. `own`: its captures, `other`: those of the other side."""
    of_other = held.reason is Incomplete.PARTNER_MISSING
    connection = held.connection
    return (
        f'{{"complete":{TRUTH[held.complete]},"reason":{quoted(held.reason or "")},'
        f'"exchange":{_exchange(held.exchange, other if of_other else own)},"connection":'
        + (
            f'{{"point":{connection.point},"connection":{connection.id}}}}}'
            if connection is not None
            else f"{NULL}}}"
        )
    )


def _exchange(ref: Ref | None, traces: Sequence[Trace]) -> str:
    """The reference to an exchange, or null."""
    if ref is None:
        return NULL
    (text,) = References(traces).texts(np.array([ref.point]), np.array([ref.id]))
    return text
