"""The streams of a capture point → a plan for each, by what `lbtrace.http` read in it.

    HTTP/1, HTTP/2     heads are masked, bodies stay or are scrambled
    TLS                stays: it is encrypted
    WebSocket          frames keep their heads, what they carry is scrambled (RFC 6455 §5.2)
    PROXY header       stays, but for addresses
    anything else      is blanked

The letters in place of content that two captures may share are drawn from the content. So what was
equal on both sides still is.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Sequence

from lbtrace.http import proxy_protocol, tls
from lbtrace.http.cursor import Cursor, StreamPieces
from lbtrace.model.http import (
    DIGESTED,
    Application,
    Body,
    Exchange,
    Framing,
    Mark,
    Protocol,
)
from lbtrace.redact.heads import HeadMask
from lbtrace.redact.http1_stream import Http1Stream, MessageSpot
from lbtrace.redact.http2_stream import Http2Stream
from lbtrace.redact.same_length import Scramble
from lbtrace.redact.stream_plan import StreamPlan
from lbtrace.redact.websocket_stream import websocket

_WEBSOCKET, _H2C = "websocket", "h2c"


class ConnectionPlans:
    """Plans the streams of one capture point, one after the other."""

    def __init__(
        self,
        pieces: StreamPieces,
        applications: Sequence[Application],
        exchanges: Sequence[Exchange],
        mask: HeadMask,
        key: bytes,
        bodies: bool,
    ) -> None:
        self.pieces = pieces
        self.applications = applications
        self.mask = mask
        self.key = key
        self.bodies = bodies
        self.blocks_blanked = 0
        self._spots, self._digests = _spots(applications, exchanges)

    def plan(self, stream: int) -> StreamPlan:
        """What becomes of the bytes of a stream."""
        cursor = Cursor(self.pieces, stream)
        application = self.applications[stream >> 1]
        plan = StreamPlan(self._letters(b"blank", cursor.peek(DIGESTED)))
        if proxy_protocol.begins(cursor.peek(16)):
            plan = self._behind_proxy_headers(cursor)
        if application.protocol is Protocol.TLS:
            _move_to_tls(cursor)
            plan.keep(cursor.offset, 1 << 62)
        elif application.protocol in (Protocol.HTTP1, Protocol.HTTP2):
            self._http(cursor, plan, application)
        return plan

    def _behind_proxy_headers(self, cursor: Cursor) -> StreamPlan:
        """A plan with the PROXY headers in front. What is blanked behind them is drawn from what
        follows: the other side has it without them.
        """
        headers = proxy_protocol.raw_headers(cursor)
        plan = StreamPlan(self._letters(b"blank", cursor.peek(DIGESTED)).shifted(cursor.offset))
        begin = cursor.offset - sum(map(len, headers))
        for header in headers:
            new = header
            if (mask := self.mask.addresses) is not None:
                new = proxy_protocol.with_addresses(header, mask.packed, mask.text)
            plan.put(begin, new)
            begin += len(header)
        return plan

    def _http(self, cursor: Cursor, plan: StreamPlan, application: Application) -> None:
        spots = self._spots[cursor.stream]
        if spots or application.protocol is Protocol.HTTP1:
            if tls.looks_like(cursor.peek(3)) and not spots:
                plan.keep(cursor.offset, 1 << 62)  # TLS that was answered in the clear
                return
            Http1Stream(cursor, plan, self.mask, self._of_body if self.bodies else None).read(spots)
            if cursor.ended():
                return
            if tls.looks_like(cursor.peek(3)):  # in a CONNECT tunnel
                plan.keep(cursor.offset, 1 << 62)
                return
            if application.upgraded == _WEBSOCKET:
                websocket(cursor, plan, self._letters)
                return
            if application.protocol is Protocol.HTTP1 and application.upgraded != _H2C:
                return
        reader = Http2Stream(cursor, plan, self.mask, self._of_stream(cursor.stream))
        reader.read()
        self.blocks_blanked += reader.blocks_blanked

    def _letters(self, *seed: bytes) -> Scramble:
        return Scramble(self.key, b"\0".join(seed))

    def _of_body(self, body: Body, offset: int) -> Scramble:
        """Letters for a body: equal bodies, equal letters, where all of it is known."""
        return self._letters(b"body", (body.digest or f"at {offset}").encode())

    def _of_stream(self, stream: int) -> Callable[[int], Scramble] | None:
        if not self.bodies:
            return None

        def letters(number: int) -> Scramble:
            digest = self._digests.get((stream, number)) or f"on {stream} {number}"
            return self._letters(b"body", digest.encode())

        return letters


def _spots(
    applications: Sequence[Application], exchanges: Sequence[Exchange]
) -> tuple[dict[int, list[MessageSpot]], dict[tuple[int, int], str | None]]:
    """Where the HTTP/1 messages of each stream begin; the digests of HTTP/2 bodies, by stream of
    the capture and of the connection.
    """
    spots: dict[int, dict[int, MessageSpot]] = defaultdict(dict)
    digests: dict[tuple[int, int], str | None] = {}
    for exchange in exchanges:
        request, response = exchange.request, exchange.response
        turned = applications[exchange.connection].reversed
        if request is not None and Mark.FROM_SERVER in request.marks:
            turned = not turned
        asking = 2 * exchange.connection + turned
        tunnel = response is not None and response.body.framing is Framing.TUNNEL
        for message, stream in ((request, asking), (response, asking ^ 1)):
            if message is None:
                continue
            if exchange.stream_id is not None:
                digests[stream, exchange.stream_id] = message.body.digest
            else:
                spots[stream][message.offset] = MessageSpot(message.offset, message.body, tunnel)
    return (
        defaultdict(list, {s: [held[o] for o in sorted(held)] for s, held in spots.items()}),
        digests,
    )


def _move_to_tls(cursor: Cursor) -> None:
    """Move to the first piece that begins a TLS record; to the end where none does."""
    while not tls.looks_like(cursor.peek(3)):
        rows = cursor.rows_ahead(cursor.offset)
        if not rows:
            cursor.take(1 << 62, None)
            return
        cursor.move_to(cursor.pieces.start[rows[0]])
