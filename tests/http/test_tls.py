"""ClientHello: read over records and pieces, never guessed where it is cut."""

from __future__ import annotations

import struct

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lbtrace.http.cursor import Cursor, StreamPieces
from lbtrace.http.tls import alerts, asked_nothing, client_hello, looks_like
from lbtrace.model.http import ClientHello
from tests.http.streams import MS, Talk, table
from tests.laws import examples

RANDOM = bytes(range(32))


def block(size: int, data: bytes) -> bytes:
    return len(data).to_bytes(size, "big") + data


def extension(kind: int, data: bytes) -> bytes:
    return struct.pack(">H", kind) + block(2, data)


def names(*entries: tuple[int, bytes]) -> bytes:
    return extension(
        0, block(2, b"".join(bytes([kind]) + block(2, name) for kind, name in entries))
    )


def alpn(*protocols: bytes) -> bytes:
    return extension(16, block(2, b"".join(block(1, p) for p in protocols)))


def versions(*numbers: int) -> bytes:
    return extension(43, block(1, b"".join(struct.pack(">H", n) for n in numbers)))


def hello(*extensions: bytes, session: bytes = b"id", kind: int = 1) -> bytes:
    """A handshake message."""
    body = b"\x03\x03" + RANDOM + block(1, session) + block(2, b"\x13\x01") + block(1, b"\0")
    return bytes([kind]) + block(3, body + block(2, b"".join(extensions)))


def records(message: bytes, size: int = 1 << 14) -> bytes:
    parts = [message[at : at + size] for at in range(0, len(message), size)]
    return b"".join(b"\x16\x03\x01" + block(2, part) for part in parts)


def read(data: bytes, step: int = 1 << 20) -> ClientHello | None:
    talk = Talk()
    for at in range(0, len(data), step):
        talk.client(data[at : at + step])
    cursor = Cursor(StreamPieces(table([talk])), 0)
    found = client_hello(cursor)
    assert cursor.offset == 0
    return found


WHOLE = hello(names((0, b"a.example")), alpn(b"h2", b"http/1.1"), versions(0x0304, 0x0303))


@pytest.mark.parametrize("record", [1, 7, 100, 1 << 14])
@pytest.mark.parametrize("piece", [3, 1 << 20])
def test_it_is_put_together_from_records_and_pieces(record: int, piece: int) -> None:
    assert read(records(WHOLE, record) + b"\x17\x03\x03", piece) == ClientHello(
        RANDOM.hex(), b"id".hex(), "a.example", ("h2", "http/1.1"), (0x0304, 0x0303), 1, time_ns=MS
    )


def test_without_extensions() -> None:
    assert read(records(hello(session=b""))) == ClientHello(
        RANDOM.hex(), "", None, (), (0x0303,), 1, time_ns=MS
    )


@examples(100)
@given(st.integers(0, len(WHOLE)))
def test_what_is_cut_is_left_out(kept: int) -> None:
    found = read(records(WHOLE)[: kept + 5])
    assert (found is None) == (kept < 38)
    if found is not None:
        assert found.random == RANDOM.hex()
        assert found.server_name in (None, "a.example")
        assert found.alpn in ((), ("h2", "http/1.1"))
        assert found.versions in ((0x0303,), (0x0304, 0x0303))
    name_ends = len(hello(names((0, b"a.example"))))
    assert (found is not None and found.server_name is not None) == (kept >= name_ends)


def test_names_that_are_none() -> None:
    assert getattr(read(records(hello(names((1, b"x"))))), "server_name", "") is None
    assert getattr(read(records(hello(names((0, b""))))), "server_name", "") is None
    two = read(records(hello(names((0, b"first"), (0, b"second")))))
    assert two is not None
    assert two.server_name == "first"
    odd = read(records(hello(names((0, b"\xff\x00")))))
    assert odd is not None
    assert odd.server_name == "\xff\x00"


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"\x16\x03\x01",
        records(hello(kind=2)),
        b"\x17" + records(WHOLE)[1:],
        b"\x16\x02" + records(WHOLE)[2:],
        records(WHOLE)[5:],
    ],
)
def test_what_is_no_client_hello(data: bytes) -> None:
    assert read(data) is None


@examples(100)
@given(st.binary(max_size=200))
def test_any_bytes_are_read(data: bytes) -> None:
    read(records(b"\x01" + data))


def test_what_looks_like_tls() -> None:
    for kind in (0x14, 0x15, 0x16, 0x17):
        assert looks_like(bytes([kind, 3, 0]))
        assert looks_like(bytes([kind, 3, 4]))
        assert not looks_like(bytes([kind, 3, 5]))
        assert not looks_like(bytes([kind, 2, 1]))
        assert not looks_like(bytes([kind, 3]))
    assert not looks_like(b"\x13\x03\x01")
    assert not looks_like(b"\x18\x03\x01")


def record(kind: int, data: bytes) -> bytes:
    return bytes([kind, 3, 3]) + block(2, data)


def alerts_in(*parts: bytes, lost: int = -1) -> list[tuple[int, int]]:
    talk = Talk()
    for n, part in enumerate(parts):
        talk.server(part, lost=n == lost)
    cursor = Cursor(StreamPieces(table([talk])), 1)
    return [(a.level, a.description) for a in alerts(cursor, from_client=False)]


