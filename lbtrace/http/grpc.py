"""Exchanges → those of them that are gRPC calls, and what they say as such (gRPC over HTTP2).

A body of gRPC is a row of messages, each behind five bytes: whether it is compressed, and its
length. A call ends with grpc-status, in the trailers, or in the head of a response without a body
(trailers-only). HTTP says 200 whatever that status is.

Messages are counted while the body passes (`GrpcDigest`); nothing of them is kept.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Final
from urllib.parse import unquote

from lbtrace.http.digest import BodyDigest
from lbtrace.http_fields import (
    CONTENT_TYPE,
    GRPC_MESSAGE,
    GRPC_PREVIOUS_RPC_ATTEMPTS,
    GRPC_STATUS,
    GRPC_TIMEOUT,
)
from lbtrace.http_fields.content import is_grpc
from lbtrace.http_fields.lines import field_value, lowered
from lbtrace.model.grpc import GrpcCall
from lbtrace.model.http import Exchange, HeaderLine, Mark, Response
from lbtrace.tables.packets import Buffer

Counts = Mapping[tuple[int, int], tuple[int | None, int | None]]
_PREFIX: Final = 5  # bytes in front of a message
_DIGITS: Final = 8  # of the longest timeout
_UNITS: Final = {
    "H": 3_600_000_000_000,
    "M": 60_000_000_000,
    "S": 1_000_000_000,
    "m": 1_000_000,
    "u": 1_000,
    "n": 1,
}
_TIMEOUT: Final = re.compile(rf"([0-9]{{1,{_DIGITS}}})([HMSmun])").fullmatch


class GrpcDigest(BodyDigest):
    """The digest of a body that counts its messages as they pass. `messages` are those that came
    whole.
    """

    __slots__ = ("_left", "_prefix", "messages")

    def __init__(self, coding: str) -> None:
        super().__init__(coding)
        self.messages = 0
        self._prefix = b""
        self._left = 0

    def update(self, data: Buffer, /) -> None:
        """The next bytes of the body."""
        super().update(data)
        at, size = 0, len(data)
        while at < size:
            if self._left:
                step = min(self._left, size - at)
                at += step
                self._left -= step
                self.messages += not self._left
                continue
            need = _PREFIX - len(self._prefix)
            self._prefix += bytes(data[at : at + need])
            at += need
            if len(self._prefix) == _PREFIX:
                self._left = int.from_bytes(self._prefix[1:], "big")
                self.messages += not self._left
                self._prefix = b""


def calls(exchanges: Iterable[Exchange], counts: Counts) -> Iterator[GrpcCall]:
    """The gRPC calls among these exchanges. `counts`: by connection and stream, the messages of the
    request and of the response.
    """
    for exchange in exchanges:
        request, response = exchange.request, exchange.response
        said = request or response
        if said is None or not is_grpc(field_value(said, CONTENT_TYPE) or ""):
            continue
        trailers = response.trailers if response is not None else ()
        lines = response.lines if response is not None else ()
        in_head = _value(lines, GRPC_STATUS)
        asked, answered = counts.get(
            (exchange.connection, -1 if exchange.stream_id is None else exchange.stream_id),
            (None, None),
        )
        yield GrpcCall(
            exchange.id,
            _number(_value(trailers, GRPC_STATUS) or in_head),
            bool(in_head) and _without_body(response),
            unquote(_value(trailers, GRPC_MESSAGE) or _value(lines, GRPC_MESSAGE)),
            timeout_ns(_value(request.lines, GRPC_TIMEOUT)) if request is not None else None,
            _number(_value(request.lines, GRPC_PREVIOUS_RPC_ATTEMPTS)) or 0 if request else 0,
            asked,
            answered,
        )


def _without_body(response: Response | None) -> bool:
    return (
        response is not None
        and not response.body.length
        and Mark.HEAD_TRUNCATED not in (response.marks)
    )


def _value(lines: Sequence[HeaderLine], name: str) -> str:
    """The value of the first line of a name; "" without."""
    return next((line.value for line in lines if lowered(line.name) == name), "")


def _number(text: str) -> int | None:
    """A status or a count; None for anything else."""
    return int(text) if text.isascii() and text.isdigit() and len(text) <= _DIGITS else None


def timeout_ns(text: str) -> int | None:
    """A grpc-timeout in ns, as "250m" says it; None for anything else."""
    match = _TIMEOUT(text)
    return int(match[1]) * _UNITS[match[2]] if match else None
