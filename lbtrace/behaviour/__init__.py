"""A Comparison with its findings and verdict → Behaviour: what the balancer does, as flat facts.

One file per kind of fact. Each module here whose name has no leading underscore has
`facts(seen) -> Iterator[Fact]`, which takes what is known and yields facts; a new kind of fact is a
new file. One that can speak from one side alone has `ONE_SIDE = True`. Nothing is judged here:
`lbtrace.expect` judges, `compared` holds two Behaviours side by side.

Invariant: a fact whose value is None says why in `unknown`; a share of 0 cases does not exist.
"""

from __future__ import annotations

import importlib
import pkgutil
from collections.abc import Callable, Iterator, Sequence
from functools import cache
from typing import NamedTuple

from lbtrace.behaviour._differences import Comparability, FactPair, compared, differing
from lbtrace.behaviour._heads import heads
from lbtrace.behaviour._masked import masked
from lbtrace.behaviour._seen import Seen
from lbtrace.behaviour._stored import stored
from lbtrace.comparison import Comparison
from lbtrace.model.behaviour import Behaviour, Fact
from lbtrace.model.pairing import Confidence
from lbtrace.model.report import Finding, Kind, Verdict

__all__ = [
    "Comparability",
    "FactPair",
    "behaviour",
    "behaviour_of_one_side",
    "compared",
    "differing",
    "stored",
]


class FactModule(NamedTuple):
    """What a file of this room offers."""

    facts: Callable[[Seen], Iterator[Fact]]
    ONE_SIDE: bool


NO_VERDICT = Verdict(Kind.INCONCLUSIVE, Confidence.LOW, (), ())
UNDECIDED = {
    Kind.UNRELATED: "the captures do not belong together",
    Kind.INCONCLUSIVE: "the captures do not tell what stands between them",
    Kind.AMBIGUOUS: "the captures contradict each other about what stands between them",
}


def behaviour_of_one_side(comparison: Comparison, findings: Sequence[Finding]) -> Behaviour:
    """The facts that a capture of one side shows alone. `comparison` has captures of that side
    only.
    """
    seen = Seen(comparison, tuple(findings), NO_VERDICT)
    (side,) = comparison.captured
    facts = masked(fact for module in _modules() if module.ONE_SIDE for fact in module.facts(seen))
    return Behaviour(
        facts,
        exchanges=int(comparison.table(side).requests.there.sum()),
        one_sided=True,
        heads=heads(comparison, facts),
    )


def behaviour(comparison: Comparison, findings: Sequence[Finding], verdict: Verdict) -> Behaviour:
    """Every fact of a comparison, in the order of the files' `ORDER`."""
    seen = Seen(comparison, tuple(findings), verdict)
    undecided = UNDECIDED.get(verdict.kind, "")
    if not undecided and verdict.confidence is Confidence.LOW:
        undecided = "nothing that the captures show is sure"
    facts = masked(fact for module in _modules() for fact in module.facts(seen))
    return Behaviour(
        facts,
        exchanges=len(comparison.pairs),
        undecided=undecided,
        heads=heads(comparison, facts),
    )


@cache
def _modules() -> tuple[FactModule, ...]:
    """What each file has, by its `ORDER`, which is how people ask."""
    names = (m.name for m in pkgutil.iter_modules(__path__) if not m.name.startswith("_"))
    modules = [importlib.import_module(f"{__name__}.{name}") for name in names]
    modules.sort(key=lambda m: (m.ORDER, m.__name__))
    return tuple(FactModule(m.facts, getattr(m, "ONE_SIDE", False)) for m in modules)
