"""What is left after rare evidence: classes of equal shape, told apart by time, and where time does
not tell, by order, said to be interchangeable.

Within a class a client exchange can have caused the backend exchanges that lie inside it under the
clock interval (`nesting`). One that fits only one, which fits only it, is paired by TIME. A set in
which several fit is paired in order and marked as a group: any assignment in it explains the
packets equally well. Without a clock nothing is excluded by time, and a class of several is one
group.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Hashable, Sequence
from dataclasses import dataclass

from lbtrace.match import nesting
from lbtrace.match.exchange_times import FAR
from lbtrace.match.fingerprint import Kept, TargetForm, request_keys, response_keys
from lbtrace.match.pairing import Pairing, Reasons
from lbtrace.model.pairing import Clue, Confidence, Reason, Tier
from lbtrace.tables.side_table import SideTable


@dataclass(slots=True)
class Timeline:
    """Everything on one clock: client `a` (earliest request) and `p` (latest answer), backend `x`
    (latest request) and `y` (earliest answer).
    """

    a: list[int]
    p: list[int]
    x: list[int]
    y: list[int]
    known: bool  # False: no clock, and nothing is excluded by time
    z: list[int]  # backend requests' earliest start

    def inside(self, c: int, b: int) -> bool:
        """Whether b can lie inside c."""
        return self.a[c] <= self.x[b] and self.y[b] <= self.p[c]

    def timed(self, c: int, b: int) -> bool:
        """Whether the clocks of their points are known: else nothing is excluded by time, and
        nothing shown by it.
        """
        return self.known and self.x[b] < FAR and self.a[c] > -FAR

    def began_inside(self, c: int, b: int) -> bool:
        """Whether b can have begun inside c, whenever it ended."""
        return self.a[c] <= self.x[b] and self.z[b] <= self.p[c]


def long_enough(state: Pairing, c: int, b: int, slack: int = 0) -> bool:
    """Whether the client waited at least as long as the backend took: that needs no clock between
    the two.
    """
    mine, theirs = state.client, state.backend
    return bool(mine.reply[c] - mine.start[c] + slack >= theirs.reply[b] - theirs.start[b])


@dataclass(slots=True)
class Class:
    """Unpaired exchanges of one request shape."""

    clients: list[int]
    backends: list[int]


def classes(
    state: Pairing, form: TargetForm, kept: Kept | None, askers: tuple[dict[str, str], list[str]]
) -> list[Class]:
    """The unpaired exchanges of both sides by request shape; those whose request is not known are
    in none.
    """
    out: dict[Hashable, Class] = defaultdict(lambda: Class([], []))
    mine, theirs = state.free_clients(), state.free_backends()
    named = set(state.pinned.values())
    mine = (
        [c for c in mine if not state.client.cached[c]] if not state.backend.cached.any() else mine
    )
    unread = _unread(state.client.table)
    for c, key in zip(mine, request_keys(state.client, mine, form, kept), strict=True):
        if key is not None and not unread[c]:
            connection = state.client.connection_ref(c) if named else None
            out[key, connection if connection in named else None].clients.append(c)
    for b, key in zip(theirs, request_keys(state.backend, theirs, form, kept), strict=True):
        if key is not None:
            out[key, state.pinned.get(b)].backends.append(b)
    made = [
        part
        for k in out.values()
        if k.clients and k.backends
        for part in _by_asker(state, k, *askers)
    ]
    state.shared.update(b for k in made for b in k.backends)
    return [k for k in made if k.clients and k.backends]


def _unread(table: SideTable) -> list[bool]:
    """Per client exchange, whether its request was sent after the balancer's FIN and got no answer:
    it reached nobody.
    """
    fin = table.of_ends("fin_frame", server=True)[table.connection]
    unread: list[bool] = (
        table.requests.there
        & ~table.responses.there
        & (fin > 0)
        & (fin < table.requests.first_frame)
    ).tolist()
    return unread


def _by_asker(
    state: Pairing, whole: Class, known: dict[str, str], told: Sequence[str]
) -> list[Class]:
    """A class split by who asked, where the balancer states it for every exchange and it is known
    for every client.
    """
    if not known or not all(told[b] for b in whole.backends):
        return [whole]
    hosts = {c: state.client.client_address(c) for c in whole.clients}
    if not all(h in known for h in hosts.values()):
        return [whole]
    parts: dict[str, Class] = defaultdict(lambda: Class([], []))
    for c in whole.clients:
        parts[known[hosts[c]]].clients.append(c)
    for b in whole.backends:
        parts[told[b]].backends.append(b)
    return [p for p in parts.values() if p.clients]


def resolve(state: Pairing, made: Sequence[Class], line: Timeline, kept_response: Kept) -> None:
    """Pair what is in the classes."""
    mine = [c for k in made for c in k.clients]
    theirs = [b for k in made for b in k.backends]
    answers_c = dict(zip(mine, response_keys(state.client, mine, kept_response), strict=True))
    answers_b = dict(zip(theirs, response_keys(state.backend, theirs, kept_response), strict=True))
    for k in made:
        _Resolver(state, line, answers_c, answers_b).run(k.clients, k.backends)


@dataclass(slots=True)
class _Resolver:
    state: Pairing
    line: Timeline
    answers_c: dict[int, Hashable]
    answers_b: dict[int, Hashable]

    def run(self, clients: list[int], backends: list[int]) -> None:
        """Split by possible partners in time, then by what was answered, and settle each set."""
        for cs, bs in self._sets(clients, backends):
            unknown = any(self.answers_c[c] is None for c in cs) or any(
                self.answers_b[b] is None for b in bs
            )
            answers = {self.answers_c[c] for c in cs} | {self.answers_b[b] for b in bs}
            if unknown or len(answers) == 1:
                self._settle(cs, bs)
                continue
            by_answer: dict[Hashable, tuple[list[int], list[int]]] = {}
            for c in cs:
                by_answer.setdefault(self.answers_c[c], ([], []))[0].append(c)
            for b in bs:
                by_answer.setdefault(self.answers_b[b], ([], []))[1].append(b)
            for some_c, some_b in by_answer.values():
                for cs_, bs_ in self._sets(some_c, some_b) if some_c and some_b else ():
                    self._settle(cs_, bs_)

    def _sets(self, cs: list[int], bs: list[int]) -> list[tuple[list[int], list[int]]]:
        if not self.line.known:
            return [(cs, bs)]
        a, p, x, y = self._times(cs, bs)
        return [
            ([cs[i] for i in ci], [bs[i] for i in bi]) for ci, bi in nesting.components(a, p, x, y)
        ]

    def _times(
        self, cs: list[int], bs: list[int]
    ) -> tuple[list[int], list[int], list[int], list[int]]:
        line = self.line
        return (
            [line.a[c] for c in cs],
            [line.p[c] for c in cs],
            [line.x[b] for b in bs],
            [line.y[b] for b in bs],
        )

    def _possible(self, c: int, b: int) -> bool:
        mine, theirs = self.answers_c[c], self.answers_b[b]
        if mine is not None and theirs is not None and mine != theirs:
            return False
        line = self.line
        return not line.known or (
            line.inside(c, b) and (line.timed(c, b) or long_enough(self.state, c, b))
        )

    def _settle(self, cs: list[int], bs: list[int]) -> None:
        if len(cs) == len(bs) == 1:
            if self._possible(cs[0], bs[0]):
                self._alone(cs[0], bs[0])
            return
        cs, bs = sorted(cs, key=self._start_c), sorted(bs, key=self._start_b)
        if len(cs) * len(bs) <= nesting.EDGES:
            self._small(cs, bs)
        else:
            self._large(cs, bs)

    def _start_c(self, c: int) -> int:
        return self.line.a[c]

    def _start_b(self, b: int) -> int:
        return self.line.x[b]

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
        self.state.add(c, [b], tier, sure, self._why(tier, 1))
        self.state.spare[c] = (False, False)

    def _had_left(self, c: int, b: int) -> bool:
        """Whether the client had gone unanswered when the backend exchange began: that may as well
        be a try for another's request.
        """
        facts = self.state.client
        if facts.exchange(c).response is not None or not self.line.timed(c, b):
            return False
        last = facts.connection_of(c).last_ns
        return self.line.x[b] > self.line.a[c] + last - int(facts.start[c])

    def _why(self, tier: Tier, size: int) -> Reasons:
        if tier is Tier.ORDER:
            return (Reason(Clue.ONE_OF_ALIKE, str(size)), Reason(Clue.PAIRED_IN_ORDER))
        if tier is Tier.TIME:
            return (Reason(Clue.ONLY_ONE_INSIDE), Reason(Clue.SAME_EXCHANGE))
        return (Reason(Clue.ONLY_SAME_EXCHANGE),)

    def _small(self, cs: list[int], bs: list[int]) -> None:
        """Few enough to weigh every possible partner: a largest matching, and which of its pairs
        could be exchanged.
        """
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
        taken = set(mate)
        spare_b = [j for j in range(len(bs)) if j not in taken]
        spare_c = [i for i, j in enumerate(mate) if j < 0]
        part = nesting.exchangeable(possible, mate, len(bs))
        size: dict[int, int] = defaultdict(int)
        for q in part:
            size[q] += 1
        groups: dict[int, int] = {}
        for i, c in enumerate(cs):
            if mate[i] < 0:
                continue
            if size[part[i]] == 1 and self.line.timed(c, bs[mate[i]]):
                sure = Confidence.LOW if self._had_left(c, bs[mate[i]]) else Confidence.MEDIUM
                self.state.add(c, [bs[mate[i]]], Tier.TIME, sure, self._why(Tier.TIME, len(cs)))
                self.state.spare[c] = (bool(spare_c), bool(spare_b))
            else:
                group = groups.setdefault(part[i], self.state.groups)
                if group == self.state.groups:
                    self.state.new_group()
                self._grouped(
                    c, bs[mate[i]], group, max(size[part[i]], 2), (bool(spare_c), bool(spare_b))
                )
        for place, j in enumerate(spare_b, len(cs)):
            self.state.left_over[bs[j]] = groups.get(part[place], -1)

    def _grouped(self, c: int, b: int, group: int, size: int, spare: tuple[bool, bool]) -> None:
        self.state.add(c, [b], Tier.ORDER, Confidence.MEDIUM, self._why(Tier.ORDER, size), group)
        self.state.spare[c] = spare

    def _large(self, cs: list[int], bs: list[int]) -> None:
        """Too many possible partners to weigh: one group, paired so that all nest."""
        a, p, x, y = self._times(cs, bs)
        got = (
            [i if i < len(cs) else -1 for i in range(len(bs))]
            if not self.line.known
            else nesting.pair(a, p, x, y)
        )
        pairs = [
            (cs[i], bs[j])
            for j, i in enumerate(got)
            if i >= 0 and self._answers_agree(cs[i], bs[j])
        ]
        group = self.state.new_group()
        spare = (len(pairs) < len(cs), len(pairs) < len(bs))
        for c, b in pairs:
            self._grouped(c, b, group, len(cs), spare)
        paired = {b for _, b in pairs}
        for b in bs:
            if b not in paired:
                self.state.left_over[b] = group

    def _answers_agree(self, c: int, b: int) -> bool:
        mine, theirs = self.answers_c[c], self.answers_b[b]
        return mine is None or theirs is None or mine == theirs
