"""One problem or one exchange in full, and its ladder."""

from __future__ import annotations

import re
from dataclasses import replace

import pytest

from lbtrace.errors import OptionError
from lbtrace.model.pairing import (
    Attempt,
    AttemptOutcome,
    ClockRefusal,
    Confidence,
    Ref,
    Unpaired,
    UnpairedReason,
)
from lbtrace.model.report import Report, Severity
from lbtrace.render import Detail
from tests.render import founding
from tests.render.documents import page, squeezed


def zoomed(name: str, report: Report | None = None, **view: object) -> str:
    return page(report or founding.report(), Detail.FIRST_SCREEN, zoom=name, **view)


def wrong(*frames: int) -> Report:
    """The founding experiment with a problem that names client frames."""
    report = founding.report()
    (finding,) = report.findings
    (evidence,) = finding.evidence
    refs = tuple(
        evidence.frames[0]._replace(
            number=frame, time_ns=evidence.frames[0].time_ns + (frame - 4) * 100 * founding.MS
        )
        for frame in frames
    )
    return replace(
        report,
        findings=(
            replace(finding, severity=Severity.HIGH, evidence=(replace(evidence, frames=refs),)),
        ),
    )


def attempted(*outcomes: AttemptOutcome) -> Report:
    report = founding.report()
    first, *others = report.correlation.pairs
    attempts = tuple(Attempt(Ref(0, 1 + n), outcome) for n, outcome in enumerate(outcomes))
    pairs = (first._replace(attempts=attempts), *others)
    return replace(report, correlation=replace(report.correlation, pairs=pairs))


def test_an_exchange_shows_heads_ladder_and_filters() -> None:
    text = squeezed(zoomed("1", width=110))
    for told in (
        "Exchange 1: GET /divide/25 → 200 at 07:01:46.515, took 8 ms",
        "Paired by: a value rare in both captures appears on both sides (confidence: high).",
        "Request head the balancer: + added, - removed, ~ changed client #4 backend #14",
        "+ X-Forwarded-For: 1.240.235.98",
        "Response head the balancer: + added, - removed, ~ changed client #6 backend #15",
        "client client.pcap requests frame.number == 4 responses frame.number == 6 all steps "
        "frame.number in {1, 4, 6}",
        "backend backend.pcap requests frame.number == 14 responses frame.number == 15 all steps "
        "frame.number in {11, 14, 15}",
        "connection of #4 tcp.stream == 0 connection of #14 tcp.stream == 1",
    ):
        assert told in text
    assert "Attempts" not in text


def test_a_field_of_the_response_that_only_the_client_got_was_added() -> None:
    report = founding.report()
    (trace,) = report.clients
    exchanges = list(trace.exchanges)
    response = exchanges[0].response
    assert response is not None
    via = founding.lines("Via: b")
    exchanges[0] = exchanges[0]._replace(response=response._replace(lines=via))
    changed = replace(report, clients=(replace(trace, exchanges=exchanges),))
    head = zoomed("1", changed).partition("Response head")[2].partition("Ladder")[0]
    assert re.search(r"^ \+  Via: b$", head, re.M)
    assert re.search(r"^ -  +Content-Length: 1$", head, re.M)


def test_answers_that_are_not_the_same_are_not_compared() -> None:
    text = zoomed("1", attempted(AttemptOutcome.TIMEOUT))
    assert text.count("Response head\n") == 2
    assert squeezed(text).count("Response head client #6 HTTP/1.1 200 OK") == 1
    assert "1 172.31.11.95:8080 #14 timed out 200 5 ms" in squeezed(text)


def test_attempts_are_listed_where_one_failed() -> None:
    text = squeezed(zoomed("1", attempted(AttemptOutcome.RESET, AttemptOutcome.ANSWERED)))
    assert (
        "1 172.31.11.95:8080 #14 reset 200 5 ms 2 172.31.11.95:8080 #16 answered 200 5 ms" in text
    )
    assert "none: no request in a backend capture" in squeezed(zoomed("1", attempted()))


def test_the_ladder_has_an_arrow_for_each_step() -> None:
    drawn = zoomed("1").partition("Ladder")[2].partition("Wireshark")[0].splitlines()
    assert drawn[1].split() == ["client", "balancer", "backend"]
    assert [re.sub(r"[ ─]+", " ", line).strip() for line in drawn[2:8]] == [
        "-3 ms C #1 │ SYN ▶│ │",
        "0 s C #4 │ GET /divide/25 ▶│ │",
        *(line for line in [re.sub(r"[ ─]+", " ", line).strip() for line in drawn[4:7]]),
        "+8 ms C #6 │◀ 200 OK │ │",
    ]
    assert all("±" in line for line in drawn[4:7])
    assert re.search(r"B #15 +│ +│◀─+ 200 OK ─│", drawn[6])


@pytest.mark.parametrize("width", [40, 60, 80, 130])
@pytest.mark.parametrize("name", ["1", "u1", "P1"])
def test_no_line_is_wider_than_the_page(name: str, width: int) -> None:
    assert all(len(line) <= width for line in zoomed(name, wrong(4), width=width).splitlines())


