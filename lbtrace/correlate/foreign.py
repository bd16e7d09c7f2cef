"""Pairs made by shape or time → those whose backend request bears what another client request says of itself.

A value that exactly one client request sent, and that reaches a backend in a request paired with another client request, belongs to that
other one: whatever else fits, the pair is wrong. Values that state addresses may be written by the balancer, and short ones by anybody.
"""

from __future__ import annotations

from lbtrace.correlate.connections import STATED_IN
from lbtrace.correlate.pairing import Pairing
from lbtrace.model.http import HeaderLine
from lbtrace.model.pairing import Tier

TELLING = 8  # characters, with a digit among them


def wrong(state: Pairing) -> list[int]:
    """The client exchanges whose only backend exchange is another's."""
    doubtful = [c for c, bs in state.caused.items() if len(bs) == 1 and state.tier[c] in (Tier.SHAPE, Tier.TIME)]
    held: dict[int, list[HeaderLine]] = {c: _telling(state, c) for c in doubtful}
    wanted = {line.value for lines in held.values() for line in lines}
    if not wanted:
        return []
    sender: dict[str, int] = {}  # value → the client exchange that sent it, -1 for several
    for c, e in enumerate(state.client.items):
        for line in e.request.lines if e.request is not None else ():
            if line.value in wanted:
                sender[line.value] = c if sender.get(line.value, c) == c else -1
    return [c for c, lines in held.items() if any(sender.get(line.value, c) not in (c, -1) for line in lines)]


def _telling(state: Pairing, c: int) -> list[HeaderLine]:
    """The lines of the backend request that the client request does not have, and that say something."""
    mine, theirs = state.client.items[c].request, state.backend.items[state.caused[c][0]].request
    if mine is None or theirs is None:
        return []
    own = {line.value for line in mine.lines}
    return [
        line
        for line in theirs.lines
        if len(line.value) >= TELLING
        and line.value not in own
        and line.name.lower() not in STATED_IN
        and any(character.isdigit() for character in line.value)
    ]
