"""What became of TLS that was opened: the exchanges in it tell."""

from __future__ import annotations

from pathlib import Path

import pytest

import lbtrace
from tests.http.packets import Wire
from tests.tls.conversations import get, ok
from tests.tls.wire import CLIENT, SERVER, Tls

REQUESTS = (b"one", b"two", b"three")


def _in_tls(name: str) -> tuple[list[tuple[int, bytes]], bytes]:
    tls = Tls(0x1301, name=name).handshake()
    for n, target in enumerate(REQUESTS):
        tls.say(CLIENT, get(target)).say(SERVER, ok(b"body %d" % n))
    return tls.sent, tls.keylog()


def _plain() -> list[tuple[int, bytes]]:
    return [
        half
        for n, target in enumerate(REQUESTS)
        for half in ((CLIENT, get(target)), (SERVER, ok(b"body %d" % n)))
    ]


def _pcap(said: list[tuple[int, bytes]], isn: int) -> bytes:
    wire = Wire(ports=(40000 + isn, 443), isn=(isn, isn + 7)).open()
    for who, data in said:
        wire.say(who, data, "")
    return wire.close().pcap()


@pytest.mark.parametrize("again", [False, True])
def test_tls_that_ends_at_the_balancer_and_tls_that_begins_there(
    tmp_path: Path, again: bool
) -> None:
    front, log = _in_tls("front")
    behind, more = _in_tls("behind") if again else (_plain(), b"")
    client, backend, keys = (tmp_path / name for name in ("c.pcap", "b.pcap", "keys"))
    client.write_bytes(_pcap(front, 1000))
    backend.write_bytes(_pcap(behind, 2000))
    keys.write_bytes(log + more)
    report = lbtrace.compare(client, backend, keylog=keys)
    words = ("tls-terminating", "tls-reencrypting") if again else ("tls-terminating",)
    assert report.verdict.modifiers == words
    (witness,) = (w for w in report.verdict.witnesses if w.name == "tls")
    assert report.verdict.kind in witness.speaks_for


def test_tls_that_passes_through_is_one_client_hello(tmp_path: Path) -> None:
    said, log = _in_tls("one")
    client, backend, keys = (tmp_path / name for name in ("c.pcap", "b.pcap", "keys"))
    client.write_bytes(_pcap(said, 1000))
    backend.write_bytes(_pcap(said, 2000))
    keys.write_bytes(log)
    report = lbtrace.compare(client, backend, keylog=keys)
    assert "tls-passthrough" in report.verdict.modifiers
    assert len(report.correlation.pairs) == len(REQUESTS)
