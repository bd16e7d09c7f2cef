"""What the files of this room read: the Comparison, its findings, its verdict."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import NamedTuple

from lbtrace.comparison import Comparison
from lbtrace.model.behaviour import Fact
from lbtrace.model.report import Finding, Unit, Verdict


class Seen(NamedTuple):
    """All that is known of a balancer."""

    comparison: Comparison
    findings: tuple[Finding, ...]
    verdict: Verdict

    def told(self, slug: str) -> Iterator[Finding]:
        """The findings of that slug, in order."""
        return (finding for finding in self.findings if finding.slug == slug)

    def first(self, *slugs: str) -> Finding | None:
        """The first finding of one of these slugs."""
        return next((finding for slug in slugs for finding in self.told(slug)), None)


def values_of(finding: Finding) -> Mapping[str, int | str]:
    """The values of a finding by name."""
    return {value.name: value.value for value in finding.values}


def number(finding: Finding | None, name: str) -> int:
    """A number of a finding; 0 without the finding."""
    found = None if finding is None else values_of(finding).get(name)
    return found if isinstance(found, int) else 0


def unknown(name: str, why: str, unit: Unit = "text") -> Fact:
    """A fact that the captures cannot tell."""
    return Fact(name, None, "unknown", unit, unknown=why)
