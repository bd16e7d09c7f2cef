"""Report or CaptureReport → JSON, format version 1, specified in docs/json-format.md and by the
schemas in render/schema/.

Written piece by piece, never as one tree: one connection, exchange or pair per line, so that a
capture of any size streams and lines can be grepped. Invariant: the output is one valid JSON value,
ASCII, ending in a line end.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from contextlib import ExitStack
from functools import partial
from typing import TextIO, TypeAlias

from lbtrace import compiled
from lbtrace._version import __version__
from lbtrace.model.report import CaptureAlone, CaptureReport, Report
from lbtrace.model.trace import Trace
from lbtrace.render import View
from lbtrace.render.json import pairs, parts, rows, sets
from lbtrace.render.json.behaviour import behaviour
from lbtrace.render.json.connections import connections
from lbtrace.render.json.row_files import RowFiles, captures_side_by_side, written_side_by_side
from lbtrace.render.json.text import TRUTH, Piece, quoted
from lbtrace.render.json.twice import Twice, write_bytes

_Lines: TypeAlias = Piece | Twice | RowFiles
SUMMARY = "everything, for programs (docs/json-format.md)"
FORMAT_VERSION = 1
_BATCH = 500  # lines per write
_LONG = 1 << 16  # characters of many lines that come as one


def write_report(report: Report, out: TextIO, view: View) -> None:
    """The result of `compare`: format "lbtrace-report"."""
    _write(out, _report(report, view))


def write_trace(report: CaptureReport, out: TextIO, view: View) -> None:
    """The result of `show`: format "lbtrace-trace"."""
    _write(out, _trace_document(report, view))


def _write(out: TextIO, lines: Iterator[_Lines]) -> None:
    """Write lines, each with its line end. A Twice, and RowFiles, stand for all of their lines."""
    batch: list[str] = []
    for text in lines:
        if not isinstance(text, str):
            if batch:
                _write(out, iter(batch))
                batch.clear()
            if isinstance(text, bytes):
                write_bytes(out, text)
            elif not text.copy_to(out):
                _write(out, text.second())
            continue
        batch.append(text)
        if len(text) > _LONG:  # not copied once more
            for each in batch:
                out.write(each)
                out.write("\n")
            batch.clear()
        elif len(batch) >= _BATCH:
            out.write("\n".join(batch) + "\n")
            batch.clear()
    if batch:
        out.write("\n".join(batch) + "\n")


def _head(name: str, version: str, view: View) -> str:
    return (
        f'{{"format":{quoted(name)},"format_version":{FORMAT_VERSION},'
        f'"lbtrace_version":{quoted(version)},'
        f'"secrets":"{"shown" if view.show_secrets else "masked"}",'
    )


def _array(name: str, items: Iterable[str], end: str = ",") -> Iterator[str]:
    """`"name":[`, one item per line, `],`; the comma stands before each following item so that
    nothing is looked ahead.
    """
    before = ""
    yield f'"{name}":['
    for item in items:
        yield before + item
        before = ","
    yield f"]{end}"


def _trace_document(report: CaptureReport, view: View) -> Iterator[_Lines]:
    yield _head("lbtrace-trace", __version__, view)
    yield f'"not_captured":{quoted(report.not_captured)},'
    yield from _array("findings", parts.findings(report.findings))
    yield from _array("problems", parts.problems(report))
    if len(report.captures) == 1:
        yield from _only(report.captures[0], view.jobs)
        return
    yield '"captures":['
    before = ""
    for alone in report.captures:
        yield before + _not_captured(alone)
        yield parts.trace_head(alone.trace)[1:] + ","
        yield from _body(alone.trace)
        before = ","
    yield "]}"


def _only(alone: CaptureAlone, jobs: int) -> Iterator[_Lines]:
    """The only capture, as `capture` and as the one of `captures`."""
    trace = alone.trace
    head = parts.trace_head(trace) + ","
    cheap = rows.are_cheap(trace)
    with ExitStack() as stack:
        body: list[Twice | RowFiles] = [
            Twice(partial(_before_exchanges, trace), keep=compiled.core is None),
            written_side_by_side(trace, 1 if cheap else jobs)
            or Twice(partial(rows.pieces, trace), keep=not cheap),
            Twice(partial(_behind_exchanges, trace)),
        ]
        for each in body:
            stack.enter_context(each)
        yield '"capture":'
        yield head
        for each in body:
            yield from each.first()
        yield ","
        yield '"captures":['
        yield _not_captured(alone)
        yield head[1:]
        yield from body
        yield "]}"


def _not_captured(alone: CaptureAlone) -> str:
    """The beginning of one of `captures`."""
    return f'{{"not_captured":{quoted(alone.not_captured)},'


def _trace(trace: Trace) -> Iterator[Piece]:
    """One capture as an object."""
    yield parts.trace_head(trace) + ","
    yield from _body(trace)


def _body(trace: Trace) -> Iterator[Piece]:
    """The arrays of a capture, and its closing brace."""
    yield from _before_exchanges(trace)
    yield from rows.pieces(trace)
    yield from _behind_exchanges(trace)


def _before_exchanges(trace: Trace) -> Iterator[str]:
    yield from _array("connections", connections(trace))
    yield '"exchanges":['


def _behind_exchanges(trace: Trace) -> Iterator[str]:
    yield "],"
    yield from _array("diagnostics", parts.diagnostics(trace))
    yield f'"exchange_count":{len(trace.exchanges)}}}'


def _report(report: Report, view: View) -> Iterator[_Lines]:
    correlation = report.correlation
    yield _head("lbtrace-report", report.version, view)
    yield f'"verdict":{parts.verdict(report)},'
    yield f'"counts":{parts.counts(report)},'
    yield f'"topology":{parts.topology(correlation.topology)},'
    yield f'"latency":{parts.latency(report.latency)},'
    yield f'"swapped":{TRUTH[correlation.swapped]},'
    yield from _array("clocks", parts.clocks(correlation.clocks))
    yield from _array("header_changes", parts.header_changes(correlation.changes))
    yield from _array("trailer_changes", parts.header_changes(correlation.trailer_changes))
    yield from _array("health_checks", parts.health_checks(correlation.health_checks))
    yield from _array("findings", parts.findings(report.findings))
    yield from _array("problems", parts.problems(report))
    if report.behaviour is not None:
        yield '"behaviour":'
        yield from behaviour(report.behaviour)
        yield ","
    yield from _array("pairs", pairs.pairs(report))
    yield from _array("unpaired", pairs.unpaired(report))
    yield from _array("sets", sets.sets(report))
    yield f'"completeness":{sets.completeness(report)},'
    yield from _array("connection_pairs", pairs.connection_pairs(report))
    yield '"captures":['
    traces = (*report.clients, *report.backends)
    files = captures_side_by_side(_trace, traces, view.jobs)
    if files is not None:
        with files:
            yield files
    else:
        before = ""
        for trace in traces:
            if before:
                yield before
            yield from _trace(trace)
            before = ","
    yield "]}"
