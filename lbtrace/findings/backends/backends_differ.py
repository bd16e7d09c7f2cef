"""Backends that answer the same request differently.

Meaning:
    The same request gets one answer from one backend and another from the next: the page that a
    client sees depends on chance. One of them may have another version installed, show a page for
    maintenance with status 200, which no health check notices, or lack a file.
Decided by:
    GET requests for the same target that differ only in fields which are different each time, as
    ids are. Each of two or more servers answered it twice or more, always with the same status and
    body, and not the one of the others; their answers overlap in time, so that no change at one
    moment explains it. Answers of 5xx, 206 and 304 are left out. Where the status is the same and
    the bodies differ by no more bytes than a name has, each may name its server: that is a fact,
    no problem.
Evidence:
    Two requests of the first such target, with their answers.
Remedy:
    Compare what is installed and configured on these servers. A body that names its server is
    different by intent.
Variants:
    seen: in one capture, whose servers need not be backends.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator

import numpy as np

from lbtrace.comparison import Comparison
from lbtrace.comparison.claims import size
from lbtrace.findings._kind import FindingKind
from lbtrace.http_fields.secrets import is_secret
from lbtrace.model.frame_parts import FramePart
from lbtrace.model.net import Side
from lbtrace.model.pairing import Confidence
from lbtrace.model.report import Finding, Severity
from lbtrace.tables.columns import Column, distinct, first_met, parted
from lbtrace.tables.connections import LATER
from lbtrace.tables.messages import NO_VALUE
from lbtrace.tables.side_table import SideTable
from lbtrace.tables.words import joint

KIND = FindingKind.of(__name__, __doc__)
RESTS_ON = (FramePart.ADDRESSES, FramePart.START_LINE)
ONE_CAPTURE = True
TWICE = 2
MOST = 50  # targets that are looked at, and requests of each server for one
NOT_WHOLE = (206, 304)
NAME = 64  # bytes; a label of a host name has 63 at most (RFC 1035 §2.3.4)
REMEDY = (
    "Compare what is installed and configured on these servers: a version, a file, a page for "
    "maintenance. A body that names its server is different by intent."
)


def find(comparison: Comparison) -> Iterator[Finding]:
    """At most one finding."""
    side = comparison.captured[-1]
    table = comparison.table(side)
    rows = _answered(comparison, side)
    candidates, targets = _differing(table, rows)
    found = [few for few in candidates[:MOST] if _asked_alike(table, few)]
    if not found:
        return
    r, text = table.responses, table.words.text_list
    answers = _answers(table, found[0])
    one, other = int(found[0][0]), int(found[0][answers != answers[0]][0])
    first, second = (
        str(table.endpoint(int(table.servers[table.connection[row]]))) for row in (one, other)
    )
    yield KIND.finding(
        "seen" if comparison.alone else "",
        _severity(table, found),
        Confidence.HIGH,
        ("At least " if len(candidates) > MOST else "")
        + "{count} of {of} targets that several servers were asked for {count:is|are} answered "
        "differently, and always alike by each: {target} by {first} with {status} and {bytes}, by "
        "{second} with {other_status} and {other_bytes}.",
        [
            look(side, table.ref(row))
            for row in (one, other)
            for look in (comparison.request_frame, comparison.response_frame)
        ],
        count=len(found),
        of=targets,
        target=text[int(table.requests.start[one])],
        first=first,
        status=str(int(r.start[one])),
        bytes=size(int(r.length[one])),
        second=second,
        other_status=str(int(r.start[other])),
        other_bytes=size(int(r.length[other])),
        remedy=REMEDY,
    )


def _severity(table: SideTable, found: list[Column]) -> Severity:
    r = table.responses
    if any(len(distinct(r.start[few])) > 1 for few in found):
        return Severity.MEDIUM
    named = all(np.ptp(r.length[few].astype(np.int64)) <= NAME for few in found)
    return Severity.INFO if named else Severity.LOW


def _answered(comparison: Comparison, side: Side) -> Column:
    """The GET requests that were answered whole."""
    table = comparison.table(side)
    q, r = table.requests, table.responses
    known = q.whole_heads & (q.method == table.words.texts.get("GET", NO_VALUE))
    known &= r.there & r.complete & (r.start < 500) & ~np.isin(r.start, NOT_WHOLE)
    known &= (r.digest != 0) | (r.length == 0)
    if side is Side.BACKEND and not comparison.alone:
        known &= ~comparison.check_exchanges
    if comparison.alone and comparison.passed_on is not None:  # a balancer is no backend
        known &= table.servers[table.connection] != comparison.passed_on.front
    return np.flatnonzero(known)


def _differing(table: SideTable, rows: Column) -> tuple[list[Column], int]:
    """(per target whose servers differ, the exchanges, for MOST + 1 targets at most; how many
    targets several servers were asked for twice or more).
    """
    r, server = table.responses, table.servers[table.connection[rows]]
    if len(rows) < 2 * TWICE or (server == server[0]).all():
        return [], 0
    _, target = first_met(table.requests.start[rows])
    answer = _answers(table, rows)
    first, group = first_met(joint(target, server))  # of one target and one server
    alike = np.bincount(group, answer != answer[first[group]]) == 0
    times = np.bincount(group)
    began, ended = np.full(len(first), LATER), np.zeros(len(first), np.int64)
    np.minimum.at(began, group, r.first_ns[rows])
    np.maximum.at(ended, group, r.first_ns[rows])
    of_target = target[first]
    asked = np.bincount(of_target[times >= TWICE], minlength=int(target.max()) + 1) >= 2
    steady = np.bincount(of_target, ~alike | (times < TWICE)) == 0
    low, high = (np.full(len(asked), at) for at in (np.iinfo(np.int64).max, -1))
    np.minimum.at(low, of_target, answer[first])
    np.maximum.at(high, of_target, answer[first])
    latest, soonest = np.zeros(len(asked), np.int64), np.full(len(asked), LATER)
    np.maximum.at(latest, of_target, began)
    np.minimum.at(soonest, of_target, ended)
    differ = np.flatnonzero(asked & steady & (low != high) & (latest < soonest))
    return [rows[target == t] for t in differ[: MOST + 1].tolist()], int(asked.sum())


def _answers(table: SideTable, rows: Column) -> Column:
    """Per exchange a number for what it was answered: the status and the decoded body."""
    r = table.responses
    body = np.where(r.content_digest[rows] != 0, r.content_digest[rows], r.digest[rows])
    return joint(r.start[rows], body)


def _asked_alike(table: SideTable, rows: Column) -> bool:
    """Whether the requests to all servers had the same lines, but for fields that are different
    each time.
    """
    words, heads = table.words, table.requests.heads
    held = table.servers[table.connection[rows]]
    every, which = np.unique(held, return_inverse=True)
    some = np.concatenate([those[:MOST] for those in parted(which, len(every))])
    rows, servers = rows[some], held[some].tolist()
    of_field: dict[int, dict[int, set[int]]] = defaultdict(lambda: defaultdict(set))
    for row, server in zip(rows.tolist(), servers, strict=True):
        for line in heads.numbers(row):
            of_field[int(words.field_of[line])][server].add(line)
    own = {number for name, number in words.fields.items() if is_secret(name)}  # one user's
    everyone = set(servers)
    for field, lines in of_field.items():
        values = set().union(*lines.values())
        fresh = len(values) == len(rows) and field not in own
        if not fresh and (lines.keys() != everyone or len({*map(frozenset, lines.values())}) > 1):
            return False
    return True
