"""Times, clocks, and what lbtrace could not know; then the captures it read, with counts that add
up.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence

from lbtrace.model.http import Protocol
from lbtrace.model.net import Side
from lbtrace.model.pairing import Clock, UnpairedReason
from lbtrace.model.report import Report
from lbtrace.model.trace import Trace
from lbtrace.render.terminal.labels import Labels
from lbtrace.render.terminal.page import Cell, Column, Page
from lbtrace.render.wording import names, units
from lbtrace.render.wording.escape import shown
from lbtrace.tables.columns import distinct
from lbtrace.tables.pairs import NONE, PairTable

_ENOUGH = 20  # pairs, for a 95th percentile to say more than the largest


def times(page: Page, report: Report, labels: Labels) -> None:
    """What the balancer added, and the clocks it was measured with."""
    latency, clocks = report.latency, report.correlation.clocks
    if latency is None and (
        not clocks or (not report.correlation.pairs and all(clock.refused for clock in clocks))
    ):
        return
    one_clock = _paths(report.clients) == _paths(report.backends)
    page.heading("Times")
    rows: list[list[Cell]] = []
    if latency is not None:
        most = f"{units.duration(latency.added_max_ns)} at most"
        if latency.count >= _ENOUGH:
            most = f"{units.duration(latency.added_p95_ns)} at the 95th percentile, {most}"
        most = ", which pair is whose being open" if latency.average else f" in the median, {most}"
        added = (
            units.duration(latency.added_median_ns)
            + (" on average" if latency.average else "")
            + (most if latency.count > 1 else "")
        )
        rows.append([("added", "label"), f"{added} ({units.plural(latency.count, 'pair')})"])
        rows.append(
            [
                "",
                (
                    "client total − backend total; the network in front of the balancer is in it",
                    "note",
                ),
            ]
        )
        width = latency.half_width_ns
        known = (
            width is not None and width < latency.added_median_ns
        )  # wider than both ways together, it tells neither
        if known and latency.forward_median_ns is not None and latency.return_median_ns is not None:
            ways = (
                f"{units.duration(latency.forward_median_ns)} on the way in, "
                f"{units.duration(latency.return_median_ns)} on the way back"
            )
            rows.append([("of it", "label"), f"{ways}, each {units.half_width(width or 0)}"])
    rows += [
        [
            (f"clocks {_points(clock, labels)}" if len(clocks) > 1 else "clocks", "label"),
            _clock(clock, one_clock),
        ]
        for clock in clocks
    ]
    page.table([Column(), Column(flexible=True)], rows)


def _points(clock: Clock, labels: Labels) -> str:
    return (
        f"{labels.point(Side.CLIENT, clock.client_point)}, "
        f"{labels.point(Side.BACKEND, clock.backend_point)}"
    )


def _paths(traces: Sequence[Trace]) -> list[str]:
    return [file.path for trace in traces for file in trace.files]


def _clock(clock: Clock, one_clock: bool) -> str:
    if clock.stated and one_clock:
        return "one for both sides, which are in the same capture"
    if clock.refused:
        return f"unknown: {names.clock_refusal(clock)}"
    middle = (clock.low_ns + clock.high_ns) // 2
    lead = "ahead of" if middle >= 0 else "behind"
    apart = (
        f"the client's is {units.offset(abs(middle))} {lead} the backend's"
        if middle
        else "they agree"
    )
    text = f"{apart} ({units.half_width(clock.half_width_ns)})"
    if clock.stated:
        return f"{text}, as you stated"
    drift = f", drifting {clock.drift_ppb / 1000:.1f} ppm" if clock.drift_ppb else ""
    outliers = (
        f"; {units.plural(clock.outliers, 'pair')} left out as contradicting"
        if clock.outliers
        else ""
    )
    return f"{text}{drift}, bounded by {units.plural(clock.pairs, 'pair')}{outliers}"


def unknowns(page: Page, report: Report, labels: Labels) -> None:
    """What the packets cannot tell, said plainly."""
    sentences = _unknowns(report, labels)
    if not sentences:
        return
    page.heading("What lbtrace could not know")
    for sentence in sentences:
        page.prose(sentence)


def _unknowns(report: Report, labels: Labels) -> list[str]:
    correlation = report.correlation
    told = []
    pairs = PairTable.of(correlation.pairs)
    in_groups = pairs.group[pairs.group != NONE]
    grouped, groups = len(in_groups), len(distinct(in_groups))
    if grouped:
        told.append(
            f"{units.plural(grouped, 'pair')} (marked * above) in {units.plural(groups, 'group')} "
            "of alike exchanges: within a group the "
            "packets fit any assignment."
        )
    unsure = int((~pairs.known).sum())
    if unsure:
        told.append(f"{units.plural(unsure, 'pair')} of low confidence: not counted as knowledge.")
    unknown = Counter(u.side for u in correlation.unpaired if u.reason is UnpairedReason.UNKNOWN)
    for side, number in sorted(unknown.items()):
        told.append(
            f"{units.plural(number, f'{side} exchange')} without a partner that was found: the "
            "packets cannot tell why."
        )
    refused = [clock for clock in correlation.clocks if clock.refused]
    if refused and correlation.pairs:
        where = (
            ""
            if len(refused) == len(correlation.clocks)
            else f" between {'; '.join(_points(clock, labels) for clock in refused)}"
        )
        told.append(
            f"How long each way through the balancer took{where}: there is no common clock."
        )
    for trace in (*report.clients, *report.backends):
        told.extend(blind_spots(trace))
    return told


def blind_spots(trace: Trace) -> list[str]:
    """What one capture cannot show: encryption, cut packets, dropped packets, missing
    beginnings.
    """
    name = shown(trace.name)
    told = []
    tls = [a for a in trace.applications if a.protocol is Protocol.TLS]
    if tls:
        hello = next((a.tls for a in tls if a.tls is not None), None)
        details = [f"for {shown(hello.server_name)}"] if hello and hello.server_name else []
        if hello and hello.alpn:
            details.append(f"offering {', '.join(map(shown, hello.alpn))}")
        told.append(
            f"{name}: {units.plural(len(tls), 'connection')} encrypted with "
            f"TLS{' ' if details else ''}{', '.join(details)}: no HTTP "
            "can be read there. Capture behind the point where TLS ends, or turn TLS off for the "
            "experiment."
        )
    if trace.packets.truncated:
        told.append(
            f"{name}: {units.plural(trace.packets.truncated, 'packet')} cut by the snapshot "
            "length: capture with tcpdump -s 0."
        )
    dropped = sum(f.dropped or 0 for f in trace.files)
    if dropped:
        told.append(
            f"{name}: the capture itself reports {units.plural(dropped, 'dropped packet')}."
        )
    return told


def captures(page: Page, traces: Sequence[Trace], labels: Labels | None) -> None:
    """Each capture point: its files, its packets (read = decoded + skipped), its diagnostics."""
    page.heading("Captures")
    rows: list[list[Cell]] = []
    for trace in traces:
        for index, file in enumerate(trace.files):
            kind = (
                f"{file.format}{f', {file.compression}' if file.compression else ''}, "
                f"{units.size(file.size_bytes)}"
            )
            label = labels.point(trace.side, trace.point, index) if labels else ""
            rows.append([(label, "label"), shown(file.path)])
            if len(trace.files) > 1:
                rows.append(["", (f"{kind}, {units.plural(file.frames, 'packet')}", "note")])
        rows.append(
            ["", (_packets(trace) + (f"; {kind}" if len(trace.files) == 1 else ""), "note")]
        )
        rows.extend(["", (text, "warning")] for text in _remarks(trace))
    page.table([Column(), Column(flexible=True)], rows)


def _packets(trace: Trace) -> str:
    p = trace.packets
    skipped = "".join(f" + {units.count(n)} skipped ({shown(reason)})" for reason, n in p.skipped)
    text = (
        f"{units.plural(p.read, 'packet')} = {units.count(p.decoded)} "
        f"TCP{skipped or ' + 0 skipped'}"
    )
    if p.read:
        text += f", over {units.duration(trace.last_ns - trace.first_ns)}"
    if p.peeled:
        text += "; taken off: " + ", ".join(
            f"{shown(name)} ({units.count(n)})" for name, n in p.peeled
        )
    if p.duplicates:
        text += f"; {units.plural(p.duplicates, 'packet')} seen twice and counted once"
    return text


def _remarks(trace: Trace) -> Iterator[str]:
    for d in trace.diagnostics:
        told = str(d.count) in d.text  # by the sentence itself
        times = f" ({units.count(d.count)} times)" if d.count > 1 and not told else ""
        where = ""
        if d.frame is not None:
            ref = trace.ref(d.frame, 0)
            where = f", first at #{ref.number}" + (
                f" of {shown(trace.files[ref.file].path)}" if len(trace.files) > 1 else ""
            )
        yield f"{shown(d.text).rstrip('.')}{times}{where}"
