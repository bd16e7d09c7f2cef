"""What one sentence says and the frames that prove it → a Finding.

All findings of one file share the slug, which is the file's name, and the title, which is the first
line of its docstring. A file says the rest:

    KIND = FindingKind.of(__name__, __doc__)

    yield KIND.finding(
        "dropped",                                          capture-quality.dropped
        Severity.MEDIUM,
        Confidence.CERTAIN,
        "{capture} reports {count} packets dropped.",
        first_frames(trace, first),                         at least one
        capture=trace.name,                                 the values of the sentence
        count=dropped,
        remedy="Record with a larger buffer.",
    )
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace
from typing import NamedTuple

from lbtrace.comparison.claims import Measured, values
from lbtrace.comparison.frames import evidence
from lbtrace.language.plurals import chosen
from lbtrace.model.net import FrameRef
from lbtrace.model.pairing import Confidence
from lbtrace.model.report import Finding, Severity


class FindingKind(NamedTuple):
    """The findings of one file."""

    slug: str
    title: str

    @classmethod
    def of(cls, module: str, doc: str | None) -> FindingKind:
        """That of a module, by its name and its docstring."""
        slug = module.rpartition(".")[2].replace("_", "-")
        return cls(slug, (doc or slug).strip().splitlines()[0].removesuffix("."))

    def finding(
        self,
        variant: str,
        severity: Severity,
        confidence: Confidence,
        statement: str,
        frames: Iterable[FrameRef],
        *,
        note: str = "",
        remedy: str = "",
        **measured: Measured,
    ) -> Finding:
        """A finding of this kind; `variant` is "" for the one that needs none. `note` says what the
        frames show. A word of the statement that agrees with a count is {name:one|many}, see
        language/plurals.py. ValueError without a frame.
        """
        return Finding(
            f"{self.slug}.{variant}" if variant else self.slug,
            self.title,
            severity,
            confidence,
            chosen(statement, measured),
            values(**measured),
            evidence(frames, note),
            remedy,
        )


def compared_with(finding: Finding, frames: Iterable[FrameRef]) -> Finding:
    """A finding, with frames of messages that do not have the fault."""
    others = evidence(frames, "without the fault, to compare", compared=True)
    return replace(finding, evidence=(*finding.evidence, *others))
