"""Responses that were cut short.

Meaning:
    A response began, and its sender ended the connection before the end of the body: the client has
    a part of it, and cannot get the rest. Proxies call this "upstream prematurely closed connection
    while reading upstream".
Decided by:
    A body with a Content-Length or with chunks (RFC 9112 §8) of which less was sent when the server
    end sent its FIN or RST. No byte of that end may be missing from the capture, and the client end
    had not closed before. A body that lasts until the connection closes has no other end: a FIN
    says that it is whole. Where the balancer cut, the response behind it is looked at: whether it
    was over when the balancer closed that connection, and how long the backend had sent nothing.
    Nothing is said of the balancer where the backend capture does not show how that one ended.
    Where the balancer had closed its window there, the backend could not send. A client that had
    closed its window for a second or more had not read.
Evidence:
    The head of the response, the FIN or RST, and what the client got.
Remedy:
    Look at the log of the sender at that moment: a crash, a restart, a time limit while it writes
    (`proxy_send_timeout`, `timeout server`), a wrong Content-Length.
Variants:
    client, backend: on that side; what a balancer only passed on is told of the backend.
    reset, reset-client, reset-backend: a RST ended bodies that last until the connection closes.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple

import numpy as np

from lbtrace.comparison import Comparison
from lbtrace.comparison.claims import ns, size
from lbtrace.findings._kind import FindingKind
from lbtrace.findings._message_sizes import SIZED, declared_sizes
from lbtrace.findings._side import ends, named, variant
from lbtrace.model.frame_parts import FramePart
from lbtrace.model.http import Framing, Mark
from lbtrace.model.net import FrameRef, Side
from lbtrace.model.pairing import Confidence
from lbtrace.model.report import Finding, Severity
from lbtrace.tables.columns import Column, distinct
from lbtrace.tables.connections import LATER, NO_FRAME
from lbtrace.tables.messages import FRAMINGS
from lbtrace.tables.side_table import SideTable
from lbtrace.tables.words import MARKS

UNTIL_CLOSE = FRAMINGS[Framing.UNTIL_CLOSE]
KIND = FindingKind.of(__name__, __doc__)
RESTS_ON = (FramePart.START_LINE, FramePart.FRAMING, FramePart.END)
ONE_CAPTURE = True
EXAMPLES = 2
REMEDY = (
    "Look at the log of the {server} at that moment: a crash, a restart, a time limit while it "
    "writes, a wrong Content-Length."
)
RESET_REMEDY = (
    "Look at the log of the {server} at that moment: a crash, a restart, a time limit. Let it send "
    "Content-Length or chunks, and close by FIN: then a cut shows."
)
EARLY_REMEDY = (
    "Find out why the backend pauses in the middle of a response, or let the balancer wait longer "
    "for it: proxy_read_timeout (nginx), timeout server (HAProxy)."
)
READER_REMEDY = (
    "Find out why the client did not read, or let the balancer wait longer for it: send_timeout "
    "(nginx), timeout client (HAProxy)."
)
STOPPED_REMEDY = (
    "Look at the error log of the balancer at that moment: a time limit for the backend (nginx: "
    "proxy_read_timeout; HAProxy: timeout server), a full disk or a limit for temporary files "
    "(nginx: proxy_temp_path), a restart."
)
MIN_PAUSE_NS = 100_000_000  # a silence worth a word
UNREAD_NS = 1_000_000_000  # a closed window that a time limit of writing may end


def find(comparison: Comparison) -> Iterator[Finding]:
    """One finding a side for each of the two kinds of bodies."""
    sized = {side: _cut(comparison.table(side)) for side in comparison.captured}
    reset = {side: _reset(comparison.table(side)) for side in comparison.captured}
    passed = {id(kind): np.zeros(0, np.int64) for kind in (sized, reset)}
    if not comparison.alone:
        unfinished = sized[Side.CLIENT] | reset[Side.CLIENT]
        for kind in (sized, reset):
            cut, perhaps = (
                distinct(pairs.client[kind[Side.BACKEND][pairs.backend] & unfinished[pairs.client]])
                for pairs in (comparison.pairs, comparison.all_pairs)
            )
            sized[Side.CLIENT][perhaps] = reset[Side.CLIENT][perhaps] = False
            passed[id(kind)] = cut
        unsure = _perhaps_passed_on(comparison)
        sized[Side.CLIENT][unsure] = reset[Side.CLIENT][unsure] = False
    for kind, tell in ((sized, _finding), (reset, _reset_finding)):
        for side, those in kind.items():
            if those.any():
                yield tell(comparison, side, np.flatnonzero(those), len(passed[id(kind)]))


def _perhaps_passed_on(comparison: Comparison) -> Column:
    """Per client exchange, whether its backend may have cut the response: the backend capture does
    not show how that response ended, or does not show whose a response is that was not finished.
    """
    pairs, (client, table) = comparison.all_pairs, comparison.sides
    r, on = table.responses, table.connection
    open_ = ~(r.there & r.complete)
    marks = table.marks | table.requests.marks | r.marks
    hidden = (marks & MARKS[Mark.LOST]) > 0
    # where the balancer had closed, the capture need not show more
    hidden |= ((marks & MARKS[Mark.CAPTURE_ENDED]) > 0) & (table.ended_ns(False) == LATER)[on]
    hidden |= table.may_have_closed_before(server=True)[on]
    unsure = np.zeros(len(client), bool)
    unsure[pairs.client[(open_ & hidden)[pairs.backend]]] = True
    strange = open_ & (r.there | hidden)
    strange[pairs.backend] = False
    if strange.any():
        alone = np.ones(len(client), bool)
        alone[pairs.client] = False
        unsure |= alone
    return unsure


class _Behind(NamedTuple):
    """Responses that were not over behind the balancer when it closed its connection there."""

    backend: Column  # numbers of the exchanges
    silent_ns: Column  # how long the backend had sent nothing; 0 where more came afterwards


NOT_BEHIND = _Behind(np.zeros(0, np.int64), np.zeros(0, np.int64))


def _behind(comparison: Comparison, rows: Column) -> _Behind:
    """Of the client exchanges `rows`, which a balancer cut short: those whose response was not over
    behind it, either, when it closed its connection there.
    """
    pairs, table = comparison.pairs, comparison.sides[1]
    backend = np.unique(pairs.backend[np.isin(pairs.client, rows)])
    r, connection = table.responses, table.connection[backend]
    closed, ended = (table.ended_ns(server)[connection] for server in (False, True))
    silent = closed - r.last_ns[backend]
    early = (
        r.whole_heads[backend]
        & np.isin(r.framing[backend], SIZED)
        & table.last_on_connection[backend]
    )
    early &= (closed != LATER) & (closed < ended) & (~r.complete[backend] | (silent < 0))
    early &= (table.of_ends("missing", server=True) == 0)[connection]
    early &= ~table.may_have_closed_before(server=True)[connection]
    return _Behind(backend[early], np.maximum(silent[early], 0))


def _cut(table: SideTable) -> Column:
    """Per exchange, whether the server end ended its connection in the middle of the response."""
    ended = _first_frame(table, server=True, of=("fin", "rst"))
    cut: Column = _unfinished(table, ended) & np.isin(table.responses.framing, SIZED)
    return cut


def _reset(table: SideTable) -> Column:
    """Per exchange, whether a RST of the server end, without a FIN, was the end of a response that
    lasts until the connection closes.
    """
    fin, rst = (_first_frame(table, server=True, of=(what,)) for what in ("fin", "rst"))
    ended = np.where(fin == LATER, rst, LATER)
    reset: Column = _unfinished(table, ended) & (table.responses.framing == UNTIL_CLOSE)
    return reset


def _unfinished(table: SideTable, ended: Column) -> Column:
    """Per exchange, whether its response is not whole although no byte is missing: its connection
    was over with the frame `ended` of the server end, before the client end closed.
    """
    r = table.responses
    theirs = _first_frame(table, server=False, of=("fin", "rst"))
    whole = table.of_ends("missing", server=True) == 0
    whole &= ~table.may_have_closed_before(server=False)
    over = ((ended != LATER) & (ended < theirs) & whole)[table.connection]
    found: Column = r.whole_heads & ~r.complete & over & table.last_on_connection
    return found


def _first_frame(table: SideTable, server: bool, of: tuple[str, ...]) -> Column:
    """Per connection the first FIN or RST of one end; LATER without."""
    frames = [_frames(table, f"{what}_frame", server) for what in of]
    first: Column = np.minimum.reduce(frames)
    return first


def _frames(table: SideTable, name: str, server: bool) -> Column:
    """Per connection a frame of one end; LATER without."""
    frames = table.of_ends(name, server).astype(np.int64)
    return np.where(frames == NO_FRAME, LATER, frames)


def _finding(comparison: Comparison, side: Side, rows: Column, passed: int) -> Finding:
    table, (_, server) = comparison.table(side), ends(comparison, side)
    r, first = table.responses, int(rows[0])
    declared = int(declared_sizes(r, table.words)[first])
    behind = side is Side.BACKEND and not comparison.alone
    early = (
        _behind(comparison, rows) if side is Side.CLIENT and not comparison.alone else NOT_BEHIND
    )
    pause = int(early.silent_ns.min()) if len(early.backend) else 0
    pause = pause if pause >= MIN_PAUSE_NS else 0
    blocked = len(early.backend) > 0 and bool(_shut(comparison, early.backend).all())
    shut = 0 if behind or comparison.alone else int(_closed_ns(table, rows).min())
    reader = shut if shut >= UNREAD_NS and not (pause and not blocked) else 0
    return KIND.finding(
        variant(comparison, "", side),
        Severity.MEDIUM,
        Confidence.HIGH,
        "The {server} cut {count} of {of} responses short: it ended the connection in the middle "
        "of the body, "
        + ("for example " if len(rows) > 1 else "")
        + ("after {got} of {declared}." if declared else "after {got}, before its last chunk.")
        + (" {passed} of them reached clients like that." if behind and passed else "")
        + (
            " Behind it, the backend had not finished {early} of them when the balancer closed "
            "that connection"
            + (
                "; it could not send, for the balancer had closed its window."
                if blocked
                else ", and had sent nothing for {pause} or more."
                if pause
                else "."
            )
            if len(early.backend)
            else ""
        )
        + (" The client had not read: its window was closed for {reader}." if reader else ""),
        _evidence(comparison, side, rows, early.backend),
        note="the response, and the end of the connection",
        remedy=READER_REMEDY
        if reader
        else EARLY_REMEDY
        if pause and not blocked
        else STOPPED_REMEDY
        if len(early.backend)
        else REMEDY.format(server=server),
        server=server,
        count=len(rows),
        of=int(r.there.sum()),
        got=size(int(r.length[first])),
        declared=size(declared) if declared else None,
        passed=passed if behind and passed else None,
        early=len(early.backend) or None,
        pause=ns(pause) if pause and not blocked else None,
        reader=ns(reader) if reader else None,
        side=named(comparison, side),
    ).about(comparison.asked(side, rows))


def _reset_finding(comparison: Comparison, side: Side, rows: Column, passed: int) -> Finding:
    table, (_, server) = comparison.table(side), ends(comparison, side)
    behind = side is Side.BACKEND and not comparison.alone
    return KIND.finding(
        variant(comparison, "reset", side),
        Severity.MEDIUM if passed or not behind else Severity.LOW,
        Confidence.HIGH,
        "The {server} ended {count} of {of} responses by RST, "
        + ("for example " if len(rows) > 1 else "")
        + "after {got}. Only the end of the connection says where such a body ends, and the "
        "capture shows no FIN: nobody knows whether it is whole."
        + (" {passed} of them reached clients without their end." if passed else ""),
        _evidence(comparison, side, rows, NOT_BEHIND.backend),
        note="the response, and the end of the connection",
        remedy=RESET_REMEDY.format(server=server),
        server=server,
        count=len(rows),
        of=int(table.responses.there.sum()),
        got=size(int(table.responses.length[rows[0]])),
        passed=passed or None,
        side=named(comparison, side),
    ).about(comparison.asked(side, rows))


def _closed_ns(table: SideTable, rows: Column) -> Column:
    """How long the client end of each of these exchanges had closed its window."""
    closed: Column = table.of_ends("window_closed_for_ns", server=False)[table.connection[rows]]
    return closed


def _shut(comparison: Comparison, rows: Column) -> Column:
    """Per backend exchange, whether the balancer had closed its window on that connection for as
    long as a silence is worth a word.
    """
    return _closed_ns(comparison.sides[1], rows) >= MIN_PAUSE_NS


def _evidence(
    comparison: Comparison, side: Side, rows: Column, early: Column
) -> Iterator[FrameRef]:
    table = comparison.table(side)
    for row in rows[:EXAMPLES].tolist():
        yield comparison.response_frame(side, table.ref(row))
        yield comparison.closing_frame(side, int(table.connection[row]), server=True)
    if side is Side.BACKEND and not comparison.alone:
        pairs = comparison.pairs
        yield from comparison.response_frames(pairs.where(np.isin(pairs.backend, rows[:EXAMPLES])))
    for row in early[:EXAMPLES].tolist():
        behind = comparison.sides[1]
        yield comparison.response_frame(Side.BACKEND, behind.ref(row))
        yield comparison.closing_frame(Side.BACKEND, int(behind.connection[row]), server=False)
