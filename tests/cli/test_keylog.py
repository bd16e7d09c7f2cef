"""`--keylog`: what is encrypted is read, by every command that reads captures."""

from __future__ import annotations

import json
import struct
from pathlib import Path

import pytest

from lbtrace import side_by_side
from lbtrace.cli import run
from tests.capture.files import block
from tests.http.packets import Wire
from tests.tls.conversations import one_exchange
from tests.tls.wire import Tls


@pytest.fixture
def files(tmp_path: Path) -> tuple[str, str]:
    """A capture of one HTTPS exchange, and its key log."""
    conversation = one_exchange(Tls(0x1301))
    wire = Wire(ports=(40000, 443)).open()
    for who, record in conversation.sent:
        wire.say(who, record, "")
    capture, keys = tmp_path / "capture.pcap", tmp_path / "keys.log"
    capture.write_bytes(wire.close().pcap())
    keys.write_bytes(conversation.keylog())
    return str(capture), str(keys)


def test_show_reads_what_is_inside(
    files: tuple[str, str], capsys: pytest.CaptureFixture[str]
) -> None:
    capture, keys = files
    assert run(["show", capture, "--keylog", keys, "--format", "json"]) == 0
    report = json.loads(capsys.readouterr().out)
    assert [e["request"]["target"] for e in report["capture"]["exchanges"]] == ["/a"]
    (connection,) = report["capture"]["connections"]
    session = connection["application"]["tls"]["session"]
    assert (session["version"], session["not_opened"]) == ("TLS 1.3", None)
    assert run(["show", capture]) == 0
    assert "/a" not in capsys.readouterr().out


def test_compare_and_check_read_what_is_inside(
    files: tuple[str, str], capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    capture, keys = files
    both = [capture, capture, "--keylog", keys]
    assert run(["compare", *both, "--format", "json"]) == 0
    assert len(json.loads(capsys.readouterr().out)["pairs"]) == 1
    lb = tmp_path / "lb.toml"
    lb.write_text('[protocol]\nclient = "HTTP/1.1"\n')
    words = ["check", "--client", capture, "--expect", str(lb), "--format", "json"]
    assert run([*words, "--keylog", keys]) == 0
    assert run(words) != 0


def test_no_secret_is_shown(files: tuple[str, str], capsys: pytest.CaptureFixture[str]) -> None:
    capture, keys = files
    secrets = {line.split()[2] for line in Path(keys).read_text().splitlines()}
    for words in (["-v", "--all"], ["--format", "json"], ["--format", "json", "--show-secrets"]):
        assert run(["compare", capture, capture, "--keylog", keys, *words]) == 0
        out = capsys.readouterr()
        assert not any(secret in out.out + out.err for secret in secrets)


def test_keys_of_other_connections_are_told(
    files: tuple[str, str], capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    other = tmp_path / "other.log"
    other.write_bytes(Tls(0x1301, name="other").handshake().keylog())
    assert run(["show", files[0], "--keylog", str(other), "--format", "json"]) == 0
    report = json.loads(capsys.readouterr().out)
    (said,) = [d for d in report["capture"]["diagnostics"] if d["slug"] == "keylog-unused"]
    random = Path(files[1]).read_text().split()[1]
    assert random in said["text"]
    (connection,) = report["capture"]["connections"]
    assert connection["application"]["tls"]["session"]["not_opened"] == "no-secrets"


def test_a_key_log_without_a_line_is_an_error(
    files: tuple[str, str], capsys: pytest.CaptureFixture[str]
) -> None:
    assert run(["show", files[0], "--keylog", files[0]]) == 2
    out = capsys.readouterr()
    assert out.err.count("\n") == 1
    assert run(["show", files[0], "--keylog", "/nowhere/keys"]) == 2
    assert capsys.readouterr().err.count("\n") == 1


def test_a_key_log_is_not_written_over(files: tuple[str, str]) -> None:
    capture, keys = files
    before = Path(keys).read_bytes()
    assert run(["show", capture, "--keylog", keys, "-o", keys]) == 2
    assert Path(keys).read_bytes() == before


def _with_secrets(capture: str, keys: str, tmp_path: Path) -> str:
    """The capture as pcapng, with its key log inside."""
    data, log = Path(capture).read_bytes(), Path(keys).read_bytes()
    link = struct.unpack("<I", data[20:24])[0]
    out = block(0x0A0D0D0A, struct.pack("<IHHq", 0x1A2B3C4D, 1, 0, -1))
    out += block(1, struct.pack("<HHI", link, 0, 0))
    out += block(10, struct.pack("<II", 0x544C534B, len(log)) + log)
    at = 24
    while at < len(data):
        s, us, kept, sent = struct.unpack("<IIII", data[at : at + 16])
        ticks = s * 1_000_000 + us
        head = struct.pack("<IIIII", 0, ticks >> 32, ticks & 0xFFFFFFFF, kept, sent)
        out += block(6, head + data[at + 16 : at + 16 + kept])
        at += 16 + kept
    pcapng = tmp_path / "capture.pcapng"
    pcapng.write_bytes(out)
    return str(pcapng)


def test_decryption_secrets_in_the_capture_are_used_by_themselves(
    files: tuple[str, str], capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    assert run(["show", _with_secrets(*files, tmp_path), "--format", "json"]) == 0
    report = json.loads(capsys.readouterr().out)
    assert [e["request"]["target"] for e in report["capture"]["exchanges"]] == ["/a"]


@pytest.mark.parametrize("first", [True, False])
@pytest.mark.parametrize("jobs", ["1", "2"])
def test_decryption_secrets_of_one_side_open_the_other(
    files: tuple[str, str],
    capsys: pytest.CaptureFixture[str],
    tmp_path: Path,
    first: bool,
    jobs: str,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(side_by_side, "WORTH", 1)
    both = [_with_secrets(*files, tmp_path), files[0]]
    assert (
        run(["compare", *(both if first else both[::-1]), "--format", "json", "--jobs", jobs]) == 0
    )
    assert len(json.loads(capsys.readouterr().out)["pairs"]) == 1
