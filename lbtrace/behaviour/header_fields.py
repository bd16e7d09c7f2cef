"""What becomes of each header field: `request.headers.NAME`, `response.headers.NAME`.

The value of a fact is what the balancer does to the field in most messages: "added", "removed",
"changed", "duplicated", "re-cased" or "unchanged", with the pattern of the new values where there
is one ("added, client-address"). Its shares count, over the pairs whose two heads were captured
whole:

    present        the message behind the balancer (in the direction of travel) has the field
    sent           the message before it has
    added, …       each change, by name
    statement      what the balancer states in it is true (X-Forwarded-For and its like)
    unique         distinct values among those present

A field that no message has on either side is not a fact.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator

import numpy as np

from lbtrace.behaviour import _seen
from lbtrace.behaviour._seen import Seen
from lbtrace.comparison import ABSENT, Comparison, Pairs, evidence, field_values
from lbtrace.http_fields import names as known_names
from lbtrace.http_fields import spelling
from lbtrace.http_fields.lines import lowered
from lbtrace.model.behaviour import Fact, Share
from lbtrace.model.net import FrameRef, Side
from lbtrace.model.pairing import ChangeKind, HeaderChange, Pattern
from lbtrace.model.report import Evidence, Finding
from lbtrace.tables.columns import Column, distinct
from lbtrace.tables.messages import Heads
from lbtrace.tables.words import Words

ORDER = 2
ONE_SIDE = True
MOST_FIELDS = 200  # the most frequent ones; a capture with more is no ordinary traffic
KEPT_VALUES = 5
TELLING = (Pattern.CLIENT_ADDRESS, Pattern.FRESH, Pattern.APPENDED, Pattern.CONSTANT)
_ChangesOf = dict[str, list[HeaderChange]]


def facts(seen: Seen) -> Iterator[Fact]:
    """Every field that some compared message has on either side, requests before responses, then
    whether `request.headers` were seen completely.
    """
    comparison = seen.comparison
    if comparison.alone:
        yield from _of_one_side(comparison)
        return
    for request, pairs in ((True, comparison.request_heads), (False, comparison.response_heads)):
        direction = "request" if request else "response"
        if not len(pairs):
            yield _seen.unknown(f"{direction}.headers", "no two whole heads could be compared")
            continue
        changes: _ChangesOf = defaultdict(list)
        for change in comparison.correlation.changes:
            if change.request is request and change.name:
                changes[lowered(change.name)].append(change)
        sent, present = _presence(comparison, pairs, request)
        names = sorted(sent.keys() | present.keys(), key=lambda n: (-sent.get(n, 0), n))
        for name in names[:MOST_FIELDS]:
            yield _field(seen, pairs, name, request, changes[name], sent, present)
        yield Fact(
            f"{direction}.headers",
            "complete" if len(names) <= MOST_FIELDS else "partial",
            f"{len(pairs)} pairs of heads",
            evidence=evidence(_frames(comparison, pairs, np.ones(len(pairs), bool), request)),
        )


def _of_one_side(comparison: Comparison) -> Iterator[Fact]:
    """What the messages that came past the balancer have: requests behind it, responses before it.
    What was sent to it is not known.
    """
    (side,) = comparison.captured
    request, table = side is Side.BACKEND, comparison.table(side)
    messages = table.requests if request else table.responses
    direction = "request" if request else "response"
    rows = np.flatnonzero(messages.whole_heads)
    if request:
        rows = rows[~comparison.check_exchanges[rows]]
    if not len(rows):
        yield _seen.unknown(f"{direction}.headers", f"no whole {direction} head was captured")
        return

    def shown(wanted: Column) -> tuple[Evidence, ...]:
        frame = comparison.request_frame if request else comparison.response_frame
        return evidence(frame(side, table.ref(row)) for row in wanted[:2].tolist())

    held = _having(messages.heads, table.words, rows)
    names = sorted(held, key=lambda name: (-held[name], name))
    for name in names[:MOST_FIELDS]:
        values = field_values(comparison, name, response=not request)
        number = (values.backend if request else values.client)[rows]
        texts = [values.texts[n] or "" for n in distinct(number[number != ABSENT]).tolist()]
        missing = rows[number == ABSENT]
        proof = shown(rows[number != ABSENT])
        yield Fact(
            f"{direction}.headers.{name}",
            "present",
            f"{_spelled(name, None)}: in {held[name]} of {len(rows)}",
            shares=(
                Share("present", held[name], len(rows), "", shown(missing) or proof),
                Share("unique", len(texts), held[name], "", proof),
            ),
            values=tuple(texts) if len(texts) <= KEPT_VALUES else (),
            evidence=proof,
        )
    told = "complete" if len(names) <= MOST_FIELDS else "partial"
    yield Fact(f"{direction}.headers", told, f"{len(rows)} heads", evidence=shown(rows))


def _presence(
    comparison: Comparison, pairs: Pairs, request: bool
) -> tuple[dict[str, int], dict[str, int]]:
    """How many messages have each field, (before the balancer, behind it) in the direction of
    travel.
    """
    client, backend = comparison.sides
    counts = [
        _having(messages.heads, table.words, rows)
        for table, messages, rows in (
            (client, client.requests if request else client.responses, pairs.client),
            (backend, backend.requests if request else backend.responses, pairs.backend),
        )
    ]
    return (counts[0], counts[1]) if request else (counts[1], counts[0])


def _having(heads: Heads, words: Words, rows: Column) -> dict[str, int]:
    """Fields by how many of these messages have them."""
    counted = heads.counted(words, rows).tolist()
    return {name: n for name, n in zip(words.fields, counted, strict=True) if n and name}


def _field(
    seen: Seen,
    pairs: Pairs,
    name: str,
    request: bool,
    changes: list[HeaderChange],
    sent: dict[str, int],
    present: dict[str, int],
) -> Fact:
    direction = "request" if request else "response"
    values = field_values(seen.comparison, name, response=not request).of(pairs)
    travelled = values.backend if request else values.client
    numbers = np.flatnonzero(np.bincount(travelled, minlength=1)[1:]) + 1  # all but ABSENT
    shown = evidence(_frames(seen.comparison, pairs, travelled != ABSENT, request))
    shares = [
        _presence_share(seen.comparison, pairs, travelled, present.get(name, 0), request),
        Share("sent", sent.get(name, 0), len(pairs)),
        *(_change_share(seen.comparison, change, request) for change in changes),
        *(_statement(finding) for finding in _stated(seen, name, request)),
    ]
    if present.get(name, 0):
        shares.append(Share("unique", len(numbers), present[name], evidence=shown))
    main = _main(changes, sent.get(name, 0))
    texts = [values.texts[number] or "" for number in numbers[:KEPT_VALUES].tolist()]
    return Fact(
        f"{direction}.headers.{name}",
        "unchanged" if main is None else _fate(main),
        f"{_spelled(name, main)}: {_seen_text(main, sent.get(name, 0), len(pairs))}",
        shares=tuple(shares),
        values=tuple(texts) if len(numbers) <= KEPT_VALUES else (),
        evidence=next((s.evidence for s in shares if s.evidence and s.name != "present"), shown),
    )


def _spelled(name: str, main: HeaderChange | None) -> str:
    """A field as it was sent, or as the registry spells it."""
    return main.name if main else spelling(name) if name in known_names() else name


def _main(changes: list[HeaderChange], sent: int) -> HeaderChange | None:
    """The change that befalls the most messages; another spelling of the name only without one."""
    real = [c for c in changes if c.kind is not ChangeKind.RECASED] or changes
    return max(real, key=lambda change: change.count, default=None)


def _fate(change: HeaderChange) -> str:
    telling = change.behaviour in TELLING and change.kind is not ChangeKind.RECASED
    return f"{change.kind.value}, {change.behaviour.value}" if telling else change.kind.value


def _seen_text(main: HeaderChange | None, sent: int, of: int) -> str:
    if main is None:
        return f"unchanged in {sent} of {sent}"
    return f"{main.kind.value} in {main.count} of {main.of}"


def _presence_share(
    comparison: Comparison, pairs: Pairs, travelled: Column, count: int, request: bool
) -> Share:
    """Shows a message without the field where there is one, else one with it."""
    missing = travelled == ABSENT
    shown = missing if missing.any() else ~missing
    return Share(
        "present", count, len(pairs), evidence=evidence(_frames(comparison, pairs, shown, request))
    )


def _change_share(comparison: Comparison, change: HeaderChange, request: bool) -> Share:
    """`example`: the line before and behind."""
    every = comparison.all_pairs
    shown = every.place == change.example
    lines = [line or "(no such line)" for line in (change.before, change.after)]
    return Share(
        change.kind.value,
        change.count,
        change.of,
        " becomes ".join(lines) if change.before else change.after,
        evidence(_frames(comparison, every, shown, request)),
    )


def _frames(comparison: Comparison, pairs: Pairs, wanted: Column, request: bool) -> list[FrameRef]:
    """The frames of the first two of the wanted pairs (bool each)."""
    shown = pairs.where(np.flatnonzero(wanted)[:2])
    return comparison.request_frames(shown) if request else comparison.response_frames(shown)


def _stated(seen: Seen, name: str, request: bool) -> Iterator[Finding]:
    """What was found of the truth of a forwarding field."""
    if request:
        for slug in ("forwarded-fields.right", "forwarded-fields.wrong"):
            for finding in seen.told(slug):
                if lowered(str(_seen.values_of(finding)["field"])) == name:
                    yield finding


def _statement(finding: Finding) -> Share:
    """True in how many of how many."""
    count, of = _seen.number(finding, "count"), _seen.number(finding, "of")
    right = count if finding.slug == "forwarded-fields.right" else of - count
    example = str(_seen.values_of(finding)["value"])
    return Share("statement", right, of, example, finding.evidence)
