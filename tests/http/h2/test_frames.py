"""Where HTTP/2 frames begin, and what only resembles them."""

from __future__ import annotations

import struct

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lbtrace.http.h2.frames import begins_frames, can_be_frame, frame_head, is_extension
from lbtrace.model.http import Protocol
from tests.http.h2.wire import (
    CONTINUATION,
    DATA,
    GOAWAY,
    HEADERS,
    PING,
    PREFACE,
    PUSH,
    RST,
    SETTINGS,
    WINDOW,
    End,
    frame,
    settings_frame,
)
from tests.http.streams import Talk, hear, story
from tests.laws import examples

UPDATE = struct.pack(">I", 1000)


def carried(client: list[bytes], server: list[bytes], syn: bool = False) -> Protocol:
    talk = Talk(syn=syn)
    for place in range(max(len(client), len(server))):
        if client[place : place + 1]:
            talk.client(client[place])
        if server[place : place + 1]:
            talk.server(server[place])
    return hear(talk).applications[0].protocol


def test_a_polling_protocol_with_zeros_in_front_is_no_http_2() -> None:
    """A transaction id and a protocol id of zero, a length, a unit, a function, a register."""
    asked = [struct.pack(">HHHBBHH", 0, 0, 6, 17, 3, 4 + k // 4, 0) for k in range(6)]
    short = [struct.pack(">HHHBBB", 0, 0, 3, 17, 0x83, 2)] * 3
    assert carried(asked, short + asked[:3]) is Protocol.OTHER
    assert carried(asked, []) is Protocol.OTHER


def test_a_little_endian_counter_and_length_are_no_http_2() -> None:
    sent = [struct.pack("<IIBBHHI", k, 160, 3, 1, 8, 0, 24) + b"payload!" * 18 for k in range(4)]
    assert carried(sent, []) is Protocol.OTHER
    assert carried(sent, sent) is Protocol.OTHER


_fields = st.lists(
    st.tuples(st.sampled_from("BHI"), st.integers(0, 12) | st.just(255)), min_size=2, max_size=8
)


@examples(300)
@given(st.sampled_from("<>"), _fields, st.integers(1, 12), st.binary(max_size=12))
def test_messages_of_small_numbers_are_no_http_2(
    order: str, fields: list[tuple[str, int]], count: int, tail: bytes
) -> None:
    """Counters, lengths and flags of any width in either byte order, repeated."""
    one = struct.pack(order + "".join(code for code, _ in fields), *(n for _, n in fields)) + tail
    protocol = carried([one] * count, [one] * count)
    assert protocol is not Protocol.HTTP2 or b"\x00\x00\x04\x08" in one or b"\x00\x00\x08" in one


LARGE = struct.pack(">BHBBI", 1, 0, 0, 0, 5)  # the head of 64 KiB of DATA on stream 5
OPEN = frame(HEADERS, 0, 5, b"\x88")  # a header block that goes on


@pytest.mark.parametrize(
    "hidden",
    [
        frame(HEADERS, 4, 3, b"\x88") + LARGE,  # on a stream that no frame is of
        OPEN + frame(DATA, 0, 5, b"x"),
        OPEN + frame(CONTINUATION, 4, 3, b"\x88"),
        frame(HEADERS, 4, 5, b"\x88") + frame(CONTINUATION, 4, 5, b"\x88"),
    ],
)
def test_frames_that_cannot_follow_each_other_are_no_chain(hidden: bytes) -> None:
    assert not begins_frames(hidden)


@pytest.mark.parametrize(
    "behind",
    [
        frame(HEADERS, 4, 5, b"\x88") + LARGE,
        frame(HEADERS, 4, 3, b"\x88") + frame(PING, 0, 0, bytes(8)) + LARGE,  # two in front of it
        OPEN + frame(CONTINUATION, 4, 5, b"\x88") + LARGE,
        frame(CONTINUATION, 4, 5, b"\x88") + LARGE,  # the capture begins inside a block
    ],
)
def test_much_data_behind_frames_of_its_stream_hides_nothing(behind: bytes) -> None:
    assert begins_frames(behind + bytes(100))


def test_a_connection_seen_from_its_start_without_a_preface_is_no_http_2() -> None:
    client, server = End(), End()
    asked, answered = client.ask(1, "/a") + frame(PING, 0, 0, bytes(8)), server.answer(1, b"x")
    assert carried([asked], [answered + frame(WINDOW, 0, 1, UPDATE)]) is Protocol.HTTP2
    assert carried([asked], [answered + frame(WINDOW, 0, 1, UPDATE)], syn=True) is Protocol.OTHER
    assert carried([PREFACE + asked], [answered], syn=True) is Protocol.HTTP2


@pytest.mark.parametrize(
    "telling",
    [
        frame(WINDOW, 0, 3, UPDATE),
        frame(PING, 1, 0, b"12345678"),
        frame(RST, 0, 3, b"\0\0\0\x08"),
        frame(GOAWAY, 0, 0, b"\0\0\0\x03\0\0\0\0"),
        settings_frame(),
        frame(HEADERS, 4, 3, b"\x88"),
        frame(HEADERS, 0x2C, 3, b"\x02" + b"\0\0\0\0\x10" + b"\x82\x84" + b"\0\0"),
    ],
)
def test_one_frame_that_nothing_else_looks_like_tells(telling: bytes) -> None:
    data = frame(DATA, 0, 3, b"upload")
    assert carried([data + data], []) is Protocol.OTHER
    assert carried([data + telling], []) is Protocol.HTTP2
    assert carried([data + data], [telling]) is Protocol.HTTP2


@pytest.mark.parametrize(
    "odd",
    [
        frame(WINDOW, 0, 3, bytes(4)),
        frame(WINDOW, 0, 3, b"\xff" * 4),
        frame(WINDOW, 1, 3, UPDATE),
        frame(PING, 2, 0, bytes(8)),
        frame(RST, 0, 3, b"\0\0\1\0"),
        frame(GOAWAY, 0, 0, b"\x80\0\0\x03\0\0\0\0"),
        frame(GOAWAY, 0, 0, b"\0\0\0\x03\0\1\0\0"),
        frame(SETTINGS, 0, 0, b"\x7f\1\0\0\0\0"),
        frame(SETTINGS, 1, 0),
        frame(HEADERS, 4, 3, b""),
        frame(HEADERS, 4, 3, b"\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff"),
        frame(HEADERS, 4, 3, b"\x40\x01\x20\x01x"),
        frame(HEADERS, 0xFF, 3, b"\x88"),
        frame(DATA, 0x10, 3, b"x"),
    ],
)
def test_frames_that_no_sender_would_send_tell_nothing(odd: bytes) -> None:
    data = frame(DATA, 0, 3, b"upload")
    assert carried([data + odd], []) is Protocol.OTHER


def test_what_can_be_a_frame() -> None:
    def fits(raw: bytes) -> bool:
        head = frame_head(raw)
        return head is not None and can_be_frame(head)

    assert frame_head(b"\0" * 8) is None
    assert frame_head(frame(DATA, 1, 7, b"abc")) == (3, DATA, 1, 7, False)
    assert fits(frame(DATA, 0, 1))
    assert not fits(frame(DATA, 0, 0))
    assert not fits(frame(DATA, 0, 0x80000001))
    assert fits(frame(SETTINGS, 1, 0))
    assert not fits(frame(SETTINGS, 0, 1))
    assert not fits(frame(SETTINGS, 0, 0, b"12345"))
    assert fits(frame(PING, 0, 0, bytes(8)))
    assert not fits(frame(PING, 0, 0, bytes(7)))
    assert not fits(frame(PING, 0, 3, bytes(8)))
    assert fits(frame(GOAWAY, 0, 0, bytes(8)))
    assert not fits(frame(GOAWAY, 0, 0, bytes(7)))
    assert fits(frame(WINDOW, 0, 0, bytes(4)))
    assert fits(frame(PUSH, 4, 1, b"\0\0\0\2\x82"))
    assert not fits(frame(10, 0, 1))
    extension = frame_head(frame(10, 0xFF, 1, b"xyz"))
    assert extension is not None
    assert is_extension(extension)
    for kind, stream, size in ((9, 1, 0), (10, 0x80000001, 0), (10, 1, (1 << 14) + 1)):
        other = frame_head(
            struct.pack(">I", size)[1:] + bytes([kind, 0]) + struct.pack(">I", stream)
        )
        assert other is not None
        assert not is_extension(other)


def test_where_frames_begin() -> None:
    data, empty, ping = frame(DATA, 0, 1, b"abc"), frame(DATA, 0, 1), frame(PING, 0, 0, bytes(8))
    assert begins_frames(data)
    assert not begins_frames(data[:-1])
    assert not begins_frames(empty)
    assert not begins_frames(empty + empty)
    assert begins_frames(empty + ping)
    assert begins_frames(data + ping[:9])
    assert not begins_frames(data + b"GET / HTTP/1.1\r\n")
    assert begins_frames(data + frame(0x2A, 0, 0) + ping)
    assert not begins_frames(frame(0x2A, 0, 0) + ping)
    big = struct.pack(">I", (1 << 14) + 1)[1:]
    assert begins_frames(ping + empty + big + bytes([DATA, 0]) + struct.pack(">I", 1))
    assert not begins_frames(ping + big + bytes([HEADERS, 4]) + struct.pack(">I", 1))


def test_a_capture_from_the_middle_is_still_read() -> None:
    client, server = End(), End()
    client.ask(1, "/before"), server.answer(1)
    talk = Talk(syn=False).client(client.ask(3, "/a")).server(server.answer(3, b"ok"))
    assert story(hear(talk)) == [("/a", 200)]
