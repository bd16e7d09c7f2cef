"""One direction of a connection while it is opened: where it is, under which keys, and what was
found.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

from lbtrace.model.tls_alerts import FATAL, WARNING, TlsAlert
from lbtrace.tls.ciphertext import Ciphertext
from lbtrace.tls.plaintext import Plaintext
from lbtrace.tls.protection import Protection
from lbtrace.tls_messages import HEAD

IN_THE_CLEAR: Final = -1
_TRIALS: Final = 200_000  # records that are tried under a key, of one direction, to find its place
_OVERHEAD: Final = 29  # bytes of a record that are no text, where the keys are not known
_KEY_UPDATE: Final = 5  # bytes
_LONGEST_MESSAGE: Final = 1 << 18


class TlsDirection:
    """`at`: the next record. `number`: its number under `keys`. `changing`: a ChangeCipherSpec was
    read, and the next record is under other keys. `stopped`: no more can be read. `broken`: a
    handshake message is damaged. `lost`: too much is missing to go on. `spoke`: it sent application
    data. `hunting`: the keys of an epoch before these are not known, so its records do not open.
    `unsure`: `number` was guessed.
    """

    def __init__(self, data: Ciphertext, server: bool, begin: int) -> None:
        self.data, self.server = data, server
        self.at = begin
        self.text = Plaintext(begin)
        self.keys: Protection | None = None
        self.epoch = IN_THE_CLEAR
        self.number = 0
        self.changing = self.stopped = self.broken = self.lost = self.spoke = False
        self.hunting = self.unsure = False
        self.messages = bytearray()
        self.records = self.unauthenticated = self.failed = self.failed_in_a_row = 0
        self.trials = _TRIALS
        self.alerts: list[TlsAlert] = []

    def enter(self, epoch: int, keys: Protection | None, number: int = 0) -> None:
        """Go on under other keys; without any, no more can be read."""
        self.epoch, self.keys, self.number = epoch, keys, number
        self.changing = False
        self.stopped |= keys is None
        self.messages.clear()

    @property
    def epoch_behind(self) -> int:
        """The epoch that a ChangeCipherSpec begins."""
        return max(self.epoch + 1, 1)

    @property
    def overhead(self) -> int:
        """Bytes of a record that are no text."""
        return _OVERHEAD if self.keys is None else self.keys.overhead

    def opened_one(self) -> None:
        """A record was opened whole."""
        self.number += 1
        self.records += 1
        self.failed_in_a_row = 0
        self.hunting = self.unsure = False

    def lost_text(self, size: int, epoch: int, number: int) -> int:
        """How much text is in `size` bytes of lost records, if the record behind them is this one.
        Records of a handshake are taken to have none.
        """
        if epoch == self.epoch and self.keys is not None:
            records, least = number - self.number, 0
        else:
            # a KeyUpdate was lost, too; the first record under keys of TLS 1.2 is a Finished
            records = number + (self.epoch > 1)
            least = 1 if number > 1 else 0
            if self.keys is None and number <= 1:
                return 0
            size -= _KEY_UPDATE if self.epoch > 1 else 0
        return max(size - records * self.overhead, least) if records else 0

    def whole_messages(self, text: bytes) -> Iterator[bytes]:
        """The handshake messages that are whole with these bytes, each with its head."""
        self.messages += text
        while len(self.messages) >= HEAD:
            size = HEAD + int.from_bytes(self.messages[1:HEAD], "big")
            if size > _LONGEST_MESSAGE:
                self.break_messages()
            if len(self.messages) < size:
                return
            message = bytes(self.messages[:size])
            del self.messages[:size]
            yield message

    def break_messages(self) -> None:
        """A handshake message is damaged: where the next one begins is not known."""
        self.messages.clear()
        self.broken = True

    def alert(self, body: bytes, at: int) -> None:
        """An alert of the handshake; those behind application data end no handshake."""
        if len(body) == 2 and body[0] in (WARNING, FATAL) and not self.spoke:
            frame, time_ns = self.data.place(at)
            self.alerts.append(TlsAlert(not self.server, body[0], body[1], frame, time_ns))

    def finish(self) -> None:
        """Nothing more can be read: what was sent behind it is text that is not there."""
        text, data = self.text, self.data
        if self.at < data.end and self.epoch != IN_THE_CLEAR:
            text.skip(data.end - self.at - self.overhead)
        text.end = text.at
        if self.at > data.end:
            text.end = max(text.last(), text.at - (self.at - data.end))
