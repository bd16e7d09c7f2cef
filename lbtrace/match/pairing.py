"""The pairs found so far: who is whose, by which evidence. Filled by one kind of evidence after
another, strongest first; nothing is paired twice.
"""

from __future__ import annotations

from array import array
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from itertools import chain
from typing import NamedTuple

import numpy as np

from lbtrace.match.clock import Bounds
from lbtrace.match.exchange_times import Facts
from lbtrace.model.pairing import Confidence, Reason, Ref, Tier
from lbtrace.tables.columns import Column

_HELD = (
    *("tier", "confidence", "group", "reasons", "left_over", "left_out", "choice"),
    *("pinned", "spare"),
    *("strong", "weak", "shared", "copied", "replaced"),
)

UNTOLD = -1
Reasons = tuple[Reason, ...]


class _Flat(NamedTuple):
    """The columns of `Pairing.flat` and `Pairing.tiers`, until a pair is added or changed."""

    clients: Column
    sizes: Column
    backends: Column
    tiers: Column


@dataclass(slots=True)
class Pairing:
    """Client exchange numbers → the backend exchange numbers each caused, in order of time; the
    answered one is found later.

    `owner[b]` is the client exchange of backend exchange b, -1 while it has none; `owners` is the
    same as a column. `caused` and `tier` are read by all, and changed by methods only.
    """

    client: Facts
    backend: Facts
    caused: dict[int, list[int]] = field(default_factory=dict)
    owner: array[int] = field(default_factory=lambda: array("q"))
    tier: dict[int, Tier] = field(default_factory=dict)
    confidence: dict[int, Confidence] = field(default_factory=dict)
    group: dict[int, int] = field(default_factory=dict)
    reasons: dict[int, Reasons] = field(default_factory=dict)
    left_over: dict[int, int] = field(
        default_factory=dict
    )  # backend exchange → the group that may hold its partner
    left_out: dict[int, int] = field(
        default_factory=dict
    )  # client exchange without a partner → the group that may hold its partner
    # client exchange → the choice that its pair comes from: one assignment was taken of several
    choice: dict[int, int] = field(default_factory=dict)
    pinned: dict[int, Ref] = field(
        default_factory=dict
    )  # backend exchange → the client connection the balancer named for it
    spare: dict[int, tuple[bool, bool]] = field(
        default_factory=dict
    )  # by elimination: a client (backend) was left
    strong: set[int] = field(
        default_factory=set
    )  # client exchanges paired by what can hardly be shared by chance
    weak: set[int] = field(
        default_factory=set
    )  # … by values that are rare here and common elsewhere
    shared: set[int] = field(
        default_factory=set
    )  # backend exchanges that look like some client's request
    copied: set[int] = field(
        default_factory=set
    )  # backend exchanges that repeat another of the same client exchange
    # client exchanges that got another answer than that of the backend exchange inside them
    replaced: set[int] = field(default_factory=set)
    # per client point and backend point, what connections without exchanges say of the clock
    passed_on: dict[tuple[int, int], Bounds] = field(default_factory=dict)
    groups: int = 0
    choices: int = 0
    _columns: _Flat | None = None

    def __post_init__(self) -> None:
        self.owner = self.owner or array("q", [-1]) * len(self.backend)

    def copy(self) -> Pairing:
        """The same pairs, to go on with in another way."""
        return replace(
            self,
            caused={c: bs[:] for c, bs in self.caused.items()},
            owner=self.owner[:],
            **{name: getattr(self, name).copy() for name in _HELD},
        )

    def add(
        self,
        client: int,
        backends: list[int],
        tier: Tier,
        confidence: Confidence,
        reasons: Reasons,
        group: int | None = None,
    ) -> None:
        """Pair a client exchange with backend exchanges that have no owner yet."""
        self._columns = None
        self.caused[client] = backends
        for b in backends:
            self.owner[b] = client
        self.tier[client] = tier
        self.confidence[client] = confidence
        self.reasons[client] = reasons
        if group is not None:
            self.group[client] = group

    def add_plain(
        self,
        clients: Sequence[int],
        backends: Sequence[list[int]],
        tiers: Sequence[Tier],
        confidence: Sequence[Confidence],
        reasons: Sequence[Reasons],
    ) -> None:
        """`add` many, each with one backend exchange."""
        self._columns = None
        self.caused.update(zip(clients, backends, strict=True))
        self.owners[list(chain.from_iterable(backends))] = clients
        self.tier.update(zip(clients, tiers, strict=True))
        self.confidence.update(zip(clients, confidence, strict=True))
        self.reasons.update(zip(clients, reasons, strict=True))

    def retold(self, client: int, tier: Tier, confidence: Confidence, reasons: Reasons) -> None:
        """Other evidence decides a pair."""
        self._columns = None
        self.tier[client], self.confidence[client] = tier, confidence
        self.reasons[client] = reasons

    def remove(self, client: int) -> None:
        """Take a pair back: later evidence contradicts it."""
        self._columns = None
        for b in self.caused.pop(client):
            self.owner[b] = -1
        for held in (self.tier, self.confidence, self.reasons):
            held.pop(client, None)
        self.group.pop(client, None)
        self.spare.pop(client, None)
        self.choice.pop(client, None)
        self.strong.discard(client)
        self.weak.discard(client)

    def attach(self, client: int, backend: int) -> None:
        """One more backend exchange that an already paired client exchange caused."""
        self._columns = None
        self.caused[client] = sorted(
            [*self.caused[client], backend], key=lambda b: int(self.backend.start[b])
        )
        self.owner[backend] = client

    def detach(self, client: int, backend: int) -> None:
        """One backend exchange less: it may be another client's."""
        self._columns = None
        self.caused[client].remove(backend)
        self.owner[backend] = -1

    @property
    def owners(self) -> Column:
        """Per backend exchange the client exchange that caused it, -1 without."""
        return np.frombuffer(self.owner, np.int64)

    def every_attempt(self) -> tuple[Column, Column]:
        """(client exchange, backend exchange that it caused), one row per attempt."""
        clients, sizes, backends = self.flat()
        return np.repeat(clients, sizes), backends

    def flat(self) -> tuple[Column, Column, Column]:
        """Client exchanges with a partner, how many attempts each has, and the backend exchanges of
        all of them, one after the other.
        """
        return self._flat()[:3]

    def _flat(self) -> _Flat:
        if self._columns is None:
            count, attempts = len(self.caused), list(self.caused.values())
            sizes = np.fromiter(map(len, attempts), np.int64, count)
            backends = chain.from_iterable(attempts)
            self._columns = _Flat(
                np.fromiter(self.caused, np.int64, count),
                sizes,
                np.fromiter(backends, np.int64, int(sizes.sum())),
                np.fromiter(map(self.tier.__getitem__, self.caused), np.int64, count),
            )
            for column in self._columns:
                column.flags.writeable = False  # whoever asks gets the same
        return self._columns

    def last(self) -> tuple[Column, Column]:
        """(client exchange, the last backend exchange that it caused), one row per pair."""
        clients, sizes, backends = self.flat()
        return clients, backends[np.cumsum(sizes) - 1]

    def tiers(self) -> Column:
        """The tier of each pair, in the order of `flat`."""
        return self._flat().tiers

    def grouped(self) -> Column:
        """Per client exchange, whether it is in a set of interchangeable pairs (bool)."""
        out = np.zeros(len(self.client), bool)
        out[list(self.group)] = True
        return out

    def new_group(self) -> int:
        """A number for a set of interchangeable pairs."""
        self.groups += 1
        return self.groups - 1

    def free_clients(self) -> list[int]:
        """Client exchanges without a partner."""
        free = np.ones(len(self.client), bool)
        free[self._flat().clients] = False
        found: list[int] = np.flatnonzero(free).tolist()
        return found

    def free_backends(self) -> list[int]:
        """Backend exchanges without an owner."""
        found: list[int] = np.flatnonzero(self.owners < 0).tolist()
        return found
