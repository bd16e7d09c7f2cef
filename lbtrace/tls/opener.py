"""Both streams of a TLS connection, and the secrets → its text (RFC 8446, RFC 5246, RFC 4346).

Both directions are read in turns, each as far as it can go without what the other one says in the
handshake. Where bytes are missing, the next records are found by their heads, and the number and
the keys of one by trial: its tag proves them (`resuming`).
"""

from __future__ import annotations

from typing import Final

from lbtrace.model.tls_alerts import TlsAlert
from lbtrace.model.tls_session import EarlyData, NotOpened, TlsSession
from lbtrace.tls import resuming
from lbtrace.tls.certificate import names_of
from lbtrace.tls.ciphertext import Ciphertext, size_of
from lbtrace.tls.direction import IN_THE_CLEAR, TlsDirection
from lbtrace.tls.keylog import Secrets
from lbtrace.tls.keys import APPLICATION, EARLY, HANDSHAKE_EPOCH, Keys
from lbtrace.tls.protection import (
    ALERT,
    APPLICATION_DATA,
    CHANGE_CIPHER_SPEC,
    HANDSHAKE,
    HEAD,
    PlainRecord,
)
from lbtrace.tls.resuming import RecordPlace, Resumed
from lbtrace.tls_messages import (
    CERTIFICATE,
    CLIENT_HELLO,
    ENCRYPTED_EXTENSIONS,
    END_OF_EARLY_DATA,
    FINISHED,
    KEY_UPDATE,
    SERVER_HELLO,
    SERVER_HELLO_DONE,
    Offer,
    certificates,
    choice,
    encrypted_extensions,
    offer,
)

_VERSIONS: Final = {0x0301: "TLS 1.0", 0x0302: "TLS 1.1", 0x0303: "TLS 1.2", 0x0304: "TLS 1.3"}
_DATA: Final = bytes([APPLICATION_DATA])
_IN_A_ROW: Final = 64  # records that do not open; then no more are tried
_END_OF_EARLY_DATA_SIZE: Final = 4 + 1 + 16  # bytes of a record that holds nothing else


