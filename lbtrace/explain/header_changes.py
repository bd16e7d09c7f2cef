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

from collections import Counter
from collections.abc import Callable, Iterator, Sequence, Set
from dataclasses import dataclass
from functools import lru_cache
from itertools import pairwise
from typing import Final, NamedTuple

import numpy as np

from lbtrace.http_fields import AS_HOST, COOKIE, Meaning, fields_of
from lbtrace.http_fields.addresses import addresses_in, nodes
from lbtrace.http_fields.lines import lowered
from lbtrace.model.http import HeaderLine
from lbtrace.model.pairing import ChangeKind, HeaderChange, Pattern, Tier
from lbtrace.tables.columns import Column, among, distinct, first_met, group_starts, running
from lbtrace.tables.messages import Heads
from lbtrace.tables.pairs import ANSWERED, PairTable
from lbtrace.tables.rows import rows_of
from lbtrace.tables.side_table import SideTable
from lbtrace.tables.table import Table, column, part, table
from lbtrace.tables.words import Words, joint

HOP_BY_HOP = fields_of(Meaning.CONNECTION, Meaning.FRAMING, Meaning.ONE_HOP)
FEW = 3  # pairs of low confidence may be chance
KEPT_VALUES = 5
COUNTED_VALUES = 1000
MOST_COMPARED = (
    50_000  # of more pairs than this, so many are compared, evenly spread; `of` says how many
)

NO_LINE: Final = -1
HTTP2: Final = "HTTP/2"  # its names are in lower case, whoever writes them (RFC 9113 §8.2.1)
_KINDS: Final = {kind: i for i, kind in enumerate(ChangeKind)}


class Difference(NamedTuple):
    """What a balancer did to a line of one pair. `line`: before the balancer, `other`: behind it;
    None where there is none. `address`: of the client.
    """

    place: int  # of the pair
    line: HeaderLine | None
    other: HeaderLine | None
    address: str


@dataclass(frozen=True, slots=True)
class Tally:
    """One kind of change to one field, over all pairs. `count` counts lines, `pairs` the pairs that
    have any.
    """

    count: int
    pairs: int
    example: int
    before: str
    after: str
    name: str
    values: tuple[str, ...] = ()  # distinct ones, as first seen
    sent: int = 0  # distinct lines before the balancer
    appended: int = 0
    client: int = 0  # values that are the client's address, or may be the one a NAT gave it
    itself: bool = False  # … and some are its very own
    clients: int = 0

    @classmethod
    def of(
        cls,
        differences: Sequence[Difference],
        own: Set[str],
        times: Sequence[int] = (),
        pairs: int | None = None,
    ) -> Tally:
        """What differs in the same way, in the order of the pairs; at least one. Each stands for so
        many `times` the same (without them, for itself), of so many `pairs` in all. `own`:
        addresses that are no client's.
        """
        times = times or [1] * len(differences)
        place, line, other, _ = differences[0]
        shown = other or line
        assert shown is not None
        name = lowered(shown.name)
        arrived = [(d, n) for d, n in zip(differences, times, strict=True) if d.other is not None]
        stated = [(_whose(d, name, own), n) for d, n in arrived]
        return cls(
            count=sum(times),
            pairs=len({d.place for d in differences}) if pairs is None else pairs,
            example=place,
            before=line.raw if line else "",
            after=other.raw if other else "",
            name=shown.name,
            values=tuple(dict.fromkeys(d.other.value for d, _ in arrived if d.other)),
            sent=len({d.line for d in differences}),
            appended=sum(n for d, n in arrived if _appended(d)),
            client=sum(n for whose, n in stated if whose is not _NOBODY),
            itself=any(whose is _ITSELF for whose, _ in stated),
            clients=len({d.address for d, _ in arrived}),
        )

    @property
    def of_client(self) -> bool:
        """Whether it states the client's address; one value for several clients is no client's,
        unless it is its very own.
        """
        return self.client * 10 >= self.count * 9 and (
            self.itself or len(self.values) > 1 or self.clients == 1
        )


_NOBODY, _SOMEBODY, _ITSELF = range(3)  # whose address a value states


