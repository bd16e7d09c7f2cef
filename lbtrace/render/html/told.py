"""What the page of two sides and the page of one capture say alike: problems, facts, captures, and
what the plots are drawn with.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import Any, NamedTuple

from lbtrace.model.net import FrameRef, Side
from lbtrace.model.problems import Problem
from lbtrace.model.report import CaptureReport, Evidence, Finding, Report, Severity
from lbtrace.model.trace import Trace
from lbtrace.render import View
from lbtrace.render.terminal import limits
from lbtrace.render.terminal.labels import Labels
from lbtrace.render.terminal.zoom import numbered
from lbtrace.render.wording import names, times, units
from lbtrace.render.wording.escape import shown
from lbtrace.render.wording.statements import filled

_FRAMES = 6  # of each side, behind a sentence
_LINKS = 12  # of a problem, to its exchanges
_TICKS = tuple(10**power for power in range(3, 13))  # ns: 1 µs to 1000 s


class Proof(NamedTuple):
    """Frames behind a sentence, and the display filters that find them: (where, filter)."""

    frames: str
    note: str
    filters: tuple[tuple[str, str], ...]


class Sentence(NamedTuple):
    """What a finding says. `sure` is its confidence."""

    text: str
    sure: str
    proofs: tuple[Proof, ...]


class ProblemCard(NamedTuple):
    """A problem. `links` are (anchor, name) of its exchanges, `hidden` how many more there are."""

    id: str
    severity: str
    slugs: tuple[str, ...]
    told: tuple[Sentence, ...]
    remedies: tuple[str, ...]
    since: str
    frames: str
    links: tuple[tuple[str, str], ...]
    hidden: int


class TitledFacts(NamedTuple):
    """Facts of one title."""

    title: str
    told: tuple[Sentence, ...]


class CaptureCard(NamedTuple):
    """A capture point: (label, path, kind) of its files, its packets, what is worth saying."""

    files: tuple[tuple[str, str, str], ...]
    packets: str
    remarks: tuple[str, ...]


def sentence(finding: Finding, labels: Labels) -> Sentence:
    """A finding, with its packets."""
    proofs = tuple(_proof(e, labels) for e in finding.evidence)
    sure = names.CONFIDENCE[finding.confidence]
    return Sentence(filled(finding.statement, finding.values), sure, proofs)


def _proof(e: Evidence, labels: Labels) -> Proof:
    filters = ((Side.CLIENT, e.client_filter), (Side.BACKEND, e.backend_filter))
    return Proof(
        labels.frames(e.frames, most=_FRAMES),
        shown(e.note),
        tuple((labels.wireshark(side), shown(text)) for side, text in filters if text),
    )


def problems(
    report: Report | CaptureReport,
    labels: Labels,
    view: View,
    named: Callable[[Problem], Sequence[str]],
) -> list[ProblemCard]:
    """The problems; `named` are the names of the exchanges of each."""
    return [_card(report, found, labels, view, named(found)) for found in report.problems]


def _card(
    report: Report | CaptureReport,
    found: Problem,
    labels: Labels,
    view: View,
    exchanges: Sequence[str],
) -> ProblemCard:
    told = [report.findings[i] for i in found.said]
    when = "at" if found.count == 1 else "since"
    return ProblemCard(
        found.id,
        found.severity.value,
        tuple(map(shown, found.slugs)),
        tuple(sentence(finding, labels) for finding in told),
        tuple(dict.fromkeys(shown(f.remedy) for f in told if f.remedy)),
        f"{when} {times.clock(found.since.time_ns, view.zone)}",
        labels.frames(found.frames, most=_FRAMES),
        tuple((anchor(name), name) for name in exchanges[:_LINKS]),
        len(exchanges[_LINKS:]),
    )


def anchor(name: str) -> str:
    """The part of an address behind the # that names an exchange: a pair "pair-17", another one
    "u3", one of a capture alone "exchange-2:12".
    """
    return f"pair-{name}" if name.isdigit() else name


def facts(findings: Sequence[Finding], labels: Labels) -> list[TitledFacts]:
    """What is no problem, by title."""
    every = [f for f in findings if f.severity is Severity.INFO]
    return [
        TitledFacts(shown(title), tuple(sentence(f, labels) for f in every if f.title == title))
        for title in dict.fromkeys(f.title for f in every)
    ]


def captures(traces: Sequence[Trace], labels: Labels) -> list[CaptureCard]:
    """Each capture point, with counts that add up."""
    return [_capture(trace, labels) for trace in traces]


def _capture(trace: Trace, labels: Labels) -> CaptureCard:
    files = []
    for index, file in enumerate(trace.files):
        kind = f"{file.format}{f', {file.compression}' if file.compression else ''}"
        label = labels.point(trace.side, trace.point, index)
        text = f"{kind}, {units.size(file.size_bytes)}, {units.plural(file.frames, 'packet')}"
        files.append((label, shown(file.path), text))
    return CaptureCard(tuple(files), limits.packets(trace), tuple(limits.remarks(trace)))


def filters(frames: Sequence[FrameRef], labels: Labels) -> Iterator[tuple[str, str]]:
    """(which capture, display filter) of frames, by file."""
    numbers: dict[str, list[int]] = {}
    for frame in frames:
        where = labels.frame(frame).rpartition("#")[0].strip() or _of(frame.side, labels)
        numbers.setdefault(where, []).append(frame.number)
    for where, held in numbers.items():
        yield where, numbered(sorted(set(held)))


def _of(side: Side, labels: Labels) -> str:
    return "this capture" if labels.alone else f"{side.value} capture"


def plots(window_ns: tuple[int, int], view: View) -> dict[str, Any]:
    """What the plots are labelled with."""
    begin, end = window_ns
    return {
        "window": end - begin,
        "ends": [times.clock(begin, view.zone), times.clock(end, view.zone)],
        "ticks": [[ns, units.duration(ns)] for ns in _TICKS],
    }


def note(view: View) -> str:
    """Whether the page holds credentials."""
    if view.show_secrets:
        return "Credentials are shown as they were captured."
    return (
        "Credentials are masked: what is shown are lengths, and digests that tell equal from "
        "changed."
    )
