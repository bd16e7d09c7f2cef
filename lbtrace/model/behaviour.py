"""What a balancer does, as flat facts: what `check` judges and `diff` compares.

A fact has a stable name in parts ("balancer.kind", "request.headers.x-forwarded-for"), a value, and
the packets that show it. A value of None is unknown: it is never compared and never judged. What
is counted over exchanges or connections has shares: in how many of how many.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import NamedTuple

from lbtrace.model.net import FrameRef, Side
from lbtrace.model.report import Evidence, Unit


@dataclass(frozen=True, slots=True)
class Share:
    """Something that holds in `count` of `of` cases. `example` is a line of the capture that shows
    it, or that shows what stands there instead; `evidence` shows the packets.
    """

    name: str
    count: int
    of: int
    example: str = ""
    evidence: tuple[Evidence, ...] = ()

    @property
    def all(self) -> bool:
        """Whether it holds in every case, and there is one."""
        return 0 < self.of == self.count

    @property
    def none(self) -> bool:
        """Whether it holds in no case."""
        return self.count == 0

    @property
    def extent(self) -> str:
        """`all`, `some` or `none`: what two recordings of different length can have in common."""
        return "all" if self.all else "none" if self.none else "some"


@dataclass(frozen=True, slots=True)
class Fact:
    """One thing that a balancer does, or that the captures cannot tell (`value` None, `unknown`
    says why).

    `seen` says what was seen, in words. `low` and `high` bound a number that is known with an
    error. `values` are distinct texts that were seen, at most five; of a finding all requests that
    it is about, or none.
    """

    name: str
    value: str | int | None
    seen: str
    unit: Unit = "text"
    shares: tuple[Share, ...] = ()
    low: int | None = None
    high: int | None = None
    values: tuple[str, ...] = ()
    evidence: tuple[Evidence, ...] = ()
    unknown: str = ""

    def share(self, name: str) -> Share | None:
        """The share of that name."""
        return next((share for share in self.shares if share.name == name), None)


class ShownHead(NamedTuple):
    """A message whose head ends in `frame`. `exchange` is what `--zoom` calls its exchange, ""
    where one side alone was captured; `lines` are its lines where a fact is about header fields.
    """

    frame: FrameRef
    exchange: str
    is_request: bool
    lines: tuple[str, ...]


@dataclass(frozen=True)
class Behaviour:
    """All facts of one comparison. `exchanges` is how many pairs they rest on. `undecided` says why
    nothing may be judged, "" when it may. `heads` are those of the messages that facts name first.
    """

    facts: tuple[Fact, ...] = ()
    exchanges: int = 0
    undecided: str = ""
    one_sided: bool = False
    heads: tuple[ShownHead, ...] = ()
    by_name: dict[str, Fact] = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "by_name", {fact.name: fact for fact in self.facts})

    def fact(self, name: str) -> Fact | None:
        """The fact of that name, None when there is no such fact."""
        return self.by_name.get(name)

    def heads_of(self, evidence: Iterable[Evidence]) -> tuple[ShownHead, ...]:
        """The heads at the first frame of each side, the client's first."""
        first: dict[Side, FrameRef] = {}
        for each in evidence:
            for frame in each.frames:
                first.setdefault(frame.side, frame)
        known = {head.frame: head for head in self.heads}
        return tuple(known[first[side]] for side in Side if first.get(side) in known)

    def under(self, prefix: str) -> Iterable[Fact]:
        """The facts whose names begin with `prefix` and a dot."""
        return (fact for fact in self.facts if fact.name.startswith(f"{prefix}."))
