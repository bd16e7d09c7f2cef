"""Pairs → Latency. A time on one capture minus a time on the other never appears without the
clock's half-width.

What was added is what the client waited for, minus what the backend took. Two things are not the
balancer's and are taken off: what the client needs to send its request longer than the balancer
needs to send it on, and what a slow reader holds up by closing its window while the response comes.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from functools import cached_property

import numpy as np

from lbtrace.comparison.arrival import spread_ns
from lbtrace.comparison.pairs import PairedSides, Pairs
from lbtrace.comparison.sides import Sides
from lbtrace.comparison.straight import through_the_balancer
from lbtrace.language import N
from lbtrace.model.http import Mark
from lbtrace.model.pairing import Clock
from lbtrace.model.report import Excluded, Latency
from lbtrace.tables.columns import Column, among, median_low
from lbtrace.tables.packets import MOST_BACK_NS
from lbtrace.tables.side_table import SideTable
from lbtrace.tables.words import marked

NO_CLOCK = -1
# why a pair is left out
NO_ANSWER = N("no answer that both sides show")
SEVERAL_ATTEMPTS = N("more than one attempt")
SENT_AGAIN = N("a segment sent again or late")
PIPELINED = N("pipelined")
NOT_WHOLE = N("not captured whole")
CLOCK_SET = N("a clock was set meanwhile")
PAST_THE_BALANCER = N("straight to a backend, past the balancer")
INTERCHANGEABLE = N("interchangeable")
TOLD_NS = 1_000_000  # less than that is neither taken off nor said
# a retransmitted segment measures the loss on the path, a cut or guessed message measures nothing
NO_TIME = (
    Mark.RETRANSMITTED,
    Mark.RESYNCED,
    Mark.LOST,
    Mark.RESET,
    Mark.CAPTURE_ENDED,
    Mark.HEAD_TRUNCATED,
    Mark.PAIRED_BY_ORDER,
    Mark.PIPELINED,
)


class Latencies(PairedSides):
    """Two sides, and what the balancer added."""

    @cached_property
    def timed(self) -> Pairs:
        """The pairs whose times can be compared: answered at the first attempt, whole, nothing sent
        twice, no clock set meanwhile, not past the balancer. Interchangeable pairs count only
        if there are no others.
        """
        pairs = through_the_balancer(self)
        timed = pairs.answered & (pairs.attempts == 1)
        for table, rows in zip(self.sides, (pairs.client, pairs.backend), strict=True):
            q, r = table.requests, table.responses
            forward = r.last_ns >= q.first_ns
            timed &= (
                q.there
                & r.there
                & r.complete
                & forward
                & ~marked(table.marks | q.marks | r.marks, *NO_TIME)
            )[rows]
        whole = pairs.where(timed & ~_clock_set_meanwhile(self, pairs))
        return whole.where(whole.alone) if whole.alone.any() else whole

    @cached_property
    def added(self) -> Column:
        """What was added to each of the timed pairs, in their order. Of interchangeable pairs only
        all together mean something, and nothing is taken off.
        """
        timed = self.timed
        totals, behind = _both_totals(self, timed)
        if not len(timed) or not timed.alone[0]:
            return totals - behind
        sending, reading = excluded(self, timed, totals - behind)
        return totals - behind - sending - reading

    @cached_property
    def ways(self) -> tuple[Column, Column, Column]:
        """(the way to the backend, the way back, the half-width of both or NO_CLOCK) of each of the
        timed pairs, in their order. Interchangeable pairs have none.
        """
        timed = self.timed
        if not len(timed) or not timed.alone[0]:
            nothing = np.zeros(len(timed), np.int64)
            return nothing, nothing, nothing + NO_CLOCK
        totals, behind = _both_totals(self, timed)
        sending, _ = excluded(self, timed, totals - behind)
        return _ways(self, timed, sending, np.maximum(self.added, 0))

    @cached_property
    def untimed(self) -> tuple[tuple[str, int], ...]:
        """Why the other pairs that have both answers are left out, and how many."""
        pairs, left = self.pairs, np.ones(len(self.pairs), bool)
        left[np.searchsorted(pairs.place, self.timed.place)] = False
        counts: list[tuple[str, int]] = []
        for reason, which in self._reasons():
            counts.append((reason, int((left & which).sum())))
            left &= ~which
        return tuple((reason, count) for reason, count in counts if count)

    def _reasons(self) -> Iterator[tuple[str, Column]]:
        """Each reason for which a pair is not timed, and per pair whether it applies."""
        pairs = self.pairs
        ends = list(zip(self.sides, (pairs.client, pairs.backend), strict=True))
        marks = np.bitwise_or.reduce(
            [(t.marks | t.requests.marks | t.responses.marks)[rows] for t, rows in ends]
        )
        there = np.logical_and.reduce([t.responses.there[rows] for t, rows in ends])
        yield PAST_THE_BALANCER, ~among(pairs.place, through_the_balancer(self).place)
        yield NO_ANSWER, ~there | ~pairs.answered
        yield SEVERAL_ATTEMPTS, pairs.attempts > 1
        yield SENT_AGAIN, marked(marks, Mark.RETRANSMITTED)
        yield PIPELINED, marked(marks, Mark.PIPELINED)
        yield CLOCK_SET, _clock_set_meanwhile(self, pairs)
        yield NOT_WHOLE, pairs.alone | marked(marks, *NO_TIME)
        yield INTERCHANGEABLE, np.ones(len(pairs), bool)

    @cached_property
    def latency(self) -> Latency | None:
        """What the balancer added, or None when no pair tells.

        Total times run from the first byte of the request to the last byte of the response at the
        same capture point, so their difference needs no common clock. What is not the balancer's is
        taken off it (`excluded`). Medians and percentiles are
        values that occurred (low median, nearest rank).
        """
        measured = latency_of(self, self.timed)
        return measured and replace(measured, left_out=self.untimed)


def _clock_set_meanwhile(sides: PairedSides, pairs: Pairs) -> Column:
    """Per pair, whether the clock of a capture was set during its exchanges: the capture says so,
    the two totals differ by half of what the clocks of both are known to have been set by, or the
    client had its whole response long before the backend had sent it.
    """
    out, known = np.zeros(len(pairs), bool), np.ones(len(pairs), bool)
    for table, rows in zip(sides.sides, (pairs.client, pairs.backend), strict=True):
        known &= (table.requests.there & table.responses.there)[rows]
        first, last = table.requests.first_frame[rows], table.responses.last_frame[rows]
        for point, trace in enumerate(table.traces):
            for frame in trace.clock_set_at:
                out |= (table.point[rows] == point) & (first < frame) & (frame <= last)
    totals, behind = _both_totals(sides, pairs)
    steps = [abs(c.step.by_ns) for c in sides.correlation.clocks if c.step is not None]
    least = min((step for step in steps if step >= MOST_BACK_NS), default=0)
    if least:
        out |= abs(totals - behind) >= least // 2
    return known & (out | (totals - behind < -MOST_BACK_NS))


def latency_of(sides: Sides, timed: Pairs) -> Latency | None:
    """What the balancer added to these pairs."""
    if not len(timed):
        return None
    totals, behind = _both_totals(sides, timed)
    if not timed.alone[0]:
        return _of_sets(sides, timed, totals, behind)
    sending, reading = excluded(sides, timed, totals - behind)
    added = totals - behind - sending - reading
    differences = np.sort(added)
    forward, back, width = _ways(sides, timed, sending, np.maximum(added, 0))
    known = width != NO_CLOCK
    forward, back = forward[known], back[known]
    return Latency(
        count=len(timed),
        added_median_ns=median_low(differences),
        added_p95_ns=int(differences[rank_index(len(differences), 95)]),
        added_max_ns=int(differences[-1]),
        client_median_ns=median_low(totals),
        backend_median_ns=median_low(behind),
        forward_median_ns=median_low(forward) if len(forward) else None,
        return_median_ns=median_low(back) if len(back) else None,
        half_width_ns=int(width[known].max()) if known.any() else None,
        slowest_pair=int(timed.place[added == differences[-1]].max()),
        sending=_some(sending),
        reading=_some(reading),
    )


def _some(times: Column) -> Excluded:
    """How many are not 0, and the longest of them."""
    return Excluded(int((times > 0).sum()), int(times.max(initial=0)))


def excluded(sides: Sides, timed: Pairs, added: Column) -> tuple[Column, Column]:
    """(by how much longer the client sent its request than the balancer sent it on, how long it
    kept its window closed while the response came and the backend had sent more) per pair; never
    more than `added`, and 0 where it is not worth saying.
    """
    client, backend = sides.sides
    sent, received = (
        spread_ns(getattr(client, half), timed.client)
        - spread_ns(getattr(backend, half), timed.backend)
        for half in ("requests", "responses")
    )
    sending = _worth(np.minimum(sent, added))
    closed = client.window_closed(timed.client)
    return sending, _worth(np.minimum(np.minimum(received, closed), added - sending))


def _worth(times: Column) -> Column:
    return np.where(times >= TOLD_NS, times, 0)


def _both_totals(sides: Sides, timed: Pairs) -> tuple[Column, Column]:
    """How long the exchanges of these pairs took in front, and behind."""
    client, backend = sides.sides
    return _totals(client, timed.client), _totals(backend, timed.backend)


def _totals(table: SideTable, rows: Column) -> Column:
    """From the first byte of the request to the last byte of the response, per exchange."""
    total: Column = table.responses.last_ns[rows] - table.requests.first_ns[rows]
    return total


def _ways(
    sides: Sides, timed: Pairs, sending: Column, added: Column
) -> tuple[Column, Column, Column]:
    """(what passed before the backend was asked, what passed after it answered, the half-width of
    both) per pair; the last one is NO_CLOCK where the points have no clock, and the others mean
    nothing there.
    """
    client, backend = sides.sides
    start = client.requests.first_ns[timed.client] + sending
    asked, width = on_client_clock(sides, timed, backend.requests.first_ns[timed.backend])
    # no way takes less than nothing, nor more than both
    forward = np.minimum(np.maximum(asked - start, 0), added)
    return forward, added - forward, width


def on_client_clock(sides: Sides, pairs: Pairs, backend_ns: Column) -> tuple[Column, Column]:
    """Times of the backend captures, one per pair → (the same by the clock of the pair's client
    capture, by how much that may be wrong); NO_CLOCK for the latter where there is no clock.
    """
    client, backend = sides.sides
    here, there = client.point[pairs.client], backend.point[pairs.backend]
    out, width = backend_ns.copy(), np.full(len(pairs), NO_CLOCK, np.int64)
    for points in sorted(set(zip(here.tolist(), there.tolist(), strict=True))):
        clock = sides.clock(*points)
        if clock is not None:
            rows = np.flatnonzero((here == points[0]) & (there == points[1]))
            out[rows] += _delta_ns(clock, backend_ns[rows])
            width[rows] = clock.half_width_ns
    return out, width


def _delta_ns(clock: Clock, backend_ns: Column) -> Column:
    """`Clock.delta_ns` at many times."""
    seconds, rest = np.divmod(backend_ns - clock.reference_ns, 1_000_000_000)
    drift: Column = clock.drift_ppb * seconds + clock.drift_ppb * rest // 1_000_000_000
    return clock.middle_ns + drift


def _of_sets(sides: Sides, timed: Pairs, totals: Column, behind: Column) -> Latency:
    """Pairs that may be each other's: their differences mean nothing one by one, but their average
    does, whoever is whose.
    """
    client, backend = sides.sides
    sent, passed_on = (
        sum(spread_ns(table.requests, rows).tolist())
        for table, rows in ((client, timed.client), (backend, timed.backend))
    )
    longer = sum(totals.tolist()) - sum(behind.tolist())
    sending = min(max(sent - passed_on, 0), max(longer, 0)) // len(timed)
    sending = sending if sending >= TOLD_NS else 0
    average = longer // len(timed) - sending
    return Latency(
        count=len(timed),
        added_median_ns=average,
        added_p95_ns=average,
        added_max_ns=average,
        client_median_ns=median_low(totals),
        backend_median_ns=median_low(behind),
        forward_median_ns=None,
        return_median_ns=None,
        half_width_ns=None,
        slowest_pair=int(timed.place[totals.argmax()]),
        average=True,
        sending=Excluded(len(timed) if sending else 0, sending),
    )


def rank_index(count: int, percent: int) -> int:
    """The index of the nearest-rank percentile among `count` sorted values."""
    return max(0, -(-count * percent // 100) - 1)
