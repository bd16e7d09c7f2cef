"""Times, clocks, what cannot be known, and the captures."""

from __future__ import annotations

import dataclasses

import pytest

from lbtrace.model.http import Application, ClientHello, Protocol
from lbtrace.model.pairing import (
    Clock,
    ClockRefusal,
)
from lbtrace.model.trace import Diagnostic, PacketCounts
from tests.render import founding
from tests.render.documents import page, squeezed

replace = dataclasses.replace


def test_a_clock_that_is_not_known_is_said_twice() -> None:
    report = founding.report()
    clock = Clock(0, 0, refused=ClockRefusal.NO_PAIR)
    text = squeezed(
        page(
            replace(report, correlation=replace(report.correlation, clocks=(clock,)), latency=None)
        )
    )
    assert "clocks unknown: no pair of exchanges bounds it" in text
    assert "What lbtrace could not know" in text


def test_captures_say_what_became_of_every_packet() -> None:
    assert "41 packets = 40 TCP + 1 skipped (not TCP: ARP)" in page()


def test_what_is_encrypted_cut_or_dropped_is_not_known() -> None:
    trace = founding.client_trace()
    hello = ClientHello("00" * 32, "", "a.example", ("h2",), (0x0304,), 4)
    trace = replace(
        trace,
        applications=[Application(Protocol.TLS, tls=hello), *trace.applications[1:]],
        packets=PacketCounts(41, 40, (("arp", 1),), truncated=7),
        files=(replace(trace.files[0], dropped=3),),
    )
    text = squeezed(page(trace))
    assert "1 connection encrypted with TLS for a.example, offering h2" in text
    assert "7 packets cut by the snapshot length" in text
    assert "the capture itself reports 3 dropped packets" in text


def times(**changed: object) -> str:
    report = founding.report()
    assert report.latency is not None
    return squeezed(page(replace(report, latency=replace(report.latency, **changed))))


@pytest.mark.parametrize(
    ("count", "average", "text"),
    [
        (1, False, "added 3 ms (1 pair)"),
        (1, True, "added 3 ms on average (1 pair)"),
        (2, False, "added 3 ms in the median, 7 ms at most (2 pairs)"),
        (19, False, "added 3 ms in the median, 7 ms at most (19 pairs)"),
        (20, False, "in the median, 5 ms at the 95th percentile, 7 ms at most (20 pairs)"),
        (20, True, "added 3 ms on average, which pair is whose being open (20 pairs)"),
    ],
)
def test_what_was_added(count: int, average: bool, text: str) -> None:
    made = times(count=count, average=average, added_p95_ns=5_000_000, added_max_ns=7_000_000)
    assert text in made


def test_each_way_is_shown_when_the_clocks_tell_it_apart() -> None:
    assert "of it 1 ms on the way in, 2 ms on the way back, each ± 500 µs" in times(
        half_width_ns=500_000
    )
    assert "on the way in" not in times(half_width_ns=1_000_000)
    assert "on the way in" not in times(half_width_ns=None)


@pytest.mark.parametrize(
    ("clock", "one_capture", "text"),
    [
        (Clock(0, 0, 0, 0, pairs=1), False, "clocks they agree (± 0 ns), bounded by 1 pair"),
        (Clock(0, 0, 2_000_000, 2_000_000, pairs=2), False, "the client's is 2 ms ahead of the"),
        (Clock(0, 0, -2_000_000, -2_000_000, pairs=2), False, "the client's is 2 ms behind the"),
        (Clock(0, 0, 0, 0, drift_ppb=12_300, pairs=2), False, "drifting 12.3 ppm, bounded by 2"),
        (Clock(0, 0, 0, 0, pairs=2, outliers=1), False, "; 1 pair left out as contradicting"),
        (Clock(0, 0, 5, 5, stated=True), False, "(± 0 ns), as you stated"),
        (Clock(0, 0, stated=True), True, "one for both sides, which are in the same capture"),
        (Clock(0, 0, refused=ClockRefusal.NO_PAIR), False, "unknown: no pair of exchanges bounds"),
    ],
)
def test_a_clock_says_what_is_known_of_it(clock: Clock, one_capture: bool, text: str) -> None:
    report = founding.report()
    changed = replace(
        report,
        correlation=replace(report.correlation, clocks=(clock,)),
        summary=replace(report.summary, one_capture=one_capture),
    )
    assert text in squeezed(page(changed, width=110))


