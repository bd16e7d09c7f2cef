"""What a field says, as a column: what `field_value` says of each request and response, and equal
values have equal numbers.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import pytest

from lbtrace.comparison import Comparison, field_values
from lbtrace.comparison.field_values import Spelling
from lbtrace.correlate import correlate
from lbtrace.http_fields import HOST
from lbtrace.http_fields.lines import field_value, host_of
from lbtrace.model.http import HeaderLine
from lbtrace.model.pairing import Correlation
from lbtrace.model.trace import Trace
from lbtrace.options import Options
from tests.findings.simulated import four
from tests.simulator import Balancer
from tests.simulator.scenarios import SCENARIOS


def case_of(scenario: str) -> Comparison:
    recorded = SCENARIOS[scenario]().run()
    return Comparison(
        recorded.clients,
        recorded.backends,
        correlate(recorded.clients, recorded.backends, Options()),
    )


@pytest.mark.parametrize("scenario", ["xff-second-line", "spoofed-xff", "gzip-added", "loss-2"])
@pytest.mark.parametrize("field", ["X-Forwarded-For", "host", "Content-Encoding", "no-such-field"])
def test_a_number_stands_for_what_each_message_says(scenario: str, field: str) -> None:
    comparison = case_of(scenario)
    for response in (False, True):
        front, back, texts = field_values(comparison, field, response)
        assert len(set(texts)) == len(texts)
        for traces, column in ((comparison.clients, front), (comparison.backends, back)):
            messages = [
                e.response if response else e.request for trace in traces for e in trace.exchanges
            ]
            assert [texts[i] for i in column.tolist()] == [
                field_value(m, field) if m is not None else None for m in messages
            ]


def test_of_matches_it_is_what_their_two_requests_say() -> None:
    comparison = case_of("xff-second-line")
    before, after, texts = field_values(comparison, "X-Forwarded-For").of(comparison.request_heads)
    for m, a, b in zip(comparison.request_heads, before.tolist(), after.tolist(), strict=True):
        assert tuple(field_value(q, "X-Forwarded-For") for q in m.requests) == (texts[a], texts[b])


def test_heads_by_the_names_of_their_fields() -> None:
    comparison = case_of("rewriting")
    spelled, pairs = Spelling(comparison.sides[0].words), comparison.request_heads
    heads = spelled.heads(comparison.sides[1].requests.heads, pairs.backend)
    assert heads == {tuple(line.name for line in m.requests[1].lines) for m in pairs}


@pytest.mark.parametrize("scenario", ["http2-in-front", "rewriting"])
def test_the_host_of_http2_is_its_authority(scenario: str) -> None:
    comparison = case_of(scenario)
    front, back, texts = field_values(comparison, HOST)
    for traces, column in ((comparison.clients, front), (comparison.backends, back)):
        requests = [e.request for trace in traces for e in trace.exchanges]
        said = [host_of(request) if request is not None else None for request in requests]
        assert [texts[i] for i in column.tolist()] == said
        assert any(said)


SEVERAL, ONE = ("X-Part: a", "X-Part: b"), ("X-Part: a, b",)


@pytest.mark.parametrize("front", [SEVERAL, ONE])
@pytest.mark.parametrize("behind", [SEVERAL, ONE])
def test_several_lines_and_one_line_that_say_the_same_are_one_value(
    front: tuple[str, ...], behind: tuple[str, ...]
) -> None:
    """RFC 9110 §5.3: lines of one name mean what one line with all their values means."""

    def said(traces: Sequence[Trace], *each: tuple[str, ...]) -> list[Trace]:
        (trace,) = traces
        lines = [
            tuple(HeaderLine("X-Part", text.removeprefix("X-Part: "), text) for text in texts)
            for texts in each
        ]
        return [
            replace(
                trace,
                exchanges=[
                    e._replace(request=e.request and e.request._replace(lines=own))
                    for e, own in zip(trace.exchanges, lines, strict=True)
                ],
            )
        ]

    recorded = four(Balancer()).run()
    other = ("X-Part: c",)
    whole = Comparison(
        said(recorded.clients, front, other, (), front),
        said(recorded.backends, other, behind, (), behind),
        Correlation(),
    )
    one, two, texts = field_values(whole, "x-part")
    assert [texts[n] for n in one.tolist()] == ["a, b", "c", None, "a, b"]
    assert [texts[n] for n in two.tolist()] == ["c", "a, b", None, "a, b"]
    assert len(set(texts)) == len(texts)
