"""Flow control: who waited for window, and for how long. The `h2` library is the client and the
server, and the oracle of what is left of each window.
"""

from __future__ import annotations

from h2.config import H2Configuration
from h2.connection import H2Connection
from hypothesis import given
from hypothesis import strategies as st

from lbtrace.model.http2 import WindowStall
from tests.http.streams import MS, Talk, hear
from tests.laws import examples

HEAD = [(":status", "200")]
ASK = [(":method", "GET"), (":path", "/"), (":scheme", "http"), (":authority", "a")]


class Play:
    """A client and a server that talk, a frame for each time one of them sends."""

    def __init__(self, window: int = 65535) -> None:
        self.talk = Talk()
        self.client = H2Connection(H2Configuration(client_side=True))
        self.server = H2Connection(H2Configuration(client_side=False))
        self.client.initiate_connection()
        self.client.update_settings({4: window})
        self.server.initiate_connection()
        self.heard()

    def heard(self) -> None:
        """Each hears what the other wants to say."""
        for _ in range(2):
            said = self.client.data_to_send()
            if said:
                self.talk.client(said)
                self.server.receive_data(said)
            said = self.server.data_to_send()
            if said:
                self.talk.server(said)
                self.client.receive_data(said)

    def asks(self, stream: int) -> None:
        self.client.send_headers(stream, ASK, end_stream=True)
        self.heard()
        self.server.send_headers(stream, HEAD)

    def sends(self, stream: int, size: int, ends: bool = False) -> None:
        """As much of it as the window allows; in frames of 16 KiB."""
        size = min(size, self.server.local_flow_control_window(stream))
        while size > 0:
            some = min(size, 1 << 14)
            size -= some
            self.server.send_data(stream, bytes(some), end_stream=ends and not size)
        self.heard()

    def gives(self, size: int, stream: int | None = None) -> int:
        """Window; the frame that gives it."""
        self.client.increment_flow_control_window(size, stream)
        self.heard()
        return self.talk.frame

    def idle(self, frames: int) -> None:
        """Nothing is said for so many milliseconds."""
        self.talk.frame += frames

    def stalls(self) -> list[WindowStall]:
        return list(hear(self.talk).stalls)


def test_who_uses_up_the_window_of_a_stream_waits_for_more() -> None:
    play = Play(window=1000)
    play.asks(1)
    play.sends(1, 5000)
    used_up = play.talk.frame
    play.idle(700)
    given_at = play.gives(4000, 1)
    play.sends(1, 4000, ends=True)
    (stall,) = play.stalls()
    assert stall == WindowStall(0, False, 1, used_up, used_up * MS, given_at, given_at * MS)


def test_the_window_of_the_connection_holds_up_every_stream() -> None:
    play = Play(window=1 << 20)
    play.asks(1)
    play.asks(3)
    play.sends(1, 60000)
    play.sends(3, 60000)  # 5,535 of them
    play.idle(50)
    play.gives(1 << 20)
    play.sends(3, 100)
    assert [(s.stream, s.from_client) for s in play.stalls()] == [(0, False)]


def test_nobody_waits_who_has_nothing_more_to_send() -> None:
    play = Play(window=1000)
    play.asks(1)
    play.sends(1, 1000, ends=True)
    play.asks(3)
    play.sends(3, 1000)
    play.idle(700)
    play.gives(1000, 3)
    play.idle(700)  # an event stream that had no event
    play.sends(3, 10)
    assert play.stalls() == []


def test_window_that_is_given_before_anything_is_sent_counts() -> None:
    play = Play(window=100)
    play.asks(1)
    play.gives(1000, 1)
    play.sends(1, 500)
    play.gives(500, 1)
    play.sends(1, 1)
    assert play.stalls() == []


def test_a_window_that_is_never_used_up_hides_no_other() -> None:
    """One stream waits on a connection on which others get ever more window."""
    play = Play(window=40000)
    play.gives(1 << 24)
    for stream in (1, 3, 5):
        play.asks(stream)
    for stream in (1, 5):
        for _ in range(5):
            play.sends(stream, 30000)
            play.gives(30000, stream)
    play.sends(3, 50000)
    used_up = play.talk.frame
    play.idle(30)
    given_at = play.gives(1000, 3)
    play.sends(3, 1000)
    found = play.stalls()
    assert [(s.stream, s.frame, s.end_frame) for s in found] == [(3, used_up, given_at)]


def test_an_empty_frame_that_ends_a_stream_waited_for_nothing() -> None:
    play = Play(window=1000)
    play.asks(1)
    play.sends(1, 1000)
    play.gives(1000, 1)
    play.server.end_stream(1)
    play.heard()
    assert play.stalls() == []


def test_a_window_that_is_never_given_is_no_stall() -> None:
    """What would have come is not known."""
    play = Play(window=1000)
    play.asks(1)
    play.sends(1, 5000)
    play.idle(700)
    play.client.reset_stream(1)
    play.heard()
    assert play.stalls() == []


def test_new_settings_open_windows() -> None:
    play = Play(window=1000)
    play.asks(1)
    play.sends(1, 5000)
    play.idle(20)
    play.client.update_settings({4: 5000})
    play.heard()
    given_at = play.talk.frame - 1  # the server acknowledges it
    play.sends(1, 2000)
    assert [s.end_frame for s in play.stalls()] == [given_at]


def test_a_window_below_zero_is_opened_by_what_is_given_and_by_new_settings_together() -> None:
    play = Play(window=1000)
    play.asks(1)
    play.sends(1, 1000)
    for window in (500, 900, 950):
        play.client.update_settings({4: window})
        play.heard()
        given_at = play.talk.frame - 1
        if window == 500:
            play.gives(100, 1)  # 400 are still lacking
    play.gives(10, 1)  # it is open already
    play.sends(1, 60)
    assert [s.end_frame for s in play.stalls()] == [given_at]


def test_with_a_byte_missing_the_sums_are_not_known() -> None:
    play = Play(window=1000)
    play.asks(1)
    play.talk.server(b"", lost=True)
    play.sends(1, 5000)
    play.idle(700)
    play.gives(4000, 1)
    play.sends(1, 4000, ends=True)
    play.talk.server(bytes(9), lost=True)
    assert play.stalls() == []


@examples(40)
@given(
    st.integers(1, 3000),
    st.lists(st.tuples(st.integers(0, 3), st.integers(1, 4000)), max_size=12),
)
def test_a_stall_begins_and_ends_where_the_library_is_at_zero(
    window: int, steps: list[tuple[int, int]]
) -> None:
    """Whatever is sent and given: the frames of a stall are those before and after which the
    sender's window is 0.
    """
    play = Play(window=window)
    play.asks(1)
    play.asks(3)
    expected, since = [], {1: 0, 3: 0}
    for what, size in steps:
        stream = 1 + 2 * (what & 1)
        if what & 2:
            at_zero = since[stream]
            frame = play.gives(size, stream)
            if at_zero:
                expected.append((stream, at_zero, frame))
                play.sends(stream, 1)  # it goes on at once
        else:
            play.sends(stream, size)
        for each in (1, 3):
            left = play.server.local_flow_control_window(each)
            since[each] = (since[each] or play.talk.frame) if left == 0 else 0
    assert [(s.stream, s.frame, s.end_frame) for s in play.stalls()] == expected
