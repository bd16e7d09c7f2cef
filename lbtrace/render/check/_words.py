"""What several formats of a check say alike."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence

from lbtrace.language.plurals import noun
from lbtrace.model.expectation import CheckResult, Fulfilment, Outcome
from lbtrace.model.http import HeaderLine
from lbtrace.model.net import FrameRef, Side
from lbtrace.render.terminal.heads import Beside
from lbtrace.render.terminal.heads import beside as side_by_side
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


def zoom(result: CheckResult, outcome: Outcome) -> str:
    """What to type to see the exchange that shows an outcome, "" when the captures are not at hand
    or no exchange shows it.
    """
    if not result.command or not outcome.exchange:
        return ""
    return f"{shown(result.command)} --zoom {outcome.exchange}"


def titles(outcome: Outcome) -> tuple[str, str]:
    """What stands over the two heads."""
    sides = {head.frame.side: f"{head.frame.side.value} #{head.frame.number}"
             for head in outcome.heads}  # fmt: skip
    front, behind = (sides.get(side, f"{side.value}: none") for side in Side)
    return front, behind


def beside(outcome: Outcome) -> Iterator[tuple[str, str, str]]:
    """The two heads line by line: (what the balancer did, the line in front of it, the line behind
    it). "+" added, "-" removed, "~" changed, " " neither; of one head alone nothing is known.
    """
    heads = {head.frame.side: head for head in outcome.heads}
    front, behind = (heads.get(side) for side in Side)
    if front is None or behind is None:
        for head in outcome.heads:
            for line in head.lines:
                texts = [shown(line) if head.frame.side is side else "" for side in Side]
                yield " ", texts[0], texts[1]
        return
    came, went = (front, behind) if front.is_request else (behind, front)
    start = Beside(came.lines[0], went.lines[0])
    for row in (start, *side_by_side(_fields(came.lines), _fields(went.lines))):
        texts = [shown(row.came or ""), shown(row.went or "")]
        front_text, behind_text = texts if front.is_request else texts[::-1]
        yield row.sign, front_text, behind_text


def diff_of(outcome: Outcome) -> list[str]:
    """The two heads as a diff: what came to the balancer, and what went on."""
    rows = []
    is_request = all(head.is_request for head in outcome.heads)
    for sign, *sides in beside(outcome):
        came, went = sides if is_request else reversed(sides)
        if sign == " ":
            rows.append(f"  {came or went}")
            continue
        rows += [f"- {came}"] if came else []
        rows += [f"+ {went}"] if went else []
    return rows


def _fields(lines: Sequence[str]) -> list[HeaderLine]:
    return [HeaderLine(line.partition(":")[0], "", line) for line in lines[1:]]


def lines(outcome: Outcome, result: CheckResult | None = None) -> Iterator[tuple[str, str]]:
    """(label, text) of what there is to say, in plain text; what a capture holds is escaped."""
    yield "expected", shown(outcome.expected)
    yield "seen", shown(outcome.seen)
    if outcome.example and not outcome.heads:
        yield "line", shown(outcome.example)
    if outcome.reason and outcome.reason != outcome.seen:
        yield "because", shown(outcome.reason)
    if found := packets(outcome):
        yield "packets", found
    for side, text in dict.fromkeys(filters(outcome)):
        yield "Wireshark", f"{text} ({side} capture)"
    if result is not None and (text := zoom(result, outcome)):
        yield "zoom in", text
    if outcome.allowed is not None:
        allowed = outcome.allowed
        yield "allowed", f"until {allowed.until}: {shown(allowed.reason)}"
