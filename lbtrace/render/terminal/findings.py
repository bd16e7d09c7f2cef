"""Facts and witnesses: what lbtrace says, with the frames it says it from and a filter that shows
them in Wireshark.

Facts are findings of severity INFO; the others are problems, see there. They are listed briefly:
what the tables above already draw is left to --all, and a filter is only written out when it says
more than the frame numbers do.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from itertools import groupby

from lbtrace.language import N, tr
from lbtrace.model.net import Side
from lbtrace.model.pairing import Confidence
from lbtrace.model.report import Evidence, Finding, Kind, ProfileMatch, Report, Severity, Witness
from lbtrace.render.terminal.labels import Labels
from lbtrace.render.terminal.page import Cell, Column, Page
from lbtrace.render.wording import names, units
from lbtrace.render.wording.escape import shown
from lbtrace.render.wording.statements import filled

_EVIDENCE = 2  # of each finding
_FRAMES = 6  # of each side
_INDENT = 3
# findings whose content the tables above show already
DRAWN_ABOVE = (
    "request-headers",
    "response-headers",
    "connection-reuse.client",
    "connection-reuse.backend",
    "connection-reuse.counted",
    "added-latency",
    "nat-before-balancer",
)


def facts(page: Page, findings: Sequence[Finding], labels: Labels) -> None:
    """What is no problem."""
    every = [f for f in findings if f.severity is Severity.INFO]
    listed = every if page.view.everything else [f for f in every if not _drawn_above(f.slug)]
    if listed:
        page.heading("Facts", "to see a frame in Wireshark: frame.number == 4")
    for title in dict.fromkeys(f.title for f in listed):
        _facts(page, [f for f in listed if f.title == title], labels)
    drawn = len(every) - len(listed)
    if drawn:
        forms = (
            "{n} fact is in the tables above (--all: all of them)",
            "{n} facts are in the tables above (--all: all of them)",
        )
        if listed:
            forms = (
                "{n} more fact is in the tables above (--all: all of them)",
                "{n} more facts are in the tables above (--all: all of them)",
            )
        text = units.counted(*forms, drawn)
        page.line((text, "note"))


def _drawn_above(slug: str) -> bool:
    return slug in DRAWN_ABOVE or slug.split(".")[0] in DRAWN_ABOVE


def _facts(page: Page, group: Sequence[Finding], labels: Labels) -> None:
    """Facts of one title; those that rest on the same frames name them once, and so do those that
    are all as unsure.
    """
    alike = len({f.confidence for f in group}) == 1
    sure = (f"   {_unsure(group[0])}" if alike else "", "note")
    page.line((shown(tr(group[0].title)), "bold"), sure)
    for evidence, same in groupby(group, key=lambda f: f.evidence):
        for finding in same:
            doubt = "" if alike or not _unsure(finding) else f" ({_unsure(finding)})"
            page.prose(filled(finding.statement, finding.values) + doubt, indent=_INDENT)
        proof(page, evidence, labels, filters=page.view.everything)


def _unsure(finding: Finding) -> str:
    return (
        tr("confidence: {sure}").format(sure=names.CONFIDENCE[finding.confidence])
        if finding.confidence in (Confidence.MEDIUM, Confidence.LOW)
        else ""
    )


def proof(
    page: Page, evidence: Sequence[Evidence], labels: Labels, filters: bool, indent: int = _INDENT
) -> None:
    """The frames behind a claim, and how to find them in Wireshark."""
    some = page.some(evidence, _EVIDENCE)
    for e in some:
        note = f"   {shown(e.note)}" if e.note and page.view.everything else ""
        frames = labels.frames(e.frames, most=None if page.view.everything else _FRAMES)
        page.line((frames, "frame"), (note, "note"), indent=indent)
        for side, text in ((Side.CLIENT, e.client_filter), (Side.BACKEND, e.backend_filter)):
            if text and (filters or not text.startswith("frame.number")):
                where = f"{labels.wireshark(side)}: "
                page.line((where, "note"), (shown(text), "filter"), indent=indent)
    page.more(len(evidence), len(some), "captures with evidence")


def why(page: Page, report: Report, labels: Labels) -> None:
    """Why lbtrace believes its verdict: each independent observation and what it speaks for."""
    witnesses = report.verdict.witnesses
    if witnesses:
        page.heading("Why this verdict", "independent observations, and what each speaks for")
        for witness in witnesses:
            _witness(page, witness, labels)
    for profile in report.verdict.profiles:
        if profile.named:
            _profile(page, profile)


def _witness(page: Page, w: Witness, labels: Labels) -> None:
    page.prose(filled(w.statement, w.values))
    weighed = weight(w)
    if weighed:
        page.line((weighed, "note"), indent=_INDENT)
    frames = labels.frames([f for e in w.evidence for f in e.frames], most=4)
    if frames:
        page.line((frames, "frame"), indent=_INDENT)


def weight(w: Witness) -> str:
    """What it speaks for and against."""
    return "; ".join(
        f"{word} {_kinds(kinds)}"
        for word, kinds in ((tr("for"), w.speaks_for), (tr("against"), w.speaks_against))
        if kinds
    )


def _kinds(kinds: Iterable[Kind]) -> str:
    return ", ".join(k.value for k in kinds)


def _profile(page: Page, p: ProfileMatch) -> None:
    usual = units.counted("{n} more change is usual", "{n} more changes are usual", p.forgiven)
    fits = tr("fits {score} of 100").format(score=p.score)
    page.heading(
        tr("Why {name}").format(name=shown(p.name)), f"{fits}; {usual}" if p.forgiven else fits
    )
    rows: list[list[Cell]] = []
    for word, style, rules in (
        (N("fits"), "added", p.matched),
        (N("not"), "removed", p.contradicted),
    ):
        rows.extend(
            [(tr(word), style), shown(rule), (shown(example), "note")] for rule, example in rules
        )
    page.table([Column(), Column(flexible=True), Column(flexible=True, cut=True)], rows)