class Opener:
    """One connection. `begins`: the offsets at which TLS begins in the streams of client and
    server.
    """

    def __init__(
        self, client: Ciphertext, server: Ciphertext, begins: tuple[int, int], secrets: Secrets
    ) -> None:
        self.client = TlsDirection(client, False, begins[0])
        self.server = TlsDirection(server, True, begins[1])
        self.keys = Keys(secrets)
        self._offered = 0  # ClientHellos
        self._alpn: str | None = None
        self._resumed: bool | None = None
        self._hello_done = False
        self._accepted: bool | None = None  # early data, as EncryptedExtensions say
        self._ended_early = False
        self._before_early = self.client.text.state()
        self._names: tuple[str, ...] = ()
        self._handlers = {
            CLIENT_HELLO: self._client_hello,
            SERVER_HELLO: self._server_hello,
            ENCRYPTED_EXTENSIONS: self._encrypted_extensions,
            CERTIFICATE: self._certificate,
            SERVER_HELLO_DONE: self._server_hello_done,
            END_OF_EARLY_DATA: self._end_of_early_data,
            FINISHED: self._finished,
            KEY_UPDATE: self._key_update,
        }

    def presume(self, offer_: Offer) -> None:
        """Go on as if the client had offered this: its ClientHello is not in the capture."""
        self.keys.offers.append(offer_)
        self._offered = 1

    def run(self) -> None:
        """Open what can be opened."""
        moved = True
        while moved:
            moved = self._advance(self.client) | self._advance(self.server)
        if self.client.epoch == EARLY and not self._accepted:
            self.refuse_early()
        self.client.finish()
        self.server.finish()

    @property
    def has_text(self) -> bool:
        """Whether any application data was opened."""
        return bool(self.client.text.spans or self.server.text.spans)

    @property
    def alerts(self) -> tuple[TlsAlert, ...]:
        """Those of the handshake, the client's first."""
        return (*self.client.alerts, *self.server.alerts)

    def session(self) -> TlsSession:
        """What became of the connection."""
        ends = (self.client, self.server)
        suite = self.keys.suite
        chosen = self.keys.choices[-1] if self.keys.choices else None
        return TlsSession(
            "" if chosen is None else _VERSIONS.get(chosen.version, f"{chosen.version:#06x}"),
            f"{chosen.suite:#06x}" if chosen and suite is None else suite.name if suite else "",
            self._alpn,
            self._resumed,
            self._early_data(),
            sum(end.records for end in ends),
            sum(end.unauthenticated for end in ends),
            sum(end.failed for end in ends),
            self._names,
            self._not_opened(),
        )

    def _early_data(self) -> EarlyData:
        if not self.keys.offers or not self.keys.offers[0].early_data:
            return EarlyData.NONE
        return EarlyData.ACCEPTED if self._accepted or self._ended_early else EarlyData.REFUSED

    def _not_opened(self) -> NotOpened | None:
        if self.keys.refused is not None:
            return self.keys.refused
        ends = (self.client, self.server)
        if any(end.keys is None and end.epoch != IN_THE_CLEAR for end in ends):
            return NotOpened.SECRETS_INCOMPLETE
        if any(end.failed and not end.records for end in ends):
            return NotOpened.WRONG_SECRETS
        return NotOpened.LOST if any(end.lost for end in ends) else None

    # reading

    def _advance(self, way: TlsDirection) -> bool:
        moved = False
        while self._may_read(way) and self._record(way):
            moved = True
        return moved

    def _may_read(self, way: TlsDirection) -> bool:
        """Whether the next record can be read already."""
        if way.stopped:
            return False
        if way.changing:
            if not self.keys.agreed(way.epoch_behind):
                return False
            self.enter(way, way.epoch_behind)
            return not way.stopped
        answered = len(self.keys.choices) + self.keys.retried
        return way.server or way.keys is not None or self._offered <= answered

    def _record(self, way: TlsDirection) -> bool:
        """Read the next record; False when there is none."""
        begin = way.at
        head = way.data.get(begin, HEAD)
        size = size_of(head)
        unanswered = way.server and not self.keys.choices and head[:1] == _DATA
        if size < 0 or unanswered:
            return self._resume(way)
        body = way.data.get(begin + HEAD, size)
        whole = len(body) == size
        way.at = begin + HEAD + size
        if way.keys is None or (self.keys.tls13 and head[0] != APPLICATION_DATA):
            self._clear(way, head[0], body, begin, whole)
        elif whole:
            self._whole(way, begin, head, body)
        else:
            self._damaged(way, begin, head[0], size)
        return True

    def _clear(self, way: TlsDirection, kind: int, body: bytes, begin: int, whole: bool) -> None:
        """A record that is not encrypted."""
        if kind == HANDSHAKE:
            self._handshake(way, body, begin)
            if not whole:
                self._cut_message(way, begin)
        elif kind == CHANGE_CIPHER_SPEC and not self.keys.tls13 and self.keys.choices:
            way.changing = True
            if way.server and not way.broken and self._resumed is None:
                self._resumed = not self._hello_done
        elif kind == ALERT:
            way.alert(body, begin)

    def _cut_message(self, way: TlsDirection, begin: int) -> None:
        """A handshake message of which the rest is missing: a hello says much at its beginning."""
        message = bytes(way.messages)
        way.break_messages()
        if message[:1] in (bytes([CLIENT_HELLO]), bytes([SERVER_HELLO])):
            self._handlers[message[0]](way, message, begin)

    def _whole(self, way: TlsDirection, begin: int, head: bytes, body: bytes) -> None:
        assert way.keys is not None
        opened = way.keys.open(way.number, head, body)
        if opened is None:
            found = resuming.elsewhere(self.keys, way, head, body)
            if found is None:
                self._failed(way, head[0], len(body))
                return
            self._go_to(way, found[0])
            opened = found[1]
        way.opened_one()
        self._content(way, opened, begin)
        way.text.mark(way.at)

    def _failed(self, way: TlsDirection, kind: int, size: int) -> None:
        """A record that does not open. Early data that the server refused is no failure."""
        assert way.keys is not None
        handshake = self.keys.tls13 and way.epoch <= HANDSHAKE_EPOCH
        early = handshake and not way.server and self.keys.offers[0].early_data
        if early and not self._accepted:
            return
        way.failed_in_a_row += 1
        if way.hunting:
            return
        way.failed += 1
        way.stopped |= way.failed_in_a_row > _IN_A_ROW
        if kind == APPLICATION_DATA and (
            not handshake or (early and size != _END_OF_EARLY_DATA_SIZE)
        ):
            way.text.skip(way.keys.length(size))

    def _damaged(self, way: TlsDirection, begin: int, kind: int, size: int) -> None:
        """A record of which bytes are missing."""
        if self.keys.tls13 and way.epoch == HANDSHAKE_EPOCH:
            place = resuming.behind_handshake(self.keys, way, begin)
            if place is not None:
                self._go_to(way, place)
        assert way.keys is not None
        found = way.keys.damaged(way.number, kind, size, way.data.parts(begin + HEAD, size))
        way.number += 1
        holds = kind if found is None else found.kind
        if self.keys.tls13 and way.epoch == HANDSHAKE_EPOCH:
            holds = HANDSHAKE
        if holds == HANDSHAKE:
            way.break_messages()
        elif holds == APPLICATION_DATA and found is not None:
            way.unauthenticated += 1
            way.records += 1
            way.spoke = True
            way.text.add_parts(found.parts, found.size, begin + HEAD)
        elif holds == APPLICATION_DATA:
            way.failed += 1
            way.text.skip(way.keys.length(size))
        way.text.mark(way.at)

    def _resume(self, way: TlsDirection) -> bool:
        """Go on behind bytes that are missing; False when nothing behind them can be read."""
        found = resuming.next_record(self.keys, way) or self._assumed(way)
        if found is None:
            way.lost = way.data.captured_end > way.at
            way.stopped = True
            return False
        way.break_messages()
        if found.place.epoch != IN_THE_CLEAR:
            size = way.lost_text(found.begin - way.at, *found.place)
            way.text.lose(way.at, found.begin, size, way.overhead)
            self._go_to(way, found.place)
            way.unsure = not found.sure
        way.at = found.begin
        return True

    def _assumed(self, way: TlsDirection) -> Resumed | None:
        """The next record of a server whose ServerHello is not in the capture, if it is TLS 1.3:
        its tag proves what was chosen.
        """
        if not way.server or self.keys.choices:
            return None
        for chosen in self.keys.assumptions():
            self.keys.assume(chosen)
            found = resuming.next_record(self.keys, way)
            if found is not None and found.sure:
                self._enter_first(self.client)
                return found
        self.keys.assume(None)
        return None

    def _go_to(self, way: TlsDirection, place: RecordPlace) -> None:
        """Go on at a place that was found by trial."""
        if place.epoch != way.epoch:
            self.enter(way, place.epoch)
        way.number = place.number

    def enter(self, way: TlsDirection, epoch: int) -> None:
        """Go on under the keys of another epoch. Without those of the handshake of TLS 1.3, those
        of the application data are waited for.
        """
        keys = self.keys.of(way.server, epoch)
        if keys is None and self.keys.tls13 and epoch == HANDSHAKE_EPOCH:
            epoch = APPLICATION
            keys = self.keys.of(way.server, epoch)
            way.hunting = keys is not None
        if way.epoch == EARLY and self.keys.tls13 and not self._ended_early:
            self.refuse_early()
        way.enter(epoch, keys)

    def refuse_early(self) -> None:
        """The server did not process the early data: it is no text."""
        self.client.text.forget(self._before_early)

    # what records hold

    def _content(self, way: TlsDirection, opened: PlainRecord, begin: int) -> None:
        if opened.kind == APPLICATION_DATA:
            way.spoke = True
            way.text.add(opened.text, begin + HEAD + opened.begin)
        elif opened.kind == HANDSHAKE:
            self._handshake(way, opened.text, begin)
        elif opened.kind == ALERT:
            way.alert(opened.text, begin)
        elif opened.kind == CHANGE_CIPHER_SPEC and not self.keys.tls13:
            way.changing = True

    def _handshake(self, way: TlsDirection, text: bytes, begin: int) -> None:
        # what a server sends under these keys follows the client's Finished (RFC 8446 §4.6)
        way.spoke |= way.server and self.keys.tls13 and way.epoch == APPLICATION
        for message in way.whole_messages(text):
            handler = self._handlers.get(message[0])
            if handler is not None:
                handler(way, message, begin)

    def _client_hello(self, way: TlsDirection, message: bytes, begin: int) -> None:
        if way.server:
            return
        found = offer(message, *way.data.place(begin))
        if found is None:
            return
        self._offered += 1
        if not self.keys.retried or not self.keys.offers:
            self.keys.offers.append(found)
        self._enter_first(way)

    def _server_hello(self, way: TlsDirection, message: bytes, begin: int) -> None:
        found = choice(message)
        if found is None or not way.server:
            return
        if found.retry:
            self.keys.retried = True
            return
        self.keys.choices.append(found)
        self._alpn = found.alpn
        if self.keys.refused is not None:
            self.client.stopped = self.server.stopped = True
        elif self.keys.tls13:
            self._resumed = found.psk
            self.enter(way, HANDSHAKE_EPOCH)
            self._enter_first(self.client)

    def _enter_first(self, way: TlsDirection) -> None:
        """TLS 1.3: the client goes on under keys as soon as both hellos are there."""
        if not self.keys.tls13 or way.keys is not None or not self.keys.offers:
            return
        early = self.keys.offers[0].early_data and not self.keys.retried
        self._before_early = way.text.state()
        has_keys = early and self.keys.of(False, EARLY) is not None
        self.enter(way, EARLY if has_keys else HANDSHAKE_EPOCH)

    def _encrypted_extensions(self, way: TlsDirection, message: bytes, begin: int) -> None:
        if way.server and self.keys.tls13:
            self._alpn, self._accepted = encrypted_extensions(message)

    def _certificate(self, way: TlsDirection, message: bytes, begin: int) -> None:
        if way.server and self.keys.choices:
            self._names = names_of(certificates(message, self.keys.choices[-1].version))

    def _server_hello_done(self, way: TlsDirection, message: bytes, begin: int) -> None:
        self._hello_done |= way.server

    def _end_of_early_data(self, way: TlsDirection, message: bytes, begin: int) -> None:
        if not way.server and self.keys.tls13 and way.epoch == EARLY:
            self._ended_early = True
            self.enter(way, HANDSHAKE_EPOCH)

    def _finished(self, way: TlsDirection, message: bytes, begin: int) -> None:
        if self.keys.tls13 and way.epoch == HANDSHAKE_EPOCH:
            self.enter(way, APPLICATION)

    def _key_update(self, way: TlsDirection, message: bytes, begin: int) -> None:
        if self.keys.tls13 and way.epoch >= APPLICATION:
            self.enter(way, way.epoch + 1)
