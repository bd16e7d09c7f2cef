"""Exchanges of both sides → the tokens that each of them holds.

No list of magic header names: every header value, the target, its last segments and its query, and
every body digest is a token. Dates, ages and lengths are no tokens: a balancer and a backend make
them independently, and two clocks that tick past each other agree wrongly by the second. Requests
and responses have separate tokens: a Location or a Set-Cookie in an answer comes back in a later
request, which is not the same exchange. One kind joins the client's response with the backend's
request: an id that the balancer drew (`minted_ids`).
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property
from itertools import chain
from typing import NamedTuple

import numpy as np

from lbtrace import compiled
from lbtrace.http_fields.lines import lowered
from lbtrace.http_fields.secrets import is_secret
from lbtrace.match import minted_ids
from lbtrace.match.drawn import COMMON_FIELDS
from lbtrace.match.exchange_times import Facts, body_key, body_keys, body_size, body_sizes
from lbtrace.model.http import Exchange, HeaderLine
from lbtrace.model.pairing import Clue, Reason
from lbtrace.model.tunnel import TunnelEnd
from lbtrace.model.websocket import WebSocketEnd
from lbtrace.tables.columns import distinct, parts_of, running
from lbtrace.tables.messages import Heads, Messages
from lbtrace.tables.packets import Column
from lbtrace.tables.rows import rows_of
from lbtrace.tables.words import Words, closed, numbering, numbers

RARE = 6  # a token held by more exchanges than this, on either side, makes no candidates
# per character or byte: in a short capture every value is rare, and a short one is common elsewhere
BITS = 2.5
_DATE = re.compile(r"(?:Mon|Tue|Wed|Thu|Fri|Sat|Sun)\w*, \d\d[ -]\w{3}[ -]\d{2,4} \d\d:\d\d:\d\d")
_DAYS = "MTWFS"
_PARTED, _DATE_LIKE = 1, 2  # traits of a value, as the compiled core tells them
_LEAST, _MOST_PARTS = 12, 16  # letters of a part of a value; parts of one that count
_OFTEN = 1000


class _Way(NamedTuple):
    """What the tokens of one kind of message are."""

    value: Clue
    field: Clue
    body: Clue


_REQUEST = _Way(Clue.REQUEST_VALUE, Clue.REQUEST_FIELD, Clue.REQUEST_BODY)
RESPONSE = _Way(Clue.RESPONSE_VALUE, Clue.RESPONSE_FIELD, Clue.RESPONSE_BODY)
OF_REQUESTS = (Clue.REQUEST_VALUE, Clue.REQUEST_FIELD, Clue.QUERY, Clue.BALANCER_ID)
_OF_TARGET = (Clue.TARGET, Clue.TARGET_END, Clue.LAST_SEGMENT)  # the query is a value
# what the ends of tunnels sent
_SENT = Clue.CLIENT_MESSAGES, Clue.SERVER_MESSAGES, Clue.CLIENT_BYTES, Clue.SERVER_BYTES
_KINDS = (*_REQUEST, *RESPONSE, *_OF_TARGET, Clue.QUERY, Clue.BALANCER_ID, *_SENT)
_PLACE = {clue: place for place, clue in enumerate(_KINDS)}
_KIND_BITS = 4  # of a token; the others are the number of its value
_KIND = (1 << _KIND_BITS) - 1
Kind = tuple[Clue, str]  # and the field, where the clue names one
_Entries = tuple[Column, Column]  # exchanges, and a token that each holds


@dataclass(slots=True)
class Tokens:
    """Which token each exchange holds: `owner[i]` holds `token[i]`, sorted. Token t is of the kind
    `_KINDS[kind[t]]`; its value is number `code[t]` in the texts of this kind.

    Left out are those that make no candidates: tokens of one side alone, and those of a line that
    more than RARE exchanges of a side have.
    """

    client: _Entries
    backend: _Entries
    kind: Column
    code: Column
    bits: Column  # what it can tell at most, by its own length
    of_session: Column  # bool: a request has it in a cookie or a credential
    book: _Book

    def __len__(self) -> int:
        return len(self.kind)

    def of_kind(self, wanted: Iterable[Clue]) -> Column:
        """Per token whether it is of one of these kinds."""
        chosen = np.zeros(len(_KINDS), bool)
        chosen[[_PLACE[clue] for clue in wanted]] = True
        found: Column = chosen[self.kind]
        return found

    @property
    def header(self) -> Column:
        """Per token whether it is a value, not the target."""
        return ~self.of_kind(_OF_TARGET)

    def reasons(self, tokens: Column) -> list[Reason]:
        """What these tokens are."""
        codes = self.code[tokens]
        fields, names = [""] * len(tokens), list(self.book.words.fields)
        for i in np.flatnonzero(self.of_kind(_NAMING)[tokens]).tolist():
            fields[i] = names[self.book.field_of[codes[i]]]
        clues = map(_KINDS.__getitem__, self.kind[tokens].tolist())
        return rows_of(Reason, (clues, self.values(tokens), fields))

    def values(self, tokens: Column) -> list[str]:
        """Their values."""
        kinds, codes = self.kind[tokens].tolist(), self.code[tokens].tolist()
        texts = self.book.texts
        return [texts[kind][code] for kind, code in zip(kinds, codes, strict=True)]


_NAMING = (Clue.REQUEST_FIELD, Clue.RESPONSE_FIELD)


class _Book:
    """The values of tokens, numbered apart for each kind: token `code << _KIND_BITS | kind`.

    Lines have numbers already, and so have texts. Only parts of values and of targets get theirs
    here.
    """

    def __init__(self, words: Words) -> None:
        self.words = words
        values, texts = words.values, words.text_list
        self.parts = words.value_numbers()  # values of lines, then parts of them
        self.ends, self.segments, self.queries, self.digests = (numbering() for _ in range(4))
        of_kind: dict[Clue, Sequence[str] | dict[str, int]] = {
            Clue.REQUEST_VALUE: self.parts,
            Clue.RESPONSE_VALUE: self.parts,
            Clue.REQUEST_FIELD: words.field_values,
            Clue.RESPONSE_FIELD: words.field_values,
            Clue.REQUEST_BODY: words.digests,
            Clue.RESPONSE_BODY: words.digests,
            Clue.TARGET: texts,
            Clue.TARGET_END: self.ends,
            Clue.LAST_SEGMENT: self.segments,
            Clue.QUERY: self.queries,
            Clue.BALANCER_ID: self.parts,
            **dict.fromkeys(_SENT, self.digests),
        }
        self.numbered = [of_kind[clue] for clue in _KINDS]
        self.bytes: dict[Clue, Column] = {}  # of bodies: theirs tells, not that of the digest
        self.value_sizes = _sizes(values)
        self.parted, self.dated = _traits(values)

    @cached_property
    def texts(self) -> list[Sequence[str]]:
        """Per kind its values, once all are numbered."""
        for known in (self.ends, self.segments, self.queries, self.digests):
            closed(known)
        made = {id(h): list(h) if isinstance(h, dict) else h for h in self.numbered}
        return [made[id(held)] for held in self.numbered]

    @cached_property
    def field_of(self) -> Column:
        """Per number of `Words.field_value_of` the number of its field."""
        out = np.zeros(len(self.words.field_values), np.int64)
        out[self.words.field_value_of] = self.words.field_of
        return out

    def told(self, kind: Column, code: Column) -> Column:
        """How many letters, or bytes, each token has."""
        out = np.zeros(len(kind), np.int64)
        for place, clue in enumerate(_KINDS):
            at = np.flatnonzero(kind == place)
            held = self.bytes.get(clue)
            if held is not None:
                out[at] = held[code[at]]
            elif len(at):
                texts = list(map(self.texts[place].__getitem__, code[at].tolist()))
                out[at] = _sizes(texts)
        return out


def _numbers_of(known: dict[str, int], texts: Iterable[str]) -> Column:
    """The number of each text; a new one gets the next."""
    return np.fromiter((known.setdefault(text, len(known)) for text in texts), np.int64)


def _token(clue: Clue, codes: Column) -> Column:
    """The numbers of values of a kind → tokens."""
    tokens: Column = codes << _KIND_BITS | _PLACE[clue]
    return tokens


def _sizes(texts: list[str]) -> Column:
    """How many letters each text has."""
    if compiled.core is not None:
        return np.frombuffer(compiled.core.lengths(texts), np.int64)
    return np.fromiter(map(len, texts), np.int64, len(texts))


def _traits(values: list[str]) -> tuple[Column, Column]:
    """Per value, whether a letter that parts it may stand in it, and whether it is a date (bool
    each).
    """
    if compiled.core is not None:
        traits = np.frombuffer(compiled.core.traits(values), np.uint8)
        dated = (traits & _DATE_LIKE) != 0
        for i in np.flatnonzero(dated).tolist():
            dated[i] = _DATE.match(values[i]) is not None
        return (traits & _PARTED) != 0, dated
    parted = [" " in v or "," in v or ";" in v or not v.isprintable() for v in values]
    found = [v[:1] in _DAYS and _DATE.match(v) is not None for v in values]
    return np.array(parted, bool), np.array(found, bool)


@dataclass(slots=True)
class _Held:
    """The tokens of things that have numbers themselves: thing n has those at `first[n]` to
    `first[n + 1]`.
    """

    first: Column
    token: Column

    @classmethod
    def of(cls, things: Column, tokens: Column, count: int) -> _Held:
        """One entry per token; those of one thing in their order."""
        return cls(
            running(np.bincount(things, minlength=count)), tokens[np.argsort(things, kind="stable")]
        )

    def entries(self, owner: Column, thing: Column) -> _Entries:
        """Exchanges and the thing each has → exchanges and their tokens."""
        begin, size = self.first[thing], self.first[thing + 1] - self.first[thing]
        return np.repeat(owner.astype(np.int32), size), parts_of(self.token, begin, size)


def collect(client: Facts, backend: Facts) -> Tokens:
    """Both sides → their tokens, in one numbering."""
    words = client.table.words
    book = _Book(words)
    sides = (client.table, backend.table)
    parts: list[list[_Entries]] = [
        [],
        [],
    ]  # per side, in the order in which an exchange shows them: request, response, target
    frequent: list[Column] = []
    of_session = np.zeros(0, np.int64)
    for way, of in ((_REQUEST, "requests"), (RESPONSE, "responses")):
        messages: list[Messages] = [getattr(table, of) for table in sides]
        lines = _of_lines(book, messages, way)
        if way is _REQUEST:
            secret = np.flatnonzero(words.fields_named(is_secret))
            of_session = lines.entries(secret, secret)[1]
        _measure_bodies(book, messages, way.body)
        for side, held in enumerate(messages):
            common = _common(held.heads, len(words.line_list))
            at = np.flatnonzero(common)
            frequent.append(lines.entries(at, at)[1])
            parts[side].append(lines.entries(*held.heads.which(~common)))
            keys = body_keys(held)
            owner = np.flatnonzero(keys)
            parts[side].append((owner, _token(way.body, keys[owner])))
    for side, (tokens, held) in enumerate(
        zip(
            _of_balancer(book, client, backend),
            (client.table.responses, backend.table.requests),
            strict=True,
        )
    ):
        there = np.diff(tokens.first) > 0
        parts[side].append(tokens.entries(*held.heads.which(there)))
    for side, facts in enumerate((client, backend)):
        parts[side] += _of_tunnels(book, facts)
    targets = _of_targets(book, [table.requests for table in sides])
    for side, table in enumerate(sides):
        owner = np.flatnonzero(table.requests.there)
        parts[side].append(targets.entries(owner, table.requests.start[owner]))
    return _numbered(book, parts, frequent, of_session)


def _of_balancer(book: _Book, client: Facts, backend: Facts) -> tuple[_Held, _Held]:
    """The lines of the clients' responses and those of the backends' requests → the ids that the
    balancer wrote into both.
    """
    words = book.words
    whole = np.flatnonzero(minted_ids.whole_lines(client, backend))
    whole_tokens = _token(Clue.BALANCER_ID, words.value_of[whole])
    held = []
    for found in minted_ids.parts_of_lines(client, backend):
        lines = np.array([line for line, _ in found], np.int64)
        codes = _numbers_of(book.parts, (part for _, part in found))
        owners = np.append(whole, lines)
        tokens = np.append(whole_tokens, _token(Clue.BALANCER_ID, codes))
        held.append(_Held.of(owners, tokens, len(words.line_list)))
    return held[0], held[1]


def _common(heads: Heads, lines: int) -> Column:
    """Per line, whether more than RARE exchanges have it in this kind of message."""
    times = np.bincount(heads.line, minlength=lines)
    common = times > RARE
    # One message may have a line more than once. What stands in a thousand places is in more than a
    # few exchanges, or says nothing.
    several = common & (times <= _OFTEN)
    if several.any():
        owner, line = heads.which(several)
        once = distinct(owner * lines + line)
        common &= ~several | (np.bincount(once % lines, minlength=lines) > RARE)
    return common


def _of_lines(book: _Book, messages: Sequence[Messages], way: _Way) -> _Held:
    """The lines of one kind of message → their tokens: whole values, and the longer parts of
    lists.
    """
    words = book.words
    count = len(words.line_list)
    there = np.zeros(count, bool)
    for held in messages:
        there[held.heads.line] = True
    at = np.flatnonzero(there & words.fields_named(lambda name: name not in COMMON_FIELDS))
    value = words.value_of[at]
    size = book.value_sizes[value]
    told = (size > 0) & ~book.dated[value]
    long, short = told & (size >= _LEAST), told & (size < _LEAST)
    # nothing stands between the parts of any other value
    several = np.flatnonzero(told & (size > _LEAST) & book.parted[value])
    counts, parts = _numbered_parts(book, [words.values[v] for v in value[several].tolist()])
    owners = np.repeat(at[several], counts)
    tokens = (
        _token(way.value, value[long]),
        _token(way.field, words.field_value_of[at[short]]),
        _token(way.value, parts),
    )
    return _Held.of(np.concatenate([at[long], at[short], owners]), np.concatenate(tokens), count)


def _numbered_parts(book: _Book, values: list[str]) -> tuple[Column, Column]:
    """How many `_parts` each value has, and the numbers of all of them."""
    if compiled.core is not None:
        found = compiled.core.value_parts(values, _LEAST, _MOST_PARTS, book.parts, _parts)
        counts, numbered = (np.frombuffer(column, np.int64) for column in found)
        return counts, numbered
    parts = list(map(_parts, values))
    sizes = np.fromiter(map(len, parts), np.int64, len(parts))
    return sizes, _numbers_of(book.parts, chain.from_iterable(parts))


def _measure_bodies(book: _Book, messages: Sequence[Messages], clue: Clue) -> None:
    """Enter how many bytes the body with each digest has: as the first message says."""
    book.bytes[clue] = held_of = np.zeros(len(book.words.digests), np.int64)
    for held in reversed(messages):
        held_of[body_keys(held)[::-1]] = body_sizes(held)[::-1]


def _of_tunnels(book: _Book, facts: Facts) -> Iterator[_Entries]:
    """What each end sent in a WebSocket or in another tunnel, as tokens of the exchange that asked
    for it: first those of the clients, then those of the servers.
    """
    ends: dict[Clue, list[tuple[int, WebSocketEnd | TunnelEnd]]] = {clue: [] for clue in _SENT}
    table = facts.table
    for trace, first in zip(facts.traces, table.first_connection, strict=True):
        for held in trace.web_sockets:
            row = table.tunnel(first + held.connection, held.stream)
            ends[Clue.CLIENT_MESSAGES].append((row, held.client))
            ends[Clue.SERVER_MESSAGES].append((row, held.server))
        for tunnel in trace.tunnels:
            row = table.tunnel(first + tunnel.connection, None)
            ends[Clue.CLIENT_BYTES].append((row, tunnel.client))
            ends[Clue.SERVER_BYTES].append((row, tunnel.server))
    for clue, said in ends.items():
        told = [(row, e) for row, e in said if row >= 0 and e.digest is not None and e.bytes]
        codes = numbers(book.digests, (str(end.digest) for _, end in told))
        sizes = book.bytes.get(clue, np.zeros(0, np.int64))
        book.bytes[clue] = np.append(sizes, np.zeros(len(book.digests) - len(sizes), np.int64))
        book.bytes[clue][codes] = [end.bytes for _, end in told]
        yield np.array([row for row, _ in told], np.int64), _token(clue, codes)


def _of_targets(book: _Book, messages: Sequence[Messages]) -> _Held:
    """Per text its tokens as a target: itself, the end of its path, and its query."""
    texts = book.words.text_list
    there = np.zeros(len(texts), bool)
    for held in messages:
        there[held.start[held.there]] = True
    at = np.flatnonzero(there)
    ends, segments, queries = _target_pieces(book, [texts[n] for n in at.tolist()])
    asking = np.flatnonzero(queries >= 0)
    tokens = (
        _token(Clue.TARGET, at),
        _token(Clue.TARGET_END, ends),
        _token(Clue.LAST_SEGMENT, segments),
        _token(Clue.QUERY, queries[asking]),
    )
    owners = np.concatenate([at, at, at, at[asking]])
    return _Held.of(owners, np.concatenate(tokens), len(there))


def _target_pieces(book: _Book, targets: list[str]) -> tuple[Column, Column, Column]:
    """Per target the numbers of the last two segments of its path, of the last one, and of its
    query, −1 without.
    """
    if compiled.core is not None:
        found = compiled.core.target_pieces(targets, book.ends, book.segments, book.queries)
        ends, segments, queries = (np.frombuffer(column, np.int64) for column in found)
        return ends, segments, queries
    parts = [target.partition("?") for target in targets]
    last = [path.rstrip("/").rsplit("/", 2)[-2:] for path, _, _ in parts]
    queries = np.full(len(parts), -1, np.int64)
    asking = [i for i, (_, _, query) in enumerate(parts) if query]
    queries[asking] = numbers(book.queries, (parts[i][2] for i in asking))
    return (
        numbers(book.ends, map("/".join, last)),
        numbers(book.segments, (found[-1] for found in last)),
        queries,
    )


def _numbered(
    book: _Book,
    parts: Sequence[list[_Entries]],
    frequent: Sequence[Column],
    of_session: Column,
) -> Tokens:
    """What can make candidates, numbered as the client side shows it first: among tokens that tell
    as much, the first one is named. `parts` are as large as the captures' heads, and are let go on
    the way.
    """
    begins = running(np.array([len(held) for held in book.numbered], np.int64))
    count = int(begins[-1])
    fine = np.ones(count, bool)
    for held in parts:
        there = np.zeros(count, bool)
        for k, (owner, token) in enumerate(held):
            held[k] = owner.astype(np.int32), _dense(token, begins)
            there[held[k][1]] = True
        fine &= there
    for tokens in frequent:
        fine[_dense(tokens, begins)] = False
    secret = np.zeros(count, bool)
    secret[_dense(of_session, begins)] = True
    kinds_of_entry, (mine, theirs) = len(parts[0]), (_taken_out(held, fine) for held in parts)
    owner, token, part = mine
    # where the client side shows it first: by exchange, then by kind of entry
    shown = token[np.argsort(owner.astype(np.int64) * kinds_of_entry + part, kind="stable")]
    first = np.full(count, len(shown), np.int32)
    first[shown[::-1]] = np.arange(len(shown), dtype=np.int32)[::-1]
    found = shown[first[shown] == np.arange(len(shown))]
    del shown
    place = first  # the same memory
    place[found] = np.arange(len(found))
    sides = []
    for owner, token, _ in (mine, theirs):
        both = distinct(owner * np.int64(max(len(found), 1)) + place[token])
        owner, token = np.divmod(both, max(len(found), 1))
        sides.append((owner.astype(np.int32), token.astype(np.int32)))
    kind = np.searchsorted(begins, found, "right") - 1
    code = found - begins[kind]
    return Tokens(sides[0], sides[1], kind, code, BITS * book.told(kind, code), secret[found], book)


def _dense(token: Column, begins: Column) -> Column:
    """Tokens → numbers without gaps. `begins`: the number of the first of each kind."""
    numbers: Column = (begins[token & _KIND] + (token >> _KIND_BITS)).astype(np.int32)
    return numbers


def _taken_out(held: list[_Entries], fine: Column) -> tuple[Column, Column, Column]:
    """The entries whose token is fine (bool per token): exchanges, tokens, and in which of the
    lists each stood. The lists are let go.
    """
    owners, tokens, sizes = [], [], []
    while held:
        owner, token = held.pop(0)
        kept = fine[token]
        owners.append(owner[kept])
        tokens.append(token[kept])
        sizes.append(len(tokens[-1]))
    part = np.repeat(np.arange(len(sizes), dtype=np.int8), sizes)
    return np.concatenate(owners), np.concatenate(tokens), part


def _line_tokens(way: _Way, line: HeaderLine) -> list[tuple[Kind, str]]:
    """A header line → (kind, value) tokens. Long values are known whatever the field is called,
    short ones by field.
    """
    name, value, _ = line
    name = lowered(name)
    if name in COMMON_FIELDS or not value or _DATE.match(value):
        return []
    anywhere = way.value, ""
    whole = [(anywhere if len(value) >= 12 else (way.field, name), value)]
    if len(value) <= 12:
        return whole
    return whole + [(anywhere, p) for p in _parts(value)]


def _parts(value: str) -> list[str]:
    """The longer parts of a value, between blanks, commas and semicolons; none of one that has
    none of these.
    """
    parts = value.replace(",", " ").replace(";", " ").split()
    return [p for p in parts if len(p) >= _LEAST and p != value][:_MOST_PARTS]


def telling(client: Exchange, backend: Exchange) -> float:
    """Bits that what two exchanges share could carry at most, by its length alone: what a short
    value says, chance says too.
    """
    bits = 0.0
    for way, one, other in (
        (_REQUEST, client.request, backend.request),
        (RESPONSE, client.response, backend.response),
    ):
        if one is None or other is None:
            continue
        there = {token for line in other.lines for token in _line_tokens(way, line)}
        bits += sum(
            BITS * len(value)
            for value in {
                v for line in one.lines for k, v in _line_tokens(way, line) if (k, v) in there
            }
        )
        if body_key(one.body) == body_key(other.body) is not None:
            bits += BITS * body_size(one.body)
    if (
        client.request is not None
        and backend.request is not None
        and client.request.target == backend.request.target
    ):
        bits += BITS * len(client.request.target)
    return bits
