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

import itertools
import re
from collections import defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np

from lbtrace.http_fields import HOP, HOST, Meaning, fields_of
from lbtrace.http_fields.lines import lowered
from lbtrace.http_fields.secrets import is_secret
from lbtrace.match.exchange_times import Facts, body_key, body_keys, body_size, body_sizes
from lbtrace.model.http import Exchange, HeaderLine
from lbtrace.model.pairing import Clue, Reason
from lbtrace.model.tunnel import TunnelEnd
from lbtrace.model.websocket import WebSocketEnd
from lbtrace.tables.columns import distinct, running, spans
from lbtrace.tables.messages import Heads, Messages
from lbtrace.tables.packets import Column
from lbtrace.tables.words import Words, numbers

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
_PARTS = re.compile(r"[^,;\s]{12,}")
_SEPARATOR = re.compile(r"[,;\s]")
_DAYS = "MTWFS"
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
Kind = tuple[Clue, str]  # and the field, where the clue names one
_Entries = tuple[Column, Column]  # exchanges, and a token that each holds


@dataclass(slots=True)
class Tokens:
    """Which token each exchange holds: `owner[i]` holds `token[i]`, sorted. Token t is `values[t]`,
    of the kind `kinds[kind[t]]`.

    Left out are those of a line that more than RARE exchanges of a side have: they make no
    candidates.
    """

    client: _Entries
    backend: _Entries
    kinds: list[Kind]
    kind: Column
    values: list[str]
    header: Column  # bool: it is a value, not the target
    bits: Column  # what it can tell at most, by its own length

    def named(self, token: int) -> Reason:
        """What a token is."""
        clue, field = self.kinds[self.kind[token]]
        return Reason(clue, self.values[token], field)


class _Book:
    """Tokens as they are numbered: by kind and value, in one count."""

    def __init__(self) -> None:
        count = itertools.count()
        self.of: defaultdict[Kind, defaultdict[str, int]] = defaultdict(
            lambda: defaultdict(count.__next__)
        )
        self.sizes: dict[int, int] = {}  # of bodies: theirs tells, not that of the digest

    def __len__(self) -> int:
        return sum(map(len, self.of.values()))


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
        return np.repeat(owner, size), self.token[spans(begin, size)]


def collect(client: Facts, backend: Facts) -> Tokens:
    """Both sides → their tokens, in one numbering."""
    book = _Book()
    words = client.table.words
    sides = (client.table, backend.table)
    parts: list[list[_Entries]] = [
        [],
        [],
    ]  # per side, in the order in which an exchange shows them: request, response, target
    frequent: list[list[Column]] = [[], []]
    for way, of in ((_REQUEST, "requests"), (_RESPONSE, "responses")):
        messages: list[Messages] = [getattr(table, of) for table in sides]
        lines = _of_lines(book, words, messages, way)
        bodies = _of_bodies(book, words, messages, (way.body, ""))
        for side, held in enumerate(messages):
            common = _common(held.heads, len(words.line_list))
            frequent[side].append(lines.entries(np.flatnonzero(common), np.flatnonzero(common))[1])
            parts[side].append(lines.entries(*held.heads.which(~common)))
            owner = np.flatnonzero(bodies[body_keys(held)] >= 0)
            parts[side].append((owner, bodies[body_keys(held)][owner]))
    drawn_here = _balancer_ids(client, backend)
    tokens = _of_ids(book, words, drawn_here)
    for side, held in enumerate((client.table.responses, backend.table.requests)):
        parts[side].append(tokens.entries(*held.heads.which(drawn_here)))
    for side, facts in enumerate((client, backend)):
        parts[side] += _of_tunnels(book, facts)
    targets = _of_targets(book, words, [table.requests for table in sides])
    for side, table in enumerate(sides):
        owner = np.flatnonzero(table.requests.there)
        parts[side].append(targets.entries(owner, table.requests.start[owner]))
    return _numbered(book, parts, frequent)


def _balancer_ids(client: Facts, backend: Facts) -> Column:
    """Per line, whether it is an id that the balancer wrote into requests and into the clients'
    answers: drawn at random, sent by no client, answered by no backend. A session's id comes back
    from the client in another request, which may not have been captured.
    """
    words = client.table.words
    lines = words.line_list
    out = np.zeros(len(lines), bool)
    written = client.table.responses.heads.line, backend.table.requests.heads.line
    passed = client.table.requests.heads.line, backend.table.responses.heads.line
    said = words.field_value_of
    count = np.zeros(int(said.max(initial=-1)) + 1, np.int8)
    for held in written:
        count[distinct(said[held])] += 1
    for held in passed:
        count[said[held]] = 0
    asked = words.fields_named(lambda name: name not in _NO_TOKEN and not is_secret(name))
    for n in np.flatnonzero((count[said] == 2) & asked).tolist():
        out[n] = drawn(lines[n].value)
    return out


def _of_ids(book: _Book, words: Words, wanted: Column) -> _Held:
    """The balancer's ids as tokens."""
    at = np.flatnonzero(wanted)
    values = [words.line_list[n].value for n in at.tolist()]
    return _Held.of(at, numbers(book.of[Clue.BALANCER_ID, ""], values), len(wanted))


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


