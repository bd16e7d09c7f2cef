"""A fleet for people: what its balancers did, where slices differ, what was found, and the slowest
exchanges with the frames and the command to look at each.
"""

from __future__ import annotations

import textwrap
from collections.abc import Iterable, Iterator, Sequence
from typing import TextIO

from lbtrace.model.fleet import FleetFinding, FleetReport, SliceSummary
from lbtrace.model.net import FrameRef, Side
from lbtrace.model.report import Severity
from lbtrace.render import View
from lbtrace.render.wording import names, times, units
from lbtrace.render.wording.escape import cut, shown
from lbtrace.render.wording.statements import filled, told_in

SUMMARY = "for people"
_MOST_SLICES = 40  # listed; JSON has all
_MOST_CHANGES = 20
_MOST_SLOW = 10
_TARGET = 48  # columns of a request line that is shown


def write(report: FleetReport, out: TextIO, view: View) -> None:
    """The page."""
    for text in _page(report, view):
        out.write(text.encode("ascii", "backslashreplace").decode() if view.ascii_only else text)
        out.write("\n")


def _page(report: FleetReport, view: View) -> Iterator[str]:
    yield from _verdict(report, view)
    yield from _points(report, view)
    yield from _counts(report, view)
    yield from _slices(report, view)
    yield from _latency(report, view)
    yield from _changes(report, view)
    yield from _findings(report, view)
    yield from _slowest(report, view)
    yield from _where(report, view)


def _wrapped(text: str, view: View, indent: str = "") -> list[str]:
    return textwrap.wrap(
        text,
        view.width,
        initial_indent=indent,
        subsequent_indent=indent,
        break_long_words=False,
        break_on_hyphens=False,
    )


def _verdict(report: FleetReport, view: View) -> Iterator[str]:
    verdict = report.verdict
    yield f"{names.KIND[verdict.kind]} ({verdict.confidence.value} confidence)"
    if verdict.reason:
        yield from _wrapped(verdict.reason, view, "  ")
    for modifier in verdict.modifiers:
        yield from _wrapped(names.MODIFIER.get(modifier, modifier), view, "  ")
    for profile in verdict.profiles:
        if profile.named:
            yield f"  Looks like {shown(profile.name)}."
    for kind, slices in report.differing:
        yield from _wrapped(f"{names.KIND[kind]}: {_in_slices(slices)}", view, "  ")
    if verdict.next_step:
        yield from _wrapped(verdict.next_step, view, "  ")


def _in_slices(slices: Sequence[int]) -> str:
    """ "slice 3", "slices 1–4, 7"."""
    spans: list[list[int]] = []
    for number in slices:
        if spans and number == spans[-1][1] + 1:
            spans[-1][1] = number
        else:
            spans.append([number, number])
    told = [f"{a + 1}–{b + 1}" if a != b else f"{a + 1}" for a, b in spans]
    return f"{'slice' if len(slices) == 1 else 'slices'} {', '.join(told)}"


def _points(report: FleetReport, view: View) -> Iterator[str]:
    yield ""
    yield "Capture points"
    for side, points in ((Side.CLIENT, report.clients), (Side.BACKEND, report.backends)):
        for point in points:
            yield from _wrapped(
                f"{side.value} {shown(point.name)}: {units.plural(len(point.files), 'file')}, "
                f"{units.plural(point.packets, 'packet')}, "
                f"{units.plural(point.connections, 'connection')}, "
                f"{units.plural(point.exchanges, 'exchange')}",
                view,
                "  ",
            )
            for text in point.diagnostics:
                yield from _wrapped(shown(text), view, "    ")
    if len(report.clients) > 1 or len(report.backends) > 1:
        for pair in report.by_points:
            one = shown(report.clients[pair.client_point].name)
            other = shown(report.backends[pair.backend_point].name)
            yield f"  {one} → {other}: {units.plural(pair.pairs, 'pair')}"


def _counts(report: FleetReport, view: View) -> Iterator[str]:
    yield ""
    yield "Counts, of all slices"
    for side, c in (("client", report.client_counts), ("backend", report.backend_counts)):
        yield from _wrapped(
            f"{side} side: {units.plural(c.syns, 'SYN')}, "
            f"{units.plural(c.connections, 'connection')} "
            f"({units.count(c.already_open)} already open), "
            f"{units.plural(c.requests, 'request')}, {units.plural(c.responses, 'response')}",
            view,
            "  ",
        )
    checks = report.backend_counts
    if checks.check_requests or checks.check_connections:
        yield from _wrapped(
            f"health checks, apart: {units.plural(checks.check_connections, 'connection')}, "
            f"{units.plural(checks.check_requests, 'request')}",
            view,
            "  ",
        )
    for pair in report.pairs:
        yield from _wrapped(
            f"{units.plural(pair.pairs, 'pair')} by {names.TIER[pair.tier]}, "
            f"{pair.confidence.value} confidence",
            view,
            "  ",
        )
    for left in report.unpaired:
        yield from _wrapped(
            f"{units.exchanges(left.side, left.exchanges)} without a partner: "
            f"{names.UNPAIRED[left.reason]}",
            view,
            "  ",
        )


