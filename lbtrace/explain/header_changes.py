"""Paired heads → what the balancer changes in them, over all pairs.

Each pair's heads are compared line by line in the direction of travel (requests client → backend,
responses backend → client); each difference is one of `ChangeKind`, counted per field; its
behaviour is read from the values of all pairs. A head that does not end in the capture is not
compared: truncated means unknown. Pairs of low confidence are no knowledge and are left out, unless
nearly all exchanges have one: whoever is whose, together they show what is done to all of them.
Pairs that are interchangeable are compared only when there are no others, because their partners
may be each other's, and then only what befell all of them is told. An address that stands for
another of a client's (a NAT) varies with the client, and is none of the balancer's own. Hop-by-hop
fields (RFC 9110 §7.6.1) and those that only re-frame the body are marked, legal to differ.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Callable, Iterator, Set
from dataclasses import dataclass, field
from functools import lru_cache
from itertools import pairwise

import numpy as np

from lbtrace.http_fields import AUTHORITY, HOST, Meaning, fields_of
from lbtrace.http_fields.addresses import addresses_in, nodes
from lbtrace.http_fields.lines import lowered
from lbtrace.model.http import HeaderLine
from lbtrace.model.pairing import ChangeKind, HeaderChange, Pattern, Tier
from lbtrace.tables.columns import among, distinct, running
from lbtrace.tables.messages import Heads
from lbtrace.tables.packets import Column
from lbtrace.tables.pairs import ANSWERED, PairTable
from lbtrace.tables.side_table import SideTable
from lbtrace.tables.words import Words

HOP_BY_HOP = fields_of(Meaning.CONNECTION, Meaning.FRAMING, Meaning.ONE_HOP)
FEW = 3  # pairs of low confidence may be chance
KEPT_VALUES = 5
COUNTED_VALUES = 1000
MOST_COMPARED = (
    50_000  # of more pairs than this, so many are compared, evenly spread; `of` says how many
)

Difference = tuple[
    ChangeKind, str, HeaderLine | None, HeaderLine | None
]  # kind, field in lower case, line before, line after


@dataclass(slots=True)
class Tally:
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
        """Whether it states the client's address; one value for several clients is no client's,
        unless it is its very own.
        """
        return self.client * 10 >= self.count * 9 and (
            self.itself or len(self.values) > 1 or len(self.clients) == 1
        )


def changes(client: SideTable, backend: SideTable, pairs: PairTable) -> tuple[HeaderChange, ...]:
    """Pairs → every kind of header change, the most frequent first, requests before responses."""
    known = np.flatnonzero(pairs.known)
    through = known[
        pairs.tier[known] != Tier.SAME_PACKETS
    ]  # of several ways, the one on which something can change
    known = through if len(through) else known
    alone = known[pairs.tier[known] != Tier.ORDER]
    chosen = alone if len(alone) else known if len(known) else _as_a_set(client, pairs)
    chosen = chosen[:: len(chosen) // MOST_COMPARED + 1]
    own = _own_addresses(client, backend)
    out: list[HeaderChange] = []
    for request in (True, False):
        heads = _Compared.of(client, backend, pairs, chosen, request)
        tallies = _tallies(heads, client.words, own)
        told = (
            tallies if len(alone) else _of_all(tallies, heads.sent(client.words), len(heads.place))
        )
        made = [
            change(request, kind, name, tally, len(heads.place))
            for (kind, name), tally in told.items()
        ]
        out += sorted(made, key=lambda c: (-c.count, c.kind, c.name.lower()))
    return tuple(out)


@dataclass(slots=True)
class _Compared:
    """The heads of pairs in one direction, before and after the balancer: of pair `place[i]` the
    i-th of both.
    """

    place: Column
    before: Heads
    after: Heads
    address: list[str]  # of the client

    @classmethod
    def of(
        cls, client: SideTable, backend: SideTable, pairs: PairTable, chosen: Column, request: bool
    ) -> _Compared:
        """Those of the chosen pairs that can be compared: both there and whole, and the answer is
        the one the client got.
        """
        last = pairs.last[chosen]
        c = client.numbers(pairs.client_point[chosen], pairs.client[chosen])
        b = backend.numbers(pairs.backend_point[last], pairs.backend[last])
        mine, theirs = (
            (client.requests, backend.requests)
            if request
            else (client.responses, backend.responses)
        )
        fine = mine.whole_heads[c] & theirs.whole_heads[b]
        if (
            not request
        ):  # of another status, the balancer made it: from a copy, or an error page of its own
            fine &= (pairs.outcome[last] == ANSWERED) & (mine.start[c] == theirs.start[b])
        c, b = c[fine], b[fine]
        heads = mine.heads.taken(c), theirs.heads.taken(b)
        addresses = client.client_address[client.connection[c]].tolist()
        return cls(
            chosen[fine],
            *(heads if request else heads[::-1]),
            [client.words.text_list[i] for i in addresses],
        )

    def sent(self, words: Words) -> Counter[str]:
        """Pairs by the fields that were sent."""
        names = list(words.fields)
        fields = distinct(self.before.owner * len(names) + words.field_of[self.before.line]) % max(
            len(names), 1
        )
        return Counter({names[f]: n for f, n in enumerate(np.bincount(fields).tolist()) if n})


def _tallies(heads: _Compared, words: Words, own: Set[str]) -> dict[tuple[ChangeKind, str], Tally]:
    """What differs, counted by kind and field."""
    tallies: dict[tuple[ChangeKind, str], Tally] = defaultdict(Tally)
    names, lines = list(words.fields), words.line_list
    for (number, old, new, address), (first, times) in _distinct(heads, words).items():
        before, after = [lines[n] for n in old], [lines[n] for n in new]
        for kind, name, line, other in differences(names[number], before, after):
            count(tallies[kind, name], int(heads.place[first]), line, other, address, own, times)
    orders = zip(heads.before.rows(words.field_of), heads.after.rows(words.field_of), strict=True)
    seen: dict[tuple[bytes, bytes], list[int]] = defaultdict(list)
    for i, order in enumerate(orders):
        if order[0] != order[1]:
            seen[order].append(i)
    for order, places in seen.items():
        shown = _moved(
            *(tuple([names[f] for f in np.frombuffer(row, "<i4").tolist()]) for row in order)
        )
        if shown is not None:
            for i in places:
                count(
                    tallies[ChangeKind.REORDERED, ""],
                    int(heads.place[i]),
                    shown[0],
                    shown[1],
                    heads.address[i],
                    own,
                )
    return tallies


_Difference = tuple[
    int, tuple[int, ...], tuple[int, ...], str
]  # field, its lines before, its lines after, the client's address


def _distinct(heads: _Compared, words: Words) -> dict[_Difference, tuple[int, int]]:
    """The fields that differ, each different difference once, in the order they are first seen →
    (place of the first, how many).

    A field is looked at where a line of it is not on both sides; where a head repeats a line, all
    its fields are.
    """
    sides = [(held.owner, held.line.astype(np.int64)) for held in (heads.before, heads.after)]
    width, fields = max(len(words.line_list), 1), max(len(words.fields), 1)
    codes = [owner * width + line for owner, line in sides]
    repeating = np.zeros(len(heads.place), bool)
    for code in codes:
        held = np.sort(code)
        repeating[held[1:][held[1:] == held[:-1]] // width] = True
    field_of = _with_authority_as_host(words)
    of_field = [owner * fields + field_of[line] for owner, line in sides]
    single = [~among(codes[i], codes[1 - i]) | repeating[sides[i][0]] for i in range(2)]
    touched = distinct(
        np.concatenate([code[alone] for code, alone in zip(of_field, single, strict=True)])
    )
    count, lines = [], []
    for (_, line), code in zip(sides, of_field, strict=True):
        mine = among(code, touched)
        at = np.searchsorted(touched, code[mine])
        count.append(np.bincount(at, minlength=len(touched)))
        lines.append(line[mine][np.argsort(at, kind="stable")])
    first = [running(n) for n in count]
    out: dict[_Difference, tuple[int, int]] = {}
    texts = [line.tolist() for line in lines]
    spans = (pairwise(column.tolist()) for column in first)
    for pair, name, (b, b_end), (a, a_end) in zip(
        (touched // fields).tolist(), (touched % fields).tolist(), *spans, strict=True
    ):
        key = (name, tuple(texts[0][b:b_end]), tuple(texts[1][a:a_end]), heads.address[pair])
        known = out.get(key)
        out[key] = (pair, 1) if known is None else (known[0], known[1] + 1)
    return out


def _with_authority_as_host(words: Words) -> Column:
    """Per line the number of its field. HTTP/2's `:authority` is the Host of HTTP/1: to convert one
    into the other changes nothing (RFC 9113 §8.3.1).
    """
    authority, host = words.fields.get(AUTHORITY, -1), words.fields.get(HOST, -1)
    if authority < 0 or host < 0:
        return words.field_of
    return np.where(words.field_of == authority, host, words.field_of)


def _of_all(
    tallies: dict[tuple[ChangeKind, str], Tally], sent: Counter[str], of: int
) -> dict[tuple[ChangeKind, str], Tally]:
    """What befell all of a set to whom it could: the rest may come from who was taken for whose.
    `sent`: pairs by field sent.
    """
    return {
        (kind, name): tally
        for (kind, name), tally in tallies.items()
        if kind is ChangeKind.RECASED
        or (
            tally.count
            >= (
                of
                if kind is ChangeKind.REORDERED
                else of - sent[name]
                if kind is ChangeKind.ADDED
                else sent[name]
            )
            and not {(ChangeKind.ADDED, name), (ChangeKind.REMOVED, name)} <= tallies.keys()
        )
    }


def _as_a_set(client: SideTable, pairs: PairTable) -> Column:
    """All pairs, when nine of ten client exchanges are in one."""
    return np.arange(len(pairs) if len(pairs) >= FEW and len(pairs) * 10 >= len(client) * 9 else 0)


def _own_addresses(front: SideTable, back: SideTable) -> frozenset[str]:
    """Where the balancer listens, and where it speaks from; loopback too. A client's address is
    none of them.
    """
    numbers = {*front.server_address.tolist(), *back.client_address.tolist()}
    return (
        frozenset({front.words.text_list[i] for i in numbers} | {"127.0.0.1", "::1"}) - front.hosts
    )


@lru_cache(maxsize=10_000)
def _moved(before: tuple[str, ...], after: tuple[str, ...]) -> tuple[HeaderLine, HeaderLine] | None:
    """The order of the fields both have, before and after, as lines to show; None when it is the
    same.
    """
    both = set(before) & set(after)
    one, other = (
        ", ".join(n for n in dict.fromkeys(names) if n in both) for names in (before, after)
    )
    return None if one == other else (HeaderLine("", one, one), HeaderLine("", other, other))


def differences(
    name: str, before: list[HeaderLine], after: list[HeaderLine]
) -> Iterator[Difference]:
    """One field's lines before and after."""
    old, new = [x.value for x in before], [x.value for x in after]
    if old == new:
        if _recased(before, after):
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
    if _recased(before[:1], after[:1]):
        yield ChangeKind.RECASED, name, before[0], after[0]


