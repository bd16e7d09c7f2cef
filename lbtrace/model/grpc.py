"""gRPC calls: what an exchange says as one (gRPC over HTTP2; status codes of google.rpc.Code)."""

from __future__ import annotations

from enum import IntEnum
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


def status_name(code: int) -> str:
    """The name of a status; its number where it has none."""
    return GrpcStatus(code).name if code in _STATUSES else str(code)


_STATUSES: Final = frozenset(map(int, GrpcStatus))
