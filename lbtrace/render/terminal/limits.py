"""Times, clocks, and what lbtrace could not know; then the captures it read, with counts that add
up.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from lbtrace.language import N, tr
from lbtrace.model.http import ClientHello
from lbtrace.model.net import Side
from lbtrace.model.pairing import Clock, UnpairedReason
from lbtrace.model.report import CaptureReport, Latency, Report
from lbtrace.model.trace import Trace
from lbtrace.render.terminal.labels import Labels
from lbtrace.render.terminal.page import Cell, Column, Page
from lbtrace.render.wording import names, units
from lbtrace.render.wording.escape import shown
from lbtrace.tables.captures import encrypted

TOTALS = N("client total − backend total; the network in front of the balancer is in it")
LESS_OWN = N(
    "client total − backend total − what is not the balancer's; the network in front of the "
    "balancer is in it"
)


def times(page: Page, report: Report, labels: Labels) -> None:
    """What the balancer added, and the clocks it was measured with."""
    latency, clocks = report.latency, report.correlation.clocks
    known = any(not clock.refused for clock in clocks)
    if latency is None and not known and not (clocks and report.correlation.pairs):
        return
    page.heading("Times")
    rows: list[list[Cell]] = [] if latency is None else latency_rows(latency)
    for clock in clocks:
        several = len(clocks) > 1
        label = tr("clocks") + (f" {clock_of(clock, labels)}" if several else "")
        rows.append([(label, "label"), clock_told(clock, report.summary.one_capture)])
    page.table([Column(), Column(flexible=True)], rows)


def latency_rows(latency: Latency) -> list[list[Cell]]:
    """What was added, and what is not in it."""
    own = taken_off(latency)
    note = tr(LESS_OWN if own else TOTALS)
    rows: list[list[Cell]] = [
        [("time added", "label"), f"{added(latency)} ({units.plural(latency.count, 'pair')})"],
        ["", (note, "note")],
    ]
    if latency.ways_ns is not None and latency.tells_ways_apart:
        forward, back, half_width = latency.ways_ns
        ways = tr("{forward} on the way in, {back} on the way back, each {error}").format(
            forward=units.duration(forward),
            back=units.duration(back),
            error=units.half_width(half_width),
        )
        rows.append([("of it", "label"), ways])
    rows += [[("not in it", "label"), text] for text in own]
    if latency.left_out:
        text = "; ".join(f"{units.plural(n, 'pair')} ({tr(why)})" for why, n in latency.left_out)
        rows.append([("left out", "label"), text])
    return rows


def taken_off(latency: Latency) -> list[str]:
    """What is not the balancer's, with its amount."""
    most = tr("{time} on average") if latency.average else tr("{time} at most") + " ({pairs})"
    return [
        f"{tr(text)}, "
        + most.format(time=units.duration(off.longest_ns), pairs=units.plural(off.pairs, "pair"))
        for text, off in (
            (N("the client's own sending of its request"), latency.sending),
            (N("a slow reader: the client's window was closed"), latency.reading),
        )
        if off.pairs
    ]


def added(latency: Latency) -> str:
    """How much the balancer added."""
    added = units.duration(latency.added_median_ns)
    if latency.average:
        open_ = tr(", which pair is whose being open") if latency.count > 1 else ""
        return tr("{time} on average").format(time=added) + open_
    if latency.count == 1:
        return added
    most = tr("{time} at most").format(time=units.duration(latency.added_max_ns))
    if latency.has_percentile:
        p95 = units.duration(latency.added_p95_ns)
        most = tr("{time} at the 95th percentile, {most}").format(time=p95, most=most)
    return tr("{time} in the median, {most}").format(time=added, most=most)


def clock_of(clock: Clock, labels: Labels, between: str = ", ") -> str:
    """The two capture points of a clock."""
    return (
        f"{labels.point(Side.CLIENT, clock.client_point)}{between}"
        f"{labels.point(Side.BACKEND, clock.backend_point)}"
    )


