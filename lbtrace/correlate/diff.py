"""Paired heads → what the balancer changes in them, over all pairs.

Each pair's heads are compared line by line in the direction of travel (requests client → backend, responses backend → client);
each difference is one of
`ChangeKind`, counted per field; its behaviour is read from the values of all pairs. A head that does not end in the capture is
not compared:
truncated means unknown. Pairs of low confidence are no knowledge and are left out, unless nearly all exchanges have one: whoever is whose,
together they show what is done to all of them. Pairs that are interchangeable are compared only when
there are no others, because their partners may be each other's, and then only what befell all of them is told. An address that
stands for another of a client's (a NAT) varies with the client, and is none of the balancer's own.
Hop-by-hop fields (RFC 9110 §7.6.1) and those that only re-frame the body are marked, legal to differ.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Callable, Iterator, Sequence, Set
from dataclasses import dataclass, field
from functools import lru_cache
from ipaddress import ip_address

from lbtrace.correlate.facts import Facts
from lbtrace.fields import lowered
from lbtrace.model.http import HeaderLine, Mark, Request, Response
from lbtrace.model.pairing import AttemptOutcome, Behaviour, ChangeKind, Confidence, ExchangePair, HeaderChange, Tier
from lbtrace.side_table import SideTable

HOP_BY_HOP = {
    "connection",
    "keep-alive",
    "proxy-connection",
    "te",
    "trailer",
    "transfer-encoding",
    "upgrade",
    "content-length",
    "expect",
    "proxy-authenticate",
    "proxy-authorization",
    "http2-settings",
}
ADDRESS_FIELDS = {
    "x-forwarded-for",
    "forwarded",
    "x-real-ip",
    "x-client-ip",
    "true-client-ip",
    "cf-connecting-ip",
    "x-envoy-external-address",
    "x-cluster-client-ip",
}
FEW = 3  # pairs of low confidence may be chance
KEPT_VALUES = 5
COUNTED_VALUES = 1000
MOST_COMPARED = 50_000  # of more pairs than this, so many are compared, evenly spread; `of` says how many

Head = tuple[HeaderLine, ...]
Difference = tuple[ChangeKind, str, HeaderLine | None, HeaderLine | None]  # kind, field in lower case, line before, line after


@dataclass(slots=True)
class _Tally:
    """One kind of change to one field, over the pairs seen so far."""

    count: int = 0
    example: int = -1
    before: str = ""
    after: str = ""
    name: str = ""
    values: dict[str, int] = field(default_factory=dict)
    appended: int = 0
    client: int = 0  # values that are the client's address, or may be the one a NAT gave it
    itself: bool = False  # … and some are its very own
    clients: set[str] = field(default_factory=set)

    @property
    def of_client(self) -> bool:
        """Whether it states the client's address; one value for several clients is no client's, unless it is its very own."""
        return self.client * 10 >= self.count * 9 and (self.itself or len(self.values) > 1 or len(self.clients) == 1)


def changes(client: Facts, backend: Facts, pairs: Sequence[ExchangePair]) -> tuple[HeaderChange, ...]:
    """Pairs → every kind of header change, the most frequent first, requests before responses."""
    known = [i for i, p in enumerate(pairs) if p.confidence is not Confidence.LOW]
    alone = [i for i in known if pairs[i].tier is not Tier.ORDER]
    chosen = alone or known or _as_a_set(client, pairs)
    chosen = chosen[:: len(chosen) // MOST_COMPARED + 1]
    own = _own_addresses(client.table, backend.table)
    out: list[HeaderChange] = []
    for request in (True, False):
        tallies: dict[tuple[ChangeKind, str], _Tally] = defaultdict(_Tally)
        of = 0
        sent: Counter[str] = Counter()
        cache: dict[tuple[int, int], tuple[Head, Head, list[Difference]]] = {}
        for i in chosen:
            pair = pairs[i]
            heads = _heads(client, backend, pair, request)
            if heads is None:
                continue
            of += 1
            sent.update(() if alone else set(_names(heads[0])))
            address = client.client_address(client.number(pair.client))
            key = (id(heads[0]), id(heads[1]))
            compared = cache.get(key)
            if compared is None:
                compared = (heads[0], heads[1], list(differences(*heads)))
                if len(cache) < 50_000:
                    cache[key] = compared
            for kind, name, before, after in compared[2]:
                _count(tallies[kind, name], i, before, after, address, own)
        told = tallies if alone else _of_all(tallies, sent, of)
        made = [_change(request, kind, name, tally, of) for (kind, name), tally in told.items()]
        out += sorted(made, key=lambda c: (-c.count, c.kind, c.name.lower()))
    return tuple(out)


def _of_all(tallies: dict[tuple[ChangeKind, str], _Tally], sent: Counter[str], of: int) -> dict[tuple[ChangeKind, str], _Tally]:
    """What befell all of a set to whom it could: the rest may come from who was taken for whose. `sent`: pairs by field sent."""
    return {
        (kind, name): tally
        for (kind, name), tally in tallies.items()
        if kind is ChangeKind.RECASED
        or (
            tally.count >= (of if kind is ChangeKind.REORDERED else of - sent[name] if kind is ChangeKind.ADDED else sent[name])
            and not {(ChangeKind.ADDED, name), (ChangeKind.REMOVED, name)} <= tallies.keys()
        )
    }


def _as_a_set(client: Facts, pairs: Sequence[ExchangePair]) -> list[int]:
    """All pairs, when nine of ten client exchanges are in one."""
    return list(range(len(pairs))) if len(pairs) >= FEW and len(pairs) * 10 >= len(client) * 9 else []


def _own_addresses(front: SideTable, back: SideTable) -> frozenset[str]:
    """Where the balancer listens, and where it speaks from; loopback too. A client's address is none of them."""
    numbers = {*front.server_address.tolist(), *back.client_address.tolist()}
    return frozenset({front.words.text_list[i] for i in numbers} | {"127.0.0.1", "::1"}) - front.hosts


