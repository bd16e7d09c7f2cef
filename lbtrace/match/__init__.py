"""Client exchanges and backend exchanges → which caused which, and the clocks between the captures.

    same packets · ClientHello ─▶ stated endpoint ─▶ shared rare values ─▶ clock
                                                          ▲                 │
                                       what the pairs show of it ◀─ fingerprint classes in time

docs/how-it-works.md has the tiers of evidence. Candidates come from joins, never
from a cross product. What the pairs of one round show (the clocks, which fields are passed on, what
becomes of the target) is the ground of the next; the clocks that are reported are those that the
last round used. Explanations read the result (`lbtrace.explain`) and never feed back.
"""

from __future__ import annotations

from lbtrace.match.model import Matching, match

__all__ = ["Matching", "match"]
