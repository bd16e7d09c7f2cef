"""What the balancer does with forwarding fields that a client sends itself: `trust.NAME`."""

from __future__ import annotations

from collections.abc import Iterator

from lbtrace.behaviour import _seen
from lbtrace.behaviour._seen import Seen
from lbtrace.http_fields.lines import lowered
from lbtrace.model.behaviour import Fact, Share
from lbtrace.model.report import Finding

ORDER = 3
FATES = {
    "xff-trust.appended": "append",
    "xff-trust.passed-on": "keep",
    "xff-trust.replaced": "replace",
    "xff-trust.removed": "remove",
}


def facts(seen: Seen) -> Iterator[Fact]:
    """One fact per field that a client sent."""
    by_field: dict[str, list[tuple[str, Finding]]] = {}
    for slug, fate in FATES.items():
        for finding in seen.told(slug):
            by_field.setdefault(str(_seen.values_of(finding)["field"]), []).append((fate, finding))
    for spelled, fates in by_field.items():
        of = sum(_seen.number(finding, "count") for _, finding in fates)
        shares = tuple(
            Share(
                fate,
                _seen.number(finding, "count"),
                of,
                str(_seen.values_of(finding)["before"]),
                finding.evidence,
            )
            for fate, finding in fates
        )
        yield Fact(
            f"trust.{lowered(spelled)}",
            " and ".join(fate for fate, _ in fates),
            f"{spelled} that the client sent: "
            + ", ".join(f"{share.name} in {share.count} of {of}" for share in shares),
            shares=shares,
            evidence=fates[0][1].evidence,
        )
