"""Pairs made by shape or time → those whose backend request bears what another request says of
itself.

A value that exactly one client request sent, and that reaches a backend in a request paired with
another client request, belongs to that other one: whatever else fits, the pair is wrong. Values
that state addresses may be written by the balancer, and short ones by anybody.

The other request may be missing from the capture. Then a field tells that has another value in each
of the surer pairs, and in all of them the same on both sides: who passes on such an id each time
does so here, and where the two requests differ in it they are two.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence

import numpy as np

from lbtrace.http_fields import Meaning, fields_of
from lbtrace.http_fields.lines import lowered
from lbtrace.match import fingerprint
from lbtrace.match.pairing import Pairing
from lbtrace.model.http import Mark
from lbtrace.model.pairing import Tier
from lbtrace.tables.columns import among, distinct
from lbtrace.tables.messages import Heads
from lbtrace.tables.packets import Column
from lbtrace.tables.words import MARKS, Words, numbering

TELLING = 8  # characters, with a digit among them
FEW = 3  # pairs: fewer show no habit
SAMPLED = 1000  # surer pairs that are asked for it


def wrong(state: Pairing) -> list[int]:
    """The client exchanges whose only backend exchange is another's."""
    clients, sizes, backends = state.flat()
    tiers = state.tiers()
    asked = (sizes == 1) & ((tiers == Tier.SHAPE) | (tiers == Tier.TIME))
    theirs = backends[np.cumsum(sizes)[asked] - 1]
    doubtful = list(zip(clients[asked].tolist(), theirs.tolist(), strict=True))
    return (
        sorted({*_of_another(state, doubtful), *_of_another_id(state, doubtful)})
        if doubtful
        else []
    )


def _of_another_id(state: Pairing, doubtful: Sequence[tuple[int, int]]) -> list[int]:
    """Those whose requests differ in a field that passes the balancer in every surer pair, with
    another value in each.
    """
    ids = _ids(state)
    if not ids:
        return []
    c, b = np.array(doubtful, np.int64).T
    others = {*state.client.table.words.fields, "target"} - ids
    asked = np.flatnonzero(fingerprint.may_conflict(state, c, b, others))
    return [
        doubtful[i][0] for i in asked.tolist() if fingerprint.conflicts(state, *doubtful[i]) & ids
    ]


def _ids(state: Pairing) -> set[str]:
    """The request fields that have the same value on both sides of every surer pair, and no value
    twice.
    """
    client, backend, words = (
        state.client.table.requests,
        state.backend.table.requests,
        state.client.table.words,
    )
    whole = [m.there & ((m.marks & MARKS[Mark.HEAD_TRUNCATED]) == 0) for m in (client, backend)]
    surer = [
        (c, bs[-1])
        for c, bs in state.caused.items()
        if state.tier[c] <= Tier.RARE_TOKEN and whole[0][c] and whole[1][bs[-1]]
    ]
    values: dict[str, list[str]] = defaultdict(list)
    changed: set[str] = set()
    for c, b in surer[:: len(surer) // SAMPLED + 1] if len(surer) >= FEW else ():
        there = {(lowered(line.name), line.value) for line in backend.heads.lines(words, b)}
        for line in client.heads.lines(words, c):
            name = lowered(line.name)
            values[name].append(line.value)
            if (name, line.value) not in there:
                changed.add(name)
    return {
        name
        for name, held in values.items()
        if FEW <= len(held) == len(set(held)) and name not in changed
    }


def _of_another(state: Pairing, doubtful: Sequence[tuple[int, int]]) -> list[int]:
    """Those that bear a value which one other client request sent."""
    client, backend, words = state.client.table, state.backend.table, state.client.table.words
    c, b = np.array(doubtful, np.int64).T
    both = client.requests.there[c] & backend.requests.there[b]
    c, b = c[both], b[both]
    (pair, line), own = (
        _lines(table.requests.heads, at) for table, at in ((backend, b), (client, c))
    )
    told = words.fields_named(lambda name: name not in fields_of(Meaning.CLIENT_ADDRESS))
    value = _values(words, distinct(line[told[line] & ~_in(pair, line, *own)]))
    strange = told[line] & (value[line] >= 0) & ~_in(pair, value[line], own[0], value[own[1]])
    pair, said = pair[strange], value[line[strange]]
    heads = client.requests.heads
    count = int(value.max(initial=-1)) + 1
    said_in = np.flatnonzero(value[heads.line] >= 0)
    once = distinct(heads.owner[said_in] * max(count, 1) + value[heads.line[said_in]])
    senders, sent = once // max(count, 1), once % max(count, 1)
    times, sender = np.bincount(sent, minlength=count), np.full(count, -1)
    sender[sent] = senders
    found: list[int] = c[distinct(pair[(times[said] == 1) & (sender[said] != c[pair])])].tolist()
    return found


def _lines(heads: Heads, exchanges: Column) -> tuple[Column, Column]:
    """(place in `exchanges`, line) of each line of theirs."""
    sizes, lines = heads.of(exchanges)
    return np.repeat(np.arange(len(exchanges)), sizes), lines.astype(np.int64)


def _in(one: Column, other: Column, ones: Column, others: Column) -> Column:
    """Row by row, whether (one, other) is among (ones, others)."""
    width = 2 + max(int(other.max(initial=0)), int(others.max(initial=0)))
    return among(one * width + other, ones * width + others)


def _values(words: Words, lines: Column) -> Column:
    """Per line of all a number for its value, if it is that of one of `lines` and tells something;
    −1 for the others.
    """
    texts = numbering()
    for value in {words.line_list[n].value for n in lines.tolist()}:
        if len(value) >= TELLING and any(map(str.isdigit, value)):
            texts[value]
    every = np.fromiter(
        (texts.get(line.value, -1) for line in words.line_list), np.int64, len(words.line_list)
    )
    return every
