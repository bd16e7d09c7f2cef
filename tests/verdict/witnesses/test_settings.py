"""SETTINGS of HTTP/2 are the same on both sides, or not: two who speak, or perhaps one library."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

import pytest
from h2.settings import SettingCodes
from hyperframe.frame import SettingsFrame
from hypothesis import given
from hypothesis import strategies as st

from lbtrace.model.net import Endpoint
from lbtrace.model.report import Kind, Report, Witness
from lbtrace.pipeline import compare
from lbtrace.verdict.weigh import TABLE, Strength
from tests.findings.http2_talks import Http2Talk
from tests.laws import examples
from tests.tcp.wire import pcap
from tests.verdict.test_weigh import Key, weighed

Settings = dict[SettingCodes, int]
ONE: Settings = {SettingCodes.MAX_CONCURRENT_STREAMS: 100, SettingCodes.INITIAL_WINDOW_SIZE: 65535}
OTHER: Settings = {
    SettingCodes.MAX_CONCURRENT_STREAMS: 128,
    SettingCodes.INITIAL_WINDOW_SIZE: 65536,
}
SAME_HEAD = ("x-id", "7f3a9c1e5b2d4860")


def talk(
    port: int, behind: bool, server: Settings, client: Settings = ONE, *more: tuple[str, str]
) -> Http2Talk:
    """Two requests that nobody changes, on one connection."""
    said = Http2Talk(port, 2 * behind, settings=server, asking=client, isn=port)
    if behind:
        said.between("10.0.0.80", Endpoint("172.16.0.11", 8080))
    for n in range(2):
        said.answers(said.asks(f"/{port % 100}/{n}", None, SAME_HEAD, *more), b"ok %d" % n)
    return said


def report(folder: Path, front: Iterable[Http2Talk], behind: Iterable[Http2Talk]) -> Report:
    paths = folder / "client.pcap", folder / "backend.pcap"
    for path, talks in zip(paths, (front, behind), strict=True):
        path.write_bytes(pcap(*(each.wire for each in talks)))
    return compare([[str(paths[0])]], [[str(paths[1])]])


def witness(told: Report) -> Witness | None:
    return next((w for w in told.verdict.witnesses if w.name == "settings"), None)


@pytest.mark.parametrize(
    ("server", "client"),
    [(OTHER, ONE), (ONE, OTHER), (OTHER, OTHER)],
    ids=["of-the-server", "of-the-client", "of-both"],
)
def test_other_settings_show_who_ends_http2(
    tmp_path: Path, server: Settings, client: Settings
) -> None:
    told = report(tmp_path, [talk(40001, False, ONE)], [talk(50001, True, server, client)])
    said = witness(told)
    assert said is not None
    assert told.verdict.kind is Kind.L7_PROXY
    values = {v.name: v.value for v in said.values}
    assert (values["count"], values["of"]) == (1, 1)
    assert "MAX_CONCURRENT_STREAMS 100" in str(values["before"])
    assert "MAX_CONCURRENT_STREAMS 128" in str(values["after"])
    frames = [(f.side, f.number) for e in said.evidence for f in e.frames]
    assert len(frames) == 2


def test_the_same_settings_decide_nothing(tmp_path: Path) -> None:
    front, behind = [talk(40001, False, ONE)], [talk(50001, True, ONE)]
    for each in (*front, *behind):
        each.closes()
    told = report(tmp_path, front, behind)
    said = witness(told)
    assert said is not None
    assert said.statement.startswith("Both ends send the same SETTINGS")
    assert TABLE["settings", "same"].strength is Strength.NONE


@given(st.sets(st.sampled_from(sorted(TABLE)), max_size=5))
@examples(200)
def test_no_verdict_is_tipped_by_settings_that_are_the_same(keys: set[Key]) -> None:
    others = sorted(keys - {("settings", "same")})
    assert weighed(*others, ("settings", "same")) == weighed(*others)


def later(*numbers: int) -> bytes:
    """More settings of a server, each in a frame of its own."""
    return b"".join(SettingsFrame(settings={number: 1}).serialize() for number in numbers)


@pytest.mark.parametrize("closed", [False, True])
def test_a_capture_that_ends_sooner_shows_fewer_settings(tmp_path: Path, closed: bool) -> None:
    """What is only the beginning of the other is different once both connections are over."""
    front, behind = talk(40001, False, ONE), talk(50001, True, ONE)
    behind.send(False, later(9))
    if closed:
        front.closes()
        behind.closes()
    said = witness(report(tmp_path, [front], [behind]))
    assert said is not None
    assert (" differ on " in said.statement) is closed


def test_settings_count_however_they_are_cut_into_packets(tmp_path: Path) -> None:
    front, behind = talk(40001, False, ONE), talk(50001, True, ONE)
    front.send(False, later(9, 10))
    behind.send(False, later(9))
    behind.send(False, later(10))
    for each in (front, behind):
        each.closes()
    said = witness(report(tmp_path, [front], [behind]))
    assert said is not None
    assert said.statement.startswith("Both ends send the same")


def test_nothing_is_said_where_the_beginning_was_not_captured(tmp_path: Path) -> None:
    front, behind = talk(40001, False, ONE), talk(50001, True, OTHER)
    del front.wire.segments[0]  # its SYN
    assert witness(report(tmp_path, [front], [behind])) is None
    front = talk(40001, False, ONE)
    del front.wire.segments[-2]  # a segment with payload, which is acknowledged
    assert witness(report(tmp_path, [front], [behind])) is None


def test_some_connections_with_other_settings_decide_less(tmp_path: Path) -> None:
    front = [talk(40001 + n, False, ONE) for n in range(3)]
    behind = [talk(50001 + n, True, OTHER if n == 2 else ONE) for n in range(3)]
    told = report(tmp_path, front, behind)
    said = witness(told)
    assert said is not None
    assert {v.name: v.value for v in said.values}["count"] == 1
    assert Kind.L7_PROXY in said.speaks_for


def test_te_of_grpc_is_passed_on_by_proxies_too(tmp_path: Path) -> None:
    """Of HTTP/2, TE is no field of the hop that only a proxy of bytes would pass on (RFC 9113
    §8.2.2).
    """
    trailers = ("te", "trailers")
    front = [talk(40001, False, ONE, ONE, trailers)]
    told = report(tmp_path, front, [talk(50001, True, OTHER, ONE, trailers)])
    (heads,) = [w for w in told.verdict.witnesses if w.name == "head-differences"]
    assert heads.statement.endswith("exchanges.")
    assert told.verdict.kind is Kind.L7_PROXY
