"""The findings themselves, by slug: `findings.SLUG` is the highest severity of that slug."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator

import numpy as np

from lbtrace.behaviour._seen import Seen
from lbtrace.comparison import Comparison
from lbtrace.model.behaviour import Fact, Share
from lbtrace.model.net import FrameRef
from lbtrace.model.report import Finding, Severity

ORDER = 10
ONE_SIDE = True


def facts(seen: Seen) -> Iterator[Fact]:
    """One fact per slug above INFO, most severe first. What is INFO is in the other facts."""
    by_slug: dict[str, list[Finding]] = {}
    for finding in seen.findings:
        if finding.severity > Severity.INFO:
            by_slug.setdefault(finding.slug, []).append(finding)
    for slug, found in by_slug.items():
        severity = max(finding.severity for finding in found)
        yield Fact(
            f"findings.{slug}",
            severity.value,
            found[0].title,
            shares=(Share("findings", len(found), len(found)),),
            values=_requests(seen.comparison, found),
            evidence=tuple(e for finding in found for e in finding.evidence),
        )


def _requests(comparison: Comparison, found: list[Finding]) -> tuple[str, ...]:
    """The requests ("GET /health") that the findings are about; none when their evidence does not
    show all of them, or shows something else.
    """
    texts: dict[str, None] = {}
    for finding in found:
        shown = {
            text
            for e in finding.evidence
            for frame in e.frames
            if (text := _request(comparison, frame))
        }
        if not shown or _cases(finding) > _shown(finding):
            return ()
        texts |= dict.fromkeys(sorted(shown))
    return tuple(texts)


def _cases(finding: Finding) -> int:
    """How many cases a finding counts."""
    return next((int(v.value) for v in finding.values if v.name == "count"), 1)


def _shown(finding: Finding) -> int:
    """How many cases its evidence can show: the frames of the side that has most of them."""
    frames = Counter(frame.side for e in finding.evidence for frame in e.frames)
    return max(frames.values())


def _request(comparison: Comparison, frame: FrameRef) -> str:
    """The request that begins, or whose response begins, in a frame; "" for none."""
    table = comparison.table(frame.side)
    for messages in (table.requests, table.responses):
        rows = np.flatnonzero((messages.first_frame == frame.number) & (table.point == frame.point))
        for row in rows.tolist():
            request = table.exchange(row).request
            if request is not None:
                return f"{request.method} {request.target}"
    return ""
