"""The list of exchanges: when, what was asked and answered, what became of it behind the balancer;
those that went wrong first.
"""

from __future__ import annotations

from lbtrace.language import tr
from lbtrace.listing import Listing, Row
from lbtrace.model.net import Side
from lbtrace.model.pairing import Attempt, AttemptOutcome, ExchangePair, Unpaired
from lbtrace.model.report import Report
from lbtrace.render.terminal.cells import answer, began, duration, request
from lbtrace.render.terminal.labels import Labels
from lbtrace.render.terminal.page import Cell, Column, Page
from lbtrace.render.wording import names, units

_BEHIND = 4  # the column of what became of a request behind the balancer


def exchanges(page: Page, report: Report, listed: Listing, labels: Labels, most: int) -> None:
    """As many rows as `most`."""
    some = listed.rows[:most]
    hidden = listed.of - len(listed.rows)
    if not some:
        if hidden:
            page.heading("Exchanges", tr("none of {n} is what you asked for").format(n=listed.of))
        return
    notes = [tr("{count} of {of}").format(count=len(some), of=units.count(len(listed.rows)))]
    notes += [tr("problems first")] if listed.troubled else []
    if hidden:
        notes.append(tr("{n} hidden by what you asked for").format(n=units.count(hidden)))
    which = "" if hidden else tr("; frames: where each request begins")
    page.heading("Exchanges", f"{', '.join(notes)}{which}")
    rows = [_row(page, report, row, labels) for row in some]
    told = any(row[_BEHIND] for row in rows)
    beyond = [Column("behind", flexible=True, yielding=True)] if told else []
    page.table(
        [
            Column("no.", right=True),
            Column("time"),
            Column("request", flexible=True, cut=True),
            Column("answer", right=True),
            *beyond,
            Column("frames", style="frame"),
            Column("took", right=True),
        ],
        rows if told else [row[:_BEHIND] + row[_BEHIND + 1 :] for row in rows],
    )


def _row(page: Page, report: Report, row: Row, labels: Labels) -> list[Cell]:
    if row.paired:
        pair = report.correlation.pairs[row.place]
        side, ref, told, where = Side.CLIENT, pair.client, behind(pair), frames(pair, labels)
    else:
        alone = report.correlation.unpaired[row.place]
        side, ref = Side(alone.side), alone.ref
        told, where = names.UNPAIRED[alone.reason], frame_alone(alone, labels)
    exchange = labels.exchange(side, ref)
    return [
        row.number,
        began(page, exchange),
        request(exchange, labels.connection(side, ref)),
        answer(labels.trace(side, ref.point), exchange),
        told,
        where,
        duration(exchange),
    ]


def behind(pair: ExchangePair) -> str:
    """How each attempt ended; "" for the one that was answered at once."""
    ends = [names.OUTCOME[attempt.outcome] for attempt in pair.attempts]
    return "" if ends == [names.OUTCOME[AttemptOutcome.ANSWERED]] else ", ".join(ends)


def frames(pair: ExchangePair, labels: Labels) -> str:
    """Where the requests of a pair begin."""

    def begin(attempt: Attempt) -> str:
        return labels.begin(Side.BACKEND, attempt.backend)

    tries = ", ".join(map(begin, pair.attempts)) or tr("none")
    group = "" if pair.group is None else " *"
    return f"{labels.begin(Side.CLIENT, pair.client)} ↔ {tries}{group}"


def frame_alone(alone: Unpaired, labels: Labels) -> str:
    """Where an exchange without a partner begins."""
    frame = labels.begin(Side(alone.side), alone.ref)
    return f"{frame} ↔ none" if alone.side == Side.CLIENT else f"none ↔ {frame}"
