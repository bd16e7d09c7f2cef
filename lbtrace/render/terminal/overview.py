"""The verdict and the counts of both sides: the first lines, after which the reader knows what the
balancer does.
"""

from __future__ import annotations

from lbtrace.model.report import Finding, Report, SideCounts
from lbtrace.render.terminal.page import Cell, Column, Page
from lbtrace.render.wording import names, units
from lbtrace.render.wording.escape import cut_end, shown
from lbtrace.render.wording.statements import filled

_PRESSING = 3  # findings named at once


def verdict(page: Page, report: Report) -> None:
    """What it is, how sure, and one plain sentence."""
    v = report.verdict
    looks = next((p.name for p in v.profiles if p.named), "")
    title = names.KIND[v.kind] + (f", looks like {shown(looks)}" if looks else "")
    page.ends(
        (title, "verdict"),
        (f"confidence: {names.CONFIDENCE[v.confidence]}", f"confidence.{v.confidence.value}"),
    )
    page.prose(names.KIND_SENTENCE[v.kind])
    refined = _refined(report)
    if refined:
        page.prose(f"{refined[0].upper()}{refined[1:]}.")
    if v.reason:
        page.prose(shown(v.reason))
    if report.correlation.swapped:
        page.prose(
            "The captures were swapped: the one given first is from behind the balancer. Below, "
            "they are the right way round.",
            style="warning",
        )
    _pressing(page, report.pressing)


def _refined(report: Report) -> str:
    """What the modifiers add, as far as the reason does not say it already."""
    v = report.verdict
    texts = (names.MODIFIER.get(m, shown(m)) for m in v.modifiers)
    return "; ".join(text for text in texts if text.lower() not in v.reason.lower())


def _pressing(page: Page, findings: tuple[Finding, ...]) -> None:
    """What must not be overlooked is named at once; its evidence follows below."""
    for f in findings[:_PRESSING]:
        severity = names.SEVERITY[f.severity]
        sentence = filled(f.statement, f.values).split(". ")[0].removesuffix(".")
        room = page.characters_in(2) - len(severity) - len(f.title)
        text = cut_end(f": {sentence}", room)
        page.line((severity, f"severity.{f.severity.value}"), " ", (shown(f.title), "bold"), text)
    if len(findings) > _PRESSING:
        page.line((f"… and {len(findings) - _PRESSING} more, under Findings", "note"), indent=3)


def sides(page: Page, report: Report) -> None:
    """The two sides, counted."""
    a, b = report.client_counts, report.backend_counts
    page.blank()
    rows = [
        _counted("packets", a.packets, b.packets),
        _counted("TCP connections", a.connections, b.connections, _checks(b.check_connections)),
    ]
    if a.already_open or b.already_open:
        note = "their SYN was not captured"
        rows.append(_counted("  already open", a.already_open, b.already_open, note))
    rows.append(_counted("SYN", a.syns, b.syns, _again(report.summary.syn_retransmissions)))
    rows.append(_counted("HTTP requests", a.requests, b.requests, _requests(report)))
    if (a.responses, b.responses) != (a.requests, b.requests):
        rows.append(_counted("HTTP responses", a.responses, b.responses))
    rows.append(
        [("SYN : requests", "label"), (_ratio(a), "bold"), (_ratio(b), "bold"), _reuse(report)]
    )
    page.table(
        [
            Column(),
            Column("client side", right=True),
            Column("backend side", right=True),
            Column(flexible=True, style="note"),
        ],
        rows,
    )


def _counted(label: str, client: int, backend: int, note: str = "") -> list[Cell]:
    return [(label, "label"), units.count(client), units.count(backend), note]


def _checks(number: int) -> str:
    return f"+ {units.count(number)} of health checks, not counted" if number else ""


def _again(number: int) -> str:
    return f"+ {units.count(number)} sent again, not counted" if number else ""


def _requests(report: Report) -> str:
    """Why the two sides have different numbers of requests, as far as lbtrace knows."""
    own, again = report.summary.answered_by_balancer, report.summary.sent_again
    notes = [
        _checks(report.backend_counts.check_requests),
        f"{units.count(own)} answered by the balancer itself" if own else "",
        f"{units.count(again)} sent to a backend again" if again else "",
    ]
    return "; ".join(filter(None, notes))


def _ratio(c: SideCounts) -> str:
    if c.ratio is None:
        return "no SYN seen" if c.requests else "no requests"
    return units.ratio(*c.ratio)


def _reuse(report: Report) -> str:
    """What the two ratios say, in words."""
    reuse = report.summary.reuse
    already_open = units.plural(report.backend_counts.already_open, "connection")
    return "" if reuse is None else names.REUSE[reuse].format(already_open=already_open)
