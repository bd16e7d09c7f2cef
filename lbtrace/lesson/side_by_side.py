"""Reports → the table that holds all acts side by side: one row for each question, one column for
each balancer.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING

from lbtrace.language import N, tr
from lbtrace.lesson.exchanges import opened_together
from lbtrace.model.report import Report
from lbtrace.render.terminal import facts
from lbtrace.render.terminal.page import Cell, Column, Page
from lbtrace.render.wording import names, units
from lbtrace.render.wording.escape import shown

if TYPE_CHECKING:
    from lbtrace.lesson import Act

UNKNOWN = N("not known")
NOWHERE = N("nowhere")
STATED = {"source address": N("the source address"), "nowhere": NOWHERE}


def side_by_side(page: Page, acts: Sequence[Act]) -> None:
    """The table, each row from the packets of its balancer."""
    page.heading(tr("Side by side"), tr("every value from the packets"))
    columns = [list(values(act.report)) for act in acts]
    rows: list[list[Cell]] = [
        [(tr(label), "label"), *(tr(UNKNOWN) if value == "" else value for value in values)]
        for label, *values in zip(LABELS, *columns, strict=True)
    ]
    titles = [Column(shown(act.name), flexible=True) for act in acts]
    page.table([Column(flexible=len(acts) > 1), *titles], rows)


LABELS = (
    N("SYN, client side : backend side"),
    N("requests per backend connection"),
    N("source that the backend sees"),
    N("client's address stated in"),
    N("destination"),
    N("sequence numbers of the SYNs"),
    N("requests"),
    N("responses"),
    N("health checks"),
    N("verdict"),
)


def values(report: Report) -> Iterator[str]:
    """A value for each label; "" for what is not known."""
    yield _syns(report)
    yield _per_connection(report)
    yield ", ".join(map(shown, report.correlation.topology.sources))
    yield _stated_in(report)
    yield _destination(report)
    yield _sequence_numbers(report)
    yield "; ".join(facts.heads(report, request=True))
    yield "; ".join(facts.heads(report, request=False))
    yield _checks(report)
    yield _verdict(report)


def _syns(report: Report) -> str:
    front, behind = report.client_counts, report.backend_counts
    if front.already_open or behind.already_open:
        return ""
    return f"{units.count(front.syns)} : {units.count(behind.syns)}"


def _per_connection(report: Report) -> str:
    """ "4", or "1–4"."""
    numbers = [requests for requests, _ in report.backend_counts.requests_per_connection]
    if not numbers:
        return ""
    least, most = min(numbers), max(numbers)
    return units.count(most) if least == most else f"{units.count(least)}–{units.count(most)}"


def _stated_in(report: Report) -> str:
    fact = report.behaviour and report.behaviour.fact("source.stated-in")
    if not fact or fact.value is None:
        return ""
    value = str(fact.value)
    return tr(STATED[value]) if value in STATED else shown(value)


def _destination(report: Report) -> str:
    topology = report.correlation.topology
    fronts, backends = (
        ", ".join(shown(str(end)) for end in ends) for ends in (topology.fronts, topology.backends)
    )
    return f"{fronts} → {backends}" if fronts and backends else ""


def _sequence_numbers(report: Report) -> str:
    both = list(opened_together(report))
    if not both:
        return ""
    equal = sum(front.isn == behind.isn for front, behind in both)
    return tr("equal in {equal} of {of}").format(
        equal=units.count(equal), of=units.count(len(both))
    )


def _checks(report: Report) -> str:
    """What they ask, and how often."""
    checks = report.correlation.health_checks
    if not checks:
        return tr("none seen")
    check = checks[0]
    what = f"{shown(check.method)} {shown(check.path)}" if check.method else tr("connect and close")
    if check.period_ns is None:
        return what
    return tr("{what}, every {period}").format(what=what, period=units.duration(check.period_ns))


def _verdict(report: Report) -> str:
    modifiers = ", ".join(map(str.upper, report.verdict.modifiers))
    kind = names.KIND[report.verdict.kind]
    return f"{kind} ({modifiers})" if modifiers else kind
