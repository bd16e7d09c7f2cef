"""Whether the backend sees the client's address, and where else it is stated."""

from __future__ import annotations

from collections.abc import Iterator

from lbtrace.behaviour import _seen
from lbtrace.behaviour._seen import Seen
from lbtrace.model.behaviour import Fact

ORDER = 1
FATES = {
    "source-address.preserved": "kept",
    "source-address.rewritten": "rewritten",
    "source-address.mixed": "mixed",
}


def facts(seen: Seen) -> Iterator[Fact]:
    """`source.address`, `source.stated-in`."""
    finding = seen.first(*FATES)
    if finding is None:
        yield _seen.unknown("source.address", "no connection behind is known to be a client's")
        yield _seen.unknown("source.stated-in", "no connection behind is known to be a client's")
        return
    values = _seen.values_of(finding)
    yield Fact(
        "source.address",
        FATES[finding.slug],
        f"client {values['client']}, the backend sees {values['backend_sees']}",
        evidence=finding.evidence,
    )
    stated = str(values.get("stated_in", ""))
    kept = FATES[finding.slug] == "kept"
    yield Fact(
        "source.stated-in",
        stated or ("source address" if kept else "nowhere"),
        stated or ("the source address of the packets" if kept else "nowhere that can be read"),
        evidence=finding.evidence,
    )
