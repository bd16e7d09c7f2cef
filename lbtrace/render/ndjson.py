"""Report or CaptureReport → NDJSON (ndjson.org): one JSON object per line, for tools that read line
by line.

    {"kind":"report","format":"lbtrace-report", … ,"verdict":{…},"counts":{…}}
    {"kind":"finding","slug":"retries", …}
    {"kind":"capture","side":"client","point":0, …}
    {"kind":"exchange","side":"client","point":0,"id":0, …}
    {"kind":"pair","id":0, …}

The objects are those of the JSON document (docs/json-format.md), with a `kind` in front; what
belongs to a capture says its side and point. Only what a header change has as `kind` is called
`change` here. A document of JSON holds all of them at once, and `jq` needs ten times its size in
memory; these lines stream.

Invariant: each line is one JSON object, ASCII; the lines together are the document.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator
from typing import TextIO

from lbtrace._version import __version__
from lbtrace.model.behaviour import Behaviour
from lbtrace.model.report import CaptureReport, Report
from lbtrace.model.trace import Trace
from lbtrace.render import View
from lbtrace.render.json import FORMAT_VERSION, pairs, parts, rows, sets
from lbtrace.render.json.behaviour import fact_object, head_object
from lbtrace.render.json.connections import connections
from lbtrace.render.json.text import TRUTH, encode, quoted

SUMMARY = "everything, one object per line, for jq and the like (docs/json-format.md)"
_BATCH = 1 << 18  # characters per write, about


def write_report(report: Report, out: TextIO, view: View) -> None:
    """The result of `compare`."""
    _write(out, _report(report, view))


def write_trace(report: CaptureReport, out: TextIO, view: View) -> None:
    """The result of `show`."""
    _write(out, _captures(report, view))


def _write(out: TextIO, lines: Iterator[str]) -> None:
    batch: list[str] = []
    size = 0
    for line in lines:
        batch.append(line)
        size += len(line)
        if size >= _BATCH:
            out.write("\n".join(batch) + "\n")
            batch.clear()
            size = 0
    if batch:
        out.write("\n".join(batch) + "\n")


def _report(report: Report, view: View) -> Iterator[str]:
    found = report.correlation
    yield (
        _head("lbtrace-report", report.version, view)
        + f'"verdict":{parts.verdict(report)},"counts":{parts.counts(report)},'
        f'"topology":{parts.topology(found.topology)},"latency":{parts.latency(report.latency)},'
        f'"swapped":{TRUTH[found.swapped]},"completeness":{sets.completeness(report)}}}'
    ).replace("\n", "")
    yield from _each("finding", parts.findings(report.findings))
    yield from _each("problem", parts.problems(report))
    yield from _each("clock", parts.clocks(found.clocks))
    yield from _changes("header_change", parts.header_changes(found.changes))
    yield from _changes("trailer_change", parts.header_changes(found.trailer_changes))
    yield from _each("health_check", parts.health_checks(found.health_checks))
    if report.behaviour is not None:
        yield from _behaviour(report.behaviour)
    for trace in (*report.clients, *report.backends):
        yield from _capture(trace)
    yield from _each("pair", pairs.pairs(report))
    yield from _each("unpaired", pairs.unpaired(report))
    yield from _each("set", sets.sets(report))
    yield from _each("connection_pair", pairs.connection_pairs(report))


def _captures(report: CaptureReport, view: View) -> Iterator[str]:
    head = _head("lbtrace-trace", __version__, view)
    yield f'{head}"not_captured":{quoted(report.not_captured)}}}'
    yield from _each("finding", parts.findings(report.findings))
    yield from _each("problem", parts.problems(report))
    for alone in report.captures:
        yield from _capture(alone.trace, f'"not_captured":{quoted(alone.not_captured)},')


def _head(name: str, version: str, view: View) -> str:
    return (
        f'{{"kind":"report","format":{quoted(name)},"format_version":{FORMAT_VERSION},'
        f'"lbtrace_version":{quoted(version)},'
        f'"secrets":"{"shown" if view.show_secrets else "masked"}",'
    )


def _behaviour(given: Behaviour) -> Iterator[str]:
    one_sided = TRUTH[given.one_sided]
    yield (
        f'{{"kind":"behaviour","exchanges":{given.exchanges},'
        f'"undecided":{quoted(given.undecided)},"one_sided":{one_sided}}}'
    )
    for fact in given.facts:
        yield encode({"kind": "fact", **fact_object(fact)})
    for head in given.heads:
        yield encode({"kind": "head", **head_object(head)})


def _capture(trace: Trace, more: str = "") -> Iterator[str]:
    """A capture, and all that is in it."""
    head = parts.trace_head(trace).replace("\n", "")
    yield f'{{"kind":"capture",{more}{head[1:]},"exchange_count":{len(trace.exchanges)}}}'
    place = f'"side":"{trace.side.value}","point":{trace.point},'
    yield from _each("connection", connections(trace), place)
    yield from _each("exchange", rows.texts(trace), place)
    yield from _each("diagnostic", parts.diagnostics(trace), place)


def _each(kind: str, texts: Iterable[str], place: str = "") -> Iterator[str]:
    """The objects in texts of one line or more, with what they are in front."""
    begin = f'{{"kind":"{kind}",{place}'
    for line in _lines(texts):
        yield begin + line[1:]


def _lines(texts: Iterable[str]) -> Iterator[str]:
    """Texts of some lines each, of which some begin with a comma → the objects."""
    for text in texts:
        for line in text.split("\n"):
            yield line.removeprefix(",")


def _changes(kind: str, texts: Iterable[str]) -> Iterator[str]:
    for line in _lines(texts):
        change = json.loads(line)
        yield encode({"kind": kind, "change": change.pop("kind"), **change})
