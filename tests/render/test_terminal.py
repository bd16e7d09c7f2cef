"""The page for people."""

from __future__ import annotations

import dataclasses
import io
import re

import pytest

from lbtrace.findings import registry
from lbtrace.model.http import Application, ClientHello, Exchange, Mark, Protocol
from lbtrace.model.net import Endpoint
from lbtrace.model.pairing import (
    AddressMapping,
    Attempt,
    AttemptOutcome,
    Clock,
    ClockRefusal,
    Confidence,
    Ref,
    Tier,
)
from lbtrace.model.report import Kind, Report, Reuse, Severity, Verdict
from lbtrace.model.trace import PacketCounts, Trace
from lbtrace.render import View, format_names, get_format
from lbtrace.render.terminal.findings import DRAWN_ABOVE
from tests.render import founding

replace = dataclasses.replace


def page(result: Report | Trace | None = None, **view: int) -> str:
    out = io.StringIO()
    result = result or founding.report()
    shape = View(**view)  # type: ignore[arg-type]
    if isinstance(result, Report):
        get_format("terminal").write_report(result, out, shape)
    else:
        get_format("terminal").write_trace(result, out, shape)
    return out.getvalue()


def squeezed(text: str) -> str:
    return " ".join(text.split())


@pytest.mark.parametrize("width", [40, 60, 80, 120, 200])
def test_no_line_is_wider_than_the_page(width: int) -> None:
    for result in (founding.report(), founding.client_trace()):
        assert max(map(len, page(result, width=width).splitlines())) <= width


def test_no_line_ends_in_blanks() -> None:
    assert not re.search(r" $", page(), re.MULTILINE)


def test_the_first_lines_tell_the_story() -> None:
    top = "\n".join(page().splitlines()[:20])
    for told in (
        "L7 proxy, looks like AWS ALB",
        "confidence: high",
        "192.168.0.5",
        "3.35.166.21:80",
        "172.31.42.119",
        "1.240.235.98",
        "1 : 1",
        "1 : 4",
        "X-Forwarded-For: 1.240.235.98",
    ):
        assert told in top


def test_ascii_only_pages_hold_nothing_else() -> None:
    assert page(ascii_only=True).isascii()
    assert "--->" in page(ascii_only=True)


def test_colour_changes_nothing_but_colour() -> None:
    coloured = page(colour=True)
    assert "\x1b[" in coloured
    assert re.sub(r" +$", "", re.sub(r"\x1b\[[0-9;]*m", "", coloured), flags=re.MULTILINE) == page()


def test_pairs_name_the_frames_on_both_sides_and_what_decided() -> None:
    assert re.search(r"GET /divide/50 +200 +#14 ↔ #16 +rare value +8 ms +5 ms", page())


def test_a_finding_names_frames_remedy_and_filters() -> None:
    report = founding.report()
    trouble = replace(report.findings[0], severity=Severity.MEDIUM)
    text = page(replace(report, findings=(trouble,)))
    for told in (
        "MEDIUM   Source address rewritten",
        "What to do: Log X-Forwarded-For",
        "client #4 ↔ backend #14",
        "backend: frame.number == 14",
    ):
        assert told in text


def test_a_grave_finding_is_named_beside_the_verdict() -> None:
    report = founding.report()
    text = page(
        replace(report, findings=(replace(report.findings[0], severity=Severity.CRITICAL),))
    )
    assert "CRITICAL Source address rewritten" in "\n".join(text.splitlines()[:6])


def test_no_ratio_is_made_of_no_syn() -> None:
    report = founding.report()
    counts = replace(report.backend_counts, syns=0, opened=0, already_open=1)
    summary = replace(report.summary, reuse=Reuse.UNKNOWN)
    text = page(replace(report, backend_counts=counts, summary=summary))
    assert "no SYN seen" in text
    assert "0 : 4" not in text
    assert "opened before the capture: no ratio" in squeezed(text)


