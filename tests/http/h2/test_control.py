"""Control frames: what one end says about a connection or a stream, with the frame that says it.

`hyperframe` writes them and is the oracle of what they say.
"""

from __future__ import annotations

from hyperframe import frame as hf
from hypothesis import given
from hypothesis import strategies as st

from lbtrace.model.http2 import ControlFrame, ControlKind, error_name, setting_name
from tests.http.h2.wire import END_STREAM, PREFACE, WINDOW, End, frame, settings_frame
from tests.http.streams import MS, Talk, hear
from tests.laws import examples

CODES = st.integers(0, 2**32 - 1)
STREAMS = st.integers(1, 2**31 - 1)
WRITTEN = st.one_of(
    st.builds(hf.RstStreamFrame, STREAMS, CODES),
    st.builds(
        hf.SettingsFrame,
        st.just(0),
        st.dictionaries(st.integers(1, 9), CODES, max_size=4),
    ),
    st.builds(lambda: hf.SettingsFrame(0, flags=["ACK"])),
    st.builds(
        lambda data, flags: hf.PingFrame(0, data, flags=flags),
        st.binary(min_size=8, max_size=8),
        st.sampled_from([(), ("ACK",)]),
    ),
    st.builds(
        hf.GoAwayFrame,
        st.just(0),
        st.integers(0, 2**31 - 1),
        CODES,
        st.sampled_from([b"", b"too_many_pings"]),
    ),
    st.builds(hf.WindowUpdateFrame, st.integers(0, 2**31 - 1), st.integers(1, 2**31 - 1)),
)
Said = tuple[int, int, bool, int | None, int | None, str]


def said_by(written: hf.Frame) -> list[Said]:
    """What hyperframe says a frame says."""
    stream, ack = written.stream_id, "ACK" in written.flags
    match written:
        case hf.RstStreamFrame():
            return [(3, stream, False, written.error_code, None, "")]
        case hf.SettingsFrame():
            pairs: list[tuple[int | None, int | None]] = list(written.settings.items())
            return [(4, 0, ack, k, v, "") for k, v in pairs or [(None, None)]]
        case hf.PingFrame():
            return [(6, 0, ack, None, None, "")]
        case hf.GoAwayFrame():
            text = written.additional_data.decode()
            return [(7, 0, False, written.error_code, written.last_stream_id, text)]
        case _:
            assert isinstance(written, hf.WindowUpdateFrame)
            return [(8, stream, False, None, written.window_increment, "")]


def told(frames: list[ControlFrame]) -> list[Said]:
    return [(f.kind, f.stream, f.ack, f.code, f.value, f.text) for f in frames]


@examples(100)
@given(st.lists(WRITTEN, max_size=6), st.lists(WRITTEN, max_size=6), st.integers(1, 40))
def test_each_end_says_what_hyperframe_wrote(
    asked: list[hf.Frame], answered: list[hf.Frame], size: int
) -> None:
    """Wherever segments cut it."""
    client, server = End(), End()
    front = PREFACE + b"".join(f.serialize() for f in asked) + client.ask(1, "/a")
    back = settings_frame() + b"".join(f.serialize() for f in answered) + server.answer(1)
    talk = Talk()
    for k in range(0, len(front), size):
        talk.client(front[k : k + size])
    for k in range(0, len(back), size):
        talk.server(back[k : k + size])
    heard = hear(talk)
    mine = [f for f in heard.control if f.from_client]
    theirs = [f for f in heard.control if not f.from_client]
    assert told(mine) == [s for f in asked for s in said_by(f)]
    assert told(theirs) == [(4, 0, False, 3, 100, "")] + [s for f in answered for s in said_by(f)]
    assert list(heard.control) == mine + theirs
    assert {f.connection for f in heard.control} == {0}


def test_a_frame_is_where_its_last_byte_is() -> None:
    client, server = End(), End()
    goaway = hf.GoAwayFrame(0, 1, 0).serialize()
    talk = Talk().client(PREFACE + settings_frame() + client.ask(1, "/a"))
    talk.server(settings_frame() + server.answer(1) + goaway[:5]).server(goaway[5:])
    *_, last = hear(talk).control
    assert (last.kind, last.frame, last.time_ns) == (ControlKind.GOAWAY, 3, 3 * MS)


def test_each_goaway_has_its_own_words() -> None:
    """Also where DATA stands between them, and where there are many: one search for each of 20 000
    among all of them would take minutes.
    """
    client, server = End(), End()
    back = settings_frame() + server.answer(1, b"x")
    words = [f"bye {n}" if n % 3 else "" for n in range(20_000)]
    for n, said in enumerate(words):
        back += hf.GoAwayFrame(0, 1, 0, said.encode()).serialize()
        back += frame(0, 0, 1, b"x") if n % 5 == 0 else b""
    heard = hear(Talk().client(PREFACE + settings_frame() + client.ask(1, "/a")).server(back))
    assert [f.text for f in heard.control if f.kind == ControlKind.GOAWAY] == words


def test_control_frames_after_a_gap_are_told_as_they_are() -> None:
    """And the one that was lost is not."""
    client, server = End(), End()
    talk = Talk().client(PREFACE + settings_frame() + client.ask(1, "/a"))
    talk.server(settings_frame() + server.answer(1))
    talk.server(frame(WINDOW, 0, 0, b"\0\0\0\7"), lost=True)
    talk.server(frame(WINDOW, 0, 0, b"\0\0\0\x08") + hf.PingFrame(0, bytes(8)).serialize())
    told_after = [(f.kind, f.value) for f in hear(talk).control if not f.from_client]
    assert told_after == [(4, 100), (8, 8), (6, None)]


def test_of_the_middle_of_a_connection() -> None:
    client, server = End(), End()
    talk = Talk(syn=False).client(client.ask(3, "/a", END_STREAM) + frame(WINDOW, 0, 3, bytes(4)))
    talk.server(server.answer(3, b"ok") + hf.RstStreamFrame(3, 0).serialize())
    assert [(f.kind, f.from_client) for f in hear(talk).control] == [(8, True), (3, False)]


def test_names() -> None:
    """Those that IANA lists, and numbers for all others."""
    assert (error_name(7), error_name(8), error_name(99)) == ("REFUSED_STREAM", "CANCEL", "0x63")
    assert (setting_name(3), setting_name(7)) == ("MAX_CONCURRENT_STREAMS", "0x7")
