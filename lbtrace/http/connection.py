"""The two streams of one connection → what it carried, and its exchanges: layer by layer.

PROXY headers are taken off first; then the first bytes tell the protocol. After `101` or a `2xx` to
CONNECT the rest is another protocol: HTTP/2 is read on, HTTP inside a CONNECT tunnel too, anything
else is named and left alone.
"""

from __future__ import annotations

from array import array
from collections.abc import Sequence
from operator import attrgetter

from xxhash import xxh3_128_hexdigest

from lbtrace.http import detect, proxy_protocol, socks, tls
from lbtrace.http.cursor import Cursor, StreamPieces
from lbtrace.http.h1 import exchanges
from lbtrace.http.h1.conversation import Conversation
from lbtrace.http.h1.head import HeadCaches
from lbtrace.http.h1.reader import ReaderContext
from lbtrace.http.h1.ready_messages import ReadyMessages
from lbtrace.http.h1.requests import RequestReader
from lbtrace.http.h1.responses import ResponseReader
from lbtrace.http.h2 import frames as h2_frames
from lbtrace.http.h2 import reader as h2
from lbtrace.http.h2.direction import Http2Direction
from lbtrace.http.weirds import Weirds
from lbtrace.model.http import (
    DIGESTED,
    Application,
    ClientHello,
    Exchange,
    Protocol,
    ProxyHeader,
)
from lbtrace.options import Options
from lbtrace.tables.packets import StreamTable

HTTP1 = Application(Protocol.HTTP1)
_NONE = Application(Protocol.NONE)
_TUNNELS = 4  # CONNECT inside CONNECT inside …


