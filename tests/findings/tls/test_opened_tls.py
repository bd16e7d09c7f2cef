"""TLS that was opened: how many connections, and why not the others."""

from __future__ import annotations

from pathlib import Path

import lbtrace
from lbtrace.model.report import Finding
from tests.http.packets import Wire
from tests.tls.conversations import get, ok, one_exchange
from tests.tls.wire import CLIENT, SERVER, Tls


def _wire(conversation: Tls, port: int) -> Wire:
    wire = Wire(ports=(port, 443)).open()
    for place, (who, record) in enumerate(conversation.sent):
        wire.say(who, record, f"r{place}")
    return wire


def _found(tmp_path: Path, log: bytes, *wires: Wire) -> list[Finding]:
    """What `show` finds of TLS in connections, one after the other."""
    capture, keys = tmp_path / "a.pcap", tmp_path / "a.keys"
    packets = [p for wire in wires for p in [wire.pcap()]]
    capture.write_bytes(packets[0] + b"".join(p[24:] for p in packets[1:]))
    keys.write_bytes(log)
    (alone,) = lbtrace.show(capture, keylog=keys).captures
    return [f for f in alone.findings if f.slug == "opened-tls"]


def test_all_were_opened(tmp_path: Path) -> None:
    conversation = one_exchange(Tls(0x1301))
    (finding,) = _found(tmp_path, conversation.keylog(), _wire(conversation, 40000))
    assert finding.text == (
        "Opened with their secrets: 1 of 1 TLS connection (TLS 1.3, TLS_AES_128_GCM_SHA256: 1)."
    )
    assert [frame.number for frame in finding.evidence[0].frames] == [4]


def test_behind_a_proxy_header_the_handshake_begins_later(tmp_path: Path) -> None:
    """The frame and the time are those of the ClientHello, not of the first bytes."""
    conversation = one_exchange(Tls(0x1301))
    wire = Wire(ports=(40000, 443)).open()
    wire.say(CLIENT, b"PROXY TCP4 192.0.2.1 192.0.2.2 1000 443\r\n", "proxy")
    for place, (who, record) in enumerate(conversation.sent):
        wire.say(who, record, f"r{place}")
    (finding,) = _found(tmp_path, conversation.keylog(), wire)
    (begin,) = finding.evidence[0].frames
    assert (begin.number, begin.time_ns) == (5, 1_700_000_000_000_000_000 + 4_000_000)


def test_some_have_no_secrets(tmp_path: Path) -> None:
    known, unknown = one_exchange(Tls(0x1301)), one_exchange(Tls(0x1301, name="other"))
    one = _wire(known, 40000)
    (finding,) = _found(tmp_path, known.keylog(), one, _wire(unknown, 40001))
    assert "1 of 2 TLS connections" in finding.text
    assert "Not opened: no secrets for their client random: 1." in finding.text
    frames = [frame.number for frame in finding.evidence[0].frames]
    assert frames == [4, len(one.packets) + 4]


def test_records_that_no_tag_proves_are_told(tmp_path: Path) -> None:
    conversation = Tls(0x1301).handshake().say(CLIENT, get(b"a")).say(SERVER, ok(b"b" * 4000))
    wire = _wire(conversation, 40000)
    last = len(conversation.sent) - 1
    (finding,) = _found(tmp_path, conversation.keylog(), wire.drop(f"r{last}.1"))
    assert "1 of 7 records were read around bytes that are not in the capture" in finding.text


def test_early_data_that_was_refused_is_told(tmp_path: Path) -> None:
    conversation = Tls(0x1301).handshake(early=[get(b"early")], accepted=False)
    conversation.say(CLIENT, get(b"again")).say(SERVER, ok(b"b"))
    (finding,) = _found(tmp_path, conversation.keylog(), _wire(conversation, 40000))
    assert "On 1 the server refused early data (0-RTT)" in finding.text


def test_without_keys_nothing_is_said(tmp_path: Path) -> None:
    capture = tmp_path / "a.pcap"
    capture.write_bytes(_wire(one_exchange(Tls(0x1301)), 40000).pcap())
    (alone,) = lbtrace.show(capture).captures
    assert not any(f.slug == "opened-tls" for f in alone.findings)


def test_when_no_connection_opens_the_problem_says_why(tmp_path: Path) -> None:
    """Whoever gave a key log must not be told only that TLS hides the traffic."""
    known, unknown = one_exchange(Tls(0x1301)), one_exchange(Tls(0x1301, name="other"))
    capture, keys = tmp_path / "a.pcap", tmp_path / "a.keys"
    capture.write_bytes(_wire(unknown, 40000).pcap())
    keys.write_bytes(known.keylog())
    (alone,) = lbtrace.show(capture, keylog=keys).captures
    (finding,) = [f for f in alone.findings if f.slug == "encrypted-traffic"]
    assert finding.text.endswith(
        "The secrets given do not open it: no secrets for their client random: 1."
    )
    assert "--keylog" in finding.remedy
