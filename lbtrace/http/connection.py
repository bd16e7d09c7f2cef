"""The two streams of one connection → what it carried, and its exchanges: layer by layer.

PROXY headers come off first, then a SOCKS negotiation; then the first bytes tell the protocol.
Behind `101` and behind a `2xx` to CONNECT another protocol begins: HTTP/2 is read on, and so is
what is inside of a CONNECT tunnel; anything else is named and left alone.

Room is left for protocols inside of others: TLS that can be opened, gRPC in HTTP/2.
"""

from __future__ import annotations

from array import array
from collections.abc import Mapping, Sequence
from collections.abc import Set as AbstractSet
from operator import attrgetter
from typing import TYPE_CHECKING

import numpy as np
from xxhash import xxh3_128_hexdigest

from lbtrace import compiled
from lbtrace.http import detect, proxy_protocol, socks, tls, websocket
from lbtrace.http.budget import ExchangeBudget, beyond
from lbtrace.http.cursor import Cursor, StreamPieces
from lbtrace.http.h1 import exchanges
from lbtrace.http.h1.conversation import Conversation
from lbtrace.http.h1.head import HeadCaches
from lbtrace.http.h1.pairing_in_bulk import Talk
from lbtrace.http.h1.reader import ReaderContext
from lbtrace.http.h1.ready_messages import ReadyMessages
from lbtrace.http.h1.requests import RequestReader
from lbtrace.http.h1.responses import ResponseReader
from lbtrace.http.h2 import frames as h2_frames
from lbtrace.http.weirds import Weirds
from lbtrace.http_fields import SEC_WEBSOCKET_EXTENSIONS
from lbtrace.http_fields.lines import field_value
from lbtrace.model.http import (
    DIGESTED,
    Application,
    ClientHello,
    Exchange,
    Mark,
    Protocol,
    ProxyHeader,
)
from lbtrace.model.http2 import WindowStall
from lbtrace.model.tls_alerts import TlsAlert
from lbtrace.model.tunnel import Tunnel, TunnelEnd
from lbtrace.model.websocket import WebSocket
from lbtrace.options import Options
from lbtrace.tables.columns import running
from lbtrace.tables.control_frames import ControlFrames
from lbtrace.tables.packets import Buffer, StreamTable

if TYPE_CHECKING:
    from lbtrace.http.h2.direction import Http2Direction
    from lbtrace.http.h2.hpack_tolerant import HpackField
    from lbtrace.http.h2.plain_streams import PlainStreams, ToldConnection, ToldEnd
    from lbtrace.http.h2.rows import StreamRows
    from lbtrace.tables.exchanges import ExchangeTable

HTTP1 = Application(Protocol.HTTP1)
_NONE = Application(Protocol.NONE)
LIMITED = "exchanges-limited"  # the weird of a stream that was not read to its end
_TOGETHER = 1 << 17  # messages that are paired together
_TUNNELS = 4  # CONNECT inside CONNECT inside …


