"""What several formats of a check say alike."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence

from lbtrace.model.expectation import CheckResult, Fulfilment, Outcome
from lbtrace.model.net import FrameRef, Side
from lbtrace.model.plurals import noun
from lbtrace.render.wording.escape import shown

MOST_FRAMES = 5  # of a side, in a sentence


COUNTED = {  # word: (of one, of several)
    "holds": ("holds", "hold"),
    "failed": ("failed", "failed"),
    "warning": ("is a warning", "are warnings"),
    "allowed": ("is allowed", "are allowed"),
    "inconclusive": ("is inconclusive", "are inconclusive"),
}


def summary(result: CheckResult) -> str:
    """One sentence: how many expectations hold, failed, are open."""
    counts = Counter(word(outcome) for outcome in result.outcomes)
    total = sum(counts[name] for name in COUNTED)
    said = ", ".join(
        f"{counts[name]} {one if counts[name] == 1 else many}"
        for name, (one, many) in COUNTED.items()
        if counts[name]
    )
    exchanges = f"{result.exchanges} {noun(result.exchanges, 'exchange')}"
    return f"{total} {noun(total, 'expectation')} on {exchanges}: {said or 'nothing was judged'}"


def word(outcome: Outcome) -> str:
    """The outcome in one word."""
    if outcome.without_occasion:
        return "not judged"
    if outcome.answer is Fulfilment.FAILED:
        return "allowed" if outcome.allowed else "warning" if outcome.warns else "failed"
    return outcome.answer.value


def where(outcome: Outcome) -> str:
    """File and line, "" when it is in no file."""
    place = outcome.place
    return f"{shown(place.file)}:{place.line}" if place.line else ""


def packets(outcome: Outcome) -> str:
    """The frames on both sides, "" without any."""
    sides = []
    for side in Side:
        frames = _frames(outcome, side)
        if frames:
            numbers = " ".join(f"#{number}" for number in frames[:MOST_FRAMES])
            more = f" +{len(frames) - MOST_FRAMES} more" if len(frames) > MOST_FRAMES else ""
            sides.append(f"{side.value} {numbers}{more}")
    return " ↔ ".join(sides)


def filters(outcome: Outcome) -> Iterator[tuple[str, str]]:
    """(side, Wireshark display filter) of the packets."""
    for evidence in outcome.evidence:
        if evidence.client_filter:
            yield "client", evidence.client_filter
        if evidence.backend_filter:
            yield "backend", evidence.backend_filter


def _frames(outcome: Outcome, side: Side) -> Sequence[int]:
    found: list[FrameRef] = [
        f for evidence in outcome.evidence for f in evidence.frames if f.side is side
    ]
    return list(dict.fromkeys(f.number for f in found))


def zoom(result: CheckResult) -> str:
    """What to type to see more, "" when the captures are not at hand."""
    return f"lbtrace compare {' '.join(map(shown, result.captures))}" if result.captures else ""


def lines(outcome: Outcome) -> Iterator[tuple[str, str]]:
    """(label, text) of what there is to say, in plain text; what a capture holds is escaped."""
    yield "expected", shown(outcome.expected)
    yield "seen", shown(outcome.seen)
    if outcome.example:
        yield "line", shown(outcome.example)
    if outcome.reason and outcome.reason != outcome.seen:
        yield "because", shown(outcome.reason)
    if found := packets(outcome):
        yield "packets", found
    for side, text in dict.fromkeys(filters(outcome)):
        yield "Wireshark", f"{text} ({side} capture)"
    if outcome.allowed is not None:
        allowed = outcome.allowed
        yield "allowed", f"until {allowed.until}: {shown(allowed.reason)}"
