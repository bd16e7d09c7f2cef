"""The questions of the lesson. Each asks, answers in a sentence, and has a table that proves it."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from typing import NamedTuple

from lbtrace.language import N, tr
from lbtrace.lesson.exchanges import opened_together
from lbtrace.model.report import Kind, Report
from lbtrace.render.terminal.labels import Labels
from lbtrace.render.terminal.page import Cell, Column, Page
from lbtrace.render.wording import names, units
from lbtrace.render.wording.escape import shown

UNKNOWN = N("The captures do not tell.")
ROWS = 6  # of a table


class Question(NamedTuple):
    """`table` shows what the answer rests on."""

    ask: Callable[[Report], str]
    answer: Callable[[Report], str]
    table: Callable[[Page, Report, Labels], None]


def _ask_connections(report: Report) -> str:
    counts = report.client_counts
    return units.counted(
        "They came over {connections}. How many connections will the backend see for this "
        "{n} request?",
        "They came over {connections}. How many connections will the backend see for these "
        "{n} requests?",
        counts.requests,
        connections=units.plural(counts.http_connections, "connection"),
    )


def _answer_connections(report: Report) -> str:
    counts = report.backend_counts
    if not counts.http_connections or report.verdict.kind in names.NOT_KNOWN:
        return tr(UNKNOWN)
    answer = tr("{connections} for {requests}.").format(
        connections=units.plural(counts.http_connections, "connection"),
        requests=units.plural(counts.requests, "request"),
    )
    if counts.already_open:
        answer += " " + units.counted(
            "{n} connection was open before the capture began.",
            "{n} connections were open before the capture began.",
            counts.already_open,
        )
    return answer + _checks(counts.check_connections)


def _checks(connections: int) -> str:
    if not connections:
        return ""
    return " " + units.counted(
        "{n} more is the balancer's health check.",
        "{n} more are the balancer's health checks.",
        connections,
    )


def _counts(page: Page, report: Report, labels: Labels) -> None:
    """Connections, SYNs and requests of both sides."""
    page.heading(tr("Counted"), tr("without health checks"))
    a, b = report.client_counts, report.backend_counts
    rows: list[list[Cell]] = [
        [(tr(label), "label"), units.count(left), units.count(right)]
        for label, left, right in (
            (N("connections with requests"), a.http_connections, b.http_connections),
            (N("SYN"), a.syns, b.syns),
            (N("requests"), a.requests, b.requests),
        )
    ]
    columns = [Column(), Column(tr("client side"), right=True)]
    page.table([*columns, Column(tr("backend side"), right=True)], rows)


def _ask_source(report: Report) -> str:
    del report
    return tr("Which address will the backend see as the source of these connections?")


def _values(report: Report, kind: str) -> Mapping[str, int | str]:
    """What the first finding of a kind measured; nothing without one."""
    found = (f for f in report.findings if f.slug.partition(".")[0] == kind)
    return {value.name: value.value for finding in found for value in finding.values}


def _answer_source(report: Report) -> str:
    fact = report.behaviour and report.behaviour.fact("source.address")
    values = _values(report, "source-address")
    if not fact or fact.value is None:
        return tr(UNKNOWN)
    client, sees = shown(str(values["client"])), shown(str(values["backend_sees"]))
    if fact.value == "rewritten":
        return tr("{sees}, not the client's {client}: the source was rewritten.").format(
            sees=sees, client=client
        )
    if fact.value == "mixed":
        return tr("Some come from the client's address, others do not: {sees}.").format(sees=sees)
    if sees == client:
        return tr("{client}: the client's own address.").format(client=client)
    return tr(
        "{sees}: the address that a NAT in front of the balancer gives {client}. The balancer "
        "left it as it came."
    ).format(sees=sees, client=client)


def _sources(page: Page, report: Report, labels: Labels) -> None:
    """The connections that the backends saw, by source address."""
    checks = set(_check_connections(report))
    counted: Counter[tuple[str, bool]] = Counter()
    for trace in report.backends:
        for c in trace.connections:
            counted[c.client.address, (trace.point, c.id) in checks] += 1
    page.heading(tr("Connections that the backend saw, by source"))
    rows: list[list[Cell]] = [
        [shown(address), units.count(n), tr("health checks") if check else tr("requests")]
        for (address, check), n in counted.most_common(ROWS)
    ]
    page.table([Column(tr("source")), Column(tr("connections"), right=True), Column()], rows)


def _check_connections(report: Report) -> Iterator[tuple[int, int]]:
    """(capture point, connection) of each health check."""
    for check in report.correlation.health_checks:
        trace = report.backends[check.point]
        yield from ((check.point, number) for number in check.connections)
        yield from ((check.point, trace.exchanges[e].connection) for e in check.exchanges)


def _ask_same(report: Report) -> str:
    sees = _values(report, "source-address").get("backend_sees")
    if sees is None:
        return tr("Is it one TCP connection from client to backend, or are there two?")
    return tr(
        "The backend sees {sees} as source. Is it one TCP connection from client to backend, or "
        "are there two?"
    ).format(sees=shown(str(sees)))


def _answer_same(report: Report) -> str:
    both = list(opened_together(report))
    equal = sum(front.isn == behind.isn for front, behind in both)
    kind = report.verdict.kind
    if both and not equal and kind in (Kind.L4_PROXY, Kind.L7_PROXY):
        return tr(
            "Two. The sequence number of no client SYN occurs behind the balancer: it ended the "
            "connection and opened one of its own."
        )
    if not both or equal < len(both) or kind not in (Kind.DIRECT, Kind.L4_PASSTHROUGH):
        return tr(UNKNOWN)
    return tr(
        "One. The SYN at the backend has the sequence number that the client drew: nothing in "
        "between ended the connection."
    ) + _rewritten(report)


def _rewritten(report: Report) -> str:
    """Which addresses were, as a sentence."""
    snat, dnat = ("snat" in report.verdict.modifiers, "dnat" in report.verdict.modifiers)
    if snat and dnat:
        return " " + tr("Only its addresses were rewritten: the source and the destination.")
    if dnat:
        return " " + tr("Only its destination address was rewritten.")
    return " " + tr("Only its source address was rewritten.") if snat else ""


def _syns(page: Page, report: Report, labels: Labels) -> None:
    """The SYNs of connections that belong together, with their initial sequence numbers."""
    page.heading(tr("The SYNs of connections that belong together"))
    rows: list[list[Cell]] = []
    for front, behind in list(opened_together(report))[:ROWS]:
        for side, syn in (("C", front), ("B", behind)):
            c = syn.connection
            ends = f"{c.client} → {c.server}"
            rows.append([(f"{side} {labels.frame(syn.syn)}", "frame"), ends, str(syn.isn)])
    page.table(
        [
            Column(tr("frame")),
            Column(tr("from → to")),
            Column(tr("sequence number"), right=True),
        ],
        rows,
    )


QUESTIONS = (
    Question(_ask_connections, _answer_connections, _counts),
    Question(_ask_source, _answer_source, _sources),
    Question(_ask_same, _answer_same, _syns),
)
