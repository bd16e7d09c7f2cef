"""A finding of one side, and of one capture alone.

    "Refused on the {side} side: {count}."    connection-failures.refused-client
    "Refused: {count}."                       connection-failures.refused

On which side of a balancer one capture was taken is not known, so neither sentence nor slug may
name it: "client" would be a guess.
"""

from __future__ import annotations

from pathlib import PurePath

from lbtrace.comparison import Comparison
from lbtrace.model.net import Side
from lbtrace.model.trace import Trace
from lbtrace.tables.columns import Column, among
from lbtrace.tables.side_table import SideTable

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
    """What a sentence calls a capture: by its side, or by its file where a side has several."""
    if comparison.alone:
        return "this capture"
    if len(comparison.traces(trace.side)) == 1:
        return f"the {trace.side.value} capture"
    return f"{trace.side.value} capture {PurePath(trace.name).name}"


def both_ask(table: SideTable) -> Column:
    """Per exchange, whether both ends of its connection send requests: then neither waits for an
    answer.
    """
    from_server = table.requests.there & ~table.requests.from_client
    return among(table.connection, table.connection[from_server])


def named(comparison: Comparison, side: Side) -> str | None:
    """The value for {side}; None where it has no place."""
    return None if comparison.alone else side.value
