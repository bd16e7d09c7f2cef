"""Classes of equal fingerprint → sets of exchanges that can be each other's, and the pairs in them.

Within a class a client exchange can have caused the backend exchanges that lie inside it under the
clock interval (`nesting`), if their answers agree. What is connected by such possible pairs is a
set, and each set is settled by itself:

    one of each         a pair
    a few               a largest assignment. A pair that every largest assignment has is fixed; the
                        others are interchangeable with those they share an alternating cycle with
                        (Dulmage and Mendelsohn 1958). Where some share values that others lack, the
                        heaviest assignment, and the margin of each pair (`assign`)
    many                one set, paired so that all nest

Without a clock nothing is excluded by time. The pairs that are shown of a set are one assignment of
many; it is one that also fits the times as they were captured, where there is such a one.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Hashable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from functools import lru_cache

import numpy as np

from lbtrace.match import nesting
from lbtrace.match.assign import IMPOSSIBLE, assign
from lbtrace.match.classes import Class
from lbtrace.match.fingerprint import Kept, response_keys
from lbtrace.match.pairing import Pairing, Reasons
from lbtrace.match.rare_values import MARGIN
from lbtrace.match.timeline import Timeline, long_enough
from lbtrace.model.pairing import Clue, Confidence, Reason, Tier

MOST_BITS = 12.0  # that two exchanges have the same fingerprint tells no more than this


@dataclass(frozen=True, slots=True)
class SharedValue:
    """A client exchange and a backend exchange that share rare values, but not alone."""

    client: int
    backend: int
    bits: float
    reason: Reason


@dataclass(slots=True)
class _Set:
    """Exchanges that can be each other's."""

    clients: list[int]
    backends: list[int]
    values: list[SharedValue] = field(default_factory=list)


def resolve(
    state: Pairing,
    made: Sequence[Class],
    line: Timeline,
    kept_response: Kept,
    values: Sequence[SharedValue] = (),
) -> Callable[[], None]:
    """Pair what is in the classes. The large sets, which show nothing but themselves, wait until
    what is returned is called.
    """
    mine = [c for k in made for c in k.clients]
    theirs = [b for k in made for b in k.backends]
    answers_c = dict(zip(mine, response_keys(state.client, mine, kept_response), strict=True))
    answers_b = dict(zip(theirs, response_keys(state.backend, theirs, kept_response), strict=True))
    for c in _asked_in_full(state, made):
        answers_c[c] = None  # the client got the head of an answer only
    resolver = _Resolver(state, line, answers_c, answers_b)
    resolver.run(made, values)
    return resolver.pair_large


def _asked_in_full(state: Pairing, made: Sequence[Class]) -> list[int]:
    """The client exchanges that stand with backend exchanges of another method: HEAD with GET."""
    mine, theirs = state.client.table.method, state.backend.table.method
    return [c for k in made if mine[k.clients[0]] != theirs[k.backends[0]] for c in k.clients]


