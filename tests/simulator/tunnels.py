"""Tunnels that are opened at the same time by requests that are all alike → the captures of both
sides, and the truth of which is which.

    played = Tunnels("websocket", talks, passes="masked-anew", order=[2, 0, 1]).play(folder)
    played.recording                                          what `score` asks for

Each request of a WebSocket has a key of its own: the proxy ends WebSockets and begins them anew.
All clients ask before the balancer asks any backend, and all are answered after that; then all
talk, word by word. So neither heads nor times tell who is whose: only what the tunnels carry does.
"""

from __future__ import annotations

import random
import zlib
from base64 import b64encode
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import zip_longest
from pathlib import Path

from lbtrace.model.pairing import Ref
from lbtrace.model.report import Report
from lbtrace.model.trace import Trace
from tests.simulator.roles import Recording
from tests.simulator.script import Script, Spoken

Words = Sequence[bytes]
WAYS = ("as-is", "masked-anew", "cut-anew", "compressed-anew")  # how a proxy passes WebSockets on
_TEXT, _CONTINUATION, _CLOSE = 1, 0, 8
_KEY = "Sec-WebSocket-Key: {}\r\nSec-WebSocket-Version: 13\r\n"  # drawn anew for each
_ASKS = {
    "websocket": "GET /chat HTTP/1.1\r\nHost: a\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
    + _KEY,
    "connect": "CONNECT db.example:5432 HTTP/1.1\r\nHost: db.example:5432\r\n",
    "upgrade": "GET /tunnel HTTP/1.1\r\nHost: a\r\nUpgrade: raw\r\nConnection: Upgrade\r\n",
}
KINDS = tuple(_ASKS)
_SWITCHED = "HTTP/1.1 101 Switching Protocols\r\nUpgrade: {}\r\nConnection: Upgrade\r\n"
_GRANTS = {
    "websocket": _SWITCHED.format("websocket"),
    "connect": "HTTP/1.1 200 Connection established\r\n",
    "upgrade": _SWITCHED.format("raw"),
}
_DEFLATE = "Sec-WebSocket-Extensions: permessage-deflate; client_no_context_takeover\r\n"


@dataclass(frozen=True)
class Talk:
    """What both ends say in a tunnel."""

    client: Words
    server: Words


@dataclass(frozen=True)
class Played:
    """The report on the captures, and the truth."""

    report: Report
    recording: Recording


@dataclass(frozen=True)
class Tunnels:
    """Tunnel k is that of `talks[k]`; behind the balancer number `order[k]` is opened k-th."""

    kind: str
    talks: Sequence[Talk]
    order: Sequence[int]
    passes: str = "as-is"
    seed: int = 1
    lost: Sequence[tuple[bool, int]] = ()  # packets that a capture lacks: (behind, which)

    def play(self, folder: Path) -> Played:
        """Play it, and let lbtrace read it."""
        play, dice = Script(), random.Random(self.seed)
        asked, granted = (
            text[self.kind] + (_DEFLATE if self._deflated else "") + "\r\n"
            for text in (_ASKS, _GRANTS)
        )

        def ask() -> bytes:
            return asked.format(b64encode(dice.randbytes(16)).decode()).encode()

        fronts = [play.front().asks(ask()) for _ in self.talks]
        backs = {number: play.back().asks(ask()) for number in self.order}
        for each in (*backs.values(), *fronts):
            each.answers(granted.encode())
        for number, talk in enumerate(self.talks):
            both = zip_longest(talk.client, talk.server)
            for mine, theirs in both:
                for from_client, said in ((True, mine), (False, theirs)):
                    if said is not None:
                        self._says(fronts[number], from_client, said, dice, behind=False)
                        self._says(backs[number], from_client, said, dice, behind=True)
        for each in (*fronts, *backs.values()):
            if self.kind == "websocket":
                each.asks(self._frame(_CLOSE, b"\x03\xe8", True, dice))
                each.answers(self._frame(_CLOSE, b"\x03\xe8", False, dice))
            each.leaves()
        for behind, which in self.lost:
            packets = play.backend if behind else play.client
            del packets[which % len(packets)]
        report = play.report(folder)
        (front,), (back,) = report.clients, report.backends
        inner = [backs[k] for k in range(len(self.talks))]
        mine, theirs = _exchanges(front, fronts), _exchanges(back, inner)
        truth = {ref: tuple(theirs.get(k, ())) for k, refs in mine.items() for ref in refs}
        ours, others = _connections(front, fronts), _connections(back, inner)
        carried = {ref: {others[k]} for k, ref in ours.items() if k in others}
        recording = Recording([front], [back], truth, set(), set(), set(), carried, {})
        return Played(report, recording)

    @property
    def _deflated(self) -> bool:
        return self.kind == "websocket" and self.passes == "compressed-anew"

    def _says(
        self, spoken: Spoken, from_client: bool, said: bytes, dice: random.Random, behind: bool
    ) -> None:
        pieces = [said]
        if self.kind == "websocket":
            pieces = list(self._frames(said, from_client, dice, behind))
        for piece in pieces:
            (spoken.asks if from_client else spoken.answers)(piece)

    def _frames(
        self, said: bytes, from_client: bool, dice: random.Random, behind: bool
    ) -> Iterator[bytes]:
        """A message as frames (RFC 6455 §5.2)."""
        if self._deflated:
            packer = zlib.compressobj(9 if behind else 0, wbits=-15)
            packed = packer.compress(said) + packer.flush(zlib.Z_SYNC_FLUSH)
            yield self._frame(_TEXT, packed[:-4], from_client, dice, packed=True)
            return
        cut = dice.randrange(len(said) + 1) if behind and self.passes == "cut-anew" else 0
        if cut:
            yield self._frame(_TEXT, said[:cut], from_client, dice, last=False)
        yield self._frame(_CONTINUATION if cut else _TEXT, said[cut:], from_client, dice)

    def _frame(
        self,
        opcode: int,
        payload: bytes,
        from_client: bool,
        dice: random.Random,
        last: bool = True,
        packed: bool = False,
    ) -> bytes:
        """One frame; what a client sends is masked, with the same key unless the proxy masks
        anew.
        """
        head = bytes((last << 7 | packed << 6 | opcode, from_client << 7 | len(payload)))
        if not from_client:
            return head + payload
        key = b"\x11\x22\x33\x44" if self.passes == "as-is" else dice.randbytes(4)
        masked = bytes(byte ^ key[i % 4] for i, byte in enumerate(payload))
        return head + key + masked


def _connections(trace: Trace, spoken: Sequence[Spoken]) -> dict[int, Ref]:
    """The connections of these, by their numbers; a capture may lack some."""
    number = {each.ends[0][1]: k for k, each in enumerate(spoken)}
    return {number[c.client.port]: Ref(trace.point, c.id) for c in trace.connections}


def _exchanges(trace: Trace, spoken: Sequence[Spoken]) -> dict[int, list[Ref]]:
    """The exchanges on each of them."""
    number = {ref.id: k for k, ref in _connections(trace, spoken).items()}
    found: dict[int, list[Ref]] = {}
    for exchange in trace.exchanges:
        found.setdefault(number[exchange.connection], []).append(Ref(trace.point, exchange.id))
    return found