def _of_lines(book: _Book, words: Words, messages: Sequence[Messages], way: _Way) -> _Held:
    """The lines of one kind of message → their tokens: whole values, and the longer parts of
    lists.
    """
    lines, count = words.line_list, len(words.line_list)
    there = np.zeros(count, bool)
    for held in messages:
        there[held.heads.line] = True
    at = np.flatnonzero(there & words.fields_named(lambda name: name not in _NO_TOKEN))
    values = [lines[n][1] for n in at.tolist()]
    size = np.fromiter(map(len, values), np.int64, len(values))
    dated = np.fromiter(
        (v[:1] in _DAYS and _DATE.match(v) is not None for v in values), bool, len(values)
    )
    anywhere = book.of[way.value, ""]
    things: list[Column] = []
    tokens: list[Column] = []

    def add(which: Column, known: defaultdict[str, int]) -> None:
        things.append(at[which])
        tokens.append(numbers(known, map(values.__getitem__, which.tolist()), len(which)))

    add(np.flatnonzero((size >= 12) & ~dated), anywhere)
    short = np.flatnonzero((size > 0) & (size < 12) & ~dated)
    field, names = words.field_of[at[short]], list(words.fields)
    for f in distinct(field).tolist():
        add(short[field == f], book.of[way.field, names[f]])
    parted = [
        i for i in np.flatnonzero((size > 12) & ~dated).tolist() if _SEPARATOR.search(values[i])
    ]
    parts = [[p for p in _PARTS.findall(values[i]) if p != values[i]][:16] for i in parted]
    things.append(np.repeat(at[np.array(parted, np.int64)], [len(p) for p in parts]))
    tokens.append(numbers(anywhere, itertools.chain.from_iterable(parts)))
    return _Held.of(np.concatenate(things), np.concatenate(tokens), count)


def _of_bodies(book: _Book, words: Words, messages: Sequence[Messages], kind: Kind) -> Column:
    """Per text the number of the token it is as a digest of a body, −1 for none."""
    out = np.full(len(words.text_list), -1, np.int64)
    for held in messages:
        keys, first = np.unique(body_keys(held), return_index=True)
        size = body_sizes(held)[first]
        for key, bytes_ in zip(keys.tolist(), size.tolist(), strict=True):
            if key and out[key] < 0:
                out[key] = token = book.of[kind][words.text_list[key]]
                book.sizes[token] = bytes_
    return out


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
        tokens = [book.of[clue, ""][str(end.digest)] for _, end in told]
        book.sizes.update(zip(tokens, (end.bytes for _, end in told), strict=True))
        yield np.array([row for row, _ in told], np.int64), np.array(tokens, np.int64)


def _of_targets(book: _Book, words: Words, messages: Sequence[Messages]) -> _Held:
    """Per text its tokens as a target: itself, the end of its path, and its query."""
    there = np.zeros(len(words.text_list), bool)
    for held in messages:
        there[held.start[held.there]] = True
    at = np.flatnonzero(there)
    targets = list(map(words.text_list.__getitem__, at.tolist()))
    parts = [target.partition("?") for target in targets]
    segments = [path.rstrip("/").split("/") for path, _, _ in parts]
    asking = np.flatnonzero(np.fromiter((bool(query) for _, _, query in parts), bool, len(parts)))
    tokens = [
        numbers(book.of[Clue.TARGET, ""], targets),
        numbers(book.of[Clue.TARGET_END, ""], ["/".join(found[-2:]) for found in segments]),
        numbers(book.of[Clue.LAST_SEGMENT, ""], [found[-1] for found in segments]),
        numbers(book.of[Clue.QUERY, ""], [parts[i][2] for i in asking.tolist()]),
    ]
    return _Held.of(np.concatenate([at, at, at, at[asking]]), np.concatenate(tokens), len(there))