def _recased(before: list[HeaderLine], after: list[HeaderLine]) -> bool:
    """Whether names differ, but for their letter case only."""
    return any(
        x.name != y.name and lowered(x.name) == lowered(y.name)
        for x, y in zip(before, after, strict=True)
    )


def count(
    tally: Tally,
    example: int,
    before: HeaderLine | None,
    after: HeaderLine | None,
    address: str,
    own: Set[str],
    times: int = 1,
) -> None:
    if not tally.count:
        shown = after or before
        tally.example, tally.name = example, shown.name if shown else ""
        tally.before, tally.after = before.raw if before else "", after.raw if after else ""
    tally.count += times
    if after is None:
        return
    value = after.value
    if value in tally.values or len(tally.values) < COUNTED_VALUES:
        tally.values[value] = tally.values.get(value, 0) + times
    if (
        before is not None
        and before.value
        and value.startswith(before.value)
        and value[len(before.value) :].lstrip()[:1] in (",", ";")
    ):
        tally.appended += times
    stated = _last_stated(lowered(tally.name), value)
    if stated == address or (address in value and address in addresses_in(value)):
        tally.client += times
        tally.itself = True
    elif stated and stated not in own:
        tally.client += times
    if len(tally.clients) < COUNTED_VALUES:
        tally.clients.add(address)


