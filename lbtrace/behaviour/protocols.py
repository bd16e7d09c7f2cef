"""Which protocol is spoken on each side."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator

import numpy as np

from lbtrace.behaviour import _seen
from lbtrace.behaviour._seen import Seen
from lbtrace.comparison import evidence
from lbtrace.model.behaviour import Fact, Share
from lbtrace.model.net import Side
from lbtrace.tables.columns import first_met

ORDER = 4
ONE_SIDE = True


def facts(seen: Seen) -> Iterator[Fact]:
    """`protocol.client`, `protocol.backend`: the HTTP versions of requests that were read; else the
    protocol of the connections ("tls", …).
    """
    for side in seen.comparison.captured:
        yield _of(seen, side)


def _of(seen: Seen, side: Side) -> Fact:
    name, comparison = f"protocol.{side.value}", seen.comparison
    table = comparison.table(side)
    asked = table.requests.there
    if side is Side.BACKEND:
        asked = asked & ~comparison.check_exchanges
    rows = np.flatnonzero(asked)
    if len(rows):
        numbers = table.requests.version[rows]
        met, which = first_met(numbers)
        spoken = Counter[str]()
        for number, count in zip(numbers[met].tolist(), np.bincount(which).tolist(), strict=True):
            spoken[table.words.text_list[number]] += count
        first = [comparison.request_frame(side, table.ref(int(row))) for row in rows[:1].tolist()]
        what = "requests"
    else:
        spoken = Counter(
            a.protocol.value for trace in comparison.traces(side) for a in trace.applications
        )
        first, what = comparison.any_frame(side)[:1], "connections"
    if not spoken:
        return _seen.unknown(name, "no connection carried anything")
    total = spoken.total()
    return Fact(
        name,
        ", ".join(sorted(spoken)),
        ", ".join(f"{text} in {count} of {total} {what}" for text, count in spoken.most_common()),
        shares=tuple(Share(text, count, total) for text, count in spoken.most_common()),
        evidence=evidence(first) if first else (),
    )
