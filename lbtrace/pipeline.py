"""The one page to read first: the stages, in order, and nothing else.

    capture file ─▶ records ─▶ segments ─▶ connections + streams ─▶ opened TLS ─▶ exchanges ─┐
    capture file ─▶ …                                                                        ─┤
                              ┌───────────────────────────────────────────────────────────────┘
                              └▶ pairs ─▶ findings ─▶ verdict ─▶ Report

Each stage is a pure function of what the one before it returned. Stages never import each other.
`inspection` has the upper line, from a capture file to its exchanges; this page has the rest.
"""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import replace
from typing import TYPE_CHECKING

from lbtrace import in_parts, tls
from lbtrace._version import __version__
from lbtrace.errors import InputError
from lbtrace.inspected_points import of_both_sides, of_one_side
from lbtrace.inspection import inspect, no_collection
from lbtrace.machine_memory import trim
from lbtrace.model.net import Side
from lbtrace.model.pairing import Confidence, Correlation
from lbtrace.model.report import CaptureAlone, CaptureReport, Finding, Report
from lbtrace.model.trace import Trace
from lbtrace.options import DEFAULT, UNKNOWN, Options, Progress, quiet

if TYPE_CHECKING:
    from lbtrace.comparison import Comparison
    from lbtrace.model.behaviour import Behaviour

__all__ = [
    "behaviour_of_one_side",
    "compare",
    "compare_on_balancer",
    "compare_traces",
    "inspect",
    "show",
]


def show(
    points: Sequence[Sequence[str]], options: Options = DEFAULT, progress: Progress = quiet
) -> CaptureReport:
    """Capture points, each a list of files in order → all that each of them shows alone.

    Each is read as a capture of the client side, whichever side it was taken on. Raises InputError
    when a file cannot be read or is no capture.
    """
    with no_collection():
        keylogs = tls.read(options.keylogs)
        traces = of_one_side(points, Side.CLIENT, options, progress, keylogs)
        in_parts.check_told(traces, in_parts.TOLD_BYTES, options)
        return CaptureReport(tuple(_alone(trace, progress) for trace in traces))


def _alone(trace: Trace, progress: Progress) -> CaptureAlone:
    """A trace → what is to be told of it."""
    if not len(trace.connections):
        return CaptureAlone(trace)
    from lbtrace import findings
    from lbtrace.comparison import Comparison

    comparison = Comparison((replace(trace, point=0),), (), Correlation())
    found = findings.all_findings(comparison, progress)
    if trace.point:
        found = tuple(_at_point(finding, trace.point) for finding in found)
    return CaptureAlone(trace, found, comparison.not_captured)


def _at_point(finding: Finding, point: int) -> Finding:
    """The finding, with its frames in the capture of that number."""
    evidence = tuple(
        replace(e, frames=tuple(frame._replace(point=point) for frame in e.frames))
        for e in finding.evidence
    )
    return replace(finding, evidence=evidence)


def behaviour_of_one_side(
    points: Sequence[Sequence[str]],
    side: Side,
    options: Options = DEFAULT,
    progress: Progress = quiet,
) -> Behaviour:
    """Capture points of one side, each a list of files → what they show alone of the balancer.

    Raises InputError when a file cannot be read or is no capture.
    """
    from lbtrace import behaviour, findings
    from lbtrace.comparison import Comparison

    with no_collection():
        keylogs = tls.read(options.keylogs)
        traces = of_one_side(points, side, options, progress, keylogs)
        nothing: tuple[Trace, ...] = ()
        clients, backends = (traces, nothing) if side is Side.CLIENT else (nothing, traces)
        comparison = Comparison(clients, backends, _checks_alone(clients, backends, options))
        return behaviour.behaviour_of_one_side(
            comparison, findings.all_findings(comparison, progress)
        )


def _checks_alone(
    clients: tuple[Trace, ...], backends: tuple[Trace, ...], options: Options
) -> Correlation:
    """A Correlation of one side that knows its health checks: those that name themselves, and
    connections without a byte. An even pace alone may be a client's.
    """
    from lbtrace import correlate
    from lbtrace.http_fields.agents import is_health_checker

    if not backends:
        return Correlation()
    found = correlate.correlate(clients, backends, options).health_checks
    named = tuple(c for c in found if not c.method or is_health_checker(c.user_agent))
    return Correlation(health_checks=named)


def compare(
    clients: Sequence[Sequence[str]],
    backends: Sequence[Sequence[str]],
    options: Options = DEFAULT,
    progress: Progress = quiet,
) -> Report:
    """Capture points of the client side and of the backend side, each a list of files → the Report.

    Raises InputError when a file cannot be read or is no capture.
    """
    from lbtrace.correlate import apart

    keylogs = tls.read(options.keylogs)
    with no_collection():
        front, behind = of_both_sides(clients, backends, options, progress, keylogs)
        again = all(os.path.isfile(path) for files in clients for path in files)
        if again and any(tls.opens_more(t.applications, keylogs.secrets) for t in front):
            # the secrets are in a capture that was read later
            front = of_one_side(clients, Side.CLIENT, options, progress, keylogs)
        in_parts.check_told((*front, *behind), in_parts.COMPARED_BYTES, options)
        trim()
        return _report(*apart(front, behind), options, progress)


