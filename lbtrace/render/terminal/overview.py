"""Verdict, drawing, the two sides, header changes: the first twenty lines, after which the reader
knows what the balancer does.
"""

from __future__ import annotations

from collections.abc import Iterator
from itertools import zip_longest

import numpy as np

from lbtrace.http_fields.lines import has_whole_head
from lbtrace.model.net import Side
from lbtrace.model.pairing import (
    AddressMapping,
    ChangeKind,
    Confidence,
    HeaderChange,
    Topology,
    UnpairedReason,
)
from lbtrace.model.report import Finding, Kind, Report, Severity, SideCounts
from lbtrace.render.terminal.labels import Labels
from lbtrace.render.terminal.page import Cell, Column, Page
from lbtrace.render.wording import names, units
from lbtrace.render.wording.escape import cut_end, shown
from lbtrace.render.wording.statements import filled
from lbtrace.tables.pairs import PairTable

_SHOWN_ADDRESSES = 4
_ATTENTION = 3
_NO_BALANCER = (Kind.DIRECT, Kind.UNRELATED, Kind.INCONCLUSIVE)


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
    refined = [
        text
        for m in v.modifiers
        if (text := names.MODIFIER.get(m, shown(m))).lower() not in v.reason.lower()
    ]
    if refined:
        text = "; ".join(refined)
        page.prose(f"{text[0].upper()}{text[1:]}.")
    if v.reason:
        page.prose(shown(v.reason))
    if report.correlation.swapped:
        page.prose(
            "The captures were swapped: the one given first is from behind the balancer. Below, "
            "they are the right way round.",
            style="warning",
        )
    _attention(page, report)


def _attention(page: Page, report: Report) -> None:
    """What must not be overlooked is named at once; its evidence follows below."""
    worth = [
        f
        for f in report.findings
        if f.severity in (Severity.CRITICAL, Severity.HIGH, Severity.MEDIUM)
    ]
    first: dict[tuple[Severity, str], Finding] = {}
    for f in worth:
        first.setdefault((f.severity, f.title), f)
    for f in list(first.values())[:_ATTENTION]:
        severity = names.SEVERITY[f.severity]
        sentence = filled(f.statement, f.values).split(". ")[0].removesuffix(".")
        text = cut_end(
            f": {sentence}", 2 * page.prose_width - len(severity) - len(f.title) - 10
        )  # two lines
        page.line((severity, f"severity.{f.severity.value}"), " ", (shown(f.title), "bold"), text)
    if len(first) > _ATTENTION:
        page.line((f"… and {len(first) - _ATTENTION} more, under Findings", "note"), indent=3)


