"""A fleet for programs: format "lbtrace-fleet", version 1, described by
render/schema/lbtrace-fleet-1.schema.json. Slices are numbered from 1.
"""

from __future__ import annotations

from collections.abc import Iterable
from json import loads
from typing import TextIO

from lbtrace.model.fleet import FleetChange, FleetFinding, FleetPoint, FleetReport, SliceSummary
from lbtrace.model.net import Side
from lbtrace.render import View
from lbtrace.render.json import parts
from lbtrace.render.json.text import Json, write_document
from lbtrace.render.wording import names

SUMMARY = "everything, for programs"
FORMAT_VERSION = 1


def write(report: FleetReport, out: TextIO, view: View) -> None:
    """One slice per line."""
    head: Json = {
        "engine": report.engine,
        "verdict": parts.verdict_object(report.verdict),
        "differing": [
            {"kind": kind.value, "slices": _numbers(slices)} for kind, slices in report.differing
        ],
        "whole_because": report.whole_because,
        "cut_connections": report.cut,
        "points": [_point(p, n) for n, p in enumerate(report.clients)]
        + [_point(p, n) for n, p in enumerate(report.backends)],
        "counts": {
            "client": parts.side_counts(report.client_counts),
            "backend": parts.side_counts(report.backend_counts),
        },
        "pairs": [
            {
                "tier": names.TIER_SLUG[p.tier],
                "confidence": p.confidence.value,
                "pairs": p.pairs,
            }
            for p in report.pairs
        ],
        "pairs_by_points": [p._asdict() for p in report.by_points],
        "unpaired": [
            {"side": u.side.value, "reason": u.reason.value, "exchanges": u.exchanges}
            for u in report.unpaired
        ],
        "latency": _latency(report),
        "header_changes": [_change(c) for c in report.changes],
        "findings": [_finding(f) for f in report.findings],
        "slowest": [
            {
                "slice": e.slice + 1,
                "request": e.request,
                "status": e.status,
                "client_ns": e.client_ns,
                "added_ns": e.added_ns,
                "client": parts.frame(e.client),
                "backend": parts.frame(e.backend),
            }
            for e in report.slowest
        ],
        "clocks": [
            {"slice": number + 1, **loads(text)}
            for (number, _), text in zip(
                report.clocks, parts.clocks(c for _, c in report.clocks), strict=True
            )
        ],
        "tables": list(report.tables),
    }
    slices = map(_slice, report.slices)
    write_document(out, "lbtrace-fleet", FORMAT_VERSION, head, "slices", slices)


def _numbers(slices: Iterable[int]) -> list[int]:
    return [number + 1 for number in slices]


def _point(p: FleetPoint, number: int) -> Json:
    return {
        "side": p.side.value,
        "point": number,
        "name": p.name,
        "packets": p.packets,
        "segments": p.decoded,
        "connections": p.connections,
        "exchanges": p.exchanges,
        "shards": p.shards,
        "diagnostics": list(p.diagnostics),
        "files": [f._asdict() for f in p.files],
    }


def _latency(report: FleetReport) -> Json | None:
    """Without the number of a pair: `slowest` names those."""
    numbers: Json | None = loads(parts.latency(report.latency))
    if numbers is not None:
        del numbers["slowest_pair"]
    return numbers


def _change(c: FleetChange) -> Json:
    return {
        "message": "request" if c.request else "response",
        "kind": c.kind.value,
        "name": c.name,
        "behaviour": c.pattern and c.pattern.value,
        "count": c.count,
        "of": c.of,
        "before": c.before,
        "after": c.after,
        "slices": _numbers(c.slices),
    }


def _finding(f: FleetFinding) -> Json:
    said = parts.findings(each.finding for each in f.shown)
    return {
        "slug": f.slug,
        "title": f.title,
        "severity": f.severity.value,
        "confidence": f.confidence.value,
        "slices": _numbers(f.slices),
        "shown": [
            {"slice": each.number + 1, **loads(text)}
            for each, text in zip(f.shown, said, strict=True)
        ],
    }


def _slice(s: SliceSummary) -> Json:
    return {
        "slice": s.number + 1,
        "first_ns": s.first_ns,
        "last_ns": s.last_ns,
        "kind": s.verdict.kind.value,
        "confidence": s.verdict.confidence.value,
        "reason": s.verdict.reason,
        "exchanges": {side.value: n for side, n in zip(Side, (s.clients, s.backends), strict=True)},
        "pairs": s.pairs,
        "command": s.command,
    }
