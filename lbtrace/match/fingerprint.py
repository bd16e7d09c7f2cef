"""Exchanges that nothing rare tells apart → classes of the same shape.

A class is what the balancer passes on unchanged: the method, the target as far as it is kept, the
body, and the values of the *kept* fields. Which target form and which fields are kept is not
assumed but learned: from pairs already found, else from whether the values of one side are the
values of the other. A User-Agent that the balancer replaces is thus no part of the shape, one that
it forwards is.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Callable, Hashable, Iterable, Sequence, Set
from dataclasses import dataclass
from functools import lru_cache
from itertools import islice, pairwise
from typing import TypeAlias
from urllib.parse import unquote

import numpy as np

from lbtrace.http_fields import HOP, Meaning, fields_of, is_forwarding
from lbtrace.match.exchange_times import Facts, bodiless, body_keys, body_sizes
from lbtrace.match.pairing import Pairing
from lbtrace.model.http import Mark
from lbtrace.model.net import Side
from lbtrace.model.pairing import Tier
from lbtrace.tables.columns import among, distinct
from lbtrace.tables.messages import Heads, Messages
from lbtrace.tables.packets import Column
from lbtrace.tables.words import MARKS, Words

KEPT = 0.98  # share of agreeing exchanges that makes a field a kept one
_WRITTEN_ANEW = fields_of(HOP, Meaning.REWRITTEN)
SAMPLED = 3000  # pairs that are looked at to learn what the balancer does to a field

TargetForm = Callable[[str], str]


def _whole(target: str) -> str:
    return target


@lru_cache(maxsize=100_000)
def _normal(target: str) -> str:
    """Without scheme and authority, percent-decoded, doubled slashes as one, dot segments resolved
    (RFC 3986 §6.2.2).
    """
    if "://" in target[:10]:
        target = "/" + target.split("://", 1)[1].partition("/")[2]
    path, _, query = target.partition("?")
    segments: list[str] = []
    for segment in unquote(path).split("/"):
        if segment == "..":
            del segments[-1:]
        elif segment not in ("", "."):
            segments.append(segment)
    return "/".join(segments) + "?" + query


@lru_cache(maxsize=100_000)
def _tail(target: str) -> str:
    """The last segment and the query: what is left when a prefix was taken off or put in front."""
    path, _, query = target.partition("?")
    return path.rstrip("/").rsplit("/", 1)[-1] + "?" + query


@dataclass(frozen=True, slots=True)
class WithoutPrefix:
    """The target without a prefix, which one of the two sides has in front of it."""

    prefix: str

    def __call__(self, target: str) -> str:
        rest = target.removeprefix(self.prefix)
        if rest[:1] not in ("", "/", "?"):  # the name only begins alike
            return target
        return rest if rest.startswith("/") else f"/{rest}"


def _without_prefix(pairs: Iterable[tuple[str, str]]) -> list[TargetForm]:
    """The form that takes off the prefix by which most of these targets differ; [] without any."""
    found = Counter(
        longer.removesuffix(shorter)
        for shorter, longer in (sorted(pair, key=len) for pair in pairs)
        if shorter.startswith("/") and longer.endswith(shorter)
    )
    return [WithoutPrefix(prefix) for prefix, _ in found.most_common(1) if prefix]


def _nothing(_target: str) -> str:
    return ""


FORMS: tuple[TargetForm, ...] = (_whole, _normal, _tail)


def _through(state: Pairing) -> dict[int, list[int]]:
    """The pairs that show what a balancer does to messages: packets that are the same on both sides
    met none that touches them.
    """
    if Tier.SAME_PACKETS not in state.tier.values():
        return state.caused
    return {c: bs for c, bs in state.caused.items() if state.tier[c] is not Tier.SAME_PACKETS}


def _straight(state: Pairing) -> tuple[Column, Column]:
    """Which exchanges of both sides are not among these."""
    out = np.zeros(len(state.client), bool), np.zeros(len(state.backend), bool)
    if Tier.SAME_PACKETS in state.tier.values():
        clients, sizes, backends = state.flat()
        same = state.tiers() == Tier.SAME_PACKETS
        out[0][clients[same]] = True
        out[1][backends[np.repeat(same, sizes)]] = True
    return out


def target_form(state: Pairing) -> TargetForm:
    """The strictest form of the target that survives the balancer."""
    client, backend = state.client.table.requests, state.backend.table.requests
    words = state.client.table.words
    through = _through(state)
    c, b = (
        np.fromiter(column, np.int64, len(through))
        for column in (through, (bs[0] for bs in through.values()))
    )
    both = client.there[c] & backend.there[b]
    pairs = np.stack((client.start[c][both], backend.start[b][both]))
    behind = distinct(backend.start[backend.there])
    before, times = np.unique(client.start[client.there], return_counts=True)
    named = words.text_list
    same = pairs[0] == pairs[1]
    differ = [(named[i], named[j]) for i, j in pairs[:, ~same].T.tolist()]
    *forms, tail = FORMS
    for form in (*forms, *_without_prefix(differ), tail):
        if pairs.shape[1] >= 3:
            kept = int(same.sum()) + sum(form(i) == form(j) for i, j in differ)
            if kept / pairs.shape[1] >= KEPT:
                return form
            continue
        formed = {form(named[t]) for t in behind.tolist()}
        if sum(
            n
            for t, n in zip(before.tolist(), times.tolist(), strict=True)
            if form(named[t]) in formed
        ) * 2 >= int(times.sum()):
            return form
    return (
        _nothing if pairs.shape[1] >= 3 else _normal
    )  # that targets are lost altogether must be seen, not supposed


# What the balancer passes on: per number of `Words.field_value_of`, whether its field is kept and
# the value was sent. One that arrives and was never sent is the balancer's.
Kept: TypeAlias = Column


def kept_fields(state: Pairing, request: bool) -> Kept:
    """The fields whose values the balancer passes on, with the values that were sent.

    A field that arrives on a larger share of messages than it was sent on is added to some, and so
    does not tell exchanges apart.
    """
    client, backend, words = state.client.table, state.backend.table, state.client.table.words
    heads = (
        (client.requests.heads, backend.requests.heads)
        if request
        else (backend.responses.heads, client.responses.heads)
    )
    there = (
        (client.requests.there, backend.requests.there)
        if request
        else (backend.responses.there, client.responses.there)
    )
    straight = (
        _straight(state) if request else _straight(state)[::-1]
    )  # all in the direction of travel
    field = _field_of_said(words)
    lines = [h.line[~np.repeat(s, np.diff(h.first))] for h, s in zip(heads, straight, strict=True)]
    sent, arrived = (
        np.bincount(words.field_value_of[line], minlength=len(field)) for line in lines
    )
    counts = [max(int((t & ~s).sum()), 1) for t, s in zip(there, straight, strict=True)]
    fields = len(words.fields)
    sent_in, arrived_in = (np.bincount(field, n, fields).astype(np.int64) for n in (sent, arrived))
    back_in = np.bincount(field, np.where(sent > 0, arrived, 0), fields).astype(
        np.int64
    )  # arrived with a value that was sent
    there_in = np.bincount(field, np.where(arrived > 0, sent, 0), fields).astype(
        np.int64
    )  # sent with a value that arrived
    agree, of = _agreement(state, request)
    kept = set()
    for f, name in enumerate(words.fields):
        if name in fields_of(HOP) or not sent_in[f] or not arrived_in[f]:
            continue
        sent_share, arrived_share = int(sent_in[f]) / counts[0], int(back_in[f]) / counts[1]
        if sent_share < KEPT and arrived_share > 1.05 * sent_share:
            continue
        if (
            (int(agree[f]) >= KEPT * int(of[f]))
            if of[f] >= 3
            else (int(there_in[f]) >= KEPT * int(sent_in[f]))
        ):
            kept.add(name)
    chosen = np.fromiter((name in kept for name in words.fields), bool, fields)
    return chosen[field] & (sent > 0)


def _field_of_said(words: Words) -> Column:
    """Per number of `Words.field_value_of`, the number of its field."""
    said = words.field_value_of
    field = np.zeros(int(said.max()) + 1 if len(said) else 0, np.int64)
    field[said] = words.field_of
    return field


def _agreement(state: Pairing, request: bool) -> tuple[Column, Column]:
    """Over the pairs found, per field: how often a line of the sender arrived with the same value,
    and how often it was sent.
    """
    words = state.client.table.words
    through = _through(state)
    held = list(islice(through.items(), 0, None, len(through) // SAMPLED + 1))
    c, b = np.array([(c, bs[-1]) for c, bs in held], np.int64).reshape(-1, 2).T
    front, back = state.client.table, state.backend.table
    heads = (
        ((front.requests.heads, c), (back.requests.heads, b))
        if request
        else ((back.responses.heads, b), (front.responses.heads, c))
    )
    width = len(words.field_values) + 1
    (sent, mine), (arrived, _) = (
        (np.repeat(np.arange(len(at)), size) * width + words.field_value_of[line], line)
        for size, line, at in ((*side.of(at), at) for side, at in heads)
    )
    field, count = words.field_of[mine], len(words.fields)
    same = among(sent, arrived)
    return np.bincount(field[same], minlength=count), np.bincount(field, minlength=count)


def _signatures(heads: Heads, words: Words, kept: Kept) -> list[bytes]:
    """Of each head its kept fields with their values, in one order."""
    if not len(heads):
        return []
    owner, line = heads.which(kept[words.field_value_of])
    width = max(len(kept), 1)
    held = np.sort(owner * width + words.field_value_of[line])
    first = np.searchsorted(held, np.arange(len(heads.first)) * width)
    flat, cuts = (held % width).astype("<i4").tobytes(), (first * 4).tolist()
    return [flat[begin:end] for begin, end in pairwise(cuts)]


def cut(state: Pairing) -> bool:
    """Whether so many request heads were cut by the snapshot length that their fields and bodies
    cannot tell requests apart.
    """
    requests = [table.requests for table in (state.client.table, state.backend.table)]
    truncated = sum(int(((m.marks & MARKS[Mark.HEAD_TRUNCATED]) != 0).sum()) for m in requests)
    return truncated > (1 - KEPT) * sum(int(m.there.sum()) for m in requests)


def request_keys(
    facts: Facts, numbers: Sequence[int], form: TargetForm, kept: Kept | None
) -> list[Hashable]:
    """The class of each exchange by its request; None when the request was not captured. Without
    `kept` the start line alone decides.
    """
    at = np.array(numbers, np.int64)
    q, words = facts.table.requests, facts.table.words
    targets = q.start[at].tolist()
    forms = {t: form(words.text_list[t]) for t in set(targets)}
    methods = facts.table.method[at].tolist()
    columns: list[Iterable[Hashable]] = [methods, map(forms.__getitem__, targets)]
    if kept is not None:
        columns += [_bodies(q)[at].tolist(), _signatures(q.heads.taken(at), words, kept)]
    keys = zip(*columns, strict=True)
    return [key if there else None for key, there in zip(keys, q.there[at].tolist(), strict=True)]


def response_keys(facts: Facts, numbers: Sequence[int], kept: Kept) -> list[Hashable]:
    """The class of each exchange by its response: None when it is not known, "none" when it is
    known that there was none.
    """
    at = np.array(numbers, np.int64)
    r, words = facts.table.responses, facts.table.words
    said = _signatures(r.heads.taken(at), words, kept)
    body = np.where(bodiless(facts), 0, _bodies(r))
    silent = facts.silent if facts.side is Side.BACKEND else np.zeros(len(facts), bool)
    rows = zip(facts.table.status[at].tolist(), body[at].tolist(), said, strict=True)
    known = (r.there & (body >= 0))[at].tolist()
    return [
        "none" if none else row if answered else None
        for row, answered, none in zip(rows, known, silent[at].tolist(), strict=True)
    ]


def _bodies(messages: Messages) -> Column:
    """What each body is, as `body_key` has it: 0 without bytes, −1 when it is not known."""
    key = body_keys(messages)
    return np.where(messages.complete & ((key > 0) | (body_sizes(messages) == 0)), key, -1)


def _may_differ(name: str) -> bool:
    """Whether a request field says nothing against a pair when it differs: hops write it anew, or
    proxies state in it what they saw.
    """
    return name in _WRITTEN_ANEW or is_forwarding(name)


def conflicts(state: Pairing, client: int, backend: int) -> set[str]:
    """Request fields (and "target") that both sides have, with different values: reasons against
    one request being the other.
    """
    q, p = state.client.table.requests, state.backend.table.requests
    if not (q.there[client] and p.there[backend]):
        return set()
    words = state.client.table.words
    there = p.heads.numbers(backend)
    changed = set(q.heads.numbers(client)).difference(there)
    arrived: dict[str, set[str]] = defaultdict(set)
    for number in there if changed else ():
        name, value = words.said(number)
        arrived[name].add(value)
    out = {
        name
        for name, value in map(words.said, changed)
        if name in arrived
        and not _may_differ(name)
        and not any(value in other for other in arrived[name])
    }
    sent, got, texts = q.start[client], p.start[backend], words.text_list
    if sent != got and _tail(_normal(texts[sent])) != _tail(_normal(texts[got])):
        out.add("target")
    return out


def may_conflict(state: Pairing, cs: Column, bs: Column, rewritten: Set[str]) -> Column:
    """Pair by pair, whether `conflicts` may find anything beside the rewritten fields: else all
    that tells arrived.
    """
    client, backend = state.client.table, state.backend.table
    words, width = client.words, max(len(client.words.line_list), 1)
    counts = words.fields_named(lambda name: name not in rewritten and not _may_differ(name))
    sent, arrived = (
        np.sort(np.repeat(np.arange(len(rows)), sizes) * width + lines)
        for rows, (sizes, lines) in (
            (cs, client.requests.heads.of(cs)),
            (bs, backend.requests.heads.of(bs)),
        )
    )
    sent = sent[counts[sent % width]]
    at = np.searchsorted(arrived, sent)
    gone = sent[(at == len(arrived)) | (np.append(arrived, -1)[at] != sent)]
    out = (
        np.zeros(len(cs), bool)
        if "target" in rewritten
        else client.requests.start[cs] != backend.requests.start[bs]
    )
    out[gone // width] = True
    return out


def rewritten(state: Pairing, cs: Column, bs: Column) -> set[str]:
    """The fields that differ in most of the given pairs: those the balancer rewrites, and their
    difference says nothing.
    """
    if len(cs) < 3:
        return set()
    counted: Counter[str] = Counter()
    step = len(cs) // SAMPLED + 1
    sample = list(zip(cs[::step].tolist(), bs[::step].tolist(), strict=True))
    for c, b in sample:
        counted.update(conflicts(state, c, b))
    return {name for name, n in counted.items() if n * 2 >= len(sample)}
