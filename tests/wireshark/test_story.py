"""The captures that are written are read by Wireshark's tools, and hold what they should."""

from __future__ import annotations

import io
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from lbtrace import capture
from lbtrace.cli import run
from lbtrace.model.net import Side
from lbtrace.model.pairing import Clock, ClockRefusal, Correlation
from lbtrace.options import Options, quiet
from lbtrace.pipeline import compare
from lbtrace.tables.packets import Recording
from lbtrace.wireshark import notes as comments
from lbtrace.wireshark.one_clock import shifts
from lbtrace.wireshark.points import Sources
from lbtrace.wireshark.story import StoryOptions, write_merged
from tests.behaviour.samples import report_of, samples
from tests.cli.captures import SAMPLES
from tests.render import founding
from tests.simulator.script import Script
from tests.wireshark import tshark

RACE = [str(SAMPLES / "nginx-race" / f"{side}.pcap") for side in ("client", "backend")]
HOSTILE = b"/x pair=7: problem=P9 \xe2\x80\xae\x1b[31m</script>"


def merged(tmp_path: Path, *arguments: str) -> Path:
    path = tmp_path / "story.pcapng"
    assert run(["merge", *(arguments or RACE), "-o", str(path)]) == 0
    return path


@pytest.mark.parametrize("name", samples())
def test_every_packet_is_there_once_with_its_bytes_and_in_order(name: str, tmp_path: Path) -> None:
    report = report_of(name)
    path = tmp_path / "story.pcapng"
    with path.open("wb") as out:
        done = write_merged(report, out, StoryOptions(shift=False), quiet)
    story = capture.read([str(path)], quiet)
    times = story.records.time_ns
    assert (np.diff(times) >= 0).all()
    wanted = []
    for trace in (*report.clients, *report.backends):
        given_ = capture.read([f.path for f in trace.files], quiet)
        wanted += _packets(given_)
    assert sorted(_packets(story)) == sorted(wanted)
    assert done.packets == len(wanted)
    assert done.comments == len(story.comments)
    assert story.diagnostics == ()


def _packets(recording: Recording) -> list[tuple[int, bytes, int]]:
    r = recording.records
    columns = (r.time_ns, r.offset, r.captured, r.wire, r.buffer)
    rows = zip(*(column.tolist() for column in columns), strict=True)
    return [(t, bytes(recording.buffers[b][o : o + n]), w) for t, o, n, w, b in rows]


@tshark.needed
def test_capinfos_reads_it(tmp_path: Path) -> None:
    said = tshark.infos(merged(tmp_path))
    assert said["Strict time order"] == "True"
    assert said["File timestamp precision"] == "nanoseconds (9)"
    assert said["Number of packets"] == "27"  # of the last interface
    assert said["Number of interfaces in file"] == "2"
    assert said["Name"] == "backend"
    assert said["Description"] == "backend.pcap; times moved by +32.5 µs (± 263 µs)"


@tshark.needed
def test_a_pair_can_be_filtered_for(tmp_path: Path) -> None:
    fields = "lbtrace.capture", "lbtrace.frame", "lbtrace.attempt", "lbtrace.outcome"
    found = tshark.rows(merged(tmp_path), *fields, wanted="lbtrace.pair == 2")
    assert [(capture_, frame) for capture_, frame, *_ in found] == [
        ("client", "14"), ("backend", "12"), ("backend", "17"), ("backend", "19"), ("client", "16"),
    ]  # fmt: skip
    assert [row[2:] for row in found if row[2]] == [
        ("1/2", "reset"), ("2/2", "answered"), ("2/2", "answered"),
    ]  # fmt: skip


@tshark.needed
def test_a_problem_can_be_filtered_for(tmp_path: Path) -> None:
    path = merged(tmp_path)
    (problem,) = report_of("nginx-race").problems
    wanted = {(frame.side.value, str(frame.number)) for frame in problem.frames}
    for filter_ in ('lbtrace.problem == "P1"', 'lbtrace.severity == "high"'):
        found = set(tshark.rows(path, "lbtrace.capture", "lbtrace.frame", wanted=filter_))
        assert found >= wanted if "severity" not in filter_ else found
    assert tshark.rows(path, "frame.number", wanted='lbtrace.finding contains "race"')


@tshark.needed
def test_addresses_have_names(tmp_path: Path) -> None:
    found = tshark.rows(merged(tmp_path), "ip.src_host", options=("-N", "n"))
    assert {name for (name,) in found} == {"client", "balancer-front", "balancer-back", "backend"}


@tshark.needed
def test_an_interface_for_each_capture_point(tmp_path: Path) -> None:
    path = tmp_path / "story.pcapng"
    sample = SAMPLES / "nginx-retried-post"
    files = [str(sample / f"{name}.pcap") for name in ("client", "backend", "backend2")]
    assert run(["merge", *files, "-o", str(path)]) == 0
    found = tshark.rows(path, "frame.interface_name")
    assert {name for (name,) in found} == {"client", "backend1", "backend2"}


