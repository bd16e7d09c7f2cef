"""In how many parts a message of HTTP/2 came: streams pause each for itself."""

from __future__ import annotations

from itertools import pairwise

from hypothesis import given
from hypothesis import strategies as st

from lbtrace.model.http2 import StreamParts
from lbtrace.tables.pace import PAUSE_NS
from tests.http.h2.wire import (
    DATA,
    END_HEADERS,
    END_STREAM,
    HEADERS,
    PREFACE,
    End,
    frame,
    settings_frame,
)
from tests.http.streams import MS, Talk, hear
from tests.laws import examples

PAUSE = PAUSE_NS // MS  # a packet comes a millisecond after the one before
STREAMS = 1, 3, 5


def asked() -> tuple[Talk, End]:
    """Three requests at once, and the heads of their answers."""
    client, server = End(), End()
    talk = Talk().client(PREFACE + settings_frame())
    ask = (":method", "GET"), (":path", "/"), (":scheme", "http")
    for stream in STREAMS:
        talk.client(frame(HEADERS, END_HEADERS | END_STREAM, stream, client.block(*ask)))
    talk.server(settings_frame())
    return talk, server


sent = st.lists(
    st.tuples(
        st.sampled_from(STREAMS), st.sampled_from([0, 30, PAUSE - 1, PAUSE, 300]), st.booleans()
    ),
    max_size=12,
)


@given(sent)
@examples(150)
def test_a_message_comes_in_one_part_more_than_its_stream_pauses(
    sent: list[tuple[int, int, bool]],
) -> None:
    """Each frame in one packet, or in two with a wait in between."""
    talk, server = asked()
    arrivals: dict[int, list[int]] = {}
    for stream in STREAMS:
        block = server.block((":status", "200"))
        talk.server(frame(HEADERS, END_HEADERS, stream, block))
        arrivals[stream] = [talk.frame]
    for stream, wait, cut in sent:
        data = frame(DATA, 0, stream, b"event")
        for piece in (data[:11], data[11:]) if cut else (data,):
            talk.frame += wait
            talk.server(piece)
            arrivals[stream].append(talk.frame)
    for stream in STREAMS:
        talk.server(frame(DATA, END_STREAM, stream, b""))
        arrivals[stream].append(talk.frame)
    want = [
        StreamParts(n, 1, 1 + sum(b - a >= PAUSE for a, b in pairwise(arrivals[stream])))
        for n, stream in enumerate(STREAMS)
        if arrivals[stream][-1] - arrivals[stream][0] >= PAUSE
    ]
    assert hear(talk).parts == want


def test_a_stream_pauses_while_others_go_on() -> None:
    talk, server = asked()
    for stream in STREAMS[:2]:
        talk.server(frame(HEADERS, END_HEADERS, stream, server.block((":status", "200"))))
    for _ in range(4):
        talk.frame += 60
        talk.server(frame(DATA, 0, 3, b"on and on"))
    talk.server(frame(DATA, END_STREAM, 1, b"late"))
    talk.server(frame(DATA, END_STREAM, 3, b""))
    assert hear(talk).parts == [StreamParts(0, 1, 2), StreamParts(1, 1, 1)]


def test_what_stands_between_an_interim_response_and_the_head_is_of_others() -> None:
    talk, server = asked()
    early = server.block((":status", "103"), ("link", "</a.css>"))
    talk.server(frame(HEADERS, END_HEADERS, 1, early))
    talk.server(frame(HEADERS, END_HEADERS, 3, server.block((":status", "200"))))
    for _ in range(2):
        talk.frame += 300
        talk.server(frame(DATA, 0, 3, b"event"))
    talk.server(frame(HEADERS, END_HEADERS, 1, server.block((":status", "200"))))
    talk.server(frame(DATA, END_STREAM, 1, b"body"))
    talk.server(frame(DATA, END_STREAM, 3, b""))
    assert hear(talk).parts == [StreamParts(0, 1, 2), StreamParts(1, 1, 3)]


def test_quick_messages_are_not_told_of() -> None:
    talk, server = asked()
    talk.frame += 300  # between two messages
    for stream in STREAMS:
        talk.server(frame(HEADERS, END_HEADERS, stream, server.block((":status", "200"))))
        talk.server(frame(DATA, END_STREAM, stream, b"at once"))
    assert hear(talk).parts == []
