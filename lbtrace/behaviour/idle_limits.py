"""Idle limits: after how much silence each end closes a connection, or the way forgets it.

What the finding `idle-limits` found, as intervals. An end that closes idle connections does so
after its limit: the limit lies between the shortest and the longest silence before a closing,
within SLACK, for timers and packets take their time. A flow that was forgotten had a limit between
the longest silence that it survived and the shortest that it did not. Where nothing was closed or
forgotten the limit is unknown, and longer than the longest silence after which a request was
answered: `low`.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple

from lbtrace.behaviour import _seen
from lbtrace.behaviour._seen import Seen
from lbtrace.comparison.unanswered import IDLE_NS
from lbtrace.findings._side import ends, variant
from lbtrace.findings.connections.keep_alive_race import longest_idle_ns
from lbtrace.language.plurals import noun
from lbtrace.model.behaviour import Fact
from lbtrace.model.net import Side
from lbtrace.model.report import Evidence, Finding

ORDER = 7
ONE_SIDE = True
NAME = "idle-limits"
SLACK = 100  # a hundredth part of the time
BY_CLIENT, BY_SERVER = "closed-by-client", "closed-by-server"
FORGOTTEN = ("forgotten", "reset")


def facts(seen: Seen) -> Iterator[Fact]:
    """Per side `idle-limits.SIDE.END` for each of its ends, and `idle-limits.SIDE.forgotten`, in
    ns.
    """
    for side in seen.comparison.captured:
        longest = longest_idle_ns(seen.comparison, side)
        worked = longest if longest is not None and longest >= IDLE_NS else None
        for who, end in _ends(seen, side):
            closed = _closed(_first(seen, side, who))
            if closed is None and who == BY_SERVER:
                closed = _race(seen, side)
            yield _closing(f"{NAME}.{side.value}.{end}", closed, worked)
        yield _forgetting(f"{NAME}.{side.value}.forgotten", _first(seen, side, *FORGOTTEN), worked)


def _ends(seen: Seen, side: Side) -> Iterator[tuple[str, str]]:
    """(the variant that tells of it, which machine that is). Of one side alone the other end of the
    balancer's connections is not known to be the balancer.
    """
    if not seen.comparison.alone:
        yield from zip((BY_CLIENT, BY_SERVER), ends(seen.comparison, side), strict=True)
    elif side is Side.CLIENT:
        yield BY_CLIENT, "client"
    else:
        yield BY_SERVER, "backend"


def _first(seen: Seen, side: Side, *variants: str) -> Finding | None:
    return seen.first(*(f"{NAME}.{variant(seen.comparison, name, side)}" for name in variants))


class _Closed(NamedTuple):
    """Connections that were closed after a silence."""

    times: int
    least: int
    most: int
    evidence: tuple[Evidence, ...]


def _closed(finding: Finding | None) -> _Closed | None:
    if finding is None:
        return None
    least = _seen.number(finding, "least")
    most = _seen.number(finding, "most") or least
    return _Closed(_seen.number(finding, "count"), least, most, finding.evidence)


def _race(seen: Seen, side: Side) -> _Closed | None:
    """A connection that the server had closed when a request came: its silence is a limit, too."""
    race = seen.first(f"keep-alive-race.{variant(seen.comparison, '', side)}".rstrip("."))
    after = _seen.number(race, "closed_after")
    return None if race is None or not after else _Closed(1, after, after, race.evidence)


def _closing(name: str, found: _Closed | None, worked: int | None) -> Fact:
    if found is None:
        return _unknown(name, "no idle connection was closed by it", worked)
    return Fact(
        name,
        found.least,
        f"{found.times} idle {noun(found.times, 'connection')} closed",
        "ns",
        low=found.least - found.least // SLACK,
        high=found.most + found.most // SLACK,
        evidence=found.evidence,
    )


def _forgetting(name: str, found: Finding | None, worked: int | None) -> Fact:
    if found is None:
        return _unknown(name, "no flow was forgotten", worked)
    least = _seen.number(found, "least")
    count = _seen.number(found, "count")
    return Fact(
        name,
        least,
        f"{count} {noun(count, 'connection')} forgotten",
        "ns",
        low=min(worked or 0, least),
        high=least,
        evidence=found.evidence,
    )


def _unknown(name: str, why: str, worked: int | None) -> Fact:
    """Longer than a silence that did no harm."""
    if worked is not None:
        why += f"; after {worked / 1e9:.3g} s of silence a request was still answered"
    return Fact(name, None, "unknown", "ns", low=worked, unknown=why)
