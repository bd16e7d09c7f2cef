"""The two streams of one connection → what it carried, and its exchanges: protocol by protocol, layer by layer."""

from __future__ import annotations

from lbtrace.http import detect, exchanges, pairing
from lbtrace.http.cursor import Cursor, Pieces
from lbtrace.http.h1 import Requests, Responses
from lbtrace.http.head import Caches, begins_request
from lbtrace.http.oddities import Oddities
from lbtrace.model.http import Application, Exchange, Protocol
from lbtrace.options import Options
from lbtrace.tables import StreamTable

_HTTP1 = Application(Protocol.HTTP1)
_NONE = Application(Protocol.NONE)


class Reading:
    """One run over the connections of a capture point: what they share (columns, caches) and what was found."""

    def __init__(self, streams: StreamTable, options: Options) -> None:
        self.pieces = Pieces(streams)
        self.options = options
        self.caches = Caches()
        self.oddities = Oddities()
        self.found: list[Exchange] = []

    def connection(self, number: int) -> Application:
        """Read one connection; its exchanges are appended to `found`."""
        first = self.pieces.first
        a, b, c = first[2 * number], first[2 * number + 1], first[2 * number + 2]
        if a == b == c:
            return _NONE
        client, server = Cursor(self.pieces, 2 * number), Cursor(self.pieces, 2 * number + 1)
        protocol, name = detect.detect(client, server)
        if protocol is Protocol.HTTP1:
            return self.http1(number, client, server)
        return Application(protocol, name)

    def http1(self, number: int, client: Cursor, server: Cursor) -> Application:
        """HTTP/1.x on both streams from where the cursors stand."""
        requests = Requests(client, self.caches, self.oddities, self.options.decode_content)
        responses = Responses(server, self.caches, self.oddities, self.options.decode_content)

        def method_of(begin: int, ordinal: int) -> str | None:
            return pairing.method_for(requests, responses, begin, ordinal, self.pieces.ack[server.row_at(begin)])

        while True:
            requests.run()
            if not requests.paused:
                break
            responses.run(method_of, len(requests.messages))
            if responses.tunnel:
                break
            if len(responses.messages) < len(requests.messages) and not begins_request(client.peek(4096)):
                break
            requests.paused = False
        if not responses.tunnel:
            responses.run(method_of if requests.special or not requests.messages else None)
        if not requests.messages and not responses.messages:
            return Application(Protocol.OTHER, "http")
        exchanges.build(number, requests, responses, self.oddities, self.found)
        return Application(Protocol.HTTP1, "", (), None, responses.upgraded) if responses.tunnel else _HTTP1