def _slices(report: FleetReport, view: View) -> Iterator[str]:
    yield ""
    if len(report.slices) == 1:
        yield from _wrapped(report.whole_because or "All was compared at once.", view)
        return
    yield f"Slices ({len(report.slices)})"
    yield from _wrapped(
        "The captures were compared in slices of time. Each exchange is in one slice, with its "
        "partners.",
        view,
        "  ",
    )
    if report.cut:
        yield from _wrapped(
            f"{units.plural(report.cut, 'connection')} went on from one slice to another. Counts "
            "have each of them once; a finding sees the part in its own slice, and no idle time "
            "that lasts from one slice to the next.",
            view,
            "  ",
        )
    for each in report.slices[:_MOST_SLICES]:
        yield from _wrapped(_slice(each, view), view, "  ")
    if len(report.slices) > _MOST_SLICES:
        yield f"  and {len(report.slices) - _MOST_SLICES} more: --format json"


def _slice(s: SliceSummary, view: View) -> str:
    return (
        f"{s.number + 1}  {times.moment(s.first_ns, view.zone)}  {s.verdict.kind.value}, "
        f"{s.clients} → {s.backends} exchanges, {units.plural(s.pairs, 'pair')}"
    )


def _latency(report: FleetReport, view: View) -> Iterator[str]:
    t = report.latency
    if t is None:
        return
    yield ""
    yield "What the balancer added"
    if t.average:
        text = f"on average {units.duration(t.added_median_ns)}"
    else:
        text = f"median {units.duration(t.added_median_ns)}"
        if t.has_percentile:
            text += f", 95 % at most {units.duration(t.added_p95_ns)}"
        text += f", at most {units.duration(t.added_max_ns)}"
    yield from _wrapped(f"{text}, over {units.plural(t.count, 'pair')}", view, "  ")
    left = sum(count for _, count in t.left_out)
    if left:
        yield f"  {units.plural(left, 'pair')} not measured"


def _changes(report: FleetReport, view: View) -> Iterator[str]:
    if not report.changes:
        return
    yield ""
    yield "Header fields"
    for c in report.changes[:_MOST_CHANGES]:
        pattern = c.pattern.value if c.pattern else "not the same in all slices"
        what = f"{'request' if c.request else 'response'} {shown(c.name) or 'fields'}"
        yield from _wrapped(
            f"{what}: {c.kind.value} in {c.count} of {c.of} pairs ({pattern})",
            view,
            "  ",
        )
    if len(report.changes) > _MOST_CHANGES:
        yield f"  and {len(report.changes) - _MOST_CHANGES} more: --format json"


def _findings(report: FleetReport, view: View) -> Iterator[str]:
    wanted = [f for f in report.findings if view.everything or f.severity is not Severity.INFO]
    yield ""
    yield f"Findings ({len(report.findings)})"
    for f in wanted:
        yield from _finding(report, f, view)
    rest = len(report.findings) - len(wanted)
    if rest:
        yield f"  {rest} that only inform: --verbose, or --format json"


def _finding(report: FleetReport, f: FleetFinding, view: View) -> Iterator[str]:
    where = ""
    if len(report.slices) > 1:
        where = f", in {len(f.slices)} of {len(report.slices)} slices"
    yield f"  {f.severity.value}: {f.title} ({f.slug}{where})"
    best = f.shown[0]
    said = filled(best.finding.statement, best.finding.values)
    if len(report.slices) > 1:
        said = f"Slice {best.number + 1}: {said}"
    yield from _wrapped(said, view, "    ")
    frames = [frame for e in best.finding.evidence for frame in e.frames]
    for side in Side:
        of_side = [frame for frame in frames if frame.side is side]
        if of_side:
            yield f"    {_frame(report, of_side[0])}"
    if best.finding.remedy:
        yield from _wrapped(told_in(best.finding.remedy), view, "    ")


def _frame(report: FleetReport, frame: FrameRef) -> str:
    return f"{frame.side.value} frame {frame.number} of {shown(report.file(frame))}"


def _slowest(report: FleetReport, view: View) -> Iterator[str]:
    if not report.slowest:
        return
    yield ""
    yield "Exchanges in which the balancer added most"
    for e in report.slowest[:_MOST_SLOW]:
        yield (
            f"  {cut(shown(e.request), _TARGET)} {e.status}: {units.duration(e.added_ns)} of "
            f"{units.duration(e.client_ns)}"
        )
        yield f"    {_frame(report, e.client)}"
        yield f"    {_frame(report, e.backend)}"


def _where(report: FleetReport, view: View) -> Iterator[str]:
    """How to look at what is told, and what was written."""
    wanted = _shown_slices(report)
    if wanted:
        yield ""
        yield "To see a slice whole, with its files"
        for number in wanted:
            yield f"  {number + 1}  {shown(report.slices[number].command)}"
    if report.tables:
        yield ""
        yield from _wrapped(
            f"Tables of the pairs: {shown(report.tables[0])}"
            + (f" and {len(report.tables) - 1} more" if len(report.tables) > 1 else ""),
            view,
        )


def _shown_slices(report: FleetReport) -> list[int]:
    """The slices that the page names, as far as a command shows them."""
    named: Iterable[int] = (
        *(f.shown[0].number for f in report.findings if f.severity is not Severity.INFO),
        *(e.slice for e in report.slowest[:_MOST_SLOW]),
        *(number for _, slices in report.differing for number in slices[:1]),
    )
    return sorted(number for number in set(named) if report.slices[number].command)
