"""A conversation in plain text and the same conversation in TLS are the same exchanges, however it
is cut into records and segments; and what is lost of one is lost of the other.
"""

from __future__ import annotations

from dataclasses import dataclass
from itertools import pairwise

from hypothesis import given
from hypothesis import strategies as st

from lbtrace.model.http import Exchange
from lbtrace.tls.suites import SUITES, Mode
from tests.http.streams import Talk, hear
from tests.tls.conversations import Read, get, ok, read, secrets_of
from tests.tls.wire import CLIENT, SERVER, Tls

COUNTING = sorted(n for n, s in SUITES.items() if s.mode is not Mode.CBC)


@dataclass
class Conversation:
    """Exchanges with bodies of these sizes; `cuts`: the offsets at which each message is cut into
    records.
    """

    sizes: list[int]
    cuts: list[list[int]]

    @property
    def messages(self) -> list[tuple[int, bytes, list[int]]]:
        every = (m for number, size in enumerate(self.sizes) for m in _exchange(number, size))
        return [(who, data, cuts) for (who, data), cuts in zip(every, self.cuts, strict=True)]


def _exchange(number: int, size: int) -> list[tuple[int, bytes]]:
    body = bytes((number + k) % 251 for k in range(size))
    return [(CLIENT, get(b"%d" % number)), (SERVER, ok(body))]


@st.composite
def conversations(draw: st.DrawFn) -> Conversation:
    sizes = draw(st.lists(st.sampled_from([0, 1, 7, 100, 1500, 17_000]), min_size=1, max_size=5))
    cuts = st.lists(st.integers(1, 3000), max_size=3)
    return Conversation(sizes, [draw(cuts) for _ in range(2 * len(sizes))])


@st.composite
def kinds(draw: st.DrawFn) -> Tls:
    suite = draw(st.sampled_from(sorted(SUITES)))
    if suite >> 8 == 0x13:
        return Tls(suite)
    cbc = SUITES[suite].mode is Mode.CBC
    old = ["1.0", "1.1"] if cbc and SUITES[suite].mac == "sha1" else []
    return Tls(suite, draw(st.sampled_from(["1.2", *old])), etm=cbc and draw(st.booleans()))


def _said(exchange: Exchange) -> tuple[object, ...]:
    """Everything about an exchange but its frames and times."""
    return (
        exchange.marks,
        *(
            part and (part.lines, part.body, part.marks, part.offset)
            for part in (exchange.request, exchange.response)
        ),
    )


def _segments(records: list[tuple[int, bytes]], sizes: list[int]) -> Talk:
    """What each end sends until the other does, cut into segments of these sizes, over and over."""
    talk = Talk()
    bursts: list[tuple[int, bytes]] = []
    for who, record in records:
        if bursts and bursts[-1][0] == who:
            bursts[-1] = (who, bursts[-1][1] + record)
        else:
            bursts.append((who, record))
    count = 0
    for who, data in bursts:
        while data:
            size = sizes[count % len(sizes)]
            talk.say(who, data[:size])
            data, count = data[size:], count + 1
    return talk


@given(
    conversation=conversations(),
    tls=kinds(),
    sizes=st.lists(st.integers(1, 4000), min_size=1, max_size=4),
)
def test_any_suite_and_any_cut_give_the_same_exchanges(
    conversation: Conversation, tls: Tls, sizes: list[int]
) -> None:
    plain = Talk()
    tls.handshake()
    for who, data, cuts in conversation.messages:
        plain.say(who, data)
        tls.say(who, data, *cuts)
    sizes = [max(size, 40) for size in sizes]
    found = read(_segments(tls.close().sent, sizes), secrets_of(tls))
    assert [_said(e) for e in found.exchanges] == [_said(e) for e in hear(plain).exchanges]
    assert found.session.failed == found.session.unauthenticated == 0


@given(
    conversation=conversations(),
    suite=st.sampled_from(COUNTING),
    lost=st.sets(st.integers(0, 12), max_size=4),
)
def test_what_is_lost_of_one_is_lost_of_the_other(
    conversation: Conversation, suite: int, lost: set[int]
) -> None:
    """Each record is a segment of its own. The last record of each end arrives: behind the last
    byte that was captured nobody counts records.
    """
    tls = Tls(suite) if suite >> 8 == 0x13 else Tls(suite, "1.2")
    plain, sealed = Talk(), Talk()
    for who, record in tls.handshake().sent:
        sealed.say(who, record)
    shift = sealed.frame
    begun = len(tls.sent)
    pieces: list[tuple[int, bytes]] = []
    for who, data, cuts in conversation.messages:
        ends = sorted({0, *(c for c in cuts if c < len(data)), len(data)})
        for begin, end in pairwise(ends):
            for at in range(begin, end, 1400):
                pieces.append((who, data[at : min(at + 1400, end)]))
    for who, piece in pieces:
        tls.say(who, piece)
    keep = {max(k for k, (who, _) in enumerate(pieces) if who == end) for end in (0, 1)}
    for k, ((who, piece), (_, record)) in enumerate(zip(pieces, tls.sent[begun:], strict=True)):
        gone = k in lost and k not in keep
        plain.say(who, piece, lost=gone)
        sealed.say(who, record, lost=gone)
    found = read(sealed, secrets_of(tls))
    expected = hear(plain).exchanges
    assert [_said(e) for e in found.exchanges] == [_said(e) for e in expected]
    assert _frames(found, shift) == _frames(Read(found.streams, [], expected), 0)


def _frames(found: Read, shift: int) -> list[tuple[int, ...]]:
    """The frames of each message, numbered from the first behind the handshake."""
    return [
        tuple(f - shift for f in (part.first_frame, part.head_frame, part.last_frame))
        for e in found.exchanges
        for part in (e.request, e.response)
        if part is not None
    ]


@given(
    conversation=conversations(),
    suite=st.sampled_from(COUNTING),
    size=st.integers(100, 1400),
    lost=st.integers(0, 200),
)
def test_a_lost_segment_costs_its_own_bytes_only(
    conversation: Conversation, suite: int, size: int, lost: int
) -> None:
    """Segments are cut anywhere: what is there of the text lies where it lay, byte by byte."""
    tls = Tls(suite) if suite >> 8 == 0x13 else Tls(suite, "1.2")
    tls.handshake()
    begun = sum(len(record) for who, record in tls.sent if who == SERVER)
    for who, data, cuts in conversation.messages:
        tls.say(who, data, *cuts)
    sent = b"".join(data for who, data, _ in conversation.messages if who == SERVER)
    whole = _segments(tls.sent, [size])
    for piece in whole.pieces[SERVER][:-1]:
        if piece.start >= begun and piece.start // size == lost:
            whole.pieces[SERVER].remove(piece)
            break
    found = read(whole, secrets_of(tls))
    streams = found.streams
    for row in streams.pieces(1):
        at, n = int(streams.start[row]), int(streams.length[row])
        o = int(streams.payload[row])
        assert bytes(streams.buffers[streams.buffer[row]][o : o + n]) == sent[at : at + n]