def _numbered(
    book: _Book, parts: Sequence[Sequence[_Entries]], frequent: Sequence[Sequence[Column]]
) -> Tokens:
    """Everything numbered as the client side shows it first: among tokens that tell as much, the
    first one is named.
    """
    count = len(book)
    kind, bits = np.zeros(count, np.int64), np.zeros(count)
    values: list[str] = [""] * count
    for k, held in enumerate(book.of.values()):
        at = np.fromiter(held.values(), np.int64, len(held))
        kind[at], bits[at] = k, BITS * np.fromiter(map(len, held), np.int64, len(held))
        for value, number in held.items():
            values[number] = value
    if book.sizes:
        bits[list(book.sizes)] = BITS * np.fromiter(book.sizes.values(), np.int64, len(book.sizes))
    kinds = list(book.of)
    whole = np.array([clue not in _OF_TARGET for clue, _ in kinds], bool)
    common = np.zeros(count, bool)
    for tokens in itertools.chain.from_iterable(frequent):
        common[tokens] = True
    place = _first_places(parts[0], count)
    sides = []
    for entries in parts:
        owner, token = (np.concatenate(columns) for columns in zip(*entries, strict=True))
        rare = ~common[token]
        once = distinct(owner[rare] * (count + 1) + place[token[rare]])
        sides.append((once // (count + 1), once % (count + 1)))
    order = np.argsort(place)
    return Tokens(
        sides[0],
        sides[1],
        kinds,
        kind[order],
        [values[t] for t in order.tolist()],
        whole[kind][order],
        bits[order],
    )


def _first_places(entries: Sequence[_Entries], count: int) -> Column:
    """Per token its place among all, by where the exchanges show it first; what they do not show
    comes after.
    """
    owner, token = (np.concatenate(columns) for columns in zip(*entries, strict=True))
    kind_of_place = np.repeat(np.arange(len(entries)), [len(part[0]) for part in entries])
    order = np.argsort(owner * len(entries) + kind_of_place, kind="stable")
    first = np.full(count, len(order), np.int64)
    first[token[order[::-1]]] = np.arange(len(order))[::-1]
    place = np.empty(count, np.int64)
    place[np.argsort(first, kind="stable")] = np.arange(count)
    return place


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
    parts = [p for p in _PARTS.findall(value) if p != value]
    return whole + [(anywhere, p) for p in parts[:16]]


@dataclass(slots=True)
class Found:
    """A client exchange and the backend exchanges that share its rare tokens, and the rarest of
    what they share.
    """

    client: int
    backends: list[int]
    reasons: tuple[Reason, ...]
    by_value: bool  # a header value, a query or a body was shared, not the target alone
    by_request: bool  # the rarest of it is in the requests
    strong: bool  # it looks drawn at random: no other exchange anywhere has it


@dataclass(slots=True)
class Candidates:
    """Pairs that share rare values: one row per client exchange and backend exchange."""

    tokens: Tokens
    client: Column
    backend: Column
    bits: Column  # the weight of all rare tokens they share
    token: Column  # the rarest of them
    alone: Column  # bool: that one looks drawn at random, so that no other exchange has it

    def where(self, kept: Column) -> Candidates:
        """Some of them."""
        columns = (self.client, self.backend, self.bits, self.token, self.alone)
        return Candidates(self.tokens, *(column[kept] for column in columns))

    def reason(self, row: int) -> Reason:
        """The rarest value that a pair shares."""
        return self.tokens.named(int(self.token[row]))


def match(shared: Candidates, client: Facts, backend: Facts) -> list[Found]:
    """Candidates → unambiguous matches."""
    tokens = shared.tokens
    first, second = _two_best(shared.backend, shared.bits, len(backend))
    top = np.zeros(len(client))
    np.maximum.at(top, shared.client, shared.bits)
    clear = shared.bits >= first[shared.backend] - 1e-9
    shared = shared.where(clear & (shared.bits - second[shared.backend] >= MARGIN))
    who = shared.client
    _, cuts = np.unique(who, return_index=True)
    ends = np.append(cuts[1:], len(who))[: len(cuts)]
    columns = (shared.bits, shared.backend, shared.token, shared.alone)
    held = list(zip(*(column.tolist() for column in columns), strict=True))
    best_of = top.tolist()
    found: list[Found] = []
    for c, begin, end in zip(who[cuts].tolist(), cuts.tolist(), ends.tolist(), strict=True):
        mine = held[begin:end] if end - begin == 1 else sorted(held[begin:end], reverse=True)
        best, _, token, strong = mine[0]
        if best < best_of[c] - 1e-9:
            continue  # the best backend exchange for it belongs to another
        reason = tokens.named(token)
        by_value, by_request = bool(tokens.header[token]), reason.clue not in _RESPONSE
        chosen = [b for s, b, *_ in mine if s >= best - MARGIN]
        found.append(Found(c, chosen, (reason,), by_value, by_request, strong))
    return found


def candidates(client: Facts, backend: Facts) -> Candidates:
    """The pairs that share a token which is rare on both sides."""
    tokens = collect(client, backend)
    n_client, n_backend = len(client), len(backend)
    count = len(tokens.values)
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
    who = np.repeat(left_owner, size)
    token = np.repeat(left_token, size)
    code = who * n_backend + right_owner[spans(begin, size)]
    alone = _tell_alone(tokens, distinct(token))
    order = np.lexsort((~alone[token], -weight[token], code))
    code, token = code[order], token[order]
    codes, first = np.unique(code, return_index=True)
    score = np.add.reduceat(weight[token], first) if len(first) else np.zeros(0)
    width = max(n_backend, 1)
    best = token[first]
    return Candidates(tokens, codes // width, codes % width, score, best, alone[best])


def _tell_alone(tokens: Tokens, used: Column) -> Column:
    """Per token, whether it looks drawn at random and stands in a request or is the balancer's: no
    other exchange anywhere has it. Only the used ones are looked at. Any digest of a body looks
    drawn.
    """
    out = np.zeros(len(tokens.values), bool)
    wanted = np.fromiter((clue in _OF_REQUESTS for clue, _ in tokens.kinds), bool)
    for token in used[wanted[tokens.kind[used]] & tokens.header[used]].tolist():
        out[token] = drawn(tokens.values[token])
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
