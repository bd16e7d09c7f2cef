"""The heads behind facts: of the messages that facts name first, by the name of their exchange."""

from __future__ import annotations

import pytest

from lbtrace.model.net import Side
from lbtrace.render.terminal.zoom import row_of
from tests.behaviour.samples import behaviour_of, report_of, samples


@pytest.mark.parametrize("sample", samples())
def test_a_head_is_that_of_the_exchange_it_names(sample: str) -> None:
    report = report_of(sample)
    for head in behaviour_of(sample).heads:
        row = row_of(report, head.exchange)
        found = report.correlation
        refs = (
            [(Side.CLIENT, found.pairs[row.place].client)]
            + [(Side.BACKEND, a.backend) for a in found.pairs[row.place].attempts]
            if row.paired
            else [(Side(found.unpaired[row.place].side), found.unpaired[row.place].ref)]
        )
        exchanges = [
            report.trace(side, ref.point).exchanges[ref.id]
            for side, ref in refs
            if side is head.frame.side
        ]
        messages = [e.request if head.is_request else e.response for e in exchanges]
        assert head.frame.number in {m.head_frame for m in messages if m is not None}


def test_only_facts_about_header_fields_keep_lines_and_no_credentials() -> None:
    found = behaviour_of("alb-like")
    whole = [head for head in found.heads if head.lines]
    assert whole
    assert all(head.lines[0].startswith(("GET ", "HTTP/")) for head in whole)
    fact = found.fact("request.headers.host")
    assert fact is not None
    front, behind = found.heads_of(fact.evidence)
    assert (front.frame.side, behind.frame.side) == (Side.CLIENT, Side.BACKEND)
    assert (front.frame.number, behind.frame.number) == (4, 16)
    assert any(line.startswith("X-Amzn-Trace-Id: ") for line in behind.lines)
