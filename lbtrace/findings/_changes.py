"""HeaderChanges → findings: shared by request_headers and response_headers, which differ in direction only."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from lbtrace.case import RANK, Case, evidence
from lbtrace.model.net import FrameRef, Side
from lbtrace.model.pairing import Behaviour, ChangeKind, Confidence, HeaderChange
from lbtrace.model.report import Evidence, Finding, Severity, Value

# what a change of one field is called in a sentence: {field} is the name, {after} / {before} the example lines
SENTENCE = {
    (ChangeKind.ADDED, Behaviour.CONSTANT): "adds {field} with the same value each time: {after}",
    (ChangeKind.ADDED, Behaviour.CLIENT_ADDRESS): "adds {field} with the client's address: {after}",
    (ChangeKind.ADDED, Behaviour.FRESH): "adds {field} with another value each time: {after}",
    (ChangeKind.ADDED, Behaviour.VARYING): "adds {field} with {values} values: {after}",
    (ChangeKind.CHANGED, Behaviour.APPENDED): "appends to {field}: {before} becomes {after}",
    (ChangeKind.CHANGED, Behaviour.CLIENT_ADDRESS): "puts the client's address in {field}: {before} becomes {after}",
    (ChangeKind.DUPLICATED, Behaviour.CLIENT_ADDRESS): "adds a second {field} line with the client's address: {after}",
}
BY_KIND = {
    ChangeKind.ADDED: "adds {field}: {after}",
    ChangeKind.REMOVED: "removes {field}: {before}",
    ChangeKind.CHANGED: "changes {field}: {before} becomes {after}",
    ChangeKind.DUPLICATED: "adds a second {field} line: {after}",
    ChangeKind.RECASED: "writes {field} in other letter case: {before} becomes {after}",
    ChangeKind.REORDERED: "moves {field} to another place",
}
SINGLE = (ChangeKind.ADDED, ChangeKind.CHANGED, ChangeKind.DUPLICATED, ChangeKind.REMOVED)
GROUPED = {
    ChangeKind.RECASED: "writes {count} field names in other letter case: {fields}. Field names are case-insensitive (RFC 9110 §5.1).",
    ChangeKind.REORDERED: "sends fields in another order: {fields}. Only lines of the same name must keep theirs (RFC 9110 §5.3).",
}
SHOWN = 40  # a balancer changes a handful of fields; a capture that shows thousands is hostile
NAMED = 12  # names written out in a sentence


def header_findings(case: Case, request: bool, slug: str, title: str) -> Iterator[Finding]:
    """One finding per field added, changed, duplicated or removed, one for all re-cased, one for all re-ordered, one for the
    hop's own fields."""
    changes = sorted((c for c in case.correlation.changes if c.request is request), key=lambda c: -c.count)
    what = "requests" if request else "responses"
    ours = [c for c in changes if not c.hop_by_hop]
    for change in [c for c in ours if c.kind in SINGLE][:SHOWN]:
        sentence = SENTENCE.get((change.kind, change.behaviour), BY_KIND[change.kind])
        yield Finding(
            f"{slug}.{change.kind.value}",
            title,
            Severity.INFO,
            _confidence(case, [change]),
            f"The balancer {sentence} ({{count}} of {{of}} {what}).",
            (
                Value("field", change.name),
                Value("before", change.before),
                Value("after", change.after),
                Value("values", len(change.values), "count"),
                Value("count", change.count, "count"),
                Value("of", change.of, "count"),
            ),
            _proof(case, change),
        )
    for kind, sentence in GROUPED.items():
        group = [c for c in ours if c.kind is kind]
        if group:
            yield Finding(
                f"{slug}.{kind.value}",
                title,
                Severity.INFO,
                _confidence(case, group),
                f"The balancer {sentence}",
                (Value("count", len(group), "count"), Value("fields", _names(group))),
                _proof(case, group[0]),
            )
    hop = [c for c in changes if c.hop_by_hop]
    if hop:
        yield Finding(
            f"{slug}.hop-by-hop",
            title,
            Severity.INFO,
            _confidence(case, hop),
            "Fields that belong to one hop, or to the framing of the message, differ as they may: {fields} (RFC 9110 §7.6.1).",
            (Value("fields", _names(hop)),),
            _proof(case, hop[0]),
        )


def _names(changes: Sequence[HeaderChange]) -> str:
    names = list(dict.fromkeys(c.name for c in changes))
    return ", ".join(names[:NAMED]) + (f" and {len(names) - NAMED} more" if len(names) > NAMED else "")


def _proof(case: Case, change: HeaderChange) -> tuple[Evidence, ...]:
    """The frames of the example pair."""
    pair = case.correlation.pairs[change.example]
    backend = pair.attempts[-1].backend
    look = case.request_frame if change.request else case.response_frame
    frames: list[FrameRef] = [look(Side.CLIENT, pair.client), look(Side.BACKEND, backend)]
    return evidence(frames, f"{change.before or '(absent)'} → {change.after or '(absent)'}")


def _confidence(case: Case, changes: Sequence[HeaderChange]) -> Confidence:
    """That of the example pairs; a change seen in every comparable pair does not depend on who is whose."""
    ranks = []
    for change in changes:
        pair = case.correlation.pairs[change.example]
        ranks.append(max(RANK[pair.confidence], 1 if change.count == change.of else 0))
    return next(c for c, rank in RANK.items() if rank == min(ranks))
