"""The pair table: each client exchange, the backend exchanges it caused, why lbtrace believes it;
then those without a partner.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable

from lbtrace.model.http import Exchange
from lbtrace.model.net import Side
from lbtrace.model.pairing import AttemptOutcome, ExchangePair, Tier, Unpaired
from lbtrace.model.report import Report
from lbtrace.render.terminal.labels import Labels, total_ns
from lbtrace.render.terminal.page import Cell, Column, Page
from lbtrace.render.wording import names, units
from lbtrace.render.wording.escape import cut_end, shown
from lbtrace.tables.columns import distinct
from lbtrace.tables.pairs import PairTable, Reasons

_ROWS = 12


def pairs(page: Page, report: Report, labels: Labels) -> None:
    """Frame numbers are those of the first frame of each request."""
    every = PairTable.of(report.correlation.pairs)
    if not every:
        return
    page.heading("Exchanges across the balancer", "frames: where each request begins")
    many = len(every) if page.view.everything else _ROWS
    rows: list[list[Cell]] = []
    for pair in every[:many]:
        rows.extend(_rows(pair, labels))
    page.table(
        [
            Column("request", flexible=True, cut=True),
            Column("status", right=True),
            Column("frames", style="frame"),
            Column("paired by", flexible=True),
            Column("client took", right=True),
            Column("backend took", right=True),
        ],
        rows,
    )
    page.more(len(every) - many, "pairs")
    for tier in map(Tier, distinct(every.tier).tolist()):
        alike = every.reason[every.tier == tier]
        example = (
            _example(every.reasons[reason] for reason in alike.tolist())
            if tier in (Tier.STATED_ADDRESS, Tier.RARE_TOKEN)
            else ""
        )
        page.prose(
            f"{names.TIER[tier]} ({len(alike)} of {len(every)}): "
            f"{names.TIER_SENTENCE[tier]}{example}",
            indent=3,
            style="note",
        )


def _example(reasons: Iterable[Reasons]) -> str:
    reason = next((told[0] for told in reasons if told), None)
    if reason is None:
        return ""
    kind, value = names.reason(reason)
    return f", for example {shown(kind)} {cut_end(shown(value), 40)}" if value else ""


def _rows(pair: ExchangePair, labels: Labels) -> list[list[Cell]]:
    client = labels.exchange(Side.CLIENT, pair.client)
    front = labels.frame_of(Side.CLIENT, pair.client.point, client.first_frame)
    why = names.TIER[pair.tier] + ("" if pair.group is None else " *")
    rows: list[list[Cell]] = []
    for number, attempt in enumerate(pair.attempts or (None,)):
        again = (
            "  or"
            if attempt is not None and attempt.outcome is AttemptOutcome.EITHER
            else "  then again"
        )
        lead: list[Cell] = (
            [_request(client), names.status(client.response)] if number == 0 else [again, ""]
        )
        if attempt is None:
            rows.append([*lead, f"{front} ↔ none", why, _time(client), ""])
            continue
        backend = labels.exchange(Side.BACKEND, attempt.backend)
        back = labels.frame_of(Side.BACKEND, attempt.backend.point, backend.first_frame)
        told = why if number == 0 else ""
        if attempt.outcome is not AttemptOutcome.ANSWERED:
            told = (
                f"{told}; {names.OUTCOME[attempt.outcome]}"
                if told
                else names.OUTCOME[attempt.outcome]
            )
        rows.append(
            [*lead, f"{front} ↔ {back}", told, _time(client) if number == 0 else "", _time(backend)]
        )
    return rows


def _request(exchange: Exchange) -> str:
    if exchange.request is None:
        return "(request not captured)"
    return f"{shown(exchange.request.method)} {shown(exchange.request.target)}"


def _time(exchange: Exchange) -> str:
    ns = total_ns(exchange)
    return "?" if ns is None else units.duration(ns)


def unpaired(page: Page, report: Report, labels: Labels) -> None:
    """Exchanges of one side only, by reason, with the first of each as an example."""
    every = report.correlation.unpaired
    if not every:
        return
    page.heading("Exchanges on one side only")
    kinds = Counter((u.side, u.reason) for u in every)
    first: dict[tuple[str, str], Unpaired] = {}
    for u in every:
        first.setdefault((u.side, u.reason), u)
    rows: list[list[Cell]] = []
    for (side, reason), number in kinds.most_common():
        u = first[(side, reason)]
        where = Side(side)
        exchange = labels.exchange(where, u.ref)
        unasked = exchange.request is None and labels.connection(where, u.ref).client_is_whole
        asked = "(no request)" if unasked else _request(exchange)
        example = f"{asked} → {names.status(exchange.response)}"
        frame = labels.frame_of(where, u.ref.point, exchange.first_frame)
        rows.append(
            [units.count(number), where.value, names.UNPAIRED[reason], example, (frame, "frame")]
        )
    page.table(
        [
            Column(right=True),
            Column("side"),
            Column("why", flexible=True),
            Column("for example", flexible=True, cut=True),
            Column("frame"),
        ],
        rows,
    )
