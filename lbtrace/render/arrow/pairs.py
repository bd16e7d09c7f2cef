"""The table of pairs: a row per attempt; one with no backend exchange for a pair without any."""

from __future__ import annotations

from collections.abc import Iterator

from lbtrace.model.report import CaptureReport, Report
from lbtrace.render.arrow.columns import ArrowColumn, ArrowRow, ArrowTable
from lbtrace.render.wording import names

COLUMNS = (
    ArrowColumn("pair", "integer", "its number in the report, from 0"),
    ArrowColumn("client_point", "integer", "capture point of the client exchange"),
    ArrowColumn("client_exchange", "integer", "the client exchange"),
    ArrowColumn("attempt", "integer", "which attempt of the pair, from 0"),
    ArrowColumn("attempts", "integer", "how many attempts the pair has"),
    ArrowColumn("backend_point", "integer", "capture point of the backend exchange"),
    ArrowColumn("backend_exchange", "integer", "the backend exchange"),
    ArrowColumn("outcome", "text", "how the attempt ended"),
    ArrowColumn("confidence", "text", "how sure the pair is"),
    ArrowColumn("tier", "text", "the evidence that decided it"),
    ArrowColumn("group", "integer", "the set of interchangeable pairs it is in"),
    ArrowColumn("reasons", "texts", "the pieces of evidence, strongest first"),
)


def _rows(report: Report | CaptureReport) -> Iterator[ArrowRow]:
    if not isinstance(report, Report):
        return
    for number, pair in enumerate(report.correlation.pairs):
        begin = number, *pair.client
        end = (
            pair.confidence.value,
            names.TIER_SLUG[pair.tier],
            pair.group,
            [": ".join(filter(None, (r.clue.value, r.field, r.value))) for r in pair.reasons],
        )
        for place, attempt in enumerate(pair.attempts):
            tried = place, len(pair.attempts), *attempt.backend, attempt.outcome.value
            yield (*begin, *tried, *end)
        if not pair.attempts:
            yield (*begin, None, 0, None, None, None, *end)


TABLE = ArrowTable("pairs", COLUMNS, _rows)
