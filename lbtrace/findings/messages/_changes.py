"""HeaderChanges → findings: shared by request_headers and response_headers, which differ in
direction only.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from lbtrace.comparison import Comparison, confidence_of
from lbtrace.comparison.not_compared import requests_not_compared, responses_not_compared
from lbtrace.findings._kind import FindingKind
from lbtrace.findings._names import few
from lbtrace.http_fields import CONNECTION, HOST
from lbtrace.http_fields.lines import field_value
from lbtrace.model.net import FrameRef, Side
from lbtrace.model.pairing import ChangeKind, Confidence, HeaderChange, Pattern, Tier
from lbtrace.model.report import Finding, Severity

# what a change of one field is called in a sentence: {before} and {after} are the example lines,
# the name included
SENTENCE = {
    (ChangeKind.ADDED, Pattern.CONSTANT): "adds the same line each time: {after}",
    (ChangeKind.ADDED, Pattern.CLIENT_ADDRESS): "adds the client's address: {after}",
    (
        ChangeKind.ADDED,
        Pattern.FRESH,
    ): "adds a line with another value each time, for example {after}",
    (ChangeKind.ADDED, Pattern.VARYING): "adds a line whose value varies, for example {after}",
    (ChangeKind.CHANGED, Pattern.APPENDED): "appends to a field: {before} becomes {after}",
    (
        ChangeKind.CHANGED,
        Pattern.CLIENT_ADDRESS,
    ): "writes the client's address: {before} becomes {after}",
    (
        ChangeKind.DUPLICATED,
        Pattern.CLIENT_ADDRESS,
    ): "adds the client's address in a second line of the name: {after}",
}
BY_KIND = {
    ChangeKind.ADDED: "adds a line: {after}",
    ChangeKind.REMOVED: "removes a line: {before}",
    ChangeKind.CHANGED: "changes a line: {before} becomes {after}",
    ChangeKind.DUPLICATED: "adds a second line of a name: {after}",
}
SINGLE = (ChangeKind.ADDED, ChangeKind.CHANGED, ChangeKind.DUPLICATED, ChangeKind.REMOVED)
GROUPED = {
    ChangeKind.RECASED: "writes field names in other letter case: {fields}. Field names are "
    "case-insensitive (RFC 9110 §5.1).",
    ChangeKind.REORDERED: "sends the fields in another order, as it may: only lines of the same "
    "name must keep theirs (RFC 9110 §5.3).",
}
SHOWN = 40  # a balancer changes a handful of fields; a capture that shows thousands is hostile
NAMED = 12  # names written out in a sentence


def header_findings(comparison: Comparison, request: bool, kind: FindingKind) -> Iterator[Finding]:
    """One finding per field added, changed, duplicated or removed, one for all re-cased, one for
    all re-ordered, one for the hop's own fields.
    """
    changes = sorted(
        (c for c in comparison.correlation.changes if c.request is request), key=lambda c: -c.count
    )
    what = "requests" if request else "responses"
    # Host has a finding of its own
    ours = [c for c in changes if not c.hop_by_hop and c.name.lower() != HOST]
    for change in [c for c in ours if c.kind in SINGLE][:SHOWN]:
        # one example says nothing of how a value behaves, unless it is the client's address
        alone = change.of == 1 and change.behaviour is not Pattern.CLIENT_ADDRESS
        sentence = (
            BY_KIND[change.kind]
            if alone
            else SENTENCE.get((change.kind, change.behaviour), BY_KIND[change.kind])
        )
        yield kind.finding(
            change.kind.value,
            Severity.INFO,
            _confidence(comparison, [change]),
            f"The balancer {sentence} ({{count}} of {{of}} {what})."
            + (
                " The sender names this field in Connection, so that it is for one hop (RFC 9110 "
                "§7.6.1)."
                if change.kind is ChangeKind.REMOVED and _for_one_hop(comparison, change)
                else ""
            ),
            _frames(comparison, change),
            field=change.name,
            before=change.before,
            after=change.after,
            values=len(change.values),
            count=change.count,
            of=change.of,
            note=_lines(change),
        )
    for change_kind in GROUPED:
        group = [c for c in ours if c.kind is change_kind]
        if group:
            yield kind.finding(
                change_kind.value,
                Severity.INFO,
                _confidence(comparison, group),
                f"The balancer {GROUPED[change_kind]}",
                _frames(comparison, group[0]),
                count=max(c.count for c in group),
                fields=_names(group),
                note=_lines(group[0]),
            )
    hop = [c for c in changes if c.hop_by_hop]
    if hop:
        yield kind.finding(
            "hop-by-hop",
            Severity.INFO,
            _confidence(comparison, hop),
            "Fields that belong to one hop, or to the framing of the message, differ as they may: "
            "{fields} (RFC 9110 §7.6.1).",
            _frames(comparison, hop[0]),
            fields=_names(hop),
            note=_lines(hop[0]),
        )
    if not changes:
        yield from _unchanged(comparison, request, kind, what)


def _for_one_hop(comparison: Comparison, change: HeaderChange) -> bool:
    """Whether the message of the example pair names the field in Connection."""
    pair = comparison.correlation.pairs[change.example]
    sender = (
        (Side.CLIENT, pair.client) if change.request else (Side.BACKEND, pair.attempts[-1].backend)
    )
    exchange = comparison.exchange(*sender)
    message = exchange.request if change.request else exchange.response
    named = (field_value(message, CONNECTION) if message else None) or ""
    return change.name.lower() in {name.strip().lower() for name in named.split(",")}


def _unchanged(
    comparison: Comparison, request: bool, kind: FindingKind, what: str
) -> Iterator[Finding]:
    """Every head is the same on both sides, line for line."""
    # as in the comparison of heads: interchangeable pairs only when there are no others, heads that
    # were cut never
    compared = comparison.request_heads if request else comparison.response_heads
    if (compared.tier != Tier.ORDER).any():
        compared = compared.where(compared.tier != Tier.ORDER)
    if len(compared):
        left = (requests_not_compared if request else responses_not_compared)(comparison, compared)
        yield kind.finding(
            "unchanged",
            Severity.INFO,
            confidence_of(compared),
            f"No header line of any of {{count}} {what} was touched: the heads are the same on "
            "both sides, line for line."
            + (" {not_compared} more could not be compared." if left else ""),
            comparison.request_frames(compared)
            if request
            else comparison.response_frames(compared),
            count=len(compared),
            not_compared=left,
        )


def _names(changes: Sequence[HeaderChange]) -> str:
    return few(dict.fromkeys(c.name for c in changes if c.name), NAMED)


def _frames(comparison: Comparison, change: HeaderChange) -> list[FrameRef]:
    """Those of the example pair."""
    pair = comparison.correlation.pairs[change.example]
    backend = pair.attempts[-1].backend
    look = comparison.request_frame if change.request else comparison.response_frame
    return [look(Side.CLIENT, pair.client), look(Side.BACKEND, backend)]


def _lines(change: HeaderChange) -> str:
    """The line of the example pair, before and after."""
    return f"{change.before or '(absent)'} → {change.after or '(absent)'}"


def _confidence(comparison: Comparison, changes: Sequence[HeaderChange]) -> Confidence:
    """That of the example pairs; a change seen in every comparable pair does not depend on who is
    whose.
    """
    return min(
        max(
            comparison.correlation.pairs[change.example].confidence,
            Confidence.MEDIUM if change.count == change.of else Confidence.LOW,
        )
        for change in changes
    )
