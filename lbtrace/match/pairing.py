"""The pairs found so far: who is whose, by which evidence. Filled by one kind of evidence after
another, strongest first; nothing is paired twice.
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from itertools import chain

import numpy as np

from lbtrace.match.clock import Bounds
from lbtrace.match.exchange_times import Facts
from lbtrace.model.pairing import Confidence, Reason, Ref, Tier
from lbtrace.tables.columns import Column

_HELD = (
    *("tier", "confidence", "group", "reasons", "left_over", "left_out", "choice"),
    *("pinned", "spare"),
    *("strong", "weak", "shared", "copied"),
)

UNTOLD = -1
Reasons = tuple[Reason, ...]


@dataclass(slots=True)
class Pairing:
    """Client exchange numbers → the backend exchange numbers each caused, in order of time; the
    answered one is found later.

    `owner[b]` is the client exchange of backend exchange b, -1 while it has none.
    """

    client: Facts
    backend: Facts
    caused: dict[int, list[int]] = field(default_factory=dict)
    owner: list[int] = field(default_factory=list)
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
    # per client point and backend point, what connections without exchanges say of the clock
    passed_on: dict[tuple[int, int], Bounds] = field(default_factory=dict)
    groups: int = 0
    choices: int = 0

    def __post_init__(self) -> None:
        self.owner = self.owner or [-1] * len(self.backend)

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
        self.caused[client] = backends
        for b in backends:
            self.owner[b] = client
        self.tier[client] = tier
        self.confidence[client] = confidence
        self.reasons[client] = reasons
        if group is not None:
            self.group[client] = group

    def remove(self, client: int) -> None:
        """Take a pair back: later evidence contradicts it."""
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
        self.caused[client] = sorted(
            [*self.caused[client], backend], key=lambda b: int(self.backend.start[b])
        )
        self.owner[backend] = client

    def every_attempt(self) -> tuple[Column, Column]:
        """(client exchange, backend exchange that it caused), one row per attempt."""
        clients, sizes, backends = self.flat()
        return np.repeat(clients, sizes), backends

    def flat(self) -> tuple[Column, Column, Column]:
        """Client exchanges with a partner, how many attempts each has, and the backend exchanges of
        all of them, one after the other.
        """
        count = len(self.caused)
        sizes = np.fromiter(map(len, self.caused.values()), np.int64, count)
        backends = chain.from_iterable(self.caused.values())
        return (
            np.fromiter(self.caused, np.int64, count),
            sizes,
            np.fromiter(backends, np.int64, int(sizes.sum())),
        )

    def last(self) -> tuple[Column, Column]:
        """(client exchange, the last backend exchange that it caused), one row per pair."""
        clients, sizes, backends = self.flat()
        return clients, backends[np.cumsum(sizes) - 1]

    def tiers(self) -> Column:
        """The tier of each pair, in the order of `flat`."""
        return np.fromiter(map(self.tier.__getitem__, self.caused), np.int64, len(self.caused))

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
        free[list(self.caused)] = False
        found: list[int] = np.flatnonzero(free).tolist()
        return found

    def free_backends(self) -> list[int]:
        """Backend exchanges without an owner."""
        found: list[int] = np.flatnonzero(np.array(self.owner, np.int64) < 0).tolist()
        return found
