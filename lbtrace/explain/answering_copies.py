"""Requests that backends answered several times → which of the answers the client got.

All may be alike. It is known where one answer alone fits, or where one has header lines of the
client's that the others lack. Where a server answers whenever that is known, and another of the
copies' servers never, it answers always: a mirror's answers are thrown away, all of them.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Sequence
from itertools import pairwise

from lbtrace.http_fields import HOP, SERVER, fields_of
from lbtrace.match.attempts import failed, fitting, in_order
from lbtrace.match.exchange_times import FAR
from lbtrace.match.fan_out import Server, server_of
from lbtrace.match.pairing import UNTOLD, Pairing
from lbtrace.match.timeline import Timeline
from lbtrace.model.http import Mark, Response

FEW = 3  # requests: fewer are no habit
_OF_THE_HOP = fields_of(HOP) | {SERVER}


def answers(state: Pairing, line: Timeline) -> dict[int, int]:
    """Client exchange with copies, several of which may be the one that was answered → which of
    them it was, UNTOLD where nothing does.

    Where all but the last failed it may have been tried again, and is left out unless the copies of
    these servers are a habit.
    """
    untold: dict[int, list[int]] = {}
    retried: dict[int, list[int]] = {}
    known: defaultdict[frozenset[Server], Counter[Server]] = defaultdict(Counter)
    lost: defaultdict[frozenset[Server], set[str]] = defaultdict(
        set
    )  # fields of answers known to be passed on that did not arrive as sent
    habit: Counter[frozenset[Server]] = Counter()
    out: dict[int, int] = {}
    for c in [
        c
        for c, bs in state.caused.items()
        if len(bs) > 1 and state.client.exchange(c).response is not None
    ]:
        may = fitting(state, c, line)
        if _may_be_retries(state, may, line):
            retried[c] = may
            continue
        if not _may_be_retries(state, in_order(state, c, line), line):
            habit[_servers(state, c)] += 1
        chosen = may[0] if len(may) == 1 else _by_lines(state, c, may)
        if chosen == UNTOLD:
            untold[c] = may
        else:
            known[_servers(state, c)][server_of(state, chosen)] += 1
            lost[_servers(state, c)] |= _lost(state, c, chosen)
        if len(may) > 1:
            out[c] = chosen
    for c, may in (untold | retried).items():
        seen = known[_servers(state, c)]
        if len(seen) == 1 and seen.total() >= FEW:
            of_server = [b for b in may if server_of(state, b) in seen]
            if len(of_server) == 1 and _lost(state, c, of_server[0]) <= lost[_servers(state, c)]:
                out[c] = of_server[0]
        elif c in retried and habit[_servers(state, c)] >= FEW and len(may) > 1:
            out[c] = UNTOLD
    return out


def _lost(state: Pairing, c: int, b: int) -> set[str]:
    """The fields of a backend's answer that the client did not get as they were sent."""
    got, gave = state.client.exchange(c).response, state.backend.exchange(b).response
    return (
        {name for name, _ in _lines(gave) - _lines(got)}
        if got is not None and gave is not None
        else set()
    )


def _may_be_retries(state: Pairing, numbers: Sequence[int], line: Timeline) -> bool:
    """Whether each failed before the next began, as far as is known; one alone that failed was
    perhaps the last of several tries.
    """
    if len(numbers) == 1:
        return failed(state.backend, numbers[0])
    return all(failed(state.backend, b) for b in numbers[:-1]) and not any(
        _overlap(state, one, other, line) for one, other in pairwise(numbers)
    )


def _overlap(state: Pairing, one: int, other: int, line: Timeline) -> bool:
    """Whether the later of two backend exchanges began before the earlier was answered, for all
    that the clocks may be.
    """
    if state.backend.point[one] == state.backend.point[other]:
        return int(state.backend.reply[one]) > int(state.backend.start[other])
    return (
        line.backend_asked[one] < FAR
        and line.backend_asked[other] < FAR
        and line.backend_answered[one] > line.backend_asked[other]
        and line.backend_answered[other] > line.backend_asked[one]
    )


def _by_lines(state: Pairing, c: int, held: Sequence[int]) -> int:
    """The one whose answer has every line of the client's that any of them has, and one that no
    other has; UNTOLD without.
    """
    gave = [r for b in held if (r := state.backend.exchange(b).response) is not None]
    got = state.client.exchange(c).response
    if got is None or any(Mark.HEAD_TRUNCATED in r.marks for r in (got, *gave)):
        return UNTOLD
    shared = [_lines(got) & _lines(r) for r in gave]
    best = max(range(len(held)), key=lambda i: len(shared[i]))
    return (
        held[best]
        if all(shared[i] < shared[best] for i in range(len(held)) if i != best)
        else UNTOLD
    )


def _lines(response: Response) -> set[tuple[str, str]]:
    return {
        (name, line.value)
        for line in response.lines
        if (name := line.name.lower()) not in _OF_THE_HOP
    }


def _servers(state: Pairing, c: int) -> frozenset[Server]:
    return frozenset(server_of(state, b) for b in state.caused[c])