def test_backends_are_moved_to_the_clock_of_the_client(tmp_path: Path) -> None:
    report = report_of("alb-like")
    (clock,) = report.correlation.clocks
    path = tmp_path / "story.pcapng"
    with path.open("wb") as out:
        done = write_merged(report, out, StoryOptions(), quiet)
    moved = capture.read([str(path)], quiet).records.time_ns
    sides = [
        capture.read([f.path for f in trace.files], quiet).records.time_ns
        for trace in (*report.clients, *report.backends)
    ]
    behind = [clock.delta_ns(t) + t for t in sides[1].tolist()]
    assert moved.tolist() == sorted([*sides[0].tolist(), *behind])
    assert done.clocks[0] == "client: times as captured"
    assert done.clocks[1].startswith("backend: times moved by ")
    assert "±" in done.clocks[1]


@given(
    st.integers(-(10**18), 10**18), st.integers(-(10**6), 10**6), st.integers(0, 2 * 10**18),
    st.integers(0, 10**14),
)  # fmt: skip
def test_a_shift_is_the_delta_of_the_clock(delta: int, drift: int, at: int, width: int) -> None:
    clock = Clock(0, 0, delta, delta + 2 * width, drift, 10**18, 4)
    report = replace(founding.report(), correlation=Correlation(clocks=(clock,)))
    move = shifts(report)[Side.BACKEND, 0]
    assert move.moved(np.array([at])).tolist() == [at + clock.delta_ns(at)]
    assert move.half_width_ns == clock.half_width_ns
    assert shifts(report)[Side.CLIENT, 0].moved(np.array([at])).tolist() == [at]


def test_another_client_is_reached_over_a_backend() -> None:
    clocks = Clock(0, 0, 100, 100, pairs=4), Clock(1, 0, 30, 30, pairs=4)
    report = replace(founding.report(), correlation=Correlation(clocks=clocks))
    found = shifts(report)
    assert found[Side.CLIENT, 1].moved(np.array([1000])).tolist() == [1000 - 30 + 100]
    assert found[Side.CLIENT, 1].middle_ns == 70


def test_without_a_clock_times_stay_and_that_is_said() -> None:
    report = report_of("alb-like")
    (clock,) = report.correlation.clocks
    refused = replace(clock, refused=ClockRefusal.CONTRADICTED)
    report = replace(report, correlation=replace(report.correlation, clocks=(refused,)))
    out = io.BytesIO()
    done = write_merged(report, out, StoryOptions(), quiet)
    assert done.clocks[1] == "backend: times as captured: no clock is known"