def clock_told(clock: Clock, one_clock: bool) -> str:
    """What is known of a clock."""
    if clock.stated and one_clock:
        return tr("one for both sides, which are in the same capture")
    if clock.refused:
        return f"{tr('unknown')}: {names.clock_refusal(clock)}"
    lead = N("the client's is {offset} ahead of the backend's")
    if clock.middle_ns < 0:
        lead = N("the client's is {offset} behind the backend's")
    offset = units.offset(abs(clock.middle_ns))
    apart = tr(lead).format(offset=offset) if clock.middle_ns else tr("they agree")
    text = f"{apart} ({units.half_width(clock.half_width_ns)})"
    if clock.stated:
        return f"{text}, {tr('as you stated')}"
    parts = [text]
    if clock.drift_ppb:
        parts.append(tr("drifting {drift}").format(drift=units.drift(clock.drift_ppb)))
    parts.append(tr("bounded by {pairs}").format(pairs=units.plural(clock.pairs, "pair")))
    told = ", ".join(parts)
    if not clock.outliers:
        return told
    left_out = tr("{pairs} left out as contradicting")
    return f"{told}; {left_out.format(pairs=units.plural(clock.outliers, 'pair'))}"


def unknowns(page: Page, report: Report, labels: Labels) -> None:
    """What the packets cannot tell, said plainly."""
    could_not_know(page, sentences(report, labels))


def sentences(report: Report, labels: Labels, beside_problems: bool = False) -> list[str]:
    """What the packets cannot tell, sentence by sentence. `beside_problems`: what a problem says
    already is left out.
    """
    hidden = beside_problems and tls_is_a_problem(report)
    told = [*_pairing(report), *_clocks(report, labels)]
    for side in (report.clients, report.backends):
        for trace in side:
            told += blind_spots(trace, trace.called(alone=False, several=len(side) > 1), hidden)
    return told


def could_not_know(page: Page, told: Sequence[str]) -> None:
    """The section of what lbtrace could not know, if there is anything."""
    if told:
        page.heading("What lbtrace could not know")
    for sentence in told:
        page.prose(sentence)


def _pairing(report: Report) -> Iterator[str]:
    summary = report.summary
    if summary.interchangeable:
        yield tr(
            "{pairs} (marked *) in {groups} of alike exchanges: within a group the packets fit any "
            "assignment."
        ).format(
            pairs=units.plural(summary.interchangeable, "pair"),
            groups=units.plural(summary.groups, "group"),
        )
    if summary.unsure:
        yield tr("{pairs} of low confidence: not counted as knowledge.").format(
            pairs=units.plural(summary.unsure, "pair")
        )
    unknown = [u for u in summary.unpaired if u.reason is UnpairedReason.UNKNOWN]
    for u in sorted(unknown, key=lambda u: u.side):
        yield tr("{exchanges} without a known partner: the packets cannot tell why.").format(
            exchanges=units.exchanges(u.side, u.count)
        )


def _clocks(report: Report, labels: Labels) -> Iterator[str]:
    clocks = report.correlation.clocks
    refused = [clock for clock in clocks if clock.refused]
    if refused and report.correlation.pairs:
        if len(refused) == len(clocks):
            yield tr("How long each way through the balancer took: there is no common clock.")
        else:
            where = ", ".join(clock_of(clock, labels, " ↔ ") for clock in refused)
            yield tr(
                "How long each way through the balancer took, where two captures have no common "
                "clock: {where}."
            ).format(where=where)


def tls_is_a_problem(report: Report | CaptureReport) -> bool:
    """Whether a problem says which connections are encrypted, and what to do about it."""
    slugs = (slug for problem in report.problems for slug in problem.slugs)
    return any(slug.partition(".")[0] == "encrypted-traffic" for slug in slugs)