@dataclass(slots=True)
class _Resolver:
    state: Pairing
    line: Timeline
    answers_c: dict[int, Hashable]
    answers_b: dict[int, Hashable]
    class_of: dict[int, int] = field(default_factory=dict)  # client exchange → its class
    class_of_b: dict[int, int] = field(default_factory=dict)
    bits: list[float] = field(default_factory=list)  # per class, what its fingerprint tells
    large: list[tuple[list[int], list[int]]] = field(default_factory=list)

    def run(self, made: Sequence[Class], values: Sequence[SharedValue]) -> None:
        """Find the sets, join those that shared values connect, and settle each."""
        n, m = len(self.state.client), len(self.state.backend)
        for number, k in enumerate(made):
            rare = np.log2(max(n, 2) / len(k.clients)) + np.log2(max(m, 2) / len(k.backends))
            self.bits.append(min(float(rare) + 1.0, MOST_BITS))
            for c in k.clients if values else ():
                self.class_of[c] = number
            for b in k.backends if values else ():
                self.class_of_b[b] = number
        sets = (
            _Set(cs, bs)
            for k in made
            for cs, bs in self._by_answer(self._in_time(k.clients, k.backends))
        )
        for held in _joined(list(sets), values) if values else sets:
            self._settle(held)

    def pair_large(self) -> None:
        """Pair what is in sets with too many possible pairs to look at each."""
        for cs, bs in self.large:
            self._large(cs, bs)

    def _in_time(self, cs: list[int], bs: list[int]) -> list[tuple[list[int], list[int]]]:
        if not self.line.known:
            return [(cs, bs)]
        found = nesting.components(*self._times(cs, bs))
        return [([cs[i] for i in ci], [bs[i] for i in bi]) for ci, bi in found]

    def _by_answer(
        self, found: Iterable[tuple[list[int], list[int]]]
    ) -> Iterator[tuple[list[int], list[int]]]:
        """Sets split by what was answered, where that is known of all of them."""
        for cs, bs in found:
            answers = {self.answers_c[c] for c in cs} | {self.answers_b[b] for b in bs}
            if None in answers or len(answers) == 1:
                yield cs, bs
                continue
            parts: dict[Hashable, tuple[list[int], list[int]]] = {}
            for c in cs:
                parts.setdefault(self.answers_c[c], ([], []))[0].append(c)
            for b in bs:
                parts.setdefault(self.answers_b[b], ([], []))[1].append(b)
            for some_c, some_b in parts.values():
                if some_c and some_b:
                    yield from self._in_time(some_c, some_b)

    def _times(
        self, cs: Sequence[int], bs: Sequence[int]
    ) -> tuple[nesting.Times, nesting.Times, nesting.Times, nesting.Times]:
        line = self.line
        if nesting.in_columns(len(cs) + len(bs)):
            c, b, times = np.array(cs, np.int64), np.array(bs, np.int64), line.columns
            client, backend = times.client_asked[c], times.backend_asked[b]
            return client, times.client_answered[c], backend, times.backend_answered[b]
        return (
            [line.client_asked[c] for c in cs],
            [line.client_answered[c] for c in cs],
            [line.backend_asked[b] for b in bs],
            [line.backend_answered[b] for b in bs],
        )

    def _answers_agree(self, c: int, b: int) -> bool:
        if self.state.backend.too_late[b] and self.state.client.table.responses.there[c]:
            return False  # whatever was cut of the answer, it is not that exchange's
        mine, theirs = self.answers_c.get(c), self.answers_b.get(b)
        return mine is None or theirs is None or mine == theirs

    def _possible(self, c: int, b: int) -> bool:
        line = self.line
        return self._answers_agree(c, b) and (
            not line.known
            or (line.inside(c, b) and (line.timed(c, b) or long_enough(self.state, c, b)))
        )

    def _settle(self, held: _Set) -> None:
        cs, bs = held.clients, held.backends
        if len(cs) == len(bs) == 1 and (not held.values or self._alike(cs[0], bs[0])):
            if self._possible(cs[0], bs[0]):
                self._alone(cs[0], bs[0])
            return
        cs, bs = (
            sorted(cs, key=self.line.client_asked.__getitem__),
            sorted(bs, key=self.line.backend_asked.__getitem__),
        )
        if len(cs) * len(bs) > nesting.EDGES:
            self.large.append((cs, bs))
            return
        # an answer that none of them got leaves nothing open here: it may be an attempt that failed
        bs = [b for b in bs if any(self._answers_agree(c, b) for c in cs)]
        if held.values:
            self._weighted(cs, bs, held.values)
        else:
            self._small(cs, bs)

    def _alone(self, c: int, b: int) -> None:
        tier = Tier.TIME if self.line.timed(c, b) else Tier.SHAPE
        known = self.answers_c[c] is not None and self.answers_b[b] is not None
        sure = (
            Confidence.LOW
            if self._had_left(c, b)
            else Confidence.HIGH
            if known
            else Confidence.MEDIUM
        )
        self.state.add(c, [b], tier, sure, _why(tier, 1))
        self.state.spare[c] = (False, False)

    def _had_left(self, c: int, b: int) -> bool:
        """Whether the client had gone unanswered when the backend exchange began: that may as well
        be a try for another's request.
        """
        facts = self.state.client
        if facts.exchange(c).response is not None or not self.line.timed(c, b):
            return False
        last = facts.connection_of(c).last_ns
        return self.line.backend_asked[b] > self.line.client_asked[c] + last - int(facts.start[c])

    def _small(self, cs: list[int], bs: list[int]) -> None:
        """Few enough to look at every possible pair."""
        possible = [[j for j, b in enumerate(bs) if self._possible(c, b)] for c in cs]
        mate = nesting.largest(possible, len(bs))
        # nobody answers before the backend did, unless the captures were swapped: then hardly
        # anybody is left
        if not self.line.known:
            longer = [
                [j for j in row if long_enough(self.state, c, bs[j])]
                for c, row in zip(cs, possible, strict=True)
            ]
            closer = nesting.largest(longer, len(bs))
            if sum(j >= 0 for j in closer) == sum(j >= 0 for j in mate):
                possible, mate = longer, closer
        else:
            mate = self._as_captured(cs, bs, possible, mate)
        part = nesting.exchangeable(possible, mate, len(bs))
        self._take(cs, bs, mate, part, part[len(cs) :])

    def _as_captured(
        self, cs: list[int], bs: list[int], possible: list[list[int]], mate: list[int]
    ) -> list[int]:
        """A largest assignment that also fits the times of the packets in the captures, where they
        are not the first transmission; the given one where there is none.
        """
        if not self._sent_again(cs, bs):
            return mate
        a, x = self.line.client_captured, self.line.backend_captured
        seen = [[j for j in row if a[c] <= x[bs[j]]] for c, row in zip(cs, possible, strict=True)]
        closer = nesting.largest(seen, len(bs))
        return closer if sum(j >= 0 for j in closer) == sum(j >= 0 for j in mate) else mate

    def _sent_again(self, cs: Sequence[int], bs: Sequence[int]) -> bool:
        """Whether some requests were captured later than they may have been sent."""
        line = self.line
        return any(line.client_captured[c] != line.client_asked[c] for c in cs) or any(
            line.backend_captured[b] != line.backend_asked[b] for b in bs
        )

    def _alike(self, c: int, b: int) -> bool:
        """Whether two exchanges have the same fingerprint."""
        return self.class_of.get(c, -1) == self.class_of_b.get(b, -2)

    def _weighted(self, cs: list[int], bs: list[int], values: Sequence[SharedValue]) -> None:
        """Few enough, and some share values that others lack."""
        at_c, at_b = ({n: i for i, n in enumerate(numbers)} for numbers in (cs, bs))
        weights = np.full((len(cs), len(bs)), IMPOSSIBLE)
        for i, c in enumerate(cs):
            for j, b in enumerate(bs):
                if self._alike(c, b) and self._possible(c, b):
                    weights[i, j] = self.bits[self.class_of[c]]
        plain = [np.flatnonzero(np.isfinite(row)).tolist() for row in weights]
        by_time = nesting.largest(plain, len(bs))
        parts = nesting.exchangeable(plain, by_time, len(bs))
        of: dict[tuple[int, int], SharedValue] = {}
        for v in values:
            if self._answers_agree(v.client, v.backend):
                i, j = at_c[v.client], at_b[v.backend]
                if by_time[i] != j or parts.count(parts[i]) > 1:
                    of[i, j] = v
                weights[i, j] = max(weights[i, j], 0.0) + v.bits
        found = assign(weights, MARGIN)
        self._take(cs, bs, found.mate, found.part, found.left_in, of, found.margin)

    def _take(
        self,
        cs: Sequence[int],
        bs: Sequence[int],
        mate: Sequence[int],
        part: Sequence[int],
        left_in: Sequence[int],
        values: dict[tuple[int, int], SharedValue] | None = None,
        margin: Sequence[float] | None = None,
    ) -> None:
        """Enter an assignment: pairs that stand alone in their part, and the others as sets."""
        taken = set(mate)
        spare_b = [j for j in range(len(bs)) if j not in taken]
        spare = (any(j < 0 for j in mate), bool(spare_b))
        size: dict[int, int] = defaultdict(int)
        for q in part[: len(cs)]:
            size[q] += 1
        for q in left_in:
            size[q] += 1
        groups: dict[int, int] = {}
        entered: list[int] = []
        for i, c in enumerate(cs):
            if mate[i] < 0:
                continue
            entered.append(c)
            b, shared = bs[mate[i]], (values or {}).get((i, mate[i]))
            alone = size[part[i]] == 1
            if margin is not None and alone and margin[i] < MARGIN - 1e-9:
                spare = (True, True)  # to leave both without a partner costs as little
            if alone and (shared is not None or self.line.timed(c, b)):
                self._fixed(c, b, len(cs), spare, shared)
            else:
                group = groups.setdefault(part[i], self.state.groups)
                if group == self.state.groups:
                    self.state.new_group()
                self._grouped(c, b, group, max(size[part[i]], 2), spare)
        for place, j in enumerate(spare_b):
            number = left_in[place] if margin is None else left_in[j]
            self.state.left_over[bs[j]] = groups.get(number, -1)
        if groups:
            self.state.choice.update(dict.fromkeys(entered, self.state.choices))
            self.state.choices += 1
            self.state.left_out.update(
                (c, groups[part[i]]) for i, c in enumerate(cs) if mate[i] < 0 and part[i] in groups
            )

    def _fixed(
        self, c: int, b: int, size: int, spare: tuple[bool, bool], shared: SharedValue | None
    ) -> None:
        sure = Confidence.LOW if self._had_left(c, b) else Confidence.MEDIUM
        if shared is None:
            self.state.add(c, [b], Tier.TIME, sure, _why(Tier.TIME, size))
        else:
            self.state.add(c, [b], Tier.RARE_TOKEN, sure, (shared.reason,))
            self.state.weak.add(c)
        self.state.spare[c] = spare

    def _grouped(self, c: int, b: int, group: int, size: int, spare: tuple[bool, bool]) -> None:
        why = _why(Tier.ORDER, size)
        self.state.add(c, [b], Tier.ORDER, Confidence.MEDIUM, why, group)
        self.state.spare[c] = spare

    def _large(self, cs: list[int], bs: list[int]) -> None:
        """Too many possible partners to weigh: one group, paired so that all nest."""
        got = self._nested(cs, bs)
        pairs = [
            (cs[i], bs[j])
            for j, i in enumerate(got)
            if i >= 0 and self._answers_agree(cs[i], bs[j])
        ]
        group = self.state.new_group()
        spare = (len(pairs) < len(cs), len(pairs) < len(bs))
        asked = dict.fromkeys(c for c, _ in pairs)
        self.state.add_plain(
            list(asked),
            [[b] for _, b in pairs],
            [Tier.ORDER] * len(pairs),
            [Confidence.MEDIUM] * len(pairs),
            [_why(Tier.ORDER, len(cs))] * len(pairs),
        )
        self.state.group.update(dict.fromkeys(asked, group))
        self.state.spare.update(dict.fromkeys(asked, spare))
        paired = {b for _, b in pairs}
        for b in bs:
            if b not in paired:
                self.state.left_over[b] = group
        self.state.left_out.update((c, group) for c in cs if c not in asked)

    def _nested(self, cs: list[int], bs: list[int]) -> list[int]:
        """Per backend exchange the place of its client exchange, −1 for none."""
        if not self.line.known:
            return [i if i < len(cs) else -1 for i in range(len(bs))]
        a, p, x, y = self._times(cs, bs)
        got = nesting.pair(a, p, x, y)
        if self._sent_again(cs, bs):
            captured, there = self.line.client_captured, self.line.backend_captured
            seen = nesting.pair([captured[c] for c in cs], p, [there[b] for b in bs], y)
            if sum(i >= 0 for i in seen) == sum(i >= 0 for i in got):
                return seen
        return got


