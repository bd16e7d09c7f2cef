"""All connections of a capture point and the secrets → those that can be opened, opened."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable
from typing import Final

from lbtrace.tables.packets import StreamTable
from lbtrace.tls.ciphertext import Ciphertext, StreamBytes
from lbtrace.tls.keylog import Secrets
from lbtrace.tls.lost_hello import Trials
from lbtrace.tls.opener import Opener
from lbtrace.tls.plaintext import Plaintext, opened_table
from lbtrace.tls.result import OpenedTls, TlsConnection

# heads of a record and of a hello, the version of the hello, its random
_HELLO: Final = rb"\x16\x03[\x00-\x04]..%c\x00..\x03[\x00-\x03](.{32})"
_CLIENT: Final = re.compile(_HELLO % 1, re.DOTALL)
_SERVER: Final = re.compile(_HELLO % 2, re.DOTALL)
_SEARCHED: Final = 1 << 12  # bytes: what stands in front of TLS (PROXY headers, CONNECT) is shorter
_LAYERS: Final = 3  # TLS in TLS
_STEP: Final = 256  # connections between two reports of progress


def open_all(
    streams: StreamTable, secrets: Secrets, progress: Callable[[float], None]
) -> OpenedTls:
    """The streams, opened as far as the secrets go, layer by layer."""
    found: dict[int, list[TlsConnection]] = {}
    among: Iterable[int] = range(len(streams.clean) // 2)
    trials = Trials(secrets)
    for _ in range(_LAYERS):
        streams, layer = _open_layer(streams, secrets, trials, list(among), progress)
        for number, connection in layer.items():
            found.setdefault(number, []).append(connection)
        among = [number for number, c in layer.items() if c.session.records]
        if not among:
            break
    return OpenedTls(streams, found)


def _open_layer(
    streams: StreamTable,
    secrets: Secrets,
    trials: Trials,
    among: list[int],
    progress: Callable[[float], None],
) -> tuple[StreamTable, dict[int, TlsConnection]]:
    """The outermost TLS of these connections, opened."""
    of = StreamBytes(streams)
    found: dict[int, TlsConnection] = {}
    texts: dict[int, Plaintext] = {}
    for place, number in enumerate(among):
        if place % _STEP == 0:
            progress(place / len(among))
        opener = _opener(of, number, secrets) or _without_hello(of, number, secrets, trials)
        if opener is None:
            continue
        opener.run()
        hello = opener.keys.offers[0].hello if opener.keys.offers else None
        if hello is not None:
            found[number] = TlsConnection(hello, opener.session(), opener.alerts)
        if opener.has_text:
            texts[opener.client.data.stream] = opener.client.text
            texts[opener.server.data.stream] = opener.server.text
    return (opened_table(streams, texts) if texts else streams), found


def _opener(of: StreamBytes, number: int, secrets: Secrets) -> Opener | None:
    """A connection that begins with a ClientHello whose random the secrets know."""
    for client in (2 * number, 2 * number + 1):
        asking = Ciphertext(of, client)
        hello = _begin(asking, _CLIENT)
        if hello is None or not secrets.knows(hello[1].hex()):
            continue
        answering = Ciphertext(of, client ^ 1)
        answer = _begin(answering, _SERVER)
        return Opener(asking, answering, (hello[0], answer[0] if answer else 0), secrets)
    return None


def _without_hello(of: StreamBytes, number: int, secrets: Secrets, trials: Trials) -> Opener | None:
    """A connection whose ClientHello is missing, if the secrets of one in the key logs fit."""
    for server in (2 * number + 1, 2 * number):
        answering, asking = Ciphertext(of, server), Ciphertext(of, server ^ 1)
        answer = _begin(answering, _SERVER)
        if answer is None or _begin(asking, _CLIENT) is not None:
            continue
        presumed = trials.offer(answering, answer[0])
        if presumed is not None:
            opener = Opener(asking, answering, (0, answer[0]), secrets)
            opener.presume(presumed)
            return opener
    return None


def _begin(data: Ciphertext, hello: re.Pattern[bytes]) -> tuple[int, bytes] | None:
    """Where the first hello of a stream begins, and its random."""
    begin = data.next(0)
    found = None if begin is None else hello.search(data.get(begin, _SEARCHED))
    return None if found is None or begin is None else (begin + found.start(), found[1])
