"""What became of each expectation: the result of `lbtrace check`, which its formats write."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date
from enum import StrEnum

from lbtrace.model.behaviour import ShownHead
from lbtrace.model.report import Evidence


class Fulfilment(StrEnum):
    """What the packets say of an expectation."""

    HOLDS = "holds"
    FAILED = "failed"
    INCONCLUSIVE = "inconclusive"


@dataclass(frozen=True, slots=True)
class Place:
    """Where an expectation is written: a file and a line, counted from 1. Line 0: in no file (a
    profile, a baseline).
    """

    file: str = ""
    line: int = 0


@dataclass(frozen=True, slots=True)
class Allowance:
    """A finding that is let pass until a day (UTC), and why."""

    finding: str
    where: str
    until: date
    reason: str
    place: Place = Place()


@dataclass(frozen=True, slots=True)
class Outcome:
    """An expectation and what was seen.

    `key` is its name in the file ("request.headers.Host"), `expected` and `seen` are sentences,
    `reason` says why it is inconclusive. `warns`: it cannot fail the check. `allowed`: the
    allowance that turned a failure into a pass. `exchange` is what `--zoom` calls the exchange that
    shows it, `heads` are its messages, the client's first, where heads matter. `without_occasion`:
    nothing in the captures could have shown it; only rules of a profile have that, and they make no
    check inconclusive.
    """

    key: str
    answer: Fulfilment
    expected: str
    seen: str
    evidence: tuple[Evidence, ...] = ()
    reason: str = ""
    place: Place = Place()
    warns: bool = False
    allowed: Allowance | None = None
    without_occasion: bool = False
    example: str = ""
    exchange: str = ""
    heads: tuple[ShownHead, ...] = ()

    @property
    def fails(self) -> bool:
        """Whether it makes the check fail."""
        return self.answer is Fulfilment.FAILED and not self.warns and self.allowed is None


@dataclass(frozen=True, slots=True)
class CheckResult:
    """All outcomes, in the order of the file, and what there is to say of the check itself.

    `exchanges`: pairs that the judgement rests on. `undecided` says why nothing was judged, "" when
    something was. `command` shows the whole story when `--zoom` and an exchange are added to it, ""
    when the captures are not at hand.
    """

    outcomes: tuple[Outcome, ...]
    exchanges: int
    undecided: str = ""
    warnings: tuple[str, ...] = ()
    command: str = ""

    def of(self, answer: Fulfilment) -> tuple[Outcome, ...]:
        """The outcomes with that answer that had an occasion."""
        return tuple(o for o in self.outcomes if o.answer is answer and not o.without_occasion)

    @property
    def failed(self) -> tuple[Outcome, ...]:
        """What makes the check fail."""
        return tuple(o for o in self.outcomes if o.fails)

    @property
    def exit_code(self) -> int:
        """1 something failed, 3 something is open or nothing was judged, 0 all hold."""
        if self.failed:
            return 1
        judged = [o for o in self.outcomes if not o.without_occasion]
        open_ = any(o.answer is Fulfilment.INCONCLUSIVE and not o.warns for o in judged)
        return 3 if open_ or not judged else 0
