"""Where bytes of a direction are missing → the next record that can be read, its keys and its
number.

Heads of records are looked for behind the hole. A whole record is tried under the keys of this
epoch and the next ones, with the numbers that it can have: its tag proves both. Where the first
record behind the hole is itself damaged, a whole one behind it proves its number, counted back. If
there is none, a text that can only begin an HTTP message decides, and that is a guess (`sure`).
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Final, NamedTuple

from lbtrace.tls.ciphertext import size_of
from lbtrace.tls.direction import IN_THE_CLEAR, TlsDirection
from lbtrace.tls.keys import APPLICATION, HANDSHAKE_EPOCH, Keys
from lbtrace.tls.protection import (
    APPLICATION_DATA,
    CHANGE_CIPHER_SPEC,
    HANDSHAKE,
    HEAD,
    PlainRecord,
)

_LEAST: Final = HEAD + 8 + 1  # bytes of the shortest record: a tag of CCM-8, and a type
_NUMBERS: Final = 20_000  # that are tried for one record
_GUESSED: Final = 2_000  # numbers that are tried for one guess
_CHAIN: Final = 64  # records from a damaged one to the whole one that proves it
_UNSURE: Final = 64  # numbers that are tried behind a guess
_BEGIN: Final = 64  # bytes of a record that a guess looks at
_EPOCHS_AHEAD: Final = 2
_HTTP: Final = re.compile(
    rb"HTTP/1\.[01] |(?:GET|POST|HEAD|PUT|DELETE|OPTIONS|PATCH|CONNECT|PRI) [/*a-zA-Z0-9]"
    rb"|\0[\0-\x40].[\0-\x09][\0\x01\x04\x05\x08\x09\x0c\x0d\x20\x21\x24\x25\x2c\x2d]\0\0[\0-\xff]"
    rb"[\0-\xff].*",  # a frame of HTTP/2, of a stream below 65,536
    re.DOTALL,
)
_MESSAGES: Final = (0, 1, 2, 4, 11, 12, 13, 14, 15, 16, 22)  # types of TLS 1.2, in the clear
_CLEAR_CHANGE: Final = b"\1"


class RecordPlace(NamedTuple):
    """Keys and number of a record."""

    epoch: int
    number: int


class Resumed(NamedTuple):
    """Where reading goes on. `sure`: proved by a tag."""

    begin: int
    place: RecordPlace
    sure: bool = True


def next_record(keys: Keys, way: TlsDirection) -> Resumed | None:
    """The next record that can be read behind the one expected at `way.at`."""
    for begin in way.data.heads(way.at):
        if way.trials <= 0:
            break
        if way.epoch == IN_THE_CLEAR and _in_the_clear(keys, way, begin):
            return Resumed(begin, RecordPlace(IN_THE_CLEAR, 0))
        if keys.refused is not None:
            continue
        found = _keyed(keys, way, begin)
        if found is not None:
            return found
    return None


def _keyed(keys: Keys, way: TlsDirection, begin: int) -> Resumed | None:
    """The record that may begin here, under keys."""
    most = min((begin - way.at) // _LEAST + 2, _NUMBERS)
    whole = _whole_behind(way, begin)
    if whole is None:
        guessed = _guess(keys, way, begin, min(most, _GUESSED))
        return guessed and Resumed(begin, guessed, False)
    index, head, body = whole
    for place in _places(keys, way, most, index):
        if _opens(keys, way, place, head, body) is not None:
            number = place.number - index
            return Resumed(begin, RecordPlace(place.epoch, number)) if number >= 0 else None
    return None


def elsewhere(
    keys: Keys, way: TlsDirection, head: bytes, body: bytes
) -> tuple[RecordPlace, PlainRecord] | None:
    """The place of a whole record that does not open where it is expected, and what it holds."""
    most = _UNSURE if way.unsure else way.failed_in_a_row + 1
    for place in _places(keys, way, most, 0):
        opened = _opens(keys, way, place, head, body)
        if opened is not None:
            return place, opened
    return None


def behind_handshake(keys: Keys, way: TlsDirection, begin: int) -> RecordPlace | None:
    """The place of a damaged record of TLS 1.3, if it is none of the handshake but the first of
    application data: the message before it is damaged, and may have been the last.
    """
    if not way.broken:
        return None
    found = _guess(keys, way, begin, 2)
    return found if found is not None and found.epoch >= APPLICATION else None


def _places(keys: Keys, way: TlsDirection, most: int, index: int) -> Iterator[RecordPlace]:
    """Where a record may be: in this epoch, else in the next ones. `index`: records between the one
    that is looked for and this one.
    """
    begins = way.number if way.keys is not None else 0
    epoch = way.epoch
    if way.keys is not None:
        for k in range(most):
            yield RecordPlace(epoch, begins + index + k)
    first = max(epoch + 1, 0 if keys.tls13 and not way.server else 1)
    for later in range(first, first + _EPOCHS_AHEAD):
        if keys.of(way.server, later) is not None:
            for k in range(most + index):
                yield RecordPlace(later, k)


def _opens(
    keys: Keys, way: TlsDirection, place: RecordPlace, head: bytes, body: bytes
) -> PlainRecord | None:
    protection = keys.of(way.server, place.epoch)
    if protection is None or way.trials <= 0:
        return None
    way.trials -= 1
    return protection.open(place.number, head, body)


def _whole_behind(way: TlsDirection, begin: int) -> tuple[int, bytes, bytes] | None:
    """The first whole record from here on, as (records before it, head, body)."""
    for index in range(_CHAIN):
        head = way.data.get(begin, HEAD)
        size = size_of(head)
        if size < 0:
            return None
        body = way.data.get(begin + HEAD, size)
        if len(body) == size:
            return index, head, body
        begin += HEAD + size
    return None


def _guess(keys: Keys, way: TlsDirection, begin: int, most: int) -> RecordPlace | None:
    """The place of a damaged record under which its text begins as only HTTP does."""
    head = way.data.get(begin, HEAD)
    size = size_of(head)
    if head[0] != APPLICATION_DATA or size < 0:
        return None
    there = [(0, way.data.get(begin + HEAD, min(_BEGIN, size)))]
    for place in _places(keys, way, most, 0):
        protection = keys.of(way.server, place.epoch)
        if protection is None or (keys.tls13 and place.epoch == HANDSHAKE_EPOCH):
            continue
        way.trials -= 1
        found = protection.damaged(place.number, head[0], size, there)
        if found is not None and found.parts and _HTTP.match(found.parts[0][2]):
            return place
    return None


def _in_the_clear(keys: Keys, way: TlsDirection, begin: int) -> bool:
    """Whether a record in the clear begins here: a ServerHello, or a handshake that goes on."""
    head = way.data.get(begin, HEAD)
    size = size_of(head)
    if head[0] == CHANGE_CIPHER_SPEC and keys.choices:
        return way.data.get(begin + HEAD, size) == _CLEAR_CHANGE
    if head[0] != HANDSHAKE or keys.tls13:
        return False
    message = way.data.get(begin + HEAD, 4)
    return (
        len(message) == 4
        and message[0] in _MESSAGES
        and int.from_bytes(message[1:], "big") <= max(size - 4, 1 << 16)
    )