def blind_spots(trace: Trace, called: str, tls_told: bool = False) -> list[str]:
    """What one capture cannot show: encrypted bytes, cut packets, dropped packets. `called`: the
    name of the capture in a sentence. `tls_told`: a problem says already what is encrypted.
    """
    name, said = shown(_capital(tr(called))), []
    tls = encrypted(trace.applications)
    if tls.connections and not tls_told:
        said.append(
            tr(
                "{name}: {connections} encrypted with TLS{hello}: no HTTP can be read there. "
                "Give its secrets with --keylog, or capture behind the point where TLS ends."
            ).format(
                name=name,
                connections=units.plural(tls.connections, "connection"),
                hello=_hello(tls.hello),
            )
        )
    if trace.packets.truncated:
        said.append(
            tr("{name}: {packets} cut by the snapshot length: capture with tcpdump -s 0.").format(
                name=name, packets=units.plural(trace.packets.truncated, "packet")
            )
        )
    if trace.dropped:
        dropped = units.plural(trace.dropped, "dropped packet")
        said.append(
            tr("{name}: the capture itself reports {dropped}.").format(name=name, dropped=dropped)
        )
    return said


def _capital(text: str) -> str:
    return text[0].upper() + text[1:]


def _hello(hello: ClientHello | None) -> str:
    """Which server was asked for, and with which protocols on offer."""
    if hello is None:
        return ""
    details = []
    if hello.server_name:
        details.append(tr("for {server}").format(server=shown(hello.server_name)))
    if hello.alpn:
        details.append(tr("offering {names}").format(names=", ".join(map(shown, hello.alpn))))
    return f" {', '.join(details)}" if details else ""


def not_captured(report: CaptureReport) -> Iterator[str]:
    """That one capture shows one side only, and which."""
    several = len(report.captures) > 1
    for number, alone in enumerate(report.captures, 1):
        if alone.trace.connections:
            name = tr("Capture {n}").format(n=number) if several else tr("This is one capture")
            yield names.NOT_CAPTURED[alone.not_captured].format(which=name)


def not_read(page: Page, traces: Sequence[Trace]) -> None:
    """That a part of the captures was not read, if so: what is told may not be all there was."""
    found = [d for trace in traces for d in trace.not_read]
    if found:
        more = tr(" ({n} more: -v)").format(n=len(found) - 1) if len(found) > 1 else ""
        said = tr("Not everything was read: {what}").format(what=shown(found[0].text) + more)
        page.prose(said, style="warning")


def captures(page: Page, traces: Sequence[Trace], labels: Labels) -> None:
    """Each capture point: its files, its packets (read = decoded + skipped), its diagnostics."""
    page.heading("Captures")
    rows: list[list[Cell]] = []
    for trace in traces:
        for index, file in enumerate(trace.files):
            kind = (
                f"{file.format}{f', {file.compression}' if file.compression else ''}, "
                f"{units.size(file.size_bytes)}"
            )
            label = labels.point(trace.side, trace.point, index)
            rows.append([(label, "label"), shown(file.path)])
            if len(trace.files) > 1:
                rows.append(["", (f"{kind}, {units.plural(file.frames, 'packet')}", "note")])
        rows.append(["", (packets(trace) + (f"; {kind}" if len(trace.files) == 1 else ""), "note")])
        rows.extend(["", (text, "warning")] for text in remarks(trace))
    page.table([Column(), Column(flexible=True)], rows)


def packets(trace: Trace) -> str:
    """How many packets were read, decoded and skipped."""
    p = trace.packets
    skipped = "".join(f" + {_skipped(n)} ({shown(reason)})" for reason, n in p.skipped)
    text = (
        f"{units.plural(p.read, 'packet')} = {units.count(p.decoded)} "
        f"TCP{skipped or f' + {_skipped(0)}'}"
    )
    if p.read:
        text += f", {tr('over {time}').format(time=units.duration(trace.duration_ns))}"
    if p.peeled:
        off = ", ".join(f"{shown(name)} ({units.count(n)})" for name, n in p.peeled)
        text += f"; {tr('taken off: {names}').format(names=off)}"
    if p.duplicates:
        twice = tr("{packets} seen twice and counted once")
        text += f"; {twice.format(packets=units.plural(p.duplicates, 'packet'))}"
    return text


def _skipped(number: int) -> str:
    return tr("{n} skipped").format(n=units.count(number))


def remarks(trace: Trace) -> Iterator[str]:
    """What is worth saying of a capture."""
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
