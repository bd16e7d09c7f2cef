"""The lines by which known balancers are recognised: `habits.PLACE`, as `lbtrace.profiles` reads
them. With them a stored report can be held against any profile.
"""

from __future__ import annotations

from collections.abc import Iterator

from lbtrace.behaviour._seen import Seen
from lbtrace.language.plurals import noun
from lbtrace.model.behaviour import Fact
from lbtrace.verdict.likeness import observed

ORDER = 11
MOST_LINES = 100  # of a place; more differ in values, not in kind


def facts(seen: Seen) -> Iterator[Fact]:
    """One fact per place that has lines, and `habits`: how many pairs they were compared in."""
    verdict = seen.verdict
    found = observed(seen.comparison, verdict.kind, verdict.modifiers)
    yield Fact("habits", found.pairs, f"{found.pairs} {noun(found.pairs, 'pair')}", "count")
    for place, lines in found.lines.items():
        if lines:
            yield Fact(
                f"habits.{place}",
                len(lines),
                f"{len(lines)} {noun(len(lines), 'line')}",
                "count",
                values=lines[:MOST_LINES],
            )