def test_no_shift_keeps_the_times(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    merged(tmp_path, *RACE, "--no-shift")
    assert "moved" not in capsys.readouterr().out


@tshark.needed
def test_hostile_bytes_make_no_field(tmp_path: Path) -> None:
    play = Script()
    front, back = play.front(), play.back()
    asked = (
        b"GET " + HOSTILE.replace(b" ", b"%20") + b" HTTP/1.1\r\nHost: a\r\nX-Id: 4711abc\r\n\r\n"
    )
    front.asks(asked)
    back.asks(asked).answers(b"HTTP/1.1 500 " + HOSTILE + b"\r\nContent-Length: 0\r\n\r\n")
    front.answers(b"HTTP/1.1 500 " + HOSTILE + b"\r\nContent-Length: 0\r\n\r\n").leaves()
    files = [str(path) for path in play.write(tmp_path)]
    path = tmp_path / "story.pcapng"
    assert run(["merge", *files, "-o", str(path)]) == 0
    found = tshark.rows(path, "lbtrace.pair", "lbtrace.problem", wanted="lbtrace.note")
    assert found
    pairs = {value for pair, _ in found for value in pair.split(";") if value}
    problems = {value for _, problem in found for value in problem.split(";") if value}
    assert pairs <= {"1"}
    assert "P9" not in problems
    comments = capture.read([str(path)], quiet).comments
    assert all(text.isprintable() for _, text in comments)


def test_credentials_in_comments_are_masked(tmp_path: Path) -> None:
    play = Script()
    front, back = play.front(), play.back()
    asked = b"GET /a?access_token=Zm9vYmFyLXNlY3JldA HTTP/1.1\r\nHost: a\r\n\r\n"
    answer = b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n"
    front.asks(asked)
    back.asks(asked).answers(answer)
    front.answers(answer)
    files = [str(path) for path in play.write(tmp_path)]
    for more, there in (((), False), (("--show-secrets",), True)):
        path = tmp_path / "story.pcapng"
        assert run(["merge", *files, *more, "-o", str(path)]) == 0
        comments = "\n".join(text for _, text in capture.read([str(path)], quiet).comments)
        assert ("Zm9vYmFyLXNlY3JldA" in comments) is there


@tshark.needed
def test_one_capture_of_both_sides_is_one_interface(tmp_path: Path) -> None:
    sample = SAMPLES / "nlb-like"
    both = tmp_path / "both.pcap"
    both.write_bytes(
        (sample / "client.pcap").read_bytes() + (sample / "backend.pcap").read_bytes()[24:]
    )
    path = tmp_path / "story.pcapng"
    assert run(["merge", "--lb", str(both), "-o", str(path)]) == 0
    assert tshark.infos(path)["Number of interfaces in file"] == "1"
    assert {name for (name,) in tshark.rows(path, "frame.interface_name")} == {"both"}


@tshark.needed
def test_secrets_open_tls_and_only_when_they_are_asked_for(tmp_path: Path) -> None:
    sample = SAMPLES / "alb-like-tls"
    files = [str(sample / "client.pcap"), str(sample / "backend.pcap")]
    keys = ["--keylog", str(sample / "client.keys")]
    plain = merged(tmp_path, *files, *keys)
    assert b"CLIENT_" not in plain.read_bytes()
    opened = merged(tmp_path, *files, *keys, "--with-secrets")
    assert opened.stat().st_mode & 0o077 == 0, "only the owner may read secrets"
    targets = tshark.rows(
        opened, "http.request.uri", wanted='http.request && frame.interface_name == "client"'
    )
    assert len(targets) >= 4


def test_secrets_of_other_connections_are_not_written(tmp_path: Path) -> None:
    sample = SAMPLES / "alb-like-tls"
    files = [str(sample / "client.pcap"), str(sample / "backend.pcap")]
    keys = sample / "client.keys"
    more = tmp_path / "more.keys"
    stranger = f"CLIENT_RANDOM {'ab' * 32} {'cd' * 48}\n"
    more.write_text(keys.read_text() + stranger)
    path = tmp_path / "case.pcapng"
    arguments = ["extract", *files, "--keylog", str(more), "--pair", "1", "--with-secrets"]
    assert run([*arguments, "-o", str(path)]) == 0
    held = path.read_bytes()
    assert b"abababab" not in held
    report = compare([[files[0]]], [[files[1]]], Options(keylogs=(str(keys),)))
    of_pair = report.correlation.pairs[0].client
    client = report.clients[0]
    hello = client.applications[client.exchanges[of_pair.id].connection].tls
    assert hello is not None
    assert hello.random.encode() in held
    others = {a.tls.random for a in client.applications if a.tls is not None} - {hello.random}
    assert not [random for random in others if random.encode() in held]


@tshark.needed
def test_a_comment_stands_once_at_its_frame_and_in_order(monkeypatch: pytest.MonkeyPatch) -> None:
    sources = Sources(report_of("nginx-race"))
    source = sources.every[0]
    told = [(source, 1, said, "text") for said in ("b", "a", "b", "c", "a")]
    monkeypatch.setattr(comments, "_told", lambda _: iter(told))
    lines = [line.split(" ", 3)[3] for line in comments.notes(sources)[source.number][1]]
    assert lines == ["b: text", "a: text", "c: text"]


def test_the_page_shows_what_tshark_prints(tmp_path: Path) -> None:
    page = (SAMPLES.parent / "docs/wireshark.md").read_text("utf-8")
    shown_ = page.partition("<!-- tshark -->\n```text\n")[2].partition("\n```")[0]
    fields = (
        "frame.number",
        "lbtrace.capture",
        "lbtrace.frame",
        "lbtrace.attempt",
        "lbtrace.outcome",
    )
    found = tshark.rows(merged(tmp_path), *fields, wanted="lbtrace.pair == 2")
    assert ["\t".join(row) for row in found] == shown_.splitlines()


def test_the_comments_on_the_page_are_written(tmp_path: Path) -> None:
    page = (SAMPLES.parent / "docs/wireshark.md").read_text("utf-8")
    lines = [line for line in page.splitlines() if line.startswith("lbtrace backend #")]
    assert len(lines) == 2
    comments = [text for _, text in capture.read([str(merged(tmp_path))], quiet).comments]
    for line in lines:
        assert any(text.startswith(line.removesuffix("…")) for text in comments), line


def test_a_rotated_and_compressed_capture_is_one_interface(tmp_path: Path) -> None:
    import gzip

    play = Script()
    first, second = play.front(), play.back()
    asked = b"GET /a HTTP/1.1\r\nHost: a\r\n\r\n"
    answer = b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n"
    first.asks(asked)
    second.asks(asked).answers(answer)
    first.answers(answer)
    one, behind = play.write(tmp_path)
    play.client.clear()
    play.wait(5000)
    first.asks(asked)
    first.answers(answer)
    later = tmp_path / "later"
    later.mkdir()
    two, _ = play.write(later)
    packed = tmp_path / "client.pcap.gz"
    packed.write_bytes(gzip.compress(two.read_bytes()))
    path = tmp_path / "story.pcapng"
    arguments = ["--client", str(one), str(packed), "--backend", str(behind)]
    assert run(["merge", *arguments, "-o", str(path)]) == 0
    comments = [text for _, text in capture.read([str(path)], quiet).comments]
    numbers = {text.split()[2] for text in comments if text.startswith("lbtrace client ")}
    assert {"#4", "#1"} <= numbers  # of the first file, and of the second
