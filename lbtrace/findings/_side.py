"""A finding of one side, and of one capture alone.

    "Refused on the {side} side: {count}."    connection-failures.refused-client
    "Refused: {count}."                       connection-failures.refused

On which side of a balancer one capture was taken is not known, so neither sentence nor slug may
name it: "client" would be a guess.
"""

from __future__ import annotations

from lbtrace.comparison import Comparison
from lbtrace.model.net import Side
from lbtrace.model.trace import Trace

_PLACE = " on the {side} side"


def variant(comparison: Comparison, name: str, side: Side) -> str:
    """The variant of a finding of a side: "refused" → "refused-client"."""
    return name if comparison.alone else f"{name}-{side}".lstrip("-")


def told(comparison: Comparison, statement: str) -> str:
    """A statement as it can be made: without " on the {side} side" of one capture alone."""
    return statement.replace(_PLACE, "") if comparison.alone else statement


def ends(comparison: Comparison, side: Side) -> tuple[str, str]:
    """Who sends requests on a side, and who answers them."""
    if comparison.alone:
        return "client end", "server end"
    if comparison.passes_packets:
        return "client", "backend"
    return ("client", "balancer") if side is Side.CLIENT else ("balancer", "backend")


def capture_name(comparison: Comparison, trace: Trace) -> str:
    """What a sentence calls a capture."""
    return trace.called(comparison.alone, len(comparison.traces(trace.side)) > 1)


def named(comparison: Comparison, side: Side) -> str | None:
    """The value for {side}; None where it has no place."""
    return None if comparison.alone else side.value
