"""Both directions of an HTTP/1.x connection → its messages, read in step.

What the bytes behind some requests are depends on the response (CONNECT, Upgrade), and where some
responses end depends on the request (HEAD, CONNECT). So requests are read up to the first whose
response decides, then responses as far as that one, and so on.
"""

from __future__ import annotations

from lbtrace.http.cursor import Cursor
from lbtrace.http.h1 import pairing
from lbtrace.http.h1.reader import ReaderContext
from lbtrace.http.h1.requests import RequestReader
from lbtrace.http.h1.responses import ResponseReader
from lbtrace.http.h1.start_line import SIMPLE_VERSION, begins_request

_LOOKED_AT = 4096  # bytes looked at to see whether a message begins


class Conversation:
    """The requests and responses of one connection, read as far as they are HTTP/1."""

    def __init__(self, client: Cursor, server: Cursor, context: ReaderContext) -> None:
        self.client, self.server = client, server
        self.requests = RequestReader(client, context)
        self.responses = ResponseReader(server, context)
        self._read()

    @property
    def empty(self) -> bool:
        """No message was found."""
        return not (self.requests.ends or self.responses.ends or self.responses.pending)

    @property
    def goes_on(self) -> bool:
        """There is more on the connection than messages that are whole."""
        return bool(self.requests.preface or self.responses.tunnel or self.responses.pending)

    @property
    def unread(self) -> int:
        """Bytes of both directions that were not read because of the budget."""
        return self.requests.unread + self.responses.unread

    def _read(self) -> None:
        requests, responses = self.requests, self.responses
        while True:
            requests.run()
            if requests.preface or not requests.paused:
                break
            responses.run(self._method_of, len(requests.ends))
            if responses.tunnel:
                return
            answered = len(responses.ends) >= len(requests.ends)
            if not answered and not begins_request(self.client.peek(_LOOKED_AT)):
                break
            requests.paused = False
        if self._asks_simply() and responses.run_simple():
            return
        special = requests.special or not requests.ends
        responses.run(self._method_of if special else None)

    def _asks_simply(self) -> bool:
        """All that the client sent is one HTTP/0.9 request."""
        own = self.requests.own
        return len(self.requests.ends) == len(own) == 1 and own[0].version == SIMPLE_VERSION

    def _method_of(self, begin: int, ordinal: int) -> str | None:
        had = self.server.pieces.ack[self.server.row_at(begin)]
        return pairing.method_for(self.requests, self.responses, begin, ordinal, had)
