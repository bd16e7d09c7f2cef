"""The stages in order: what only the whole road shows."""

from __future__ import annotations

import gc
from collections import Counter
from pathlib import Path

import pytest

from lbtrace.comparison import Comparison
from lbtrace.model.net import Side
from lbtrace.model.report import NotCaptured
from lbtrace.pipeline import compare, show
from lbtrace.tables.side_table import SideTable
from lbtrace.tables.words import Words

SAMPLES = Path(__file__).resolve().parents[1] / "samples"


ONE_BACKEND = [
    folder.name for folder in sorted(SAMPLES.iterdir()) if (folder / "backend.pcap").exists()
]


@pytest.mark.parametrize("sample", [name for name in ONE_BACKEND if not name.endswith("-tls")])
def test_swapped_captures_tell_the_same_as_in_order(sample: str) -> None:
    client, backend = ([str(SAMPLES / sample / f"{side}.pcap")] for side in ("client", "backend"))
    given, turned = compare([client], [backend]), compare([backend], [client])
    assert not given.correlation.swapped
    assert turned.correlation.swapped
    assert [t.name for t in turned.clients] == client
    assert [t.side for t in (*turned.clients, *turned.backends)] == [Side.CLIENT, Side.BACKEND]
    assert turned.verdict == given.verdict
    assert turned.correlation.pairs == given.correlation.pairs
    assert turned.client_counts == given.client_counts
    assert [f for f in turned.findings if not f.slug.startswith("swapped-captures")] == list(
        given.findings
    )


def test_when_nothing_shows_the_order_it_is_said() -> None:
    """TLS in front, plain HTTP behind, given the other way round: a balancer may also put plain
    requests into TLS.
    """
    client, backend = (
        [str(SAMPLES / "haproxy-tls" / f"{side}.pcap")] for side in ("client", "backend")
    )
    turned = compare([backend], [client])
    assert not turned.correlation.swapped
    (said,) = (f for f in turned.findings if f.slug == "swapped-captures.unknown")
    assert "may be the other way round" in said.statement
    assert not [
        f for f in compare([client], [backend]).findings if f.slug.startswith("swapped-captures")
    ]


def test_one_capture_tells_what_it_shows_and_which_side_it_does_not_hold() -> None:
    in_front = show([[str(SAMPLES / "nginx-timeout" / "client.pcap")]])
    assert [p.slugs for p in in_front.problems] == [("errors.seen", "slow-requests")]
    assert in_front.not_captured is NotCaptured.OTHER_SIDE
    behind = show([[str(SAMPLES / "alb-like" / "backend.pcap")]])
    assert (behind.problems, behind.not_captured) == ((), NotCaptured.IN_FRONT)


@pytest.mark.parametrize("sample", ONE_BACKEND)
def test_what_a_report_was_made_from_goes_without_a_search_for_cycles(sample: str) -> None:
    """It is several times the captures' heads, and the report is written after it."""
    client, backend = ([str(SAMPLES / sample / f"{side}.pcap")] for side in ("client", "backend"))
    gc.collect()
    before = held()
    gc.disable()
    try:
        report = compare([client], [backend])
        compare([backend], [client])
        assert held() == before
    finally:
        gc.enable()
    assert report.verdict


def held() -> list[int]:
    """How many objects there are of each kind that is as large as captures."""
    kinds = Counter(type(thing) for thing in gc.get_objects())
    return [kinds[kind] for kind in (Comparison, SideTable, Words)]