HELLO_DONE = record(0x16, b"\x02\0\0\x02xy")


@pytest.mark.parametrize(
    ("parts", "found"),
    [
        ([record(0x15, b"\x02\x70")], [(2, 112)]),
        ([HELLO_DONE, record(0x15, b"\x01\x00")], [(1, 0)]),
        ([HELLO_DONE + record(0x15, b"\x01\x70") + record(0x15, b"\x02\x28")], [(1, 112), (2, 40)]),
        ([record(0x15, b"\x02")[:6]], []),  # cut
        ([record(0x15, b"\x02\x70encrypted")], []),
        ([record(0x15, b"\x07\x70")], []),  # no level
        ([record(0x17, b"data"), record(0x15, b"\x02\x28")], []),
        ([b"HTTP/1.1 200 OK\r\n\r\n"], []),
    ],
)
def test_alerts_in_the_clear(parts: list[bytes], found: list[tuple[int, int]]) -> None:
    assert alerts_in(*parts) == found


def test_an_alert_behind_lost_bytes_is_not_found() -> None:
    assert alerts_in(HELLO_DONE, HELLO_DONE, record(0x15, b"\x02\x28"), lost=1) == []


def test_an_alert_has_the_frame_it_begins_in_and_a_name() -> None:
    talk = Talk().server(HELLO_DONE).server(record(0x15, b"\x02\x70"))
    (alert,) = alerts(Cursor(StreamPieces(table([talk])), 1), from_client=False)
    assert (alert.frame, alert.name, alert.fatal) == (2, "unrecognized_name", True)
    assert not alert._replace(description=0).fatal
    assert not alert._replace(level=1).fatal
    assert alert._replace(description=99).name == "alert 99"


def asks_nothing(*parts: bytes, lost: int = -1, over: str = "fin") -> bool:
    talk = Talk()
    for n, part in enumerate(parts):
        talk.client(part, lost=n == lost)
    if over == "fin":
        talk.fin()
    elif over == "rst":
        talk.rst()
    return asked_nothing(Cursor(StreamPieces(table([talk])), 0))


def data(size: int) -> bytes:
    """A record that is data, or looks like it."""
    return record(0x17, bytes(size))


HELLO = records(WHOLE)
CHANGE = record(0x14, b"\1")  # ChangeCipherSpec
KEY_EXCHANGE, OLD_FINISHED = record(0x16, b"\x10\0\0\0"), record(0x16, bytes(40))
EARLY = records(hello(versions(0x0304), extension(42, b"")))


@pytest.mark.parametrize(
    "parts",
    [
        [HELLO],
        [HELLO, CHANGE, data(19)],  # an alert in place of Finished
        [HELLO, CHANGE, data(53), data(19)],  # Finished with SHA-256, close_notify
        [HELLO, data(69)],  # … with SHA-384
        [HELLO, CHANGE, HELLO, data(53)],  # asked for another key share
        [HELLO, KEY_EXCHANGE, CHANGE, OLD_FINISHED],  # TLS 1.2
        [HELLO, KEY_EXCHANGE, CHANGE, OLD_FINISHED, record(0x15, bytes(26))],
        [HELLO + KEY_EXCHANGE + CHANGE + OLD_FINISHED],
    ],
)
def test_a_handshake_and_its_end_ask_nothing(parts: list[bytes]) -> None:
    assert asks_nothing(*parts)


@pytest.mark.parametrize(
    "parts",
    [
        [HELLO, CHANGE, data(53), data(40)],
        [HELLO, CHANGE, data(53), data(53)],  # a request as long as Finished
        [HELLO, CHANGE, data(20)],
        [HELLO, KEY_EXCHANGE, CHANGE, OLD_FINISHED, data(53)],  # TLS 1.2 hides no Finished so
        [HELLO, KEY_EXCHANGE, CHANGE, OLD_FINISHED, data(19)],
        [EARLY, data(53)],  # early data, perhaps
        [HELLO, CHANGE, data(53)[:-1]],  # cut
        [HELLO, CHANGE[:3]],
        [HELLO, b"GET / HTTP/1.1\r\n\r\n"],
        [b"GET / HTTP/1.1\r\n\r\n"],
        [CHANGE, data(19)],  # the beginning was not captured
        [HELLO, *[CHANGE] * 100],
    ],
)
def test_what_may_be_a_request(parts: list[bytes]) -> None:
    assert not asks_nothing(*parts)


@pytest.mark.parametrize(("over", "known"), [("fin", True), ("rst", True), ("", False)])
def test_one_that_goes_on_may_ask_later(over: str, known: bool) -> None:
    assert asks_nothing(HELLO, CHANGE, data(53), over=over) == known


@pytest.mark.parametrize("lost", [0, 1, 2, 3])
def test_lost_bytes_may_be_a_request(lost: int) -> None:
    assert not asks_nothing(HELLO, CHANGE, data(53), data(19), lost=lost)


@examples(100)
@given(st.binary(max_size=60), st.integers(0, 400))
def test_any_records_of_a_client_are_read(tail: bytes, kept: int) -> None:
    asks_nothing((HELLO + CHANGE + tail)[:kept])
