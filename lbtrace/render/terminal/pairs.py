"""The pair table: each client exchange, the backend exchanges it caused, why lbtrace believes it;
then those without a partner.
"""

from __future__ import annotations

from lbtrace.language import tr
from lbtrace.model.net import Side
from lbtrace.model.pairing import Attempt, AttemptOutcome, ExchangePair, Tier
from lbtrace.model.report import Report, TierCount, UnpairedCount
from lbtrace.render.terminal.cells import answer, duration, request
from lbtrace.render.terminal.labels import Labels
from lbtrace.render.terminal.page import Cell, Column, Page
from lbtrace.render.wording import names, units
from lbtrace.render.wording.escape import cut_end, shown

_ROWS = 12
_WITH_EXAMPLE = (Tier.STATED_ADDRESS, Tier.RARE_TOKEN)


def pairs(page: Page, report: Report, labels: Labels) -> None:
    """Frame numbers are those of the first frame of each request."""
    every = report.correlation.pairs
    if not every:
        return
    page.heading("Exchanges across the balancer", "frames: where each request begins")
    some = page.some(every, _ROWS)
    page.table(
        [
            Column("request", flexible=True, cut=True),
            Column("status", right=True),
            Column("frames", style="frame"),
            Column("paired by", flexible=True),
            Column("client took", right=True),
            Column("backend took", right=True),
        ],
        [row for pair in some for row in _rows(pair, labels)],
    )
    page.more(len(every), len(some), "pairs")
    for counted in report.summary.tiers:
        page.prose(_tier(counted, len(every)), indent=3, style="note")


def _tier(counted: TierCount, of: int) -> str:
    tier = counted.tier
    seen = tr("{count} of {of}").format(count=counted.count, of=of)
    text = f"{names.TIER[tier]} ({seen}): {names.TIER_SENTENCE[tier]}"
    if counted.example is None or tier not in _WITH_EXAMPLE:
        return text
    kind, value = names.reason(counted.example)
    example = f"{shown(kind)} {cut_end(shown(value), 40)}"
    return f"{text}, {tr('for example')} {example}" if value else text


def _rows(pair: ExchangePair, labels: Labels) -> list[list[Cell]]:
    """One row per attempt; the first says what the client asked and got."""
    client = labels.exchange(Side.CLIENT, pair.client)
    asked = request(client, labels.connection(Side.CLIENT, pair.client))
    begin = labels.begin(Side.CLIENT, pair.client)
    got = answer(labels.trace(Side.CLIENT, pair.client.point), client)
    why = names.TIER[pair.tier] + ("" if pair.group is None else " *")
    if not pair.attempts:
        return [
            [
                asked,
                got,
                f"{begin} ↔ {tr('none')}",
                why,
                duration(client),
                "",
            ]
        ]
    rows: list[list[Cell]] = []
    for attempt in pair.attempts:
        backend = labels.exchange(Side.BACKEND, attempt.backend)
        frames = f"{begin} ↔ {labels.begin(Side.BACKEND, attempt.backend)}"
        lead = [_again(attempt), "", frames, _told("", attempt), ""]
        if not rows:
            lead = [
                asked,
                got,
                frames,
                _told(why, attempt),
                duration(client),
            ]
        rows.append([*lead, duration(backend)])
    return rows


def _again(attempt: Attempt) -> str:
    either = attempt.outcome is AttemptOutcome.EITHER
    return f"  {tr('or')}" if either else f"  {tr('then again')}"


def _told(why: str, attempt: Attempt) -> str:
    """Why they are a pair, and how the attempt ended if it was not answered."""
    answered = attempt.outcome is AttemptOutcome.ANSWERED
    return "; ".join(filter(None, (why, "" if answered else names.OUTCOME[attempt.outcome])))


def unpaired(page: Page, report: Report, labels: Labels) -> None:
    """Exchanges of one side only, by reason, with the first of each as an example."""
    if not report.summary.unpaired:
        return
    page.heading("Exchanges on one side only")
    page.table(
        [
            Column(right=True),
            Column("side"),
            Column("why", flexible=True),
            Column("for example", flexible=True, cut=True),
            Column("frame"),
        ],
        [_unpaired(counted, labels) for counted in report.summary.unpaired],
    )


def _unpaired(counted: UnpairedCount, labels: Labels) -> list[Cell]:
    side, first = counted.side, counted.first
    exchange = labels.exchange(side, first)
    asked = request(exchange, labels.connection(side, first))
    example = f"{asked} → {answer(labels.trace(side, first.point), exchange)}"
    why, frame = names.UNPAIRED[counted.reason], labels.begin(side, first)
    return [units.count(counted.count), tr(side.value), why, example, (frame, "frame")]
