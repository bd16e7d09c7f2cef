"""Two sides → Summary: what the pairs, and the exchanges without a partner, add up to."""

from __future__ import annotations

from collections import Counter
from functools import cached_property

import numpy as np

from lbtrace.comparison.counts import Counts
from lbtrace.comparison.nat import Addresses
from lbtrace.comparison.straight import through_the_balancer
from lbtrace.comparison.targets import changed_targets
from lbtrace.model.net import Side
from lbtrace.model.pairing import Confidence, Tier, Unpaired, UnpairedReason
from lbtrace.model.report import Reuse, Summary, TierCount, UnpairedCount
from lbtrace.tables.columns import distinct
from lbtrace.tables.pairs import NONE, PairTable


class Summaries(Addresses, Counts):
    """Two sides, and what a reader wants to know of them at a glance."""

    @cached_property
    def summary(self) -> Summary:
        """The counts that a page shows beside those of each side."""
        pairs, unpaired = PairTable.of(self.correlation.pairs), self.correlation.unpaired
        grouped = pairs.group[pairs.group != NONE]
        counts = self.client_counts, self.backend_counts
        return Summary(
            tiers=_by_tier(pairs),
            unpaired=_by_reason(unpaired),
            interchangeable=len(grouped),
            groups=len(distinct(grouped)),
            unsure=int((~pairs.known).sum()),
            answered_by_balancer=sum(
                u.reason is UnpairedReason.ANSWERED_BY_BALANCER and u.confidence > Confidence.LOW
                for u in unpaired
            ),
            sent_again=int((pairs.attempts[pairs.known] - 1).clip(0).sum()),
            syn_retransmissions=sum(c.syn_retransmissions for c in counts),
            requests_compared=len(self.request_heads),
            responses_compared=len(self.response_heads) > 0,
            targets_changed=len(changed_targets(self)),
            past_the_balancer=len(self.pairs) - len(through_the_balancer(self)),
            reuse=self._reuse,
            one_capture=self.one_capture,
            behind_nat=frozenset(m.seen_as for m in self.nat_mappings),
        )

    @property
    def one_capture(self) -> bool:
        """Whether both sides are read from the same files."""
        paths = _paths(self, Side.CLIENT)
        return bool(paths) and paths == _paths(self, Side.BACKEND)

    @property
    def _reuse(self) -> Reuse | None:
        client, backend = self.client_counts, self.backend_counts
        if not (client.requests and backend.requests):
            return None
        if not backend.syns and backend.already_open:
            return Reuse.UNKNOWN
        fewer = backend.http_connections < min(client.http_connections, backend.requests)
        return Reuse.SHOWN if fewer else None


def _by_tier(pairs: PairTable) -> tuple[TierCount, ...]:
    """How many pairs each kind of evidence decided, the strongest first."""
    found = []
    for tier in map(Tier, distinct(pairs.tier).tolist()):
        reason = pairs.reason[pairs.tier == tier]
        with_reasons = np.array([bool(reasons) for reasons in pairs.reasons], bool)[reason]
        example = pairs.reasons[reason[with_reasons.argmax()]][0] if with_reasons.any() else None
        found.append(TierCount(tier, len(reason), example))
    return tuple(found)


def _by_reason(unpaired: tuple[Unpaired, ...]) -> tuple[UnpairedCount, ...]:
    """How many exchanges of each side have no partner for the same reason, most frequent first."""
    counted = Counter((u.side, u.reason) for u in unpaired)
    first: dict[tuple[str, UnpairedReason], Unpaired] = {}
    for u in unpaired:
        first.setdefault((u.side, u.reason), u)
    return tuple(
        UnpairedCount(Side(side), reason, count, first[side, reason].ref)
        for (side, reason), count in counted.most_common()
    )


def _paths(sides: Summaries, side: Side) -> list[str]:
    return [file.path for trace in sides.traces(side) for file in trace.files]
