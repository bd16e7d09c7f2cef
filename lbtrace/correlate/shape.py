"""Exchanges that nothing rare tells apart → classes of the same shape.

A class is what the balancer passes on unchanged: the method, the target as far as it is kept, the body, and the values of the *kept*
fields. Which target form and which fields are kept is not assumed but learned: from pairs already found, else from whether the
values of one side are
the values of the other. A User-Agent that the balancer replaces is thus no part of the shape, one that it forwards is.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Callable, Hashable, Sequence
from functools import lru_cache
from itertools import chain
from urllib.parse import unquote

from lbtrace.correlate.facts import Facts, body_key
from lbtrace.correlate.pairing import Pairing
from lbtrace.model.http import HeaderLine, Mark

KEPT = 0.98  # share of agreeing exchanges that makes a field a kept one
SAMPLED = 3000  # pairs that are looked at to learn what the balancer does to a field
_NEVER = {"connection", "keep-alive", "transfer-encoding", "content-length", "date", "age", "via", "te", "upgrade", "proxy-connection"}

TargetForm = Callable[[str], str]


def _whole(target: str) -> str:
    return target


@lru_cache(maxsize=100_000)
def _normal(target: str) -> str:
    """Without scheme and authority, percent-decoded, doubled slashes as one, dot segments resolved (RFC 3986 §6.2.2)."""
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


def _nothing(_target: str) -> str:
    return ""


FORMS: tuple[TargetForm, ...] = (_whole, _normal, _tail)


def target_form(state: Pairing) -> TargetForm:
    """The strictest form of the target that survives the balancer."""
    pairs = [
        (q.target, p.target)
        for c, bs in state.caused.items()
        if (q := state.client.items[c].request) and (p := state.backend.items[bs[0]].request)
    ]
    behind = {e.request.target for e in state.backend.items if e.request is not None}
    before = Counter(e.request.target for e in state.client.items if e.request is not None)
    for form in FORMS:
        if len(pairs) >= 3:
            share = sum(form(c) == form(b) for c, b in pairs) / len(pairs)
            if share >= KEPT:
                return form
            continue
        formed = {form(t) for t in behind}
        if sum(n for t, n in before.items() if form(t) in formed) * 2 >= sum(before.values()):
            return form
    return _nothing if len(pairs) >= 3 else _normal  # that targets are lost altogether must be seen, not supposed


Kept = dict[str, frozenset[str]]


def kept_fields(state: Pairing, request: bool) -> Kept:
    """The fields whose values the balancer passes on, each with the values that were sent: one that arrives and was never sent is
    the balancer's.

    A field that arrives on a larger share of messages than it was sent on is added to some, and so does not tell exchanges apart.
    """
    sides = (state.client, state.backend) if request else (state.backend, state.client)  # in the direction of travel
    values = [_values(facts, request) for facts in sides]
    messages = [sum((e.request if request else e.response) is not None for e in facts.items) for facts in sides]
    agree, of = _agreement(state, request) if state.caused else (Counter(), Counter())
    kept: Kept = {}
    for name, held in values[0].items():
        if name in _NEVER or name not in values[1]:
            continue
        arrived = values[1][name]
        sent_share = sum(held.values()) / max(messages[0], 1)
        arrived_share = sum(n for v, n in arrived.items() if v in held) / max(messages[1], 1)
        if sent_share < KEPT and arrived_share > 1.05 * sent_share:
            continue
        if of[name] >= 3:
            passed = agree[name] >= KEPT * of[name]
        else:
            passed = sum(n for v, n in held.items() if v in arrived) >= KEPT * sum(held.values())
        if passed:
            kept[name] = frozenset(held)
    return kept


_NONE: frozenset[str] = frozenset()


def _lines(facts: Facts, number: int, request: bool) -> Sequence[HeaderLine]:
    message = facts.items[number].request if request else facts.items[number].response
    return message.lines if message is not None else ()


_LOWER: dict[str, str] = {}


def _lower(name: str) -> str:
    found = _LOWER.get(name)
    if found is None:
        if len(_LOWER) > 10_000:
            _LOWER.clear()
        found = _LOWER[name] = name.lower()
    return found


def _values(facts: Facts, request: bool) -> dict[str, dict[str, int]]:
    """Field in lower case → how often each value of it was sent."""
    messages = [m for e in facts.items if (m := e.request if request else e.response) is not None]
    lines = list(chain.from_iterable([m.lines for m in messages]))
    line_of = dict(zip(map(id, lines), lines, strict=True))  # equal lines are mostly one object
    out: dict[str, dict[str, int]] = {}
    for key, n in Counter(map(id, lines)).items():
        name, value, _ = line_of[key]
        counted = out.get(name)
        if counted is None:  # as it is written first: in lower case, it is another spelling of the same
            counted = out[name] = out.setdefault(_lower(name), {})
        counted[value] = counted.get(value, 0) + n
    return {name: counted for name, counted in out.items() if name == _lower(name)}


def _agreement(state: Pairing, request: bool) -> tuple[Counter[str], Counter[str]]:
    """Over the pairs found: how often a field of the sender arrived with the same value, and how often it was sent."""
    agree: Counter[str] = Counter()
    of: Counter[str] = Counter()
    held = list(state.caused.items())
    for c, bs in held[:: len(held) // SAMPLED + 1]:
        sent, arrived = _lines(state.client, c, request), _lines(state.backend, bs[-1], request)
        if not request:
            sent, arrived = arrived, sent
        there = {(_lower(line.name), line.value) for line in arrived}
        for line in sent:
            name = _lower(line.name)
            of[name] += 1
            agree[name] += (name, line.value) in there
    return agree, of


class _Signatures(dict[tuple[HeaderLine, ...], Hashable]):
    """Head → its kept fields with their values, in one order; each line is looked at once."""

    def __init__(self, kept: Kept) -> None:
        super().__init__()
        self.kept = kept
        self.lines: dict[int, tuple[str, str] | None] = {}  # by identity: the traces keep the lines

    def __missing__(self, head: tuple[HeaderLine, ...]) -> Hashable:
        known, kept = self.lines, self.kept
        told = []
        for line in head:
            key = id(line)
            if key not in known:
                name = _lower(line.name)
                known[key] = (name, line.value) if line.value in kept.get(name, _NONE) else None
            found = known[key]
            if found is not None:
                told.append(found)
        self[head] = made = tuple(sorted(told))
        return made


def cut(state: Pairing) -> bool:
    """Whether so many request heads were cut by the snapshot length that their fields and bodies cannot tell requests apart."""
    requests = [e.request for facts in (state.client, state.backend) for e in facts.items if e.request is not None]
    return sum(Mark.HEAD_TRUNCATED in q.marks for q in requests) > (1 - KEPT) * len(requests)


def request_keys(facts: Facts, numbers: Sequence[int], form: TargetForm, kept: Kept | None) -> list[Hashable]:
    """The class of each exchange by its request; None when the request was not captured. Without `kept` the start line alone decides."""
    heads = _Signatures(kept or {})
    out: list[Hashable] = []
    for number in numbers:
        q = facts.items[number].request
        if q is None:
            out.append(None)
            continue
        start = (q.method, form(q.target))
        out.append(start if kept is None else (*start, body_key(q.body), heads[q.lines]))
    return out


def response_keys(facts: Facts, numbers: Sequence[int], kept: Kept) -> list[Hashable]:
    """The class of each exchange by its response: None when it is not known, "none" when it is known that there was none."""
    heads = _Signatures(kept)
    out: list[Hashable] = []
    for number in numbers:
        e = facts.items[number]
        r = e.response
        if r is None:
            out.append(None if facts.unknown[number] or facts.side == "client" else "none")
            continue
        head = heads[r.lines]
        empty = e.request is not None and e.request.method == "HEAD"
        body = "" if empty else body_key(r.body)
        out.append(None if body is None else (r.status, body, head))
    return out


_HOP = _NEVER | {"host", "accept-encoding", "forwarded", "x-real-ip", "expect", "cache-control"}


def conflicts(state: Pairing, client: int, backend: int) -> set[str]:
    """Request fields (and "target") that both sides have, with different values: reasons against one request being the other."""
    q, p = state.client.items[client].request, state.backend.items[backend].request
    if q is None or p is None:
        return set()
    changed = set(q.lines).difference(p.lines)
    arrived: dict[str, set[str]] = defaultdict(set)
    for line in p.lines if changed else ():
        arrived[_lower(line.name)].add(line.value)
    out = {
        name
        for line in changed
        if (name := _lower(line.name)) in arrived
        and line.value not in arrived[name]
        and name not in _HOP
        and not name.startswith("x-forwarded-")
        and not any(line.value in value for value in arrived[name])
    }
    if q.target != p.target and _tail(_normal(q.target)) != _tail(_normal(p.target)):
        out.add("target")
    return out


def rewritten(state: Pairing, pairs: Sequence[tuple[int, int]]) -> set[str]:
    """The fields that differ in most of the given pairs: those the balancer rewrites, and their difference says nothing."""
    if len(pairs) < 3:
        return set()
    counted: Counter[str] = Counter()
    sample = pairs[:: len(pairs) // SAMPLED + 1]
    for c, b in sample:
        counted.update(conflicts(state, c, b))
    return {name for name, n in counted.items() if n * 2 >= len(sample)}
