"""Which balancer wrote this.

Meaning:
    A known balancer whose marks stand in one capture: fields and cookies that no other balancer
    writes by accident, its health checks, its PROXY headers. What it looks like is a judgement
    apart; two captures show more of it.
Decided by:
    The distinctive rules of the profiles (`lbtrace profiles`) about what a balancer writes into
    requests, into responses and into its own checks. Server is left out: a backend may be the same
    program. Marks of several balancers name them all: they may stand one behind the other.
Evidence:
    The first messages with each mark.
Remedy:
    Nothing is wrong. Read what this balancer does by default: `lbtrace profiles NAME`.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple

import numpy as np

from lbtrace.comparison import Comparison
from lbtrace.comparison.proxies import added_to_requests, added_to_responses
from lbtrace.findings._kind import FindingKind
from lbtrace.findings.backends.sessions import STICKY
from lbtrace.http_fields import (
    OF_MANY_PROXIES,
    SERVER,
    SET_COOKIE,
    USER_AGENT,
)
from lbtrace.http_fields.agents import is_health_checker
from lbtrace.http_fields.lines import lowered
from lbtrace.model.frame_parts import FramePart
from lbtrace.model.http import HeaderLine
from lbtrace.model.net import FrameRef, Side
from lbtrace.model.pairing import Confidence
from lbtrace.model.report import Finding, Severity
from lbtrace.tables.columns import Column, first_met

KIND = FindingKind.of(__name__, __doc__)
RESTS_ON = (FramePart.START_LINE, FramePart.FIELDS)
ONE_CAPTURE = True
IN_REQUESTS = ("request-added", "request-written")
IN_RESPONSES = ("response-written",)
IN_CHECKS = ("health-check",)


class _Mark(NamedTuple):
    """A line that only one balancer writes."""

    profile: str  # its name
    slug: str
    text: str  # what the rule says
    response: bool
    line: int  # its number


def find(comparison: Comparison) -> Iterator[Finding]:
    """One finding per balancer whose marks one capture shows."""
    if not comparison.alone:
        return
    (side,) = comparison.captured
    marks: dict[str, list[_Mark]] = {}
    for mark in _marks(comparison, side):
        marks.setdefault(mark.profile, []).append(mark)
    for profile, of_it in marks.items():
        lines = dict.fromkeys(comparison.table(side).words.line_list[m.line].name for m in of_it)
        yield KIND.finding(
            "",
            Severity.INFO,
            Confidence.MEDIUM,
            "Marks of {balancer}: {fields} (it {does}).",
            _frames(comparison, side, of_it),
            fields=", ".join(lines),
            balancer=profile,
            does="; ".join(dict.fromkeys(m.text for m in of_it)),
            remedy="",
        )


def _marks(comparison: Comparison, side: Side) -> Iterator[_Mark]:
    """Every line that a distinctive rule of a profile matches. Profiles are read only where a line
    is of a kind that balancers write.
    """
    lines = _lines(comparison, side)
    if not lines:
        return
    from lbtrace.profiles import profiles  # read from files

    line_list = comparison.table(side).words.line_list
    distinctive = [
        (profile, rule)
        for profile in profiles()
        for rule in profile.rules
        if rule.distinctive and rule.weight
    ]
    for profile, rule in distinctive:
        for places, response, used in lines:
            matching = (n for n in used if rule.pattern.fullmatch(line_list[n].raw))
            line = next(matching, None) if rule.place in places else None
            if line is not None:
                yield _Mark(profile.name, profile.id, rule.text, response, line)


def _lines(comparison: Comparison, side: Side) -> list[tuple[tuple[str, ...], bool, list[int]]]:
    """(the places of rules, whether in responses, the lines of a kind that balancers write) for
    each place that has any.
    """
    table = comparison.table(side)
    found: list[tuple[tuple[str, ...], bool, list[int]]] = []
    for places, response, wanted in (
        (IN_REQUESTS, False, lambda name: name not in OF_MANY_PROXIES and added_to_requests(name)),
        (IN_CHECKS, False, USER_AGENT.__eq__),
        (IN_RESPONSES, True, _of_balancers),
    ):
        heads = (table.responses if response else table.requests).heads
        written = heads.which(table.words.fields_named(wanted))[1]
        used = written[first_met(written)[0]].tolist()
        used = [n for n in used if _tells(table.words.line_list[n])]
        if used:
            found.append((places, response, used))
    return found


def _tells(line: HeaderLine) -> bool:
    """Whether a line of such a field may name a balancer, before any rule is read."""
    name = lowered(line.name)
    if name == USER_AGENT:
        return is_health_checker(line.value)
    return name != SET_COOKIE or line.value.startswith(tuple(STICKY))


def _of_balancers(name: str) -> bool:
    """Whether a response field, its name in lower case, may be a balancer's: not Server."""
    return name != SERVER and (added_to_responses(name) or name == SET_COOKIE)


def _frames(comparison: Comparison, side: Side, marks: list[_Mark]) -> Iterator[FrameRef]:
    """The first message with each mark."""
    table = comparison.table(side)
    for mark in marks:
        heads = (table.responses if mark.response else table.requests).heads
        wanted: Column = np.zeros(len(table.words.line_list), bool)
        wanted[mark.line] = True
        row = int(heads.which(wanted)[0][0])
        look = comparison.response_frame if mark.response else comparison.request_frame
        yield look(side, table.ref(row))
