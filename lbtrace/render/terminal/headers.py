"""What the balancer added to the heads, removed from them and changed, with example values."""

from __future__ import annotations

from collections.abc import Iterator

from lbtrace.language import N, Texts, tr
from lbtrace.model.net import Side
from lbtrace.model.pairing import ChangeKind, HeaderChange
from lbtrace.model.report import Report
from lbtrace.render.terminal.labels import Labels
from lbtrace.render.terminal.page import Cell, Column, Page
from lbtrace.render.wording import names
from lbtrace.render.wording.escape import shown

_SIGN = {
    ChangeKind.ADDED: ("+", "added"),
    ChangeKind.REMOVED: ("-", "removed"),
    ChangeKind.CHANGED: ("~", "changed"),
    ChangeKind.RECASED: ("~", "changed"),
    ChangeKind.REORDERED: ("~", "changed"),
    ChangeKind.DUPLICATED: ("+", "added"),
}
_DONE = Texts(
    {
        ChangeKind.ADDED: "added",
        ChangeKind.REMOVED: "removed",
        ChangeKind.CHANGED: "changed",
        ChangeKind.RECASED: "re-cased",
        ChangeKind.REORDERED: "re-ordered",
        ChangeKind.DUPLICATED: "second line",
    }
)
_WITHOUT_BEHAVIOUR = (ChangeKind.REMOVED, ChangeKind.RECASED, ChangeKind.REORDERED)


def headers(page: Page, report: Report, labels: Labels) -> None:
    """One section for each way."""
    if not report.correlation.pairs:
        return
    summary = report.summary
    for request, title, compared in (
        (True, N("Requests, on the way to the backend"), summary.requests_compared),
        (False, N("Responses, on the way back"), summary.responses_compared),
    ):
        changes = [c for c in report.correlation.changes if c.request is request]
        nothing = (
            "no header line differs" if compared else "not known: no sure pair with whole heads"
        )
        page.heading(title, "" if changes else nothing)
        _changed(page, report, [c for c in changes if not c.hop_by_hop], labels)
        legal = [f"{shown(c.name)} {_DONE[c.kind]} ({_seen(c)})" for c in changes if c.hop_by_hop]
        if legal:
            text = tr("may differ on each hop: {fields}").format(fields=", ".join(legal))
            page.prose(text, indent=3, style="note")


def _seen(change: HeaderChange) -> str:
    return tr("{count} of {of}").format(count=change.count, of=change.of)


def _changed(page: Page, report: Report, changes: list[HeaderChange], labels: Labels) -> None:
    if not changes:
        return
    page.table(
        [
            Column(),
            Column(flexible=True, cut=True),
            Column(style="note"),
            Column(right=True, style="note"),
        ],
        [row for change in changes for row in rows(change)],
    )
    example = _example(report, labels, changes[0])
    if example:
        page.line((f"{tr('for example')} {example}", "note"), indent=3)


def rows(c: HeaderChange) -> Iterator[list[Cell]]:
    """What was done, the line, how it behaves, in how many pairs; a row for each of its lines."""
    sign, style = _SIGN[c.kind]
    word = f"{sign} {_DONE[c.kind]}"
    behaviour = "" if c.kind in _WITHOUT_BEHAVIOUR else names.BEHAVIOUR[c.behaviour]
    first, *others = _lines(c)
    # the first of two lines of a duplicated field is the sender's own, and stays
    beside = c.kind is ChangeKind.DUPLICATED and bool(others)
    yield [(word, style), shown(first), "" if beside else behaviour, _seen(c)]
    for line in others:
        lead = f"    {tr('and')}" if beside else f"       {tr('to')}"
        yield [(lead, style), shown(line), behaviour if beside else "", ""]


def _lines(c: HeaderChange) -> list[str]:
    """The line before and after the change, as far as there are both."""
    if not (c.before and c.after):
        return [c.after or c.before or c.name]
    if c.kind is ChangeKind.RECASED:
        return [f"{_name(c.before)} → {_name(c.after)}"]
    return [c.before, c.after]


def _name(line: str) -> str:
    return line.split(":", 1)[0]


def _example(report: Report, labels: Labels, change: HeaderChange) -> str:
    if not 0 <= change.example < len(report.correlation.pairs):
        return ""
    pair = report.correlation.pairs[change.example]
    if not pair.attempts:
        return ""
    client = labels.begin(Side.CLIENT, pair.client)
    backend = labels.begin(Side.BACKEND, pair.attempts[-1].backend)
    return f"{tr('client')} {client} ↔ {tr('backend')} {backend}"