def _last_stated(name: str, value: str) -> str:
    """The address that the last proxy states in a forwarding field, "" where there is none."""
    found = nodes(name, value)[-1:] if name in fields_of(Meaning.CLIENT_ADDRESS) else ()
    return next((node.address for node in found if node is not None), "")


def change(request: bool, kind: ChangeKind, name: str, tally: Tally, of: int) -> HeaderChange:
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


def _by_values(tally: Tally) -> Pattern:
    different = len(tally.values)
    if tally.appended * 10 >= tally.count * 9:
        return Pattern.APPENDED
    if tally.of_client:
        return Pattern.CLIENT_ADDRESS
    if different == 1:
        return Pattern.CONSTANT
    if different >= min(tally.count, COUNTED_VALUES):
        return Pattern.FRESH
    return Pattern.VARYING


def _replaced(tally: Tally) -> Pattern:
    if tally.appended * 10 >= tally.count * 9:
        return Pattern.APPENDED
    return Pattern.CLIENT_ADDRESS if tally.of_client else Pattern.REPLACED


def _removed(_tally: Tally) -> Pattern:
    return Pattern.REMOVED


def _constant(_tally: Tally) -> Pattern:
    return Pattern.CONSTANT


_BEHAVIOUR: dict[ChangeKind, Callable[[Tally], Pattern]] = {
    ChangeKind.CHANGED: _replaced,
    ChangeKind.REMOVED: _removed,
    ChangeKind.RECASED: _constant,
    ChangeKind.REORDERED: _constant,
}