def _heads(client: Facts, backend: Facts, pair: ExchangePair, request: bool) -> tuple[Head, Head] | None:
    mine = client.items[client.number(pair.client)]
    attempt = pair.attempts[-1]
    theirs = backend.items[backend.number(attempt.backend)]
    before: Request | Response | None
    after: Request | Response | None
    if request:
        before, after = mine.request, theirs.request
    else:
        if attempt.outcome is not AttemptOutcome.ANSWERED:
            return None
        before, after = theirs.response, mine.response
    if before is None or after is None or Mark.HEAD_TRUNCATED in before.marks or Mark.HEAD_TRUNCATED in after.marks:
        return None
    return before.lines, after.lines


def differences(before: Head, after: Head) -> Iterator[Difference]:
    """Two heads → their differences, by field. Only the fields that have a line which is not on both sides are looked at."""
    if before == after:
        return
    sent, arrived = set(before), set(after)
    if len(before) != len(sent) or len(after) != len(arrived):  # repeated lines: a set does not count them
        touched = {lowered(x[0]) for x in sent | arrived}
    else:
        touched = {lowered(x[0]) for x in sent ^ arrived}
    old, new = _of_fields(before, touched), _of_fields(after, touched)
    for name in sorted(touched):
        yield from _field(name, old.get(name, []), new.get(name, []))
    moved = _moved(_names(before), _names(after))
    if moved:
        yield ChangeKind.REORDERED, "", *moved


def _of_fields(head: Head, wanted: Set[str]) -> dict[str, list[HeaderLine]]:
    """The lines of the wanted fields, by field."""
    out: dict[str, list[HeaderLine]] = {}
    for line in head:
        name = lowered(line[0])
        if name in wanted:
            out.setdefault(name, []).append(line)
    return out


def _names(head: Head) -> tuple[str, ...]:
    return tuple([lowered(name) for name, _, _ in head])


@lru_cache(maxsize=10_000)
def _moved(before: tuple[str, ...], after: tuple[str, ...]) -> tuple[HeaderLine, HeaderLine] | None:
    """The order of the fields both have, before and after, as lines to show; None when it is the same."""
    both = set(before) & set(after)
    one, other = (", ".join(n for n in dict.fromkeys(names) if n in both) for names in (before, after))
    return None if one == other else (HeaderLine("", one, one), HeaderLine("", other, other))


