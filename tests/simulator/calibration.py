"""What a pair is said to be, and how often it is that: per confidence and evidence, over many
simulations.
"""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass, field

from lbtrace.model.pairing import Confidence, Correlation, Tier
from tests.simulator.roles import Recording

HEAD = "| confidence | evidence | pairs | right | share |\n|---|---|--:|--:|--:|"
EVIDENCE = {
    Tier.SAME_PACKETS: "same packets",
    Tier.STATED_ADDRESS: "address stated",
    Tier.RARE_TOKEN: "rare value",
    Tier.SHAPE: "same shape",
    Tier.TIME: "nested in time",
    Tier.ORDER: "sets: pairs whose set holds all true partners",
}


@dataclass(slots=True)
class Calibration:
    """Pairs stated and pairs right, per confidence and evidence."""

    stated: dict[tuple[Confidence, Tier], int] = field(default_factory=lambda: defaultdict(int))
    right: dict[tuple[Confidence, Tier], int] = field(default_factory=lambda: defaultdict(int))

    def add(self, recorded: Recording, found: Correlation) -> None:
        """Count the pairs of a recording. A pair in a set claims that the set is the right one."""
        caused: dict[int, set[object]] = defaultdict(set)
        for p in found.pairs:
            if p.group is not None:
                caused[p.group] |= set(recorded.truth.get(p.client, ()))
        for p in found.pairs:
            may = set(recorded.truth.get(p.client, ())) if p.group is None else caused[p.group]
            key = p.confidence, p.tier
            self.stated[key] += 1
            self.right[key] += {a.backend for a in p.attempts} <= may and bool(may)

    def table(self) -> str:
        """As it stands in docs/accuracy.md."""
        lines = [HEAD]
        for key in sorted(self.stated, key=lambda key: (-key[0].rank, key[1])):
            stated, right = self.stated[key], self.right[key]
            share = f"{100 * right / stated:.2f} %"
            lines.append(f"| {key[0]} | {EVIDENCE[key[1]]} | {stated} | {right} | {share} |")
        return "\n".join(lines)
