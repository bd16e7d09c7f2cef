"""`frame`: packets, layer by layer."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from scapy.layers.inet import IP, TCP
from scapy.layers.l2 import Ether
from scapy.utils import wrpcap

from lbtrace.cli import run
from lbtrace.cli.frame import frame_numbers
from tests.cli.captures import SAMPLES

CLIENT = str(SAMPLES / "nginx-race" / "client.pcap")
BACKEND = str(SAMPLES / "nginx-race" / "backend.pcap")
HEAD = (
    b"GET /a?access_token=hunter2 HTTP/1.1\r\nHost: a\r\n"
    b"Authorization: Bearer hunter2\r\nCookie: sid=hunter2\r\n\r\npassword=hunter2"
)
FOLDED = (
    b"CONNECT me:hunter2@a:443 HTTP/1.1\r\n"
    b"Authorization: Bearer\r\n hunter2\r\n\thunter2\r\nAccept: */*,\r\n text/html\r\n\r\n"
)


@pytest.fixture
def secret(tmp_path: Path) -> str:
    """A capture with a credential wherever one can be; the second frame goes on in a cookie."""
    path = str(tmp_path / "secret.pcap")
    segment = Ether() / IP(src="10.0.0.1", dst="10.0.0.2") / TCP(sport=4000, dport=80)
    wrpcap(path, [segment / HEAD, segment / b"=hunter2\r\nAccept: */*\r\n\r\n", segment])
    return path


def test_a_frame_has_its_layers_and_its_head(capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["frame", CLIENT, "14", "--width", "120"]) == 0
    out = capsys.readouterr().out
    for told in (
        f"#14 of {CLIENT}"[:40],
        "2026-11-22 18:21:02.995424000 UTC",
        "link type Ethernet",
        "source 192.168.0.5",
        "destination port 80",
        "GET /divide/50 HTTP/1.1",
        "User-Agent: lbtrace-lab/1.0",
    ):
        assert told in out
    assert "0000  " not in out


def test_hex_shows_the_bytes(capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["frame", CLIENT, "1", "--hex"]) == 0
    assert "0000  ee f7 87 66 28 0b 06 2e" in capsys.readouterr().out


def test_what_findings_rest_on_is_marked(capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["frame", BACKEND, "10", "12", "--hex", "--width", "120"]) == 0
    out = capsys.readouterr().out
    for told in (
        "▶flags FIN ACK◀",
        "5d 3a 80▶11◀ *w",
        "  ▶GET /divide/50 HTTP/1.1◀",
        "  ▶X-Forwarded-For: 1.240.235.98◀",
        "   Host: divide",
        "▶ ◀: what findings rest on",
    ):
        assert told in out


def test_marks_move_no_byte(capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["frame", BACKEND, "1-27", "--hex", "--show-secrets", "--width", "120"]) == 0
    dump = re.findall(r"^   [0-9a-f]{4} .*$", capsys.readouterr().out, re.MULTILINE)
    assert len(dump) > 100
    for row in dump:
        bytes_ = bytes.fromhex(re.sub("[▶◀]", " ", row[8:56]))
        assert row[58:] == "".join(chr(b) if 0x20 <= b < 0x7F else "." for b in bytes_)


def test_one_finding_marks_what_it_rests_on(capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["frame", BACKEND, "12", "--finding", "keep-alive-race", "--width", "120"]) == 0
    out = capsys.readouterr().out
    assert "▶2026-11-22 18:21:02.995629000 UTC◀" in out
    assert "   X-Forwarded-For: 1.240.235.98" in out
    assert "what keep-alive-race rests on: the first line of a message, FIN or RST, the time" in out
    assert run(["frame", BACKEND, "12", "--finding", "tls-alerts"]) == 0
    out = capsys.readouterr().out
    assert "▶" not in out
    assert "tls-alerts rests on TLS hellos and alerts: not here." in out


def test_a_finding_that_is_none_names_the_nearest(capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["frame", BACKEND, "12", "--finding", "retires"]) == 2
    out, err = capsys.readouterr()
    assert (out, err.count("\n")) == ("", 1)
    assert "Did you mean retries" in err


@pytest.mark.parametrize("hex_", [[], ["--hex"]])
def test_credentials_are_shown_only_if_asked_for(
    hex_: list[str], secret: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run(["frame", secret, "1-3", *hex_]) == 0
    out = capsys.readouterr().out
    assert "hunter2" not in out
    assert b"hunter2".hex(" ") not in out
    assert "Authorization: Bearer …(7 bytes, #" in out
    assert "that may hold credentials: --show-secrets shows them" in out
    assert run(["frame", secret, "1-3", *hex_, "--show-secrets", "--width", "120"]) == 0
    out = capsys.readouterr().out
    assert "Cookie: sid=hunter2" in out
    assert "password=hunter2" in out
    assert "may hold credentials" not in out


def test_userinfo_and_folded_credentials_are_masked(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = str(tmp_path / "folded.pcap")
    segment = Ether() / IP(src="10.0.0.1", dst="10.0.0.2") / TCP(sport=4000, dport=80)
    wrpcap(path, [segment / FOLDED])
    assert run(["frame", path, "1"]) == 0
    out = capsys.readouterr().out
    assert "hunter2" not in out
    assert "@a:443 HTTP/1.1" in out
    assert "text/html" in out


def test_numbers_and_ranges() -> None:
    assert frame_numbers(["14", "#3", "5-7", "6"]) == [14, 3, 5, 6, 7]


@pytest.mark.parametrize(
    ("number", "told"),
    [
        ("0", "There is no frame 0"),
        ("31", "frames 1 to 30"),
        ("x", "not a frame number"),
        ("1-", "not a frame number"),
        ("-1", "No such option"),
        ("1-5000", "more than 1000 frames"),
        ("5-3", "no range of frames"),
        ("9" * 50, "not a frame number"),
    ],
)
def test_a_frame_that_is_not_there_is_one_line(
    number: str, told: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run(["frame", CLIENT, number]) == 2
    out, err = capsys.readouterr()
    assert (out, err.count("\n")) == ("", 1)
    assert told.lower() in err.lower()


def test_a_cut_frame_says_so(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = str(tmp_path / "cut.pcap")
    packet = Ether(bytes(Ether() / IP() / TCP())[:40])
    packet.wirelen = 900
    wrpcap(path, [packet])
    assert run(["frame", path, "1"]) == 0
    assert "40 of 900 bytes captured" in capsys.readouterr().out