@pytest.mark.parametrize(
    ("latency", "clocks", "pairs", "shown"),
    [
        (False, (), True, False),
        (False, (Clock(0, 0, refused=ClockRefusal.NO_PAIR),), False, False),
        (False, (Clock(0, 0, refused=ClockRefusal.NO_PAIR),), True, True),
        (False, (Clock(0, 0, pairs=1),), False, True),
        (True, (), False, True),
    ],
)
def test_times_are_shown_when_something_is_known(
    latency: bool, clocks: tuple[Clock, ...], pairs: bool, shown: bool
) -> None:
    report = founding.report()
    correlation = replace(
        report.correlation, clocks=clocks, pairs=report.correlation.pairs if pairs else ()
    )
    changed = replace(report, correlation=correlation, latency=report.latency if latency else None)
    assert ("\nTimes\n" in page(changed)) is shown


def test_a_clock_is_named_by_its_points_when_there_are_several() -> None:
    report = founding.report()
    clocks = (Clock(0, 0, pairs=1), Clock(0, 1, refused=ClockRefusal.NO_PAIR))
    backends = (*report.backends, replace(founding.backend_trace(), point=1))
    correlation = replace(report.correlation, clocks=clocks)
    text = squeezed(page(replace(report, backends=backends, correlation=correlation), width=110))
    assert "clocks C1, B1 they agree" in text
    assert "clocks C1, B2 unknown" in text
    assert "where two captures have no common clock: C1 ↔ B2" in text


@pytest.mark.parametrize(
    ("diagnostic", "text"),
    [
        (Diagnostic("x", "It is odd.", 1), "It is odd "),
        (Diagnostic("x", "It is odd.", 2), "It is odd (2 times)"),
        (Diagnostic("x", "It is odd 2 times.", 2), "It is odd 2 times "),
        (Diagnostic("x", "It is odd", 3, 7), "It is odd (3 times), first at #7"),
    ],
)
def test_a_diagnostic_says_how_often_and_where(diagnostic: Diagnostic, text: str) -> None:
    trace = replace(founding.client_trace(), diagnostics=(diagnostic,))
    assert text in squeezed(page(trace, width=110)) + " "


@pytest.mark.parametrize(
    ("slugs", "told"),
    [
        (["record-cut"], "Not everything was read: 47 bytes are no frame."),
        (["record-cut", "exchanges-limited"], "47 bytes are no frame. (1 more: -v)"),
        (["no-timestamps"], ""),  # that is something else
    ],
)
def test_what_was_not_read_is_said_at_the_top(slugs: list[str], told: str) -> None:
    found = tuple(Diagnostic(slug, "47 bytes are no frame.") for slug in slugs)
    report = founding.report()
    (client,) = report.clients
    cut = replace(report, clients=(replace(client, diagnostics=found),))
    top = squeezed(page(cut)).partition("Captures")[0]
    assert told in top
    assert ("Not everything was read" in top) == bool(told)


def test_a_diagnostic_of_a_rotated_capture_names_the_file() -> None:
    files = (founding.file("a.pcap", 20), founding.file("b.pcap", 21, first_frame=21))
    odd = (Diagnostic("x", "It is odd", 1, 23),)
    trace = replace(founding.client_trace(), files=files, diagnostics=odd)
    assert "It is odd, first at #3 of b.pcap" in squeezed(page(trace, width=110))


def test_packets_add_up_on_the_page() -> None:
    packets = PacketCounts(9, 5, (("ARP", 3), ("UDP", 1)), 0, 2, (("VLAN", 5),))
    text = squeezed(page(replace(founding.client_trace(), packets=packets), width=140))
    assert "9 packets = 5 TCP + 3 skipped (ARP) + 1 skipped (UDP), over 3.01 s" in text
    assert "; taken off: VLAN (5); 2 packets seen twice and counted once" in text
    empty = squeezed(page(replace(founding.client_trace(), packets=PacketCounts(0, 0)), width=140))
    assert "0 packets = 0 TCP + 0 skipped; pcap" in empty