def test_a_retry_shows_each_attempt_and_how_it_ended() -> None:
    report = founding.report()
    pair = report.correlation.pairs[0]._replace(
        attempts=(
            Attempt(Ref(0, 1), AttemptOutcome.RESET),
            Attempt(Ref(0, 2), AttemptOutcome.ANSWERED),
        ),
        tier=Tier.ORDER,
        group=0,
        confidence=Confidence.LOW,
    )
    retried = replace(report, correlation=replace(report.correlation, pairs=(pair,)))
    text = page(founding.with_summary(retried), width=120)
    assert "order only *; reset" in text
    assert re.search(r"then again +#4 ↔ #16", text)
    assert "1 pair (marked * above) in 1 group of alike exchanges" in squeezed(text)


def test_a_long_table_is_cut_and_says_so() -> None:
    report = founding.report()
    report = replace(
        report, correlation=replace(report.correlation, pairs=tuple(report.correlation.pairs) * 50)
    )
    assert "… and 188 more pairs (--all shows them, --format json has everything)" in page(report)
    assert page(report, everything=True).count("GET /divide/25") >= 50


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


def test_that_no_header_differs_is_said_only_of_pairs_that_are_sure() -> None:
    report = founding.report()
    quiet = replace(report.correlation, changes=())
    unchanged = founding.with_summary(replace(report, correlation=quiet))
    assert squeezed(page(unchanged)).count("no header line differs") == 2
    unsure = replace(quiet, pairs=tuple(p._replace(confidence=Confidence.LOW) for p in quiet.pairs))
    text = squeezed(page(founding.with_summary(replace(report, correlation=unsure))))
    assert text.count("not known: no sure pair with whole heads") == 2
    assert "no header line differs" not in text


def test_swapped_captures_are_said_at_the_top() -> None:
    report = founding.report()
    text = page(replace(report, correlation=replace(report.correlation, swapped=True)))
    assert "were swapped" in "\n".join(text.splitlines()[:6])


@pytest.mark.parametrize("kind", list(Kind))
def test_every_verdict_has_its_sentence(kind: Kind) -> None:
    report = founding.report()
    text = page(
        replace(
            report,
            verdict=Verdict(kind, Confidence.LOW, ("snat", "of-the-future"), (), (), "because"),
        )
    )
    assert "confidence: low" in text.splitlines()[0]
    assert "because" in text


def test_long_addresses_are_listed_not_cut() -> None:
    report = founding.report()
    long = "2001:db8:1234:5678:9abc:def0:1234:5678"
    topology = replace(
        report.correlation.topology,
        clients=(long,),
        fronts=(Endpoint(long, 80),),
        backends=(Endpoint(long, 8080),),
    )
    text = page(replace(report, correlation=replace(report.correlation, topology=topology)))
    assert f"[{long}]:8080" in text


def test_several_points_and_files_are_told_apart() -> None:
    report = founding.report()
    second = replace(
        founding.backend_trace(),
        point=1,
        files=(founding.file("b.pcap", 15), founding.file("c.pcap", 9, first_frame=16)),
    )
    text = page(replace(report, backends=(report.backends[0], second)))
    assert "#14 ↔ B1 #16" in text
    assert re.search(r"B2\.2 +c\.pcap", text)


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


def test_show_marks_what_is_damaged() -> None:
    trace = founding.client_trace()
    lost = Exchange(0, 0, 1, None, trace.exchanges[0].response, marks=(Mark.LOST,))
    text = page(replace(trace, exchanges=[lost, *trace.exchanges[1:]]))
    assert "(not captured)" in text
    assert "lost in capture" in text
    assert "4 SYNs : 3 requests = 1.3 : 1" in text


def test_what_is_drawn_above_is_a_finding() -> None:
    """A finding that was renamed would be printed twice."""
    slugs = {module.slug for module in registry()} | {"added-latency"}
    assert {slug.split(".")[0] for slug in DRAWN_ABOVE} <= slugs


def test_formats_are_found_by_their_files() -> None:
    assert format_names() == ["json", "terminal"]
    assert all(get_format(name).SUMMARY for name in format_names())


def test_a_nat_is_drawn_only_where_one_was_found() -> None:
    report = founding.report()
    mapping = AddressMapping("192.168.0.5", "10.9.9.9", "X-Real-IP", 4, 4)
    topology = replace(report.correlation.topology, mappings=(mapping,))
    told = squeezed(
        page(
            replace(report, correlation=replace(report.correlation, topology=topology), findings=())
        )
    )
    assert "X-Real-IP states 10.9.9.9 for 192.168.0.5 (4 of 4)." in told
    assert "NAT" not in told