def test_lanes_stand_below_their_names() -> None:
    drawn = zoomed("1").partition("Ladder")[2].splitlines()
    columns = [at for at, c in enumerate(drawn[2]) if c == "│"]
    assert [drawn[1].index(name) for name in ("client", "balancer", "backend")] == columns


def test_without_a_common_clock_it_says_so() -> None:
    report = founding.report()
    (clock,) = report.correlation.clocks
    refused = replace(clock, refused=ClockRefusal.NO_PAIR)
    report = replace(report, correlation=replace(report.correlation, clocks=(refused,)))
    text = zoomed("1", report)
    assert "no common clock: in the order in which it must have been" in text
    assert re.search(r"^ +B #14", text, re.M)


def test_an_exchange_without_a_partner_says_why() -> None:
    report = founding.report()
    alone = Unpaired("backend", Ref(0, 0), UnpairedReason.HEALTH_CHECK, Confidence.HIGH)
    report = replace(report, correlation=replace(report.correlation, unpaired=(alone,)))
    text = squeezed(zoomed("u1", report))
    assert "Exchange u1: GET /health → 200" in text
    assert "On the backend side only: health check." in text
    assert "Request head backend #4 GET /health HTTP/1.1" in text


def test_a_problem_shows_its_exchanges_and_all_evidence() -> None:
    text = zoomed("p1", wrong(4, 14))
    assert text.splitlines()[1].startswith(" P1 HIGH   The backend sees")
    assert re.findall(r"^Exchange (\d)", text, re.M) == ["1", "2"]
    assert "All evidence" in text
    assert "frame.number in {4, 14}" in text.partition("All evidence")[2]


def test_of_many_exchanges_of_a_problem_three_are_shown() -> None:
    report = wrong(4, 14, 24, 34)
    assert re.findall(r"^Exchange (\d)", zoomed("P1", report), re.M) == ["1", "2", "3"]
    assert "+1 more exchange of P1: 4" in zoomed("P1", report)
    everything = page(report, Detail.EVERYTHING, zoom="P1")
    assert re.findall(r"^Exchange (\d)", everything, re.M) == ["1", "2", "3", "4"]
    assert "more exchange" not in everything


@pytest.mark.parametrize("name", ["0", "5", "u2", "P2", "-1", "x", "P", "u", "1" * 30, "²", "u-1"])
def test_what_is_not_there_is_refused_with_what_is(name: str) -> None:
    with pytest.raises(OptionError, match="There is P1, 1 to 4, u1"):
        zoomed(name, wrong(4))


def test_a_ladder_alone() -> None:
    text = zoomed("2", ladder="text")
    assert text.splitlines()[0].split() == ["client", "balancer", "backend"]
    assert "GET /divide/50" in text
    assert "Exchange" not in text
    assert zoomed("P1", wrong(14), ladder="text") == text


def test_a_ladder_for_mermaid() -> None:
    lines = zoomed("1", ladder="mermaid").splitlines()
    assert lines[0] == "sequenceDiagram"
    assert lines[1:4] == [
        "    participant C as client",
        "    participant L as balancer",
        "    participant B as backend",
    ]
    assert lines[5] == "    C->>L: GET /divide/25, client #35;4, 0 s"
    assert lines[-1] == "    L-->>C: 200 OK, client #35;6, +8 ms"


def test_text_of_the_wire_ends_no_statement_of_mermaid() -> None:
    report = founding.report()
    (trace,) = report.clients
    exchanges = list(trace.exchanges)
    request = exchanges[0].request
    assert request is not None
    nasty = request._replace(target="/;end\n#<b>%%{init}")
    exchanges[0] = exchanges[0]._replace(request=nasty)
    lines = zoomed(
        "1", replace(report, clients=(replace(trace, exchanges=exchanges),)), ladder="mermaid"
    ).splitlines()
    assert len(lines) == 10
    assert "GET /#59;end\\x0a#35;#60;b#62;%%#123;init#125;," in lines[5]


def test_ascii_only() -> None:
    assert zoomed("1", ascii_only=True).isascii()
    assert zoomed("1", ascii_only=True, ladder="mermaid").isascii()


def test_a_problem_without_an_exchange_has_no_ladder() -> None:
    with pytest.raises(OptionError, match="names no exchange"):
        zoomed("P1", wrong(1), ladder="text")


def test_an_exchange_of_one_capture() -> None:
    text = page(founding.client_trace(), Detail.FIRST_SCREEN, zoom="2")
    assert "Exchange 2: GET /divide/50 → 200" in text
    assert "Request head\n #14\n GET /divide/50 HTTP/1.1" in text
    drawn = text.partition("Ladder")[2].splitlines()
    assert drawn[1].split() == ["client", "server"]
    assert all(line.count("│") == 2 for line in drawn[2:5])


@pytest.mark.parametrize("name", ["0", "5", "P1", "u1"])
def test_one_capture_has_no_other(name: str) -> None:
    with pytest.raises(OptionError, match="There is 1 to 4"):
        page(founding.client_trace(), Detail.FIRST_SCREEN, zoom=name)
