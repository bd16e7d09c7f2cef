"""The findings themselves, by slug: `findings.SLUG` is the highest severity of that slug."""

from __future__ import annotations

from collections.abc import Iterator

from lbtrace.behaviour._seen import Seen
from lbtrace.model.behaviour import Fact, Share
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
            _said(found),
            shares=(Share("findings", len(found), len(found)),),
            values=_requests(found),
            evidence=tuple(e for finding in found for e in finding.evidence),
        )


def _said(found: list[Finding]) -> str:
    """What the first of them says, and how many more there are."""
    more = f" ({len(found) - 1} more like this)" if len(found) > 1 else ""
    return f"{found[0].text}{more}"


def _requests(found: list[Finding]) -> tuple[str, ...]:
    """All requests that the findings are about; none when one of them does not tell them all."""
    if not all(finding.requests for finding in found):
        return ()
    return tuple(dict.fromkeys(text for finding in found for text in finding.requests))