def compare_on_balancer(
    files: Sequence[str],
    addresses: Sequence[str] = (),
    options: Options = DEFAULT,
    progress: Progress = quiet,
    ports: Sequence[int] = (),
) -> Report:
    """One capture taken on the balancer itself, with both sides on one clock → the Report.

    `addresses` are the balancer's own, `ports` those that it takes connections on; without them,
    lbtrace looks for what tells the sides apart. Raises InputError when
    a file cannot be read, is no capture, or does not show two sides.
    """
    from lbtrace import correlate

    with no_collection():
        parts = correlate.split(inspect(files, Side.CLIENT, 0, options, progress), addresses, ports)
        if parts is None:
            raise InputError(
                "sides-not-told-apart",
                f"{files[0]}: nothing in it tells the two sides of a balancer apart.",
                "Capture with `tcpdump -i any` on it, name all of its own addresses with "
                "--lb-address or the ports it takes connections on with --lb-port, or give two "
                "captures.",
            )
        if options.clock_offset_ns is None:
            options = replace(options, clock_offset_ns=0)
        return _report((parts[0],), (parts[1],), options, progress)


def compare_traces(
    clients: Sequence[Trace],
    backends: Sequence[Trace],
    options: Options = DEFAULT,
    progress: Progress = quiet,
) -> tuple[Report, Comparison]:
    """The traces of both sides → the Report, and the Comparison that it was made from."""
    from lbtrace.correlate import apart

    with no_collection():
        return _judged(*apart(tuple(clients), tuple(backends)), options, progress)


def _report(
    clients: tuple[Trace, ...], backends: tuple[Trace, ...], options: Options, progress: Progress
) -> Report:
    report, comparison = _judged(clients, backends, options, progress)
    comparison.let_go()
    trim()
    return report


def _judged(
    clients: tuple[Trace, ...], backends: tuple[Trace, ...], options: Options, progress: Progress
) -> tuple[Report, Comparison]:
    from lbtrace import behaviour, findings, verdict  # a tenth of a second `inspect` does not need

    comparison = _compared(clients, backends, options, progress)
    comparison = _questioned(_right_way_round(comparison, options, progress), options)
    found = findings.all_findings(comparison, progress)
    progress("judging the balancer", UNKNOWN)
    judged = verdict.judge(comparison)
    report = Report(
        version=__version__,
        clients=tuple(comparison.clients),
        backends=tuple(comparison.backends),
        correlation=comparison.correlation,
        client_counts=comparison.client_counts,
        backend_counts=comparison.backend_counts,
        latency=comparison.latency,
        findings=found,
        verdict=judged,
        summary=comparison.summary,
        behaviour=behaviour.behaviour(comparison, found, judged),
    )
    return report, comparison


def _compared(
    clients: tuple[Trace, ...], backends: tuple[Trace, ...], options: Options, progress: Progress
) -> Comparison:
    """Two sides → what belongs together."""
    from lbtrace import correlate
    from lbtrace.comparison import Comparison
    from lbtrace.tables.sides import both_sides

    progress("pairing", UNKNOWN)
    tables = both_sides(clients, backends)
    correlation = correlate.correlate(clients, backends, options, tables, progress)
    return Comparison(clients, backends, correlation, tables)


def _right_way_round(given: Comparison, options: Options, progress: Progress) -> Comparison:
    """Captures that look swapped → the same with the sides exchanged, if that explains at least as
    much.

    Otherwise every statement about them would be reversed. `Correlation.swapped` stays set, so that
    the page can say what was done.
    """
    if not given.correlation.swapped:
        return given
    clients = tuple(replace(trace, side=Side.CLIENT) for trace in given.backends)
    backends = tuple(replace(trace, side=Side.BACKEND) for trace in given.clients)
    if options.clock_offset_ns is not None:
        options = replace(options, clock_offset_ns=-options.clock_offset_ns)
    turned = _compared(clients, backends, options, progress)
    before, after = given.correlation, turned.correlation
    if after.swapped or len(after.pairs) < len(before.pairs) or _known(after) < _known(before):
        turned.let_go()
        return given.with_correlation(replace(before, swapped=False, order_shown=False))
    given.let_go()
    return turned.with_correlation(replace(after, swapped=True))


def _questioned(given: Comparison, options: Options) -> Comparison:
    """The same with another clock offset named, where the stated one fits (nearly) no pair."""
    if options.clock_offset_ns is None or not given.clients or not given.backends:
        return given
    from lbtrace import correlate
    from lbtrace.comparison.stated_clock import other_offset

    stated_ns = options.clock_offset_ns
    if given.correlation.swapped:
        stated_ns = -stated_ns
    plain = replace(options, clock_offset_ns=None)
    other = other_offset(
        given,
        stated_ns,
        lambda: correlate.correlate(given.clients, given.backends, plain, given.tables),
    )
    if other is None:
        return given
    return given.with_correlation(replace(given.correlation, other_offset=other))


def _known(correlation: Correlation) -> tuple[int, int]:
    """How many clocks are known, and how many pairs are not of LOW confidence."""
    return sum(not clock.refused for clock in correlation.clocks), sum(
        pair.confidence is not Confidence.LOW for pair in correlation.pairs
    )
