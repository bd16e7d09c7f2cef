"""Report → comments for frames: which exchange a message is of, and what is found in it.

    lbtrace backend #17 pair=2 attempt=2/2 outcome=answered tier=time confidence=high: request GET /

In front of the first ": " stand words of lbtrace alone; the Lua post-dissector makes fields of
them. Behind it is text for people, in which a capture may have its say: escaped, and cut.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator

from lbtrace.model.http import Request, Response
from lbtrace.model.net import Side
from lbtrace.model.pairing import ExchangePair, Ref, Unpaired
from lbtrace.model.report import Finding
from lbtrace.render.wording import names
from lbtrace.render.wording.escape import cut_end, shown
from lbtrace.render.wording.statements import filled
from lbtrace.wireshark.points import CaptureSource, Sources

_MOST = 400  # characters of text

# by frame, numbered through the files of a source: each comment once, in order
Notes = dict[int, dict[str, None]]


def notes(sources: Sources) -> dict[int, Notes]:
    """The comments on the frames of each source, by its number."""
    found: dict[int, Notes] = defaultdict(lambda: defaultdict(dict))
    for source, frame, said, text in _told(sources):
        number = source.traces[0].ref(frame, 0).number
        line = f"lbtrace {source.name} #{number} {said}: {cut_end(shown(text), _MOST)}"
        found[source.number][frame][line] = None
    return found


_Note = tuple[CaptureSource, int, str, str]  # of a frame: what fields are made of, text


def _told(sources: Sources) -> Iterator[_Note]:
    correlation = sources.report.correlation
    for place, pair in enumerate(correlation.pairs, 1):
        yield from _of_pair(sources, place, pair)
    for place, alone in enumerate(correlation.unpaired, 1):
        yield from _alone(sources, place, alone)
    yield from _of_findings(sources)


def _of_pair(sources: Sources, number: int, pair: ExchangePair) -> Iterator[_Note]:
    sure = f"tier={names.TIER_SLUG[pair.tier]} confidence={pair.confidence.value}"
    yield from _messages(sources, Side.CLIENT, pair.client, f"pair={number} side=client {sure}")
    for count, attempt in enumerate(pair.attempts, 1):
        said = (
            f"pair={number} side=backend attempt={count}/{len(pair.attempts)} "
            f"outcome={attempt.outcome.value} {sure}"
        )
        yield from _messages(sources, Side.BACKEND, attempt.backend, said)


def _alone(sources: Sources, number: int, alone: Unpaired) -> Iterator[_Note]:
    said = f"unpaired=u{number} side={alone.side} reason={alone.reason.value}"
    yield from _messages(sources, Side(alone.side), alone.ref, said)


def _messages(sources: Sources, side: Side, ref: Ref, said: str) -> Iterator[_Note]:
    source = sources.of(side, ref.point)
    exchange = sources.report.trace(side, ref.point).exchanges[ref.id]
    for message in (exchange.request, exchange.response):
        if message is not None:
            yield source, message.first_frame, said, _text(message)


def _text(message: Request | Response) -> str:
    if isinstance(message, Request):
        return f"request {message.method} {message.target}"
    return f"response {message.status or ''} {message.reason}".rstrip()


def _of_findings(sources: Sources) -> Iterator[_Note]:
    """Problems under their ids and with their severity, and facts."""
    report = sources.report
    of_problem = {index: p for p in report.problems for index in p.findings}
    for index, finding in enumerate(report.findings):
        problem = of_problem.get(index)
        severity = (problem or finding).severity.value
        said = f"finding={finding.slug} severity={severity}"
        if problem is not None:
            said = f"problem={problem.id} {said}"
        yield from _of_finding(sources, finding, said)


def _of_finding(sources: Sources, finding: Finding, said: str) -> Iterator[_Note]:
    text = filled(finding.statement, finding.values)
    for evidence in finding.evidence:
        for ref in evidence.frames:
            source, frame = sources.frame(ref)
            yield source, frame, said + (" compared=yes" if evidence.compared else ""), text
