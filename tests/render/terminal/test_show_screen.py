"""The first screen of `show` fits, and what is left out is counted."""

from __future__ import annotations

import dataclasses

from hypothesis import given
from hypothesis import strategies as st

from lbtrace.model.net import Side
from lbtrace.model.report import CaptureAlone, CaptureReport, Finding, Severity
from lbtrace.model.trace import Trace
from lbtrace.render import Detail
from lbtrace.render.terminal.first_screen import LINES
from tests.laws import examples
from tests.render import founding
from tests.render.documents import page

replace = dataclasses.replace


def large(point: int, connections: int, exchanges: int) -> Trace:
    """A capture with so many of both."""
    trace = founding.client_trace()
    return replace(
        trace,
        point=point,
        connections=[trace.connections[0]._replace(id=n) for n in range(connections)],
        applications=[trace.applications[0]] * connections,
        exchanges=[trace.exchanges[0]._replace(id=n, connection=0) for n in range(exchanges)],
    )


def trouble(slug: str, words: int, point: int) -> Finding:
    (finding,) = founding.report().findings
    (evidence, *_) = finding.evidence
    frames = tuple(f._replace(point=point) for f in evidence.frames if f.side is Side.CLIENT)
    return replace(
        finding,
        slug=slug,
        severity=Severity.HIGH,
        statement=" ".join(f"word{n}" for n in range(words)),
        values=(),
        evidence=(replace(evidence, frames=frames),),
    )


@examples(15)
@given(
    st.lists(st.tuples(st.integers(1, 30), st.integers(1, 60)), min_size=1, max_size=2),
    st.lists(st.integers(1, 40), max_size=5),
    st.sampled_from([80, 100, 200]),
)
def test_it_fits_a_screen(sizes: list[tuple[int, int]], words: list[int], width: int) -> None:
    found = tuple(trouble(f"slug{n}", count, 0) for n, count in enumerate(words))
    report = CaptureReport(
        tuple(
            CaptureAlone(large(point, *size), found if point == 0 else ())
            for point, size in enumerate(sizes)
        )
    )
    text = page(report, Detail.FIRST_SCREEN, width=width)
    assert text.count("\n") <= LINES
    for size in sizes:
        assert f" of {size[1]}" in text
    assert (len(words) > text.count(" · --zoom P")) == ("more: P" in text)


def test_what_went_wrong_is_listed_first() -> None:
    trace = large(0, 1, 30)
    last = trace.exchanges[29]
    assert last.response is not None
    failed = last._replace(response=last.response._replace(status=503))
    changed = replace(trace, exchanges=[*trace.exchanges[:29], failed])
    text = page(CaptureReport((CaptureAlone(changed),)), Detail.FIRST_SCREEN)
    rows = text.partition("HTTP exchanges")[2].splitlines()
    assert rows[0].strip().startswith("12 of 30, problems first")
    assert rows[2].split()[0] == "30"
    assert "answers: 200 ×29, 503 ×1" in text


def test_the_command_that_compares_them_names_every_file() -> None:
    rotated = replace(
        large(1, 1, 1), files=(founding.file("b 1.pcap", 15), founding.file("b2.pcap", 9, 16))
    )
    report = CaptureReport((CaptureAlone(large(0, 1, 1)), CaptureAlone(rotated)))
    text = page(report, Detail.FIRST_SCREEN)
    assert "\n   lbtrace compare --client client.pcap --backend 'b 1.pcap' b2.pcap\n" in text
    assert "\n -v: connections, facts, captures · --all: nothing cut · -q: problems only\n" in text
