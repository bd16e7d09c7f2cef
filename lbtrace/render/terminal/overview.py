"""How much is wrong, the verdict, and the counts of both sides."""

from __future__ import annotations

from lbtrace.language import N, tr
from lbtrace.language.reasons import reason_in
from lbtrace.model.report import Report, SideCounts
from lbtrace.render.terminal import limits
from lbtrace.render.terminal.page import Cell, Column, Page
from lbtrace.render.wording import names, times, units
from lbtrace.render.wording.escape import shown
from lbtrace.render.wording.statements import told_in


def summary(page: Page, report: Report) -> None:
    """How many problems, in how many requests, and when."""
    counts, found = report.client_counts, report.problems
    page.line(
        (of_requests(len(found), counts.requests, counts.connections), "verdict"),
        f" · {times.window(*report.window_ns, page.view.zone)}",
    )
    limits.not_read(page, (*report.clients, *report.backends))
    if not found and report.verdict.kind in names.NOT_COMPARED:
        page.prose(tr("But the two sides could not be compared:"))


def of_requests(problems: int, requests: int, connections: int) -> str:
    """ "2 problems in 7 requests"; in connections, where there is no request."""
    of = units.plural(requests, "request") if requests else units.plural(connections, "connection")
    return tr("{problems} in {of}").format(problems=_problems(problems), of=of)


def of_captures(problems: int, captures: int) -> str:
    """ "2 problems in 3 captures"."""
    of = units.plural(captures, "capture")
    return tr("{problems} in {of}").format(problems=_problems(problems), of=of)


def _problems(count: int) -> str:
    return units.plural(count, "problem") if count else tr("No problems found")


def verdict(page: Page, report: Report, reason: bool, sentence: bool = True) -> None:
    """What it is, how sure, and one plain `sentence`; with its `reason`, or only where that is all
    there is to say.
    """
    v = report.verdict
    looks = next((p.name for p in v.profiles if p.named), "")
    page.blank()
    page.line(
        (
            tr("{kind}, looks like {name}").format(kind=names.KIND[v.kind], name=shown(looks))
            if looks
            else names.KIND[v.kind],
            "verdict",
        ),
        (
            tr(" (confidence: {sure})").format(sure=names.CONFIDENCE[v.confidence]),
            f"confidence.{v.confidence.value}",
        ),
    )
    reason = bool(v.reason) and (reason or v.kind in names.NOT_KNOWN)
    told = kind_told(report, sentence, reason)
    if told:
        page.prose(told)
    if reason:
        page.prose(shown(reason_in(v.reason)))
    if v.next_step:
        page.prose(f"{tr('Next:')} {shown(told_in(v.next_step))}")
    if report.correlation.swapped:
        page.prose(
            tr(
                "The captures were swapped: the one given first is from behind the balancer. "
                "Below, they are the right way round."
            ),
            style="warning",
        )


def kind_told(report: Report, sentence: bool = True, reason: bool = True) -> str:
    """What such a balancer does (`sentence`), and what is special about this one, as far as its
    `reason`, where that is told too, does not say it; may be empty.
    """
    refined = _refined(report, reason)
    said = names.KIND_SENTENCE[report.verdict.kind] if sentence else ""
    return f"{said} {refined[0].upper()}{refined[1:]}.".lstrip() if refined else said


def _refined(report: Report, reason: bool) -> str:
    """What the modifiers add, as far as a reason that is told does not say it already."""
    v = report.verdict
    said = v.reason.lower() if reason else ""
    texts = (names.MODIFIER.get(m, shown(m)) for m in v.modifiers)
    return "; ".join(text for text in texts if text.lower() not in said)


def sides(page: Page, report: Report) -> None:
    """The two sides, counted."""
    page.blank()
    page.table(
        [
            Column(),
            Column("client side", right=True),
            Column("backend side", right=True),
            Column(flexible=True, style="note"),
        ],
        side_rows(report),
    )


def side_rows(report: Report) -> list[list[Cell]]:
    """What is counted: of the client side, of the backend side, and a note."""
    a, b = report.client_counts, report.backend_counts
    rows = [
        _counted(N("packets"), a.packets, b.packets),
        _counted(N("TCP connections"), a.connections, b.connections, _checks(b.check_connections)),
    ]
    if a.already_open or b.already_open:
        rows.append(_counted(N("  SYN not captured"), a.already_open, b.already_open))
    rows.append(_counted(N("SYN"), a.syns, b.syns, _again(report.summary.syn_retransmissions)))
    rows.append(_counted(N("HTTP requests"), a.requests, b.requests, _requests(report)))
    if (a.responses, b.responses) != (a.requests, b.requests):
        rows.append(_counted(N("HTTP responses"), a.responses, b.responses))
    rows.append(
        [("SYN : requests", "label"), (_ratio(a), "bold"), (_ratio(b), "bold"), _reuse(report)]
    )
    return rows


def _counted(label: str, client: int, backend: int, note: str = "") -> list[Cell]:
    return [(label, "label"), units.count(client), units.count(backend), note]


def _checks(number: int) -> str:
    return tr("+ {n} of health checks, not counted").format(n=units.count(number)) if number else ""


def _again(number: int) -> str:
    return tr("+ {n} sent again, not counted").format(n=units.count(number)) if number else ""


def _requests(report: Report) -> str:
    """Why the two sides have different numbers of requests, as far as lbtrace knows."""
    own, again = report.summary.answered_by_balancer, report.summary.sent_again
    notes = [
        _checks(report.backend_counts.check_requests),
        tr("{n} answered by the balancer itself").format(n=units.count(own)) if own else "",
        tr("{n} sent to a backend again").format(n=units.count(again)) if again else "",
    ]
    return "; ".join(filter(None, notes))


def _ratio(c: SideCounts) -> str:
    if c.ratio is None:
        return tr("no SYN seen") if c.requests else tr("no requests")
    return units.ratio(*c.ratio)


def _reuse(report: Report) -> str:
    """What the two ratios say, in words."""
    reuse = report.summary.reuse
    already_open = units.plural(report.backend_counts.already_open, "connection")
    return "" if reuse is None else names.REUSE[reuse].format(already_open=already_open)
