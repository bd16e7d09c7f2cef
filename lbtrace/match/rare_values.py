"""Exchanges of both sides → pairs that share values which are rare in each capture.

No list of magic header names: every header value, the target, its last segments and its query, and
every body digest is a token. What is rare on both sides and shared is evidence, weighed by how rare
it is (Spärck Jones 1972: inverse document frequency). Dates, ages and lengths are no tokens: a
balancer and a backend make them independently, and two clocks that tick past each other agree
wrongly by the second. Requests and responses have separate tokens: a Location or a Set-Cookie in an
answer comes back in a later request, which is not the same exchange. One kind joins the client's
response with the backend's request: an id that the balancer drew (CF-Ray, X-Request-Id) and wrote
into both. No client sent it and no backend answered it.

Candidates come from the rarest shared tokens only, never from a cross product of common ones, so
the cost is linear. A pair is accepted when each is the other's best by a clear margin. A client
exchange may own several backend exchanges (retries): those that share its rare tokens and no other
client exchange's.
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
from lbtrace.http_fields import HOP, HOST, Meaning, fields_of
from lbtrace.http_fields.lines import lowered
from lbtrace.http_fields.secrets import is_secret
from lbtrace.match.exchange_times import Facts, body_key, body_keys, body_size, body_sizes
from lbtrace.model.http import Exchange, HeaderLine
from lbtrace.model.pairing import Clue, Reason
from lbtrace.model.tunnel import TunnelEnd
from lbtrace.model.websocket import WebSocketEnd
from lbtrace.tables.columns import distinct, group_starts, parts_of, running
from lbtrace.tables.messages import Heads, Messages
from lbtrace.tables.packets import Column
from lbtrace.tables.rows import rows_of
from lbtrace.tables.words import Words, closed, numbering, numbers

RARE = 6  # a token held by more exchanges than this, on either side, makes no candidates
# per character or byte: in a short capture every value is rare, and a short one is common elsewhere
BITS = 2.5
MARGIN = 6.0  # bits by which the best must beat the second best
_DATE = re.compile(r"(?:Mon|Tue|Wed|Thu|Fri|Sat|Sun)\w*, \d\d[ -]\w{3}[ -]\d{2,4} \d\d:\d\d:\d\d")
# What software sends by default says nothing of one exchange.
_NO_TOKEN = fields_of(HOP, Meaning.TIME, Meaning.SOFTWARE) | {HOST}
# An id: no words, no blanks; a shorter one shows it by letters and digits that keep changing
# places.
_RANDOM = re.compile(
    r"(?=[^ ]*\d)(?:[0-9a-fA-F-]{16,}|[0-9a-zA-Z_+/=-]{22,}|(?=[0-9a-zA-Z]{14})(?:\d+[a-zA-Z]+){3})"
)
LOOKED_AT = 256  # characters of a value: the search takes the square of them
# what stands between separators: an UUID, a run of letters and digits
_WHOLE = re.compile(r"[0-9a-fA-F]{8}(?:-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12}|[0-9a-zA-Z]{14,}")
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
_RESPONSE = _Way(Clue.RESPONSE_VALUE, Clue.RESPONSE_FIELD, Clue.RESPONSE_BODY)
_OF_REQUESTS = (Clue.REQUEST_VALUE, Clue.REQUEST_FIELD, Clue.QUERY, Clue.BALANCER_ID)
_OF_TARGET = (Clue.TARGET, Clue.TARGET_END, Clue.LAST_SEGMENT)  # the query is a value
# what the ends of tunnels sent
_SENT = Clue.CLIENT_MESSAGES, Clue.SERVER_MESSAGES, Clue.CLIENT_BYTES, Clue.SERVER_BYTES
_KINDS = (*_REQUEST, *_RESPONSE, *_OF_TARGET, Clue.QUERY, Clue.BALANCER_ID, *_SENT)
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
            Clue.REQUEST_BODY: texts,
            Clue.RESPONSE_BODY: texts,
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
    for way, of in ((_REQUEST, "requests"), (_RESPONSE, "responses")):
        messages: list[Messages] = [getattr(table, of) for table in sides]
        lines = _of_lines(book, messages, way)
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
    return _numbered(book, parts, frequent)


def _of_balancer(book: _Book, client: Facts, backend: Facts) -> tuple[_Held, _Held]:
    """The lines of the clients' responses and those of the backends' requests → the ids that the
    balancer wrote into both.
    """
    words = book.words
    whole = np.flatnonzero(_balancer_ids(client, backend))
    count = len(words.line_list)
    owners = [whole, whole]
    tokens = [_token(Clue.BALANCER_ID, words.value_of[whole])] * 2
    own = _own_pieces(words, *_own_lines(client, backend))
    both = {piece for _, piece in own[0]} & {piece for _, piece in own[1]}
    if both:
        both -= _sent_by_others(client, backend)
    for side, found in enumerate(own):
        kept = [(line, piece) for line, piece in found if piece in both]
        codes = _numbers_of(book.parts, (piece for _, piece in kept))
        owners[side] = np.append(owners[side], np.array([line for line, _ in kept], np.int64))
        tokens[side] = np.append(tokens[side], _token(Clue.BALANCER_ID, codes))
    one, other = (_Held.of(o, t, count) for o, t in zip(owners, tokens, strict=True))
    return one, other


def _own_lines(client: Facts, backend: Facts) -> tuple[Column, Column]:
    """The lines of fields that the balancer adds: those of the clients' responses that no backend
    sends, and those of the backends' requests that no client sends. What clients send back to whom
    they got it from is left out (a session's id).
    """
    words = client.table.words
    fits = words.fields_named(lambda name: name not in _NO_TOKEN and not is_secret(name))
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


def _own_pieces(
    words: Words, answered: Column, asked: Column
) -> tuple[list[tuple[int, str]], list[tuple[int, str]]]:
    """The pieces of both sides' own lines; none of either where one side has none. The side with
    fewer lines is read first: often it has none, and the other one an id in every request.
    """
    if len(answered) > len(asked):
        other, one = _own_pieces(words, asked, answered)
        return one, other
    found = _pieces(words, answered)
    return found, _pieces(words, asked) if found else []


def _pieces(words: Words, lines: Column) -> list[tuple[int, str]]:
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


def _balancer_ids(client: Facts, backend: Facts) -> Column:
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
    asked = words.fields_named(lambda name: name not in _NO_TOKEN and not is_secret(name))
    for n in np.flatnonzero((count[said] == 2) & asked).tolist():
        out[n] = drawn(words.values[words.value_of[n]])
    return out


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
    at = np.flatnonzero(there & words.fields_named(lambda name: name not in _NO_TOKEN))
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
    book.bytes[clue] = held_of = np.zeros(len(book.words.text_list), np.int64)
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


def _numbered(book: _Book, parts: Sequence[list[_Entries]], frequent: Sequence[Column]) -> Tokens:
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
    return Tokens(sides[0], sides[1], kind, code, BITS * book.told(kind, code), book)


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
    if name in _NO_TOKEN or not value or _DATE.match(value):
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


class Found(NamedTuple):
    """A client exchange and the backend exchanges that share its rare tokens, and the rarest of
    what they share.
    """

    client: int
    backends: list[int]
    reasons: tuple[Reason, ...]
    by_value: bool  # a header value, a query or a body was shared, not the target alone
    by_request: bool  # the rarest of it is in the requests
    strong: bool  # it looks drawn at random: no other exchange anywhere has it


@dataclass(frozen=True, slots=True)
class Matches:
    """The matches as columns, in the order of the client exchanges; see Found."""

    client: Column
    backends: list[list[int]]
    reasons: list[tuple[Reason, ...]]
    by_value: Column
    by_request: Column
    strong: Column

    def __len__(self) -> int:
        return len(self.client)

    @property
    def first(self) -> Column:
        """The first backend exchange of each."""
        return np.fromiter((held[0] for held in self.backends), np.int64, len(self))

    @property
    def several(self) -> Column:
        """Which have more than one backend exchange (bool)."""
        return np.fromiter(map(len, self.backends), np.int64, len(self)) > 1

    def found(self, row: int) -> Found:
        """One of them."""
        return Found(
            int(self.client[row]),
            self.backends[row],
            self.reasons[row],
            bool(self.by_value[row]),
            bool(self.by_request[row]),
            bool(self.strong[row]),
        )


@dataclass(slots=True)
class Candidates:
    """Pairs that share rare values: one row per client exchange and backend exchange."""

    tokens: Tokens
    client: Column
    backend: Column
    bits: Column  # the weight of all rare tokens they share
    token: Column  # the rarest of them
    alone: Column  # bool: that one looks drawn at random, so that no other exchange has it
    # the rarest that nobody else has on either side, and is no mere letter or two; -1 for none
    own: Column

    def where(self, kept: Column) -> Candidates:
        """Some of them."""
        columns = (self.client, self.backend, self.bits, self.token, self.alone, self.own)
        return Candidates(self.tokens, *(column[kept] for column in columns))

    def reasons(self) -> list[Reason]:
        """The rarest value that each pair shares."""
        return self.tokens.reasons(self.token)

    def all_reasons(self) -> list[tuple[Reason, ...]]:
        """The rarest value that each pair shares and, where others have it too, the rarest that
        nobody else has: a session's value stands in many requests, and does not tell which.
        """
        out: list[tuple[Reason, ...]] = list(zip(self.reasons(), strict=True))
        more = np.flatnonzero((self.own >= 0) & (self.own != self.token))
        for row, reason in zip(more.tolist(), self.tokens.reasons(self.own[more]), strict=True):
            out[row] += (reason,)
        return out


def match(shared: Candidates, client: Facts, backend: Facts) -> Matches:
    """Candidates → unambiguous matches."""
    tokens = shared.tokens
    first, second = _two_best(shared.backend, shared.bits, len(backend))
    top = np.zeros(len(client))
    np.maximum.at(top, shared.client, shared.bits)
    clear = shared.bits >= first[shared.backend] - 1e-9
    shared = shared.where(clear & (shared.bits - second[shared.backend] >= MARGIN))
    who = shared.client  # ascending
    first_of = group_starts(who)
    ends = np.append(first_of, len(who))[1:]
    chosen = [[b] for b in shared.backend[first_of].tolist()]
    rows, places = first_of.copy(), np.arange(len(who))  # the best of each
    for i in np.flatnonzero(ends - first_of > 1).tolist():
        here = slice(first_of[i], ends[i])
        columns = (shared.bits, shared.backend, shared.token, shared.alone, places)
        held = zip(*(column[here].tolist() for column in columns), strict=True)
        best, *others = sorted(held, reverse=True)
        rows[i] = best[-1]
        chosen[i] = [b for s, b, *_ in (best, *others) if s >= best[0] - MARGIN]
    # of the others, the best backend exchange belongs to another
    own = np.flatnonzero(shared.bits[rows] >= top[who[first_of]] - 1e-9)
    best_ones = shared.where(rows[own])
    token = best_ones.token
    return Matches(
        best_ones.client,
        [chosen[i] for i in own.tolist()],
        best_ones.all_reasons(),
        tokens.header[token],
        ~tokens.of_kind(_RESPONSE)[token],
        best_ones.alone,
    )


def candidates(client: Facts, backend: Facts) -> Candidates:
    """The pairs that share a token which is rare on both sides."""
    tokens = collect(client, backend)
    n_client, n_backend = len(client), len(backend)
    count = len(tokens)
    of_client = np.bincount(tokens.client[1], minlength=count)
    of_backend = np.bincount(tokens.backend[1], minlength=count)
    rare = (of_client > 0) & (of_client <= RARE) & (of_backend > 0) & (of_backend <= RARE)
    weight = (
        np.log2(max(n_client, 2) / np.maximum(of_client, 1))
        + np.log2(max(n_backend, 2) / np.maximum(of_backend, 1))
        + 1.0
    )
    weight = np.minimum(np.where(tokens.header, weight + 4.0, weight), tokens.bits)
    left_owner, left_token = (a[rare[tokens.client[1]]] for a in tokens.client)
    right_owner, right_token = (a[rare[tokens.backend[1]]] for a in tokens.backend)
    order = np.argsort(right_token, kind="stable")
    right_owner, right_token = right_owner[order], right_token[order]
    begin = np.searchsorted(right_token, left_token, "left")
    size = np.searchsorted(right_token, left_token, "right") - begin
    token = np.repeat(left_token, size)
    code = np.repeat(left_owner, size) * np.int64(n_backend)
    code += parts_of(right_owner, begin, size)
    del left_owner, left_token, right_owner, right_token, begin, size
    alone = _tell_alone(tokens, distinct(token))
    order = np.lexsort((~alone[token], -weight[token], code))
    code, token = code[order], token[order]
    codes, first = np.unique(code, return_index=True)
    score = np.add.reduceat(weight[token], first) if len(first) else np.zeros(0)
    width = max(n_backend, 1)
    best = token[first]
    single = (of_client == 1) & (of_backend == 1) & (tokens.bits >= MARGIN)
    own = _rarest_own(code, token, single, codes)
    return Candidates(tokens, codes // width, codes % width, score, best, alone[best], own)


def _rarest_own(code: Column, token: Column, single: Column, codes: Column) -> Column:
    """Per pair (`codes`) its first token that is a `single` one, -1 for none. `code` and `token`:
    the tokens of pairs, those of one pair together, rarest first.
    """
    kept = single[token]
    out = np.full(len(codes), -1, np.int64)
    found, first = np.unique(code[kept], return_index=True)
    out[np.searchsorted(codes, found)] = token[kept][first]
    return out


def _tell_alone(tokens: Tokens, used: Column) -> Column:
    """Per token, whether it looks drawn at random and stands in a request or is the balancer's: no
    other exchange anywhere has it. Only the used ones are looked at. Any digest of a body looks
    drawn.
    """
    out = np.zeros(len(tokens), bool)
    asked = used[(tokens.of_kind(_OF_REQUESTS) & tokens.header)[used]]
    out[asked] = list(map(drawn, tokens.values(asked)))
    return out


def _two_best(whom: Column, score: Column, count: int) -> tuple[Column, Column]:
    """Per backend exchange: its best and second best score over client exchanges, 0 without."""
    first, second = np.zeros(count), np.zeros(count)
    order = np.lexsort((-score, whom))
    whom, score = whom[order], score[order]
    begins = np.concatenate([np.ones(min(len(whom), 1), bool), whom[1:] != whom[:-1]])
    first[whom[begins]] = score[begins]
    follows = ~begins & np.concatenate([np.zeros(min(len(whom), 1), bool), begins[:-1]])
    second[whom[follows]] = score[follows]
    return first, second


def telling(client: Exchange, backend: Exchange) -> float:
    """Bits that what two exchanges share could carry at most, by its length alone: what a short
    value says, chance says too.
    """
    bits = 0.0
    for way, one, other in (
        (_REQUEST, client.request, backend.request),
        (_RESPONSE, client.response, backend.response),
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


def drawn(value: str) -> bool:
    """Whether a value looks drawn at random, so that two messages hardly share it by chance; its
    beginning tells, and bounds the cost.
    """
    return bool(_RANDOM.search(value[:LOOKED_AT]))


def drawn_parts(value: str) -> set[str]:
    """The parts of a value, between anything but letters and digits, that look drawn at random; an
    UUID and the letters of Base64 are whole.
    """
    return {part for part in _WHOLE.findall(value[:LOOKED_AT]) if drawn(part)}