def drawing(page: Page, report: Report) -> None:
    """Who talks to whom: client ──▶ front ┆ back ──▶ backend."""
    t = report.correlation.topology
    fronts, backends = [str(e) for e in t.fronts], [str(e) for e in t.backends]
    columns = [_few(list(t.clients)), _few(fronts), _few(_sources(t)), _few(backends)]
    if not any(columns):
        return
    page.blank()
    between = "load balancer" if report.verdict.kind not in _NO_BALANCER else "connects to"
    titles = ["client", between, "source behind it", "backend"]
    widths = [
        max([len(title), *map(len, column)]) for title, column in zip(titles, columns, strict=True)
    ]
    arrow = min((page.width - 2 - sum(widths) - 7) // 2, 12)
    if arrow < 3:
        _drawing_as_list(page, titles, columns)
    else:
        gap = " " * (arrow + 2)
        page.line(
            (
                f"{titles[0]:<{widths[0]}}{gap}{titles[1]:<{widths[1]}}   {titles[2]:<{widths[2]}}{gap}{titles[3]}",  # noqa: E501
                "label",
            )
        )
        for number, row in enumerate(zip_longest(*columns, fillvalue="")):
            shaft = f" {'─' * (arrow - 1)}▶ " if number == 0 else gap
            page.line(
                f"{row[0]:<{widths[0]}}{shaft}{row[1]:<{widths[1]}} ┆ {row[2]:<{widths[2]}}{shaft}{row[3]}"  # noqa: E501
            )
    nats = {
        value.value
        for f in report.findings
        if f.slug == "nat-before-balancer"
        for value in f.values
        if value.name == "seen_as"
    }
    for m in t.mappings:
        if m.client != m.seen_as:
            page.prose(_mapping(m, m.seen_as in nats), indent=3, style="note")


def _sources(t: Topology) -> list[str]:
    """The addresses backends see: the balancer's own, else those it left on the packets."""
    return list(t.balancer_back) or list(
        dict.fromkeys(m.seen_as for m in t.mappings if m.stated_by is None)
    )


def _mapping(m: AddressMapping, nat: bool) -> str:
    seen = f"{m.count} of {m.of}"
    if m.stated_by is None:
        return (
            f"{shown(m.client)} appears as {shown(m.seen_as)} behind the balancer (source "
            f"address, {seen})."
        )
    if not nat:
        return f"{shown(m.stated_in)} states {shown(m.seen_as)} for {shown(m.client)} ({seen})."
    return (
        f"The balancer saw {shown(m.client)} as {shown(m.seen_as)} ({shown(m.stated_in)}, "
        f"{seen}): a NAT lies before it."
    )


def _few(addresses: list[str]) -> list[str]:
    addresses = [shown(a) for a in addresses]
    hidden = len(addresses) - _SHOWN_ADDRESSES
    return addresses if hidden <= 1 else [*addresses[:_SHOWN_ADDRESSES], f"… {hidden} more"]


def _drawing_as_list(page: Page, titles: list[str], columns: list[list[str]]) -> None:
    for title, column in zip(titles, columns, strict=True):
        for number, address in enumerate(column or ["unknown"]):
            page.line((f"{title if number == 0 else '':<18}", "label"), address)


def sides(page: Page, report: Report) -> None:
    """The two sides, counted."""
    a, b = report.client_counts, report.backend_counts
    page.blank()
    rows: list[list[Cell]] = [
        [("packets", "label"), units.count(a.packets), units.count(b.packets), ""],
        [
            ("TCP connections", "label"),
            units.count(a.connections),
            units.count(b.connections),
            _checks(b.check_connections),
        ],
    ]
    if a.already_open or b.already_open:
        rows.append(
            [
                ("  already open", "label"),
                units.count(a.already_open),
                units.count(b.already_open),
                "their SYN was not captured",
            ]
        )
    rows.append([("SYN", "label"), units.count(a.syns), units.count(b.syns), _again(a, b)])
    rows.append(
        [
            ("HTTP requests", "label"),
            units.count(a.requests),
            units.count(b.requests),
            _requests(report),
        ]
    )
    if (a.responses, b.responses) != (a.requests, b.requests):
        rows.append(
            [("HTTP responses", "label"), units.count(a.responses), units.count(b.responses), ""]
        )
    rows.append(
        [("SYN : requests", "label"), (_ratio(a), "bold"), (_ratio(b), "bold"), _reading(a, b)]
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


def _checks(number: int) -> str:
    return f"+ {units.count(number)} of health checks, not counted" if number else ""


def _requests(report: Report) -> str:
    """Why the two sides have different numbers of requests, as far as lbtrace knows."""
    own = sum(
        u.reason is UnpairedReason.ANSWERED_BY_BALANCER and u.confidence is not Confidence.LOW
        for u in report.correlation.unpaired
    )
    pairs = PairTable.of(report.correlation.pairs)
    again = int((pairs.attempts[pairs.known] - 1).clip(0).sum())
    notes = [_checks(report.backend_counts.check_requests)]
    notes.append(f"{units.count(own)} answered by the balancer itself" if own else "")
    notes.append(f"{units.count(again)} sent to a backend again" if again else "")
    return "; ".join(filter(None, notes))


def _again(a: SideCounts, b: SideCounts) -> str:
    again = a.syn_retransmissions + b.syn_retransmissions
    return f"+ {units.count(again)} sent again, not counted" if again else ""


def _ratio(c: SideCounts) -> str:
    """Never a ratio of nothing: a connection whose SYN was not captured says nothing about reuse by
    its absence.
    """
    if not c.requests:
        return "no requests"
    if not c.syns:
        return "no SYN seen"
    return units.ratio(c.syns, c.requests)


def _reading(a: SideCounts, b: SideCounts) -> str:
    """What the two ratios say, in words."""
    if not (a.requests and b.requests):
        return ""
    if not b.syns and b.already_open:
        connections = units.plural(b.already_open, "connection")
        return f"{connections} behind the balancer opened before the capture: no ratio"
    if b.http_connections < min(a.http_connections, b.requests):
        return "connections behind are used again"
    return ""


_SIGN = {
    ChangeKind.ADDED: ("+ added", "added"),
    ChangeKind.REMOVED: ("- removed", "removed"),
    ChangeKind.CHANGED: ("~ changed", "changed"),
    ChangeKind.RECASED: ("~ re-cased", "changed"),
    ChangeKind.REORDERED: ("~ re-ordered", "changed"),
    ChangeKind.DUPLICATED: ("+ duplicated", "added"),
}


def headers(page: Page, report: Report, labels: Labels) -> None:
    """What the balancer added, removed and changed, with example values."""
    if not report.correlation.pairs:
        return
    for request, title in (
        (True, "Requests, on the way to the backend"),
        (False, "Responses, on the way back"),
    ):
        changes = [c for c in report.correlation.changes if c.request is request]
        real, legal = [c for c in changes if not c.hop_by_hop], [c for c in changes if c.hop_by_hop]
        page.heading(
            title,
            ""
            if real or legal
            else "no header line differs"
            if _compared(report, request)
            else "not known: no sure pair with whole heads",
        )
        if real:
            page.table(
                [
                    Column(),
                    Column(flexible=True, cut=True),
                    Column(style="note"),
                    Column(right=True, style="note"),
                ],
                [row for c in real for row in _change(c)],
            )
            where = _example(report, labels, real[0])
            if where:
                page.line((f"for example {where}", "note"), indent=3)
        if legal:
            listed = ", ".join(
                f"{shown(c.name)} {c.kind.value} ({c.count} of {c.of})" for c in legal
            )
            page.prose(f"may differ on each hop: {listed}", indent=3, style="note")


def _compared(report: Report, request: bool) -> bool:
    """Whether any pair that is knowledge has both heads: then that nothing differs is an
    observation.
    """
    pairs = PairTable.of(report.correlation.pairs)
    for place in np.flatnonzero(pairs.known & (pairs.attempts > 0)).tolist():
        p = pairs[place]
        back = p.attempts[-1].backend
        ends = (
            report.clients[p.client.point].exchanges[p.client.id],
            report.backends[back.point].exchanges[back.id],
        )
        heads = [e.request if request else e.response for e in ends]
        if all(head is not None and has_whole_head(head) for head in heads):
            return True
    return False


def _change(c: HeaderChange) -> Iterator[list[Cell]]:
    word, style = _SIGN[c.kind]
    behaviour = (
        ""
        if c.kind in (ChangeKind.REMOVED, ChangeKind.RECASED, ChangeKind.REORDERED)
        else names.BEHAVIOUR[c.behaviour]
    )
    if c.kind is ChangeKind.RECASED and c.before and c.after:
        lines = [f"{_name(c.before)} → {_name(c.after)}"]
    else:
        lines = [c.before, c.after] if c.before and c.after else [c.after or c.before or c.name]
    beside = (
        c.kind is ChangeKind.DUPLICATED and len(lines) > 1
    )  # the first line is the sender's own and stays
    yield [(word, style), shown(lines[0]), "" if beside else behaviour, f"{c.count} of {c.of}"]
    for line in lines[1:]:
        yield [
            ("    and" if beside else "       to", style),
            shown(line),
            behaviour if beside else "",
            "",
        ]


def _name(line: str) -> str:
    return line.split(":", 1)[0]


def _example(report: Report, labels: Labels, change: HeaderChange) -> str:
    if not 0 <= change.example < len(report.correlation.pairs):
        return ""
    pair = report.correlation.pairs[change.example]
    if not pair.attempts:
        return ""
    front, back = pair.client, pair.attempts[-1].backend
    a = labels.frame_of(Side.CLIENT, front.point, labels.exchange(Side.CLIENT, front).first_frame)
    b = labels.frame_of(Side.BACKEND, back.point, labels.exchange(Side.BACKEND, back).first_frame)
    return f"client {a} ↔ backend {b}"