def _field(name: str, before: list[HeaderLine], after: list[HeaderLine]) -> Iterator[Difference]:
    """One field's lines before and after."""
    old, new = [x.value for x in before], [x.value for x in after]
    if old == new:
        if [x.name for x in before] != [x.name for x in after]:
            yield ChangeKind.RECASED, name, before[0], after[0]
        return
    if not before:
        for line in after:
            yield ChangeKind.ADDED, name, None, line
        return
    if not after:
        for line in before:
            yield ChangeKind.REMOVED, name, line, None
        return
    fresh = list(after)
    for value in old:
        match = next((x for x in fresh if x.value == value), None)
        if match is not None:
            fresh.remove(match)
    gone = list(before)
    for value in new:
        match = next((x for x in gone if x.value == value), None)
        if match is not None:
            gone.remove(match)
    if not gone and fresh:  # all that was sent arrived, and another line with it
        for line in fresh:
            yield ChangeKind.DUPLICATED, name, before[0], line
    elif not fresh:
        for line in gone:
            yield ChangeKind.REMOVED, name, line, None
    else:
        yield ChangeKind.CHANGED, name, gone[0], fresh[-1]
    if before[0].name != after[0].name:
        yield ChangeKind.RECASED, name, before[0], after[0]


def _count(tally: _Tally, example: int, before: HeaderLine | None, after: HeaderLine | None, address: str, own: Set[str]) -> None:
    if not tally.count:
        shown = after or before
        tally.example, tally.name = example, shown.name if shown else ""
        tally.before, tally.after = before.raw if before else "", after.raw if after else ""
    tally.count += 1
    if after is None:
        return
    value = after.value
    if value in tally.values or len(tally.values) < COUNTED_VALUES:
        tally.values[value] = tally.values.get(value, 0) + 1
    if before is not None and before.value and value.startswith(before.value) and value[len(before.value) :].lstrip()[:1] in (",", ";"):
        tally.appended += 1
    if address in value:
        tally.client += 1
        tally.itself = True
    elif lowered(tally.name) in ADDRESS_FIELDS and (stated := _address(value)) and stated not in own:
        tally.client += 1
    if len(tally.clients) < COUNTED_VALUES:
        tally.clients.add(address)


@lru_cache(maxsize=10_000)
def _address(value: str) -> str:
    """The last address of a list, "" when it is none."""
    last = value.rsplit(",", 1)[-1].strip().strip('"').removeprefix("for=").strip('"')
    if last.startswith("["):
        last = last[1:].partition("]")[0]
    elif last.count(":") == 1:
        last = last.partition(":")[0]
    try:
        return str(ip_address(last))
    except ValueError:
        return ""


def _change(request: bool, kind: ChangeKind, name: str, tally: _Tally, of: int) -> HeaderChange:
    return HeaderChange(
        request=request,
        kind=kind,
        name=tally.name,
        behaviour=_BEHAVIOUR.get(kind, _by_values)(tally),
        count=tally.count,
        of=of,
        before=tally.before,
        after=tally.after,
        example=tally.example,
        hop_by_hop=name in HOP_BY_HOP,
        values=tuple(list(tally.values)[:KEPT_VALUES]),
    )


def _by_values(tally: _Tally) -> Behaviour:
    distinct = len(tally.values)
    if tally.appended * 10 >= tally.count * 9:
        return Behaviour.APPENDED
    if tally.of_client:
        return Behaviour.CLIENT_ADDRESS
    if distinct == 1:
        return Behaviour.CONSTANT
    if distinct >= min(tally.count, COUNTED_VALUES):
        return Behaviour.FRESH
    return Behaviour.VARYING


def _replaced(tally: _Tally) -> Behaviour:
    if tally.appended * 10 >= tally.count * 9:
        return Behaviour.APPENDED
    return Behaviour.CLIENT_ADDRESS if tally.of_client else Behaviour.REPLACED


def _removed(_tally: _Tally) -> Behaviour:
    return Behaviour.REMOVED


def _constant(_tally: _Tally) -> Behaviour:
    return Behaviour.CONSTANT


_BEHAVIOUR: dict[ChangeKind, Callable[[_Tally], Behaviour]] = {
    ChangeKind.CHANGED: _replaced,
    ChangeKind.REMOVED: _removed,
    ChangeKind.RECASED: _constant,
    ChangeKind.REORDERED: _constant,
}