@lru_cache(maxsize=1024)
def _why(tier: Tier, size: int) -> Reasons:
    if tier is Tier.ORDER:
        return (Reason(Clue.ONE_OF_ALIKE, str(size)), Reason(Clue.PAIRED_IN_ORDER))
    if tier is Tier.TIME:
        return (Reason(Clue.ONLY_ONE_INSIDE), Reason(Clue.SAME_EXCHANGE))
    return (Reason(Clue.ONLY_SAME_EXCHANGE),)


def _joined(sets: list[_Set], values: Sequence[SharedValue]) -> list[_Set]:
    """Sets that shared values connect, as one; exchanges in no set are sets of their own."""
    of_c = {c: i for i, held in enumerate(sets) for c in held.clients}
    of_b = {b: i for i, held in enumerate(sets) for b in held.backends}
    for v in values:
        if v.client not in of_c:
            of_c[v.client] = len(sets)
            sets.append(_Set([v.client], []))
        if v.backend not in of_b:
            of_b[v.backend] = len(sets)
            sets.append(_Set([], [v.backend]))
    root = list(range(len(sets)))

    def top(i: int) -> int:
        while root[i] != i:
            root[i] = root[root[i]]
            i = root[i]
        return i

    for v in values:
        root[top(of_c[v.client])] = top(of_b[v.backend])
    out: dict[int, _Set] = {}
    for i, held in enumerate(sets):
        whole = out.setdefault(top(i), _Set([], []))
        whole.clients += held.clients
        whole.backends += held.backends
    for v in values:
        out[top(of_c[v.client])].values.append(v)
    return list(out.values())