class ConnectionReader:
    """One run over the connections of a capture point: what they share (columns, caches) and what
    was found.
    """

    def __init__(
        self, streams: StreamTable, options: Options, ready: ReadyMessages, guessed: Sequence[bool]
    ) -> None:
        """`guessed`: per connection, whether only its ports say who is the client."""
        self.pieces = StreamPieces(streams)
        self.guessed = guessed
        self.decode = options.decode_content
        self.weirds = Weirds()
        self.context = ReaderContext(ready, HeadCaches(), self.weirds, self.decode)
        self.found: list[Exchange] = []
        self.rows = array(
            "q"
            # exchanges of two messages read in bulk: connection, ordinal, number of the request, of
            # the response
        )

    def connection(self, number: int) -> Application:
        """Read one connection; its exchanges are appended to `found`."""
        first = self.pieces.first
        if first[2 * number] == first[2 * number + 2]:
            return _NONE
        client, server = Cursor(self.pieces, 2 * number), Cursor(self.pieces, 2 * number + 1)
        begun = len(self.found)
        proxy: tuple[ProxyHeader, ...] = ()
        if client.data[:1] in (b"P", b"\r"):
            proxy, malformed = proxy_protocol.read(client)
            if malformed:
                self.weirds.add("proxy-protocol-malformed", self.pieces.frame[client.first_row])
        begin = client.offset
        application = self._carried(number, client, server)
        if application.protocol is Protocol.OTHER:
            application = application._replace(
                digests=(self._digest(2 * number, begin), self._digest(2 * number + 1, 0))
            )
        if len(self.found) - begun > 1:
            self._number(begun)
        return application._replace(proxy=proxy) if proxy else application

    def _digest(self, stream: int, begin: int) -> str | None:
        """The digest of what an end sent, as `Application.digests` has it. `begin`: of what is its
        own.
        """
        cursor = Cursor(self.pieces, stream)
        if not self.pieces.known_start[stream] or cursor.base:
            return None
        cursor.take(begin, None)
        data = cursor.peek(DIGESTED)
        return (
            xxh3_128_hexdigest(data)
            if len(data) == DIGESTED or cursor.row == cursor.end_row
            else None
        )

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
        application = Application(found.protocol, found.name)
        if found.protocol is Protocol.HTTP1:
            hello = self._passed_over(client, frame) if found.hello else None
            application = self._http1(number, client, server, depth)
            return application._replace(tls=hello or application.tls, reversed=found.reversed)
        if found.protocol is Protocol.HTTP2:
            return self._http2(number, client, server)._replace(reversed=found.reversed)
        if found.protocol is Protocol.TLS:
            return application._replace(tls=tls.client_hello(client))
        if not found.name and h2_frames.speaks(client, server):
            return self._http2_from_the_middle(number, client, server, frame)
        return application

    def _first_frame(self, client: Cursor, server: Cursor) -> int:
        first = client if client.first_row < client.end_row else server
        return int(self.pieces.frame[first.first_row])

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

    def _reverse(self, number: int, frame: int) -> None:
        """The other end is the client: worth saying unless only ports had said who it is."""
        if not self.guessed[number]:
            self.weirds.add("roles-reversed", frame)

    def _http2_from_the_middle(
        self, number: int, client: Cursor, server: Cursor, frame: int
    ) -> Application:
        """HTTP/2 whose preface was not captured: its streams say who is the client."""
        asking = Http2Direction(client, self.weirds, self.decode)
        answering = Http2Direction(server, self.weirds, self.decode)
        swapped = h2.is_reversed(asking, answering)
        if swapped:
            asking, answering = answering, asking
        if not h2.exchanges(number, asking, answering, self.found, None):
            return Application(Protocol.OTHER)
        if swapped:
            self._reverse(number, frame)
        return Application(Protocol.HTTP2, reversed=swapped)

    def _http2(self, number: int, client: Cursor, server: Cursor) -> Application:
        """HTTP/2 from its preface; the 101 of an upgrade whose request is not in the capture may
        stand before it.
        """
        if not server.peek(7).startswith(b"HTTP/1."):
            h2.read(number, client, server, self.weirds, self.decode, self.found, None)
            return Application(Protocol.HTTP2)
        switch = ResponseReader(server, self.context)
        switch.run(None, 1)
        if switch.tunnel:
            self.found.append(
                Exchange(0, number, 1, None, switch.message(0), switch.interims.get(0, ()))
            )
            h2.read(number, client, server, self.weirds, self.decode, self.found, self.found[-1])
            return Application(Protocol.HTTP1, "", (), None, "h2c")
        nobody = RequestReader(client, self.context)
        switch.run(None)
        weird = "http2-answered-by-http1"
        exchanges.build(number, nobody, switch, self.weirds, self.found, None, weird)
        h2.read(number, client, server, self.weirds, self.decode, self.found, None)
        return Application(Protocol.HTTP2)

    def _http1(self, number: int, client: Cursor, server: Cursor, depth: int) -> Application:
        asking, answering = client.offset, server.offset
        talk = Conversation(client, server, self.context)
        if talk.empty:
            return Application(Protocol.OTHER)
        if not talk.responses.ends:
            begin = detect.first_request(self._cursor(server.stream, answering))
            if begin >= 0:
                return self._both_ask(number, talk, asking, begin)
        rows = None if depth or talk.goes_on else self.rows
        exchanges.build(number, talk.requests, talk.responses, self.weirds, self.found, rows)
        if talk.responses.tunnel:
            return self._tunnel(number, client, server, talk.responses.upgraded, depth)
        if talk.requests.preface:
            h2.read(number, client, server, self.weirds, self.decode, self.found, None)
        return HTTP1

    def _both_ask(self, number: int, talk: Conversation, asking: int, begin: int) -> Application:
        """Both ends send requests and neither answers. `asking`: the offset where the client
        begins; `begin`: the piece of the server's stream that begins its first request.
        """
        self.weirds.add("requests-both-ways", self.pieces.frame[begin])
        begun = len(self.found)
        exchanges.build(number, talk.requests, talk.responses, self.weirds, self.found)
        offset = self.pieces.start[begin]
        requests = RequestReader(self._cursor(talk.server.stream, offset), self.context)
        requests.run()
        answers = ResponseReader(self._cursor(talk.client.stream, asking), self.context)
        exchanges.build(number, requests, answers, self.weirds, self.found)
        together = sorted(self.found[begun:], key=attrgetter("first_frame"))
        self.found[begun:] = [e._replace(ordinal=k) for k, e in enumerate(together, 1)]
        return HTTP1

    def _cursor(self, stream: int, offset: int) -> Cursor:
        """A cursor at an offset of a stream, or at its first byte behind it."""
        cursor = Cursor(self.pieces, stream)
        if offset > cursor.offset:
            cursor.take(offset - cursor.offset, None)
        return cursor

    def _tunnel(
        self, number: int, client: Cursor, server: Cursor, upgraded: str, depth: int
    ) -> Application:
        if upgraded == "h2c":
            h2.read(number, client, server, self.weirds, self.decode, self.found, self.found[-1])
        elif upgraded == "connect" and depth < _TUNNELS:
            inside = self._carried(number, client, server, depth + 1)
            name = inside.name or (
                inside.protocol.value if inside.protocol is not Protocol.OTHER else ""
            )
            return Application(
                Protocol.HTTP1,
                "",
                (),
                inside.tls,
                inside.upgraded or (name if name and name != "none" else "connect"),
            )
        return Application(Protocol.HTTP1, "", (), None, upgraded)

    def _number(self, begun: int) -> None:
        """Ordinals count through the layers of a connection."""
        for place in range(begun + 1, len(self.found)):
            if self.found[place].ordinal <= self.found[place - 1].ordinal:
                self.found[place] = self.found[place]._replace(
                    ordinal=self.found[place - 1].ordinal + 1
                )