class ConnectionReader:
    """One run over the connections of a capture point: what they share, and what was found.

    `found` are exchanges as objects. `rows` are those of two messages read in bulk, six integers
    each: connection, ordinal, row of the request, row of the response, and of both what is unusual
    about them (indices in MARK_SETS).
    """

    def __init__(
        self,
        streams: StreamTable,
        options: Options,
        ready: ReadyMessages,
        guessed: Sequence[bool],
        careful: bool = False,
    ) -> None:
        """`guessed`: per connection, whether only its ports say who is the client. `careful`: every
        frame of HTTP/2 is read in Python.
        """
        self.pieces = StreamPieces(streams)
        self.guessed = guessed
        self.decode = options.decode_content
        self.weirds = Weirds()
        self.budget = ExchangeBudget()
        caches = HeadCaches()
        self.context = ReaderContext(ready, caches, self.weirds, self.budget, self.decode)
        self.found: list[Exchange] = []
        self.web_sockets: list[WebSocket] = []
        self.tunnels: list[Tunnel] = []
        self.stalls: list[WindowStall] = []
        # by connection and stream, the messages of gRPC in the request and in the response
        self.counts: dict[tuple[int, int], tuple[int | None, int | None]] = {}
        # the same of event streams: how many events, the longest silence
        self.events: dict[tuple[int, int], tuple[int | None, int | None]] = {}
        # the same of streams that took their time: in how many parts both came
        self.parts: dict[tuple[int, int], tuple[int, int]] = {}
        self._control: list[ControlFrames] = []
        self._texts = [""]
        self.rows = array("q")
        # of HTTP/2, with the first connection that has some; those that the compiled core made
        self.streams: StreamRows | None = None
        self.plain: PlainStreams | None = None
        self._plain = None if careful else compiled.core
        self._begun = 0  # exchanges found before the present connection
        self._waiting: list[Talk] = []  # for being paired
        self._messages = self._open = 0  # how many messages it has, and may spend at most
        self._sizes = np.diff(running(streams.length)[streams.first[::2]]).tolist()

    def connection(self, number: int) -> Application:
        """Read one connection; its exchanges are appended to `found` or `rows`, some of them only
        when all are read (`finish`).
        """
        size = self._sizes[number]
        if not size:
            return _NONE
        client, server = Cursor(self.pieces, 2 * number), Cursor(self.pieces, 2 * number + 1)
        allowed = self.budget.allows(size, self._open) and server.data.startswith(b"HTTP/1.")
        if self._messages > _TOGETHER or (self._open and not allowed):
            self.finish()
        begun = self._begun = len(self.found)
        in_rows = self._stream_rows()
        self.budget.begin(size)
        proxy: tuple[ProxyHeader, ...] = ()
        if client.data[:1] in (b"P", b"\r"):
            proxy, malformed = proxy_protocol.read(client)
            if malformed:
                self.weirds.add("proxy-protocol-malformed", self.pieces.frame[client.first_row])
        begin = client.offset
        mismatch = detect.mismatch(client, server)
        alerts = self._alerts(client, True) + self._alerts(server, False)
        application = self._carried(number, client, server)
        if application.protocol is Protocol.OTHER:
            digests = self._digest(2 * number, begin), self._digest(2 * number + 1, 0)
            application = application._replace(digests=digests)
        odd = client.data[:1] == b"\0" or not server.data.startswith(b"HTTP/")
        if odd and application.protocol is Protocol.HTTP1:
            ends = (Cursor(self.pieces, 2 * number + i) for i in (0, 1))
            application = application._replace(name=application.name or detect.beside_http(*ends))
        if application.tls is not None:
            asking = self._cursor(client.stream, begin)
            application = application._replace(asked_nothing=tls.asked_nothing(asking))
        self._number(begun)
        self.budget.spend(len(self.found) - begun + self._stream_rows() - in_rows)
        if proxy or alerts or mismatch:
            return application._replace(proxy=proxy, alerts=alerts, mismatch=mismatch)
        return application

    def finish(self) -> None:
        """Pair the messages that wait for it."""
        if not self._waiting:
            return
        talks, self._waiting = self._waiting, []
        self._messages = self._open = 0
        made = exchanges.build_all(talks, self.weirds, self.found, self.rows)
        for talk, count in zip(talks, made, strict=True):
            self.budget.spend_late(self._sizes[talk.connection], count)

    def _later(self, talk: Talk) -> None:
        """Pair these messages together with those of other connections."""
        messages = len(talk.requests.ends) + len(talk.responses.ends)
        for side in (talk.requests, talk.responses):
            side.cursor.forget()
        self._waiting.append(talk)
        self._messages += messages
        self._open += beyond(self._sizes[talk.connection], messages)

    def _stream_rows(self) -> int:
        """How many exchanges of HTTP/2 are rows."""
        return sum(len(rows) for rows in (self.streams, self.plain) if rows is not None)

    def stream_tables(self) -> list[ExchangeTable]:
        """The exchanges of HTTP/2 that are rows."""
        return [rows.table() for rows in (self.streams, self.plain) if rows]

    def _alerts(self, cursor: Cursor, from_client: bool) -> tuple[TlsAlert, ...]:
        """The TLS alerts in the clear from a cursor on, which stays where it is."""
        if not tls.looks_like(cursor.peek(3)):
            return ()
        return tls.alerts(self._cursor(cursor.stream, cursor.offset), from_client)

    def _digest(self, stream: int, begin: int) -> str | None:
        """The digest of what an end sent from offset `begin` on, as `Application.digests` has
        it.
        """
        data = self._beginning(stream, begin)
        return None if data is None else xxh3_128_hexdigest(data)

    def _beginning(self, stream: int, begin: int) -> Buffer | None:
        """What an end sent from offset `begin` on, DIGESTED bytes of it at most; None where some of
        it, or the beginning of the stream, is missing.
        """
        cursor = Cursor(self.pieces, stream)
        if not self.pieces.known_start[stream] or cursor.base:
            return None
        cursor.take(begin, None)
        data = cursor.peek(DIGESTED)
        return data if len(data) == DIGESTED or cursor.row == cursor.end_row else None

    def _number(self, begun: int) -> None:
        """Ordinals count through the layers of a connection."""
        for place in range(begun + 1, len(self.found)):
            before = self.found[place - 1].ordinal
            if self.found[place].ordinal <= before:
                self.found[place] = self.found[place]._replace(ordinal=before + 1)

    # layers

    def _carried(self, number: int, client: Cursor, server: Cursor, depth: int = 0) -> Application:
        """What the connection carries from the cursors on. `depth`: how many tunnels it is in."""
        if client.ended() and server.ended():
            return _NONE
        if socks.skip(client, server):
            return self._behind_socks(number, client, server, depth)
        found = detect.detect(client, server)
        if found is detect.HTTP1:
            return self._http1(number, client, server, depth)
        frame = self._first_frame(client, server)
        if found.before:
            self.weirds.add("bytes-before-http", frame)
        if found.reversed:
            self._reverse(number, frame)
            client, server = server, client
        if found.protocol is Protocol.HTTP1:
            hello = self._passed_over(client, frame) if found.hello else None
            unasked = "" if found.hello else exchanges.UNASKED
            application = self._http1(number, client, server, depth, unasked)
            return application._replace(tls=hello or application.tls, reversed=found.reversed)
        if found.protocol is Protocol.HTTP2:
            return self._http2(number, client, server)._replace(reversed=found.reversed)
        if found.protocol is Protocol.TLS:
            return Application(Protocol.TLS, tls=tls.client_hello(client))
        if not found.name and h2_frames.speaks(client, server):
            return self._http2_from_the_middle(number, client, server, frame)
        return Application(found.protocol, found.name)

    def _first_frame(self, client: Cursor, server: Cursor) -> int:
        first = client if client.first_row < client.end_row else server
        return int(self.pieces.frame[first.first_row])

    def _reverse(self, number: int, frame: int) -> None:
        """Count that the other end is the client, unless that was only guessed from the ports."""
        if not self.guessed[number]:
            self.weirds.add("roles-reversed", frame)

    def _passed_over(self, client: Cursor, frame: int) -> ClientHello | None:
        """What a client that speaks TLS sent to a server that does not: its ClientHello."""
        hello = tls.client_hello(client)
        client.take(1 << 62, None)
        self.weirds.add("tls-answered-in-clear", frame)
        return hello

    def _behind_socks(self, number: int, client: Cursor, server: Cursor, depth: int) -> Application:
        """What a SOCKS relay passes on: HTTP and TLS are read as if the relay were not there."""
        frame = self._first_frame(client, server)
        inside = self._carried(number, client, server, depth + 1) if depth < _TUNNELS else _NONE
        if inside.protocol in (Protocol.OTHER, Protocol.NONE):
            return Application(Protocol.OTHER, "socks")
        if inside.protocol is not Protocol.TLS:
            self.weirds.add("bytes-before-http", frame)
        return inside

    def _tunnel(
        self, number: int, client: Cursor, server: Cursor, upgraded: str, depth: int
    ) -> Application:
        """What follows a 101 or a CONNECT that was granted."""
        if upgraded == "h2c":
            self._streams(number, client, server, self.found[-1])
        elif upgraded == websocket.WEB_SOCKET:
            self._web_socket(number, client, server)
        elif upgraded != "connect" or depth >= _TUNNELS:
            self._opaque(number, (client.stream, client.offset), (server.stream, server.offset))
        if upgraded != "connect" or depth >= _TUNNELS:
            return Application(Protocol.HTTP1, upgraded=upgraded)
        ends = (client.stream, client.offset), (server.stream, server.offset)
        inside = self._carried(number, client, server, depth + 1)
        if inside.protocol in (Protocol.OTHER, Protocol.TLS):
            self._opaque(number, *ends)
        name = inside.name
        if not name and inside.protocol not in (Protocol.OTHER, Protocol.NONE):
            name = inside.protocol.value
        return Application(
            Protocol.HTTP1, tls=inside.tls, upgraded=inside.upgraded or name or upgraded
        )

    def _opaque(self, number: int, *begins: tuple[int, int]) -> None:
        """A tunnel whose bytes are not read. `begins`: where it begins in the stream of the client,
        and of the server.
        """
        client, server = (self._tunnel_end(stream, begin) for stream, begin in begins)
        self.tunnels.append(Tunnel(number, client, server))

    def _tunnel_end(self, stream: int, begin: int) -> TunnelEnd:
        data = self._beginning(stream, begin)
        if data is None:
            return TunnelEnd(None, 0)
        return TunnelEnd(xxh3_128_hexdigest(data), len(data))

    def _web_socket(self, number: int, client: Cursor, server: Cursor) -> None:
        """The WebSocket behind a 101, which is the last response that was found."""
        answer = self.found[-1].response if self.found else None
        extensions = field_value(answer, SEC_WEBSOCKET_EXTENSIONS) if answer is not None else None
        deflate = websocket.DEFLATE in (extensions or "").lower()
        ends = websocket.read(client), websocket.read(server)
        self.web_sockets.append(WebSocket(number, None, deflate, *ends))

    # HTTP/2

    def _http2(self, number: int, client: Cursor, server: Cursor) -> Application:
        """HTTP/2 from its preface. The 101 of an upgrade whose request is not in the capture may
        stand before it; any other HTTP/1 there says that the server does not speak HTTP/2.
        """
        if not server.peek(7).startswith(b"HTTP/1."):
            schemes = self._streams(number, client, server)
            return Application(Protocol.HTTP2, schemes=schemes)
        switch = ResponseReader(server, self.context)
        switch.run(None, 1)
        if switch.tunnel:
            early = switch.interims.get(0, ())
            self.found.append(Exchange(0, number, 1, None, switch.message(0), early))
            schemes = self._streams(number, client, server, self.found[-1])
            return Application(Protocol.HTTP1, upgraded="h2c", schemes=schemes)
        switch.run(None)
        nobody = RequestReader(client, self.context)
        weird = "http2-answered-by-http1"
        exchanges.build(number, nobody, switch, self.weirds, self.found, None, weird)
        self._limited(switch.unread, server)
        schemes = self._streams(number, client, server)
        return Application(Protocol.HTTP2, schemes=schemes)

    def _streams(
        self, number: int, client: Cursor, server: Cursor, upgraded: Exchange | None = None
    ) -> tuple[str, ...]:
        """The exchanges of HTTP/2 streams; what is returned is `Application.schemes`."""
        from lbtrace.http.h2 import reader as h2  # with the tables of HPACK
        from lbtrace.http.h2.web_sockets import web_sockets

        told = self._told(number, client, server)
        asking = self._direction(client, told=told and (told.asking, told.fields))
        asked = asking.web_sockets
        answering = self._direction(server, asked, told and (told.answering, told.fields))
        slow = self._count(number, asking, answering)
        self.web_sockets += web_sockets(number, asking, answering)
        if told is None:
            schemes, rows, ordinals = asking.schemes, self._rows_here(), None
        else:
            schemes, rows, ordinals = told.schemes, None, told.ordinals
        h2.exchanges(number, asking, answering, self.found, upgraded, rows, slow, ordinals)
        # the settings of an upgrade are in a field of its request
        self._steered(number, asking, answering, upgraded is None)
        return schemes

    def _told(self, number: int, client: Cursor, server: Cursor) -> ToldConnection | None:
        """What the compiled core makes of HTTP/2 from the cursors on; None where it is not there,
        or leaves the connection to Python.
        """
        if self._plain is None or len(self.found) > self._begun:
            return None
        if self.plain is None:
            from lbtrace.http.h2.plain_streams import PlainStreams

            self.plain = PlainStreams(self._plain, self.pieces, self.decode, self.weirds)
        return self.plain.read(number, client, server, self.budget.limit)

    def _http2_from_the_middle(
        self, number: int, client: Cursor, server: Cursor, frame: int
    ) -> Application:
        """HTTP/2 whose preface was not captured: its streams say who is the client."""
        from lbtrace.http.h2 import reader as h2

        asking, answering = self._direction(client), self._direction(server)
        swapped = h2.is_reversed(asking, answering)
        if swapped:
            asking, answering = answering, asking
        schemes = asking.schemes
        slow = self._count(number, asking, answering)
        if not h2.exchanges(number, asking, answering, self.found, None, self._rows_here(), slow):
            return Application(Protocol.OTHER)
        self._steered(number, asking, answering, False)
        if swapped:
            self._reverse(number, frame)
        return Application(Protocol.HTTP2, reversed=swapped, schemes=schemes)

    def _rows_here(self) -> StreamRows | None:
        """Where exchanges of HTTP/2 may become rows: only if they are the first that the connection
        has.
        """
        from lbtrace.http.h2.rows import StreamRows

        if len(self.found) > self._begun:
            return None
        if self.streams is None:
            self.streams = StreamRows()
        return self.streams

    def _steered(
        self, number: int, asking: Http2Direction, answering: Http2Direction, from_start: bool
    ) -> None:
        """The control frames of both directions. `from_start`: all settings are among them."""
        for side in (asking, answering):
            self.budget.keep(side.control.kept, side.sections.unfolded)
            if len(side.control):
                self._control.append(
                    side.control.frames(side.cursor, number, side is asking, self._texts)
                )
        if from_start:
            from lbtrace.http.h2.windows import stalls

            self.stalls += stalls(number, asking, answering)

    def _count(
        self, number: int, asking: Http2Direction, answering: Http2Direction
    ) -> AbstractSet[int]:
        """Count the messages of gRPC and the events on streams that carry some, and the parts in
        which messages came. What is returned are the streams that took their time.
        """
        from lbtrace.http.h2.event_streams import streams_of
        from lbtrace.http.h2.parts import parts_of

        for stream, counted in streams_of(answering).items():
            self.events[number, stream] = counted
        asked_in, answered_in = dict(parts_of(asking)), dict(parts_of(answering))
        slow = asked_in.keys() | answered_in.keys()
        for stream in slow:
            there = (
                side.get(stream, int(stream in halves))
                for side, halves in ((asked_in, asking.halves), (answered_in, answering.halves))
            )
            self.parts[number, stream] = next(there), next(there)
        for stream in asking.of_grpc | answering.of_grpc:
            halves = asking.halves.get(stream), answering.halves.get(stream)
            asked, answered = (half.messages if half is not None else None for half in halves)
            self.counts[number, stream] = asked, answered
        return slow

    def control(self) -> ControlFrames:
        """The control frames of all connections."""
        if not self._control:
            return ControlFrames.empty()
        return ControlFrames.joined(self._control)

    def _direction(
        self,
        cursor: Cursor,
        web_sockets: frozenset[int] = frozenset(),
        told: tuple[ToldEnd, Mapping[int, HpackField]] | None = None,
    ) -> Http2Direction:
        """`web_sockets`: the streams on which the other end asked for one. `told`: what the
        compiled core found, and the fields by number.
        """
        from lbtrace.http.h2.direction import Http2Direction

        limit = self.budget.limit
        direction = Http2Direction(cursor, self.weirds, self.decode, limit, web_sockets, told)
        self._limited(direction.unread, cursor)
        return direction

    # HTTP/1

    def _http1(
        self,
        number: int,
        client: Cursor,
        server: Cursor,
        depth: int,
        unasked: str = exchanges.UNASKED,
    ) -> Application:
        """`unasked`: the weird of a response without request (see `exchanges.build`)."""
        asking, answering = client.offset, server.offset
        talk = Conversation(client, server, self.context)
        if talk.empty:
            return Application(Protocol.OTHER)
        if not talk.responses.ends:
            begin = detect.first_request(self._cursor(server.stream, answering))
            if begin >= 0:
                return self._both_ask(number, talk, asking, begin)
        self._limited(talk.requests.unread, client)
        self._limited(talk.responses.unread, server)
        if not (depth or talk.goes_on):
            self._later(Talk(number, talk.requests, talk.responses, unasked))
            return HTTP1
        exchanges.build(
            number, talk.requests, talk.responses, self.weirds, self.found, None, unasked
        )
        if talk.responses.tunnel:
            return self._tunnel(number, client, server, talk.responses.upgraded, depth)
        if talk.requests.preface:
            self._streams(number, client, server)
        return HTTP1

    def _both_ask(self, number: int, talk: Conversation, asking: int, begin: int) -> Application:
        """Both ends send requests and neither answers. `asking`: the offset where the client
        begins; `begin`: the piece of the server's stream that begins its first request.
        """
        self.weirds.add("requests-both-ways", self.pieces.frame[begin])
        begun = len(self.found)
        exchanges.build(number, talk.requests, talk.responses, self.weirds, self.found)
        server = self._cursor(talk.server.stream, self.pieces.start[begin])
        requests = RequestReader(server, self.context)
        requests.run()
        answers = ResponseReader(self._cursor(talk.client.stream, asking), self.context)
        so_far = len(self.found)
        exchanges.build(number, requests, answers, self.weirds, self.found)
        self.found[so_far:] = map(_from_server, self.found[so_far:])
        self._limited(talk.requests.unread, talk.client)
        self._limited(requests.unread, server)
        together = sorted(self.found[begun:], key=attrgetter("first_frame"))
        self.found[begun:] = [e._replace(ordinal=k) for k, e in enumerate(together, 1)]
        return HTTP1

    def _cursor(self, stream: int, offset: int) -> Cursor:
        """A cursor at an offset of a stream, or at its first byte behind it."""
        cursor = Cursor(self.pieces, stream)
        if offset > cursor.offset:
            cursor.take(offset - cursor.offset, None)
        return cursor

    def _limited(self, unread: int, cursor: Cursor) -> None:
        """Say how many bytes a stream has beyond its budget."""
        if unread > 0:
            frame = self.pieces.frame[max(cursor.row_at(cursor.offset), cursor.first_row)]
            detail = f"Bytes of a stream that were not read: {unread}."
            self.weirds.add(LIMITED, frame, detail)


def _from_server(exchange: Exchange) -> Exchange:
    """An exchange whose request is marked as the server's."""
    request = exchange.request
    if request is None:
        return exchange
    return exchange._replace(request=request._replace(marks=(*request.marks, Mark.FROM_SERVER)))
