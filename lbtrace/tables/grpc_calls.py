"""The gRPC calls of a capture point as columns.

Invariant: `list(GrpcCalls.of(calls)) == list(calls)`.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from lbtrace.model.grpc import GrpcCall
from lbtrace.tables.columns import Column
from lbtrace.tables.rows import rows_of
from lbtrace.tables.table import RowTable, column, shared, table

NONE: Final = -1
_NAMES: Final = tuple(name for name in GrpcCall._fields if name != "message")
_AT: Final = GrpcCall._fields.index("message")


@table
class GrpcCalls(RowTable[GrpcCall]):
    """One row per gRPC call, as in `GrpcCall`, in the order of their exchanges."""

    exchange: Column = column("i8", "id of the exchange in the trace")
    status: Column = column("i8", "its grpc-status", none=NONE)
    trailers_only: Column = column("?", "it stands in the head of a response without a body")
    message: Column = column("i4", "its grpc-message", "index in `messages`")
    timeout_ns: Column = column("i8", "the time that the caller gives it", "ns", none=NONE)
    previous_attempts: Column = column("i8", "how often the caller has tried before")
    asked: Column = column("i8", "messages in the request", none=NONE)
    answered: Column = column("i8", "messages in the response", none=NONE)
    messages: Sequence[str] = shared("what grpc-message says; the first is empty")

    @classmethod
    def of(cls, calls: Sequence[GrpcCall]) -> GrpcCalls:
        """The columns of calls made elsewhere."""
        if isinstance(calls, cls):
            return calls
        messages: dict[str, int] = {"": 0}
        numbers = [messages.setdefault(call.message, len(messages)) for call in calls]
        return cls(
            **cls.columns_of(calls, _NAMES),
            message=cls.declared["message"].column(numbers),
            messages=list(messages),
        )

    def make(self, rows: Column) -> list[GrpcCall]:
        """The calls of these rows."""
        columns = self.values(_NAMES, rows)
        said = [self.messages[i] for i in self.message[rows].tolist()]
        return rows_of(GrpcCall, (*columns[:_AT], said, *columns[_AT:]))
