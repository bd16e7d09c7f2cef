"""tshark reads the same HTTP/2, WebSocket and TLS, and must agree. Skipped without tshark."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path

import pytest
from h2.settings import SettingCodes

from lbtrace.model.net import Endpoint
from lbtrace.options import Options
from lbtrace.pipeline import inspect
from tests.findings.http2_talks import Http2Talk
from tests.findings.protocols.test_web_sockets import chat
from tests.tcp.wire import Wire, pcap
from tests.tls.conversations import get, ok
from tests.tls.wire import CLIENT, SERVER, Tls

TSHARK = shutil.which("tshark")
pytestmark = pytest.mark.skipif(TSHARK is None, reason="tshark is not installed")
MS = 1_000_000


def fields(path: Path, shown: str, *names: str, options: tuple[str, ...] = ()) -> list[list[str]]:
    """Per frame that the filter shows, the values of each field."""
    command = [str(TSHARK), "-r", str(path), *options, "-Y", shown, "-T", "fields"]
    for name in names:
        command += ["-e", name]
    said = subprocess.run(command, capture_output=True, text=True, check=True, timeout=60)
    return [line.split("\t") for line in said.stdout.splitlines()]


def numbers(text: str) -> list[int]:
    return [int(part, 0) for part in text.split(",") if part]


def written(path: Path, *wires: Wire) -> Path:
    path.write_bytes(pcap(*wires))
    return path


def test_control_frames(tmp_path: Path) -> None:
    talk = Http2Talk(settings={SettingCodes.MAX_CONCURRENT_STREAMS: 9})
    talk.asks("/a")
    talk.asks("/b")
    talk.answers(1, b"body")
    talk.server.reset_stream(3, 7)
    talk.client.ping(bytes(8))
    talk.client.increment_flow_control_window(1000)
    talk.said()
    talk.server.close_connection(0, None, 3)
    talk.unheard(False)
    path = written(tmp_path / "h2.pcap", talk.wire)
    mine = inspect([str(path)]).control
    for kind, name, held in (
        (3, "http2.rst_stream.error", "code"),
        (7, "http2.goaway.error", "code"),
        (7, "http2.goaway.last_stream_id", "value"),
        (8, "http2.window_update.window_size_increment", "value"),
        (4, "http2.settings.id", "code"),
    ):
        theirs = [
            (int(frame), value)
            for frame, values in fields(path, name, "frame.number", name)
            for value in numbers(values)
        ]
        ours = [
            (f.frame, getattr(f, held))
            for f in mine
            if f.kind == kind and getattr(f, held) is not None
        ]
        assert theirs, name
        assert sorted(ours) == sorted(theirs), name


def test_websocket_frames(tmp_path: Path) -> None:
    path = written(tmp_path / "ws.pcap", chat(0, 1001), chat(1, None))
    opcodes = [
        code
        for _, values in fields(path, "websocket", "frame.number", "websocket.opcode")
        for code in numbers(values)
    ]
    held = inspect([str(path)]).web_sockets
    assert sum(w.client.messages + w.server.messages for w in held) == opcodes.count(1) == 2
    closed = [w.server.close_code for w in held if w.server.close_code is not None]
    assert len(closed) == opcodes.count(8) == 1
    codes = fields(
        path, "websocket.payload.close.status_code", "websocket.payload.close.status_code"
    )
    assert [numbers(values) for (values,) in codes] == [closed]


@pytest.mark.parametrize(
    ("suite", "version"),
    [(0x1301, "1.3"), (0x1303, "1.3"), (0xC02F, "1.2"), (0xC013, "1.2"), (0xC0A0, "1.2")],
)
def test_what_is_in_tls(tmp_path: Path, suite: int, version: str) -> None:
    conversation = Tls(suite, version).handshake()
    for n in range(3):
        conversation.say(CLIENT, get(b"page/%d" % n)).say(SERVER, ok(b"body" * n))
    wire, sent = Wire([], server=Endpoint("10.0.0.1", 443)), [1, 1]
    wire.c("SYN", 0, at=0).s("SYN", 0, ack=1, at=MS).c("ACK", 1, ack=1, at=2 * MS)
    for n, (who, record) in enumerate(conversation.sent):
        add = wire.s if who == SERVER else wire.c
        add("PSH", sent[who], record, ack=sent[1 - who], at=(3 + n) * MS)
        sent[who] += len(record)
    path, keys = written(tmp_path / "tls.pcap", wire), tmp_path / "keys.txt"
    keys.write_bytes(conversation.keylog())
    options = ("-o", f"tls.keylog_file:{keys}")
    theirs = fields(path, "http.request", "http.request.uri", options=options)
    trace = inspect([str(path)], options=Options(keylogs=(str(keys),)))
    ours = [e.request.target for e in trace.exchanges if e.request is not None]
    assert ours == [uri for (uri,) in theirs] == [f"/page/{n}" for n in range(3)]
