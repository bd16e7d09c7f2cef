"""Exchanges of both sides → pairs that share values which are rare in each capture.

No list of magic header names: every header value, the target, its last segments and its query, and every body digest is a token. What
is rare on both sides and shared is evidence, weighed by how rare it is (Spärck Jones 1972: inverse document frequency). Dates,
ages and lengths are no
tokens: a balancer and a backend make them independently, and two clocks that tick past each other agree wrongly by the second.
Requests and responses have separate tokens: a Location or a Set-Cookie in an answer comes back in a later request, which is
not the same exchange.

Candidates come from the rarest shared tokens only, never from a cross product of common ones, so the cost is linear.
A pair is accepted when each is the other's best by a clear margin. A client exchange may own several backend exchanges (retries):
those that share its rare tokens and no other client exchange's.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass
from functools import lru_cache

import numpy as np

from lbtrace.correlate.facts import Facts, body_key
from lbtrace.model.http import Exchange, HeaderLine
from lbtrace.tables import Column

RARE = 6  # a token held by more exchanges than this, on either side, makes no candidates
BITS = 2.5  # per character or byte: in a short capture every value is rare, and a short one is common elsewhere
MARGIN = 6.0  # bits by which the best must beat the second best
_DATE = re.compile(r"(?:Mon|Tue|Wed|Thu|Fri|Sat|Sun)\w*, \d\d[ -]\w{3}[ -]\d{2,4} \d\d:\d\d:\d\d")
# What software sends by default says nothing of one exchange.
_DEFAULTS = {
    "accept",
    "accept-charset",
    "accept-encoding",
    "accept-language",
    "accept-ranges",
    "cache-control",
    "content-type",
    "dnt",
    "pragma",
}
_DEFAULTS |= {"server", "upgrade-insecure-requests", "user-agent", "vary", "x-powered-by"}
_NO_TOKEN = {
    "age",
    "date",
    "expires",
    "content-length",
    "last-modified",
    "connection",
    "keep-alive",
    "transfer-encoding",
    "host",
    "via",
} | _DEFAULTS
_RANDOM = re.compile(r"(?=[^ ]*\d)(?:[0-9a-fA-F-]{16,}|[0-9a-zA-Z_+/=-]{22,})")  # an id: no words, no blanks
LOOKED_AT = 256  # characters of a value: the search takes the square of them
_PARTS = re.compile(r"[^,;\s]{12,}")


_Known = tuple[dict[int, tuple[int, ...]], dict[int, tuple[int, ...]]]  # per way, tokens by identity of the line


@dataclass(slots=True)
class Tokens:
    """Which token each exchange holds: `owner[i]` holds `token[i]`. `names[t]` says what token t is, `header[t]`: it is a
    value, not the target."""

    client: tuple[Column, Column]
    backend: tuple[Column, Column]
    names: list[tuple[str, str]]
    header: Column
    bits: Column  # what it can tell at most, by its own length


def collect(client: Facts, backend: Facts) -> Tokens:
    """Both sides → their tokens, in one numbering."""
    ids: dict[tuple[str, str], int] = {}
    lines: _Known = ({}, {})
    names: list[tuple[str, str]] = []
    bits: list[float] = []

    def number(kind: str, value: str, size: int = -1) -> int:
        key = (kind, value)
        found = ids.get(key)
        if found is None:
            found = ids[key] = len(names)
            names.append(key)
            bits.append(BITS * (len(value) if size < 0 else size))
        return found

    sides = [_side(facts, lines, number) for facts in (client, backend)]
    header = np.fromiter((k[0] not in ("target", "last-segments", "last-segment") for k in names), bool, len(names))
    return Tokens(sides[0], sides[1], names, header, np.array(bits))


def _side(facts: Facts, lines: _Known, number: Callable[..., int]) -> tuple[Column, Column]:
    owner: list[int] = []
    token: list[int] = []
    targets: dict[str, tuple[int, ...]] = {}
    held: dict[int, int] = {}
    common: set[int] = set()  # lines and targets seen so often that what they hold is rare no more: not looked at again
    for i, e in enumerate(facts.items):
        mine: list[int] = []
        for which, message in ((0, e.request), (1, e.response)):
            if message is None:
                continue
            known, way = lines[which], "<>"[which]
            for line in message.lines:
                key = id(line)  # readers make equal lines one object, and the traces keep it
                if key in common:
                    continue
                found = known.get(key)
                if found is None:
                    found = known[key] = tuple([number(k, v) for k, v in _line_tokens(way, line)])
                mine += found
                seen = held[key] = held.get(key, 0) + 1
                if seen > RARE:
                    common.add(key)
            if message.body.length:
                digest = body_key(message.body)
                if digest:
                    mine.append(number("<body" if which == 0 else ">body", digest, message.body.content_length or message.body.length))
        if e.request is not None:
            known_target = targets.get(e.request.target)
            if known_target is None:
                known_target = targets[e.request.target] = tuple([number(k, v) for k, v in _target_tokens(e.request.target)])
            mine += known_target
        token += mine
        owner += [i] * len(mine)
    distinct = np.sort((np.array(owner, np.int64) << 32) | np.array(token, np.int64))
    distinct = distinct[np.concatenate([[True], distinct[1:] != distinct[:-1]])] if len(distinct) else distinct
    return distinct >> 32, distinct & 0xFFFFFFFF


def _line_tokens(way: str, line: HeaderLine) -> list[tuple[str, str]]:
    """A header line → (kind, value) tokens. Long values are known whatever the field is called, short ones by field."""
    name, value, _ = line
    name = _lower(name)
    if name in _NO_TOKEN or not value or _DATE.match(value):
        return []
    whole = [(way, value)] if len(value) >= 12 else [(way + name, value)]
    if len(value) <= 12:
        return whole
    parts = [p for p in _PARTS.findall(value) if p != value]
    return whole + [(way, p) for p in parts[:16]]


@lru_cache(maxsize=10_000)
def _lower(name: str) -> str:
    return name.lower()


def _target_tokens(target: str) -> list[tuple[str, str]]:
    path, _, query = target.partition("?")
    segments = path.rstrip("/").split("/")
    made = [("target", target), ("last-segments", "/".join(segments[-2:])), ("last-segment", segments[-1])]
    return made + ([("query", query)] if query else [])


@dataclass(slots=True)
class Found:
    """A client exchange and the backend exchanges that share its rare tokens, and the rarest of what they share."""

    client: int
    backends: list[int]
    reasons: tuple[tuple[str, str], ...]
    by_value: bool  # a header value, a query or a body was shared, not the target alone
    by_request: bool  # the rarest of it is in the requests
    strong: bool  # it looks drawn at random: no other exchange anywhere has it


def match(client: Facts, backend: Facts, tokens: Tokens, allowed: Callable[[int, int], bool]) -> list[Found]:
    """Tokens → unambiguous matches. `allowed(c, b)` is the veto."""
    pairs = _candidates(len(client), len(backend), tokens)
    if pairs is None:
        return []
    who, whom, score, best_token = pairs
    keep = np.fromiter((allowed(int(c), int(b)) for c, b in zip(who, whom, strict=True)), bool, len(who))
    who, whom, score, best_token = who[keep], whom[keep], score[keep], best_token[keep]
    rivals = _second_best(whom, score, len(backend))
    mine: dict[int, list[tuple[float, int, int]]] = {}
    for c, b, s, t in zip(who.tolist(), whom.tolist(), score.tolist(), best_token.tolist(), strict=True):
        first, second = rivals[b]
        if s >= first - 1e-9 and s - second >= MARGIN:
            mine.setdefault(c, []).append((s, b, t))
    top = np.full(len(client), 0.0)
    np.maximum.at(top, who, score)
    found: list[Found] = []
    for c, held in mine.items():
        held.sort(reverse=True)
        best = held[0][0]
        if best < top[c] - 1e-9:
            continue  # the best backend exchange for it belongs to another
        chosen = [(s, b, t) for s, b, t in held if s >= best - MARGIN]
        t = chosen[0][2]
        kind, value = tokens.names[t]
        strong = bool(tokens.header[t]) and kind[0] != ">" and kind != "<body" and drawn(value)  # any digest looks drawn
        found.append(Found(c, [b for _, b, _ in chosen], ((_worded(kind), value),), bool(tokens.header[t]), kind[0] != ">", strong))
    return found


def _candidates(n_client: int, n_backend: int, tokens: Tokens) -> tuple[Column, Column, Column, Column] | None:
    """Pairs (client, backend) that share a token rare on both sides; the weight of all rare tokens they share, and the rarest one."""
    count = len(tokens.names)
    of_client = np.bincount(tokens.client[1], minlength=count)
    of_backend = np.bincount(tokens.backend[1], minlength=count)
    rare = (of_client > 0) & (of_client <= RARE) & (of_backend > 0) & (of_backend <= RARE)
    if not rare.any():
        return None
    weight = np.log2(max(n_client, 2) / np.maximum(of_client, 1)) + np.log2(max(n_backend, 2) / np.maximum(of_backend, 1)) + 1.0
    weight = np.minimum(np.where(tokens.header, weight + 4.0, weight), tokens.bits)
    left_owner, left_token = (a[rare[tokens.client[1]]] for a in tokens.client)
    right_owner, right_token = (a[rare[tokens.backend[1]]] for a in tokens.backend)
    order = np.argsort(right_token, kind="stable")
    right_owner, right_token = right_owner[order], right_token[order]
    begin = np.searchsorted(right_token, left_token, "left")
    size = np.searchsorted(right_token, left_token, "right") - begin
    who = np.repeat(left_owner, size)
    token = np.repeat(left_token, size)
    at = np.arange(len(who)) - np.repeat(np.cumsum(size) - size, size) + np.repeat(begin, size)
    code = who * n_backend + right_owner[at]
    order = np.lexsort((-weight[token], code))
    code, token = code[order], token[order]
    distinct, first = np.unique(code, return_index=True)
    score = np.add.reduceat(weight[token], first) if len(first) else np.zeros(0)
    return distinct // n_backend, distinct % n_backend, score, token[first]


def _second_best(whom: Column, score: Column, count: int) -> list[tuple[float, float]]:
    """Per backend exchange: its best and second best score over client exchanges."""
    out = [(0.0, 0.0)] * count
    for b, s in zip(whom.tolist(), score.tolist(), strict=True):
        first, second = out[b]
        if s > first:
            out[b] = (s, first)
        elif s > second:
            out[b] = (first, s)
    return out


def telling(client: Exchange, backend: Exchange) -> float:
    """Bits that what two exchanges share could carry at most, by its length alone: what a short value says, chance says too."""
    bits = 0.0
    for way, one, other in (("<", client.request, backend.request), (">", client.response, backend.response)):
        if one is None or other is None:
            continue
        there = {token for line in other.lines for token in _line_tokens(way, line)}
        bits += sum(BITS * len(value) for value in {v for line in one.lines for k, v in _line_tokens(way, line) if (k, v) in there})
        if one.body.length and body_key(one.body) == body_key(other.body) is not None:
            bits += BITS * one.body.length
    if client.request is not None and backend.request is not None and client.request.target == backend.request.target:
        bits += BITS * len(client.request.target)
    return bits


_WORDS = {"<": "request value", ">": "response value", "last-segments": "end of the target", "last-segment": "last segment of the target"}


def _worded(kind: str) -> str:
    """The kind of a token as a reason names it: "request etag", "response body", "query"."""
    return _WORDS.get(kind) or {"<": "request ", ">": "response "}.get(kind[0], "") + kind.lstrip("<>")


def drawn(value: str) -> bool:
    """Whether a value looks drawn at random, so that two messages hardly share it by chance; its beginning tells, and bounds the cost."""
    return bool(_RANDOM.search(value[:LOOKED_AT]))
