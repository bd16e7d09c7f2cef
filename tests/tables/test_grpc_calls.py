"""gRPC calls in columns are the calls they were made of."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from lbtrace.model.grpc import GrpcCall
from lbtrace.tables.grpc_calls import GrpcCalls
from tests.laws import examples

COUNT = st.none() | st.integers(0, 10**6)
CALLS = st.builds(
    GrpcCall,
    exchange=st.integers(0, 10**6),
    status=st.none() | st.integers(0, 99),
    trailers_only=st.booleans(),
    message=st.sampled_from(["", "no healthy upstream", "x"]),
    timeout_ns=st.none() | st.integers(0, 2**60),
    previous_attempts=st.integers(0, 9),
    asked=COUNT,
    answered=COUNT,
)


@examples(60)
@given(st.lists(CALLS, max_size=8))
def test_calls_come_back_as_they_were(calls: list[GrpcCall]) -> None:
    table = GrpcCalls.of(calls)
    assert table.faults() == []
    assert list(table) == calls
    assert GrpcCalls.of(table) is table