def _whose(d: Difference, name: str, own: Set[str]) -> int:
    """Whose address the line behind the balancer states: the client's very own, or another that a
    NAT may have given it. `name`: of the field, in lower case.
    """
    assert d.other is not None
    value, stated = d.other.value, ""
    if name in fields_of(Meaning.CLIENT_ADDRESS):
        stated = _last_stated(name, value)
        if stated and stated == d.address:
            return _ITSELF
    if d.address in value and d.address in addresses_in(value):
        return _ITSELF
    return _SOMEBODY if stated and stated not in own else _NOBODY


def _appended(d: Difference) -> bool:
    """Whether the value of the line before is still there, with more behind it."""
    if d.line is None or d.other is None or not d.line.value:
        return False
    value, size = d.other.value, len(d.line.value)
    return value.startswith(d.line.value) and value[size:].lstrip()[:1] in (",", ";")


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
    i-th of both. `converted`: one of the two is of HTTP/2, the other is not.
    """

    place: Column
    before: Heads
    after: Heads
    address: Column  # of the client, as `Words.texts`
    converted: Column

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
        addresses = client.client_address[client.connection[c]]
        http2 = client.words.texts.get(HTTP2, NO_LINE)
        converted = (mine.version[c] == http2) != (theirs.version[b] == http2)
        return cls(chosen[fine], *(heads if request else heads[::-1]), addresses, converted)

    def sent(self, words: Words) -> Counter[str]:
        """Pairs by the fields that were sent."""
        names = list(words.fields)
        fields = distinct(self.before.owner * len(names) + words.field_of[self.before.line]) % max(
            len(names), 1
        )
        return Counter({names[f]: n for f, n in enumerate(np.bincount(fields).tolist()) if n})


def _tallies(heads: _Compared, words: Words, own: Set[str]) -> dict[tuple[ChangeKind, str], Tally]:
    """What differs, counted by kind and field."""
    names, kinds = list(words.fields), list(_KINDS)
    rows = _rows(_differing(heads, words), words)
    rows = rows.taken(
        np.flatnonzero((rows.kind != _KINDS[ChangeKind.RECASED]) | ~heads.converted[rows.pair])
    )
    group = rows.kind * len(names) + rows.field
    tallies = {}
    for code, of in _by_group(rows, group):
        kind, field = divmod(code, len(names))
        tallies[kinds[kind], names[field]] = _tally(of, heads, words, own)
    moved = _reordered(heads, words, names)
    if moved is not None:
        tallies[ChangeKind.REORDERED, ""] = moved
    return tallies


def _tally(rows: _DifferentLines, heads: _Compared, words: Words, own: Set[str]) -> Tally:
    """One kind of change to one field. Most are the same again for the same client."""
    alike = joint(rows.before - NO_LINE, rows.after - NO_LINE, heads.address[rows.pair])
    first, which = first_met(alike)
    once, times = _made(rows.taken(first), heads, words), np.bincount(which).tolist()
    return Tally.of(once, own, times, len(distinct(rows.pair)))


@table
class _Differing(Table):
    """A field of a pair whose lines differ: its lines before and behind the balancer."""

    pair: Column = column("i8", "row of `_Compared`")
    field: Column = column("i8", "number of its name")
    before: Heads = part("lines before")
    after: Heads = part("lines behind")


@table
class _DifferentLines(Table):
    """One row per line that differs."""

    pair: Column = column("i8", "row of `_Compared`")
    field: Column = column("i8", "number of its name")
    kind: Column = column("i8", "place in ChangeKind")
    before: Column = column("i8", "line before; NO_LINE without")
    after: Column = column("i8", "line behind; NO_LINE without")


def _by_group(rows: _DifferentLines, group: Column) -> Iterator[tuple[int, _DifferentLines]]:
    """The groups, ascending, and the rows of each, in order."""
    order = np.argsort(group, kind="stable")
    starts = group_starts(group[order]).tolist()
    for begin, end in pairwise([*starts, len(order)]):
        yield int(group[order[begin]]), rows.taken(order[begin:end])


def _made(rows: _DifferentLines, heads: _Compared, words: Words) -> list[Difference]:
    numbers = distinct(np.concatenate([[NO_LINE], rows.before, rows.after]))[1:]
    lines: dict[int, HeaderLine | None] = {NO_LINE: None}
    lines.update(zip(numbers.tolist(), words.line_list.make(numbers), strict=True))
    return rows_of(
        Difference,
        (
            heads.place[rows.pair].tolist(),
            [lines[n] for n in rows.before.tolist()],
            [lines[n] for n in rows.after.tolist()],
            [words.text_list[n] for n in heads.address[rows.pair].tolist()],
        ),
    )


def _reordered(heads: _Compared, words: Words, names: list[str]) -> Tally | None:
    """The order of fields, where it differs."""
    orders = zip(heads.before.rows(words.field_of), heads.after.rows(words.field_of), strict=True)
    known: dict[tuple[bytes, bytes], tuple[HeaderLine, HeaderLine] | None] = {}
    found: list[Difference] = []
    for i, order in enumerate(orders):
        if order[0] == order[1]:
            continue
        if order not in known:
            known[order] = _moved(
                *([names[f] for f in np.frombuffer(row, "<i4").tolist()] for row in order)
            )
        moved = known[order]
        if moved is not None:
            found.append(Difference(int(heads.place[i]), *moved, words.text_list[heads.address[i]]))
    return Tally.of(found, frozenset()) if found else None


def _differing(heads: _Compared, words: Words) -> _Differing:
    """The fields to look at, by pair: those of which a line is not on both sides; where a head
    repeats a line, all its fields.
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
    lines = []
    for (_, line), code in zip(sides, of_field, strict=True):
        mine = among(code, touched)
        at = np.searchsorted(touched, code[mine])
        first = running(np.bincount(at, minlength=len(touched)))
        lines.append(Heads(first, line[mine][np.argsort(at, kind="stable")]))
    return _Differing(touched // fields, touched % fields, *lines)


def _rows(differing: _Differing, words: Words) -> _DifferentLines:
    """Fields that differ → the lines that do, in the order of the pairs."""
    several = (np.diff(differing.before.first) > 1) | (np.diff(differing.after.first) > 1)
    rows = _DifferentLines.joined(
        [
            *_of_one_line(differing.where(~several), words),
            _of_several(differing.where(several), words),
        ]
    )
    return rows.taken(np.argsort(rows.pair, kind="stable"))


def _of_one_line(differing: _Differing, words: Words) -> Iterator[_DifferentLines]:
    """What `differences` says of fields that have at most one line on each side, as columns."""
    before, after = (
        np.where(np.diff(held.first) > 0, np.append(held.line, NO_LINE)[held.first[:-1]], NO_LINE)
        for held in (differing.before, differing.after)
    )
    both = (before != NO_LINE) & (after != NO_LINE)
    value, spelled = (held[before] == held[after] for held in (words.value_of, words.name_of))
    named = words.field_of[before] == words.field_of[after]
    for kind, wanted in (
        (ChangeKind.ADDED, before == NO_LINE),
        (ChangeKind.REMOVED, after == NO_LINE),
        (ChangeKind.CHANGED, both & ~value),
        (ChangeKind.RECASED, both & named & ~spelled),
    ):
        rows = np.flatnonzero(wanted)
        pair, field = differing.pair[rows], differing.field[rows]
        yield _DifferentLines(
            pair, field, np.full(len(rows), _KINDS[kind]), before[rows], after[rows]
        )


def _of_several(differing: _Differing, words: Words) -> _DifferentLines:
    """The same of any other fields, each two lists of lines looked at once."""
    sides = [
        [tuple(lines.tolist()) for lines in np.split(held.line, held.first[1:-1])]
        for held in (differing.before, differing.after)
    ]
    known: dict[tuple[tuple[int, ...], ...], list[tuple[int, ...]]] = {}
    rows: list[tuple[int, ...]] = []
    places = zip(differing.pair.tolist(), differing.field.tolist(), strict=True)
    for place, lines in zip(places, zip(*sides, strict=True), strict=False):
        if lines not in known:
            known[lines] = _numbered(lines, words)
        rows += (place + row for row in known[lines])
    return _DifferentLines(*np.array(rows, np.int64).reshape(-1, 5).T)


def _numbered(lines: tuple[tuple[int, ...], ...], words: Words) -> list[tuple[int, ...]]:
    """What `differences` says of the lines of a field, before and after, in numbers."""
    before, after = ([words.line_list[n] for n in held] for held in lines)
    return [
        (_KINDS[kind], *(NO_LINE if line is None else words.lines[line] for line in (one, other)))
        for kind, one, other in differences(before, after)
    ]


def _with_authority_as_host(words: Words) -> Column:
    """Per line the number of its field; all that name the host count as one."""
    *others, host = (words.fields.get(name, -1) for name in AS_HOST)
    if host < 0:
        return words.field_of
    return np.where(np.isin(words.field_of, others), host, words.field_of)


def _of_all(
    tallies: dict[tuple[ChangeKind, str], Tally], sent: Counter[str], of: int
) -> dict[tuple[ChangeKind, str], Tally]:
    """What befell all of a set to whom it could: the rest may come from who was taken for whose. So
    may a change of several values into several others. `sent`: pairs by field sent.
    """
    return {
        (kind, name): tally
        for (kind, name), tally in tallies.items()
        if kind is ChangeKind.RECASED
        or (
            tally.pairs
            >= (
                of
                if kind is ChangeKind.REORDERED
                else of - sent[name]
                if kind is ChangeKind.ADDED
                else sent[name]
            )
            and not {(ChangeKind.ADDED, name), (ChangeKind.REMOVED, name)} <= tallies.keys()
            and (kind is not ChangeKind.CHANGED or min(tally.sent, len(tally.values)) <= 1)
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


def _moved(before: list[str], after: list[str]) -> tuple[HeaderLine, HeaderLine] | None:
    """The order of the fields both have, before and after, as lines to show; None when it is the
    same.
    """
    both = set(before) & set(after)
    one, other = (
        ", ".join(n for n in dict.fromkeys(names) if n in both) for names in (before, after)
    )
    return None if one == other else (HeaderLine("", one, one), HeaderLine("", other, other))


def differences(
    before: Sequence[HeaderLine], after: Sequence[HeaderLine]
) -> Iterator[tuple[ChangeKind, HeaderLine | None, HeaderLine | None]]:
    """The lines of one field before and after → (kind, line before, line after) of each change.

    HTTP/2 may send cookies in several lines, which a proxy joins for HTTP/1.1 (RFC 9113 §8.2.3):
    that changes nothing.
    """
    if not before or not after:
        yield from ((ChangeKind.ADDED, None, line) for line in after)
        yield from ((ChangeKind.REMOVED, line, None) for line in before)
        return
    gone, fresh = _without(before, after), _without(after, before)
    if _cookies(before) == _cookies(after) != "":
        pass
    elif gone and fresh:
        yield ChangeKind.CHANGED, gone[0], fresh[-1]
    else:  # all that was sent arrived, and another line with it; or some of it, and nothing else
        yield from ((ChangeKind.DUPLICATED, before[0], line) for line in fresh)
        yield from ((ChangeKind.REMOVED, line, None) for line in gone)
    same = [line.value for line in before] == [line.value for line in after]
    compared = len(before) if same else 1
    if any(map(_recased, before[:compared], after[:compared])):
        yield ChangeKind.RECASED, before[0], after[0]


def _cookies(lines: Sequence[HeaderLine]) -> str:
    """The lines of Cookie as one; "" of another field."""
    return "; ".join(line.value for line in lines) if lowered(lines[0].name) == COOKIE else ""


def _without(lines: Sequence[HeaderLine], others: Sequence[HeaderLine]) -> list[HeaderLine]:
    """The lines that have a value of their own: each of the others stands for one line."""
    held = Counter(line.value for line in others)
    left = []
    for line in lines:
        if held[line.value]:
            held[line.value] -= 1
        else:
            left.append(line)
    return left


def _recased(one: HeaderLine, other: HeaderLine) -> bool:
    """Whether names differ, but for their letter case only."""
    return one.name != other.name and lowered(one.name) == lowered(other.name)


@lru_cache(maxsize=10_000)
def _last_stated(name: str, value: str) -> str:
    """The address that the last proxy states in a forwarding field, "" where there is none."""
    last = nodes(name, value)[-1:]
    return next((node.address for node in last if node is not None), "")


def change(request: bool, kind: ChangeKind, name: str, tally: Tally, of: int) -> HeaderChange:
    return HeaderChange(
        request=request,
        kind=kind,
        name=tally.name,
        behaviour=_BEHAVIOUR.get(kind, _by_values)(tally),
        count=tally.pairs,
        of=of,
        before=tally.before,
        after=tally.after,
        example=tally.example,
        hop_by_hop=name in HOP_BY_HOP,
        values=tally.values[:KEPT_VALUES],
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
