"""gRPC calls: what an exchange says as one (gRPC over HTTP2; status codes of google.rpc.Code)."""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Sequence
from enum import IntEnum
from operator import attrgetter
from typing import Final, NamedTuple


class GrpcStatus(IntEnum):
    """How a call ended."""

    OK = 0
    CANCELLED = 1
    UNKNOWN = 2
    INVALID_ARGUMENT = 3
    DEADLINE_EXCEEDED = 4
    NOT_FOUND = 5
    ALREADY_EXISTS = 6
    PERMISSION_DENIED = 7
    RESOURCE_EXHAUSTED = 8
    FAILED_PRECONDITION = 9
    ABORTED = 10
    OUT_OF_RANGE = 11
    UNIMPLEMENTED = 12
    INTERNAL = 13
    UNAVAILABLE = 14
    DATA_LOSS = 15
    UNAUTHENTICATED = 16


class GrpcCall(NamedTuple):
    """An exchange that is a gRPC call.

    `status` is its grpc-status, None when none is in the capture. `trailers_only`: it stands in the
    head of a response without a body. `timeout_ns` is the time that the caller gives it.
    `previous_attempts` is how often the caller has tried before. `asked` and `answered` count the
    messages of each direction, None where they cannot be counted.
    """

    exchange: int
    status: int | None
    trailers_only: bool
    message: str
    timeout_ns: int | None
    previous_attempts: int
    asked: int | None
    answered: int | None


def status_of(calls: Sequence[GrpcCall], exchange: int) -> int | None:
    """The grpc-status of an exchange; None where it has none, or is no call. `calls` are in the
    order of their exchanges.
    """
    place = bisect_left(calls, exchange, key=attrgetter("exchange"))
    found = calls[place] if place < len(calls) else None
    return found.status if found is not None and found.exchange == exchange else None


def status_name(code: int) -> str:
    """The name of a status; its number where it has none."""
    return GrpcStatus(code).name if code in _STATUSES else str(code)


_STATUSES: Final = frozenset(map(int, GrpcStatus))
# what a server or something on the way does; all others are the caller's own, or what it asked for
FAILURES: Final = tuple(
    map(
        int,
        (
            GrpcStatus.UNKNOWN,
            GrpcStatus.DEADLINE_EXCEEDED,
            GrpcStatus.RESOURCE_EXHAUSTED,
            GrpcStatus.UNIMPLEMENTED,
            GrpcStatus.INTERNAL,
            GrpcStatus.UNAVAILABLE,
            GrpcStatus.DATA_LOSS,
        ),
    )
)
