"""Ids that the balancer drew: written into the client's response and into the backend's request.

No client sent such an id, and no backend answered it. Each capture has it under the name and in the
form that the balancer gave it there (CF-Ray, X-Request-Id, X-Amz-Cf-Id): whole or as a part, an
UUID with hyphens or without. An id of a session is left out: it comes back from the client in
another request.
"""

from __future__ import annotations

import re

import numpy as np

from lbtrace.http_fields.secrets import is_secret
from lbtrace.match.drawn import COMMON_FIELDS, drawn, drawn_parts
from lbtrace.match.exchange_times import Facts
from lbtrace.tables.columns import distinct
from lbtrace.tables.packets import Column
from lbtrace.tables.words import Words

_HEXADECIMAL = re.compile(r"[0-9a-fA-F-]+")
Pieces = list[tuple[int, str]]  # numbers of lines, and a part of the value of each


def whole_lines(client: Facts, backend: Facts) -> Column:
    """Per line, whether it is an id that the balancer wrote into requests and into the clients'
    answers: drawn at random, sent by no client, answered by no backend. A session's id comes back
    from the client in another request, which may not have been captured.
    """
    words = client.table.words
    out = np.zeros(len(words.line_list), bool)
    written = client.table.responses.heads.line, backend.table.requests.heads.line
    passed = client.table.requests.heads.line, backend.table.responses.heads.line
    said = words.field_value_of
    count = np.zeros(int(said.max(initial=-1)) + 1, np.int8)
    for held in written:
        there = np.zeros(len(count), bool)
        there[said[held]] = True
        count += there
    for held in passed:
        count[said[held]] = 0
    asked = words.fields_named(lambda name: name not in COMMON_FIELDS and not is_secret(name))
    for n in np.flatnonzero((count[said] == 2) & asked).tolist():
        out[n] = drawn(words.values[words.value_of[n]])
    return out


def parts_of_lines(client: Facts, backend: Facts) -> tuple[Pieces, Pieces]:
    """The parts of lines that are such ids: of the clients' responses, and of the backends'
    requests.
    """
    own = _own_pieces(client.table.words, *_own_lines(client, backend))
    both = _in_both(own)
    other = _in_both(tuple(_plainly(held, both) for held in own))
    if both or other:
        sent = {_plain(piece) for piece in _sent_by_others(client, backend)}
        both = {piece for piece in both if _plain(piece) not in sent}
        other -= sent
    answered, asked = (
        [
            (line, piece if piece in both else _plain(piece))
            for line, piece in held
            if piece in both or _plain(piece) in other
        ]
        for held in own
    )
    return answered, asked


def _in_both(own: tuple[Pieces, ...]) -> set[str]:
    return set.intersection(*({piece for _, piece in held} for held in own))


def _plainly(pieces: Pieces, left_out: set[str]) -> Pieces:
    """Pieces as they may stand on the other side in another form."""
    return [(line, _plain(piece)) for line, piece in pieces if piece not in left_out]


def _plain(piece: str) -> str:
    """An id without what its form adds: some programs write the 32 digits of an UUID without
    hyphens, or in capital letters (RFC 9562 §4). In anything but hexadecimal digits the letter case
    is a part of the id.
    """
    return piece.replace("-", "").lower() if _HEXADECIMAL.fullmatch(piece) else piece


def _own_lines(client: Facts, backend: Facts) -> tuple[Column, Column]:
    """The lines of fields that the balancer adds: those of the clients' responses that no backend
    sends, and those of the backends' requests that no client sends. What clients send back to whom
    they got it from is left out (a session's id).
    """
    words = client.table.words
    fits = words.fields_named(lambda name: name not in COMMON_FIELDS and not is_secret(name))
    out = []
    for written, passed in (
        (client.table.responses, backend.table.responses),
        (backend.table.requests, client.table.requests),
    ):
        there = np.zeros(len(words.line_list), bool)
        there[written.heads.line] = True
        others = np.zeros(len(words.fields), bool)
        others[words.field_of[distinct(passed.heads.line)]] = True
        out.append(np.flatnonzero(there & fits & ~others[words.field_of]))
    return out[0], out[1]


def _own_pieces(words: Words, answered: Column, asked: Column) -> tuple[Pieces, Pieces]:
    """The pieces of both sides' own lines; none of either where one side has none. The side with
    fewer lines is read first: often it has none, and the other one an id in every request.
    """
    if len(answered) > len(asked):
        other, one = _own_pieces(words, asked, answered)
        return one, other
    found = _pieces(words, answered)
    return found, _pieces(words, asked) if found else []


def _pieces(words: Words, lines: Column) -> Pieces:
    """Lines and the parts of their values that look drawn at random."""
    values = map(words.values.__getitem__, words.value_of[lines].tolist())
    return [
        (line, piece)
        for line, value in zip(lines.tolist(), values, strict=True)
        for piece in drawn_parts(value)
    ]


def _sent_by_others(client: Facts, backend: Facts) -> set[str]:
    """Parts that look drawn at random in what clients sent and in what backends answered."""
    words, out = client.table.words, set[str]()
    for messages in (client.table.requests, backend.table.responses):
        for value in distinct(words.value_of[distinct(messages.heads.line)]).tolist():
            out.update(drawn_parts(words.values[value]))
    asked = client.table.requests
    for target in distinct(asked.start[asked.there]).tolist():
        out.update(drawn_parts(words.text_list[target]))
    return out
