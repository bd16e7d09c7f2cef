"""Control frames and stalls in columns are the objects they were made of."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from lbtrace.model.http2 import ControlFrame, ControlKind, WindowStall
from lbtrace.tables.control_frames import ControlFrames, WindowStalls
from tests.laws import examples

SMALL = st.integers(0, 2**31 - 1)
FRAMES = st.builds(
    ControlFrame,
    frame=SMALL,
    time_ns=st.integers(0, 2**62),
    connection=st.integers(0, 99),
    from_client=st.booleans(),
    kind=st.sampled_from(list(ControlKind)).map(int),
    stream=SMALL,
    ack=st.booleans(),
    code=st.none() | SMALL,
    value=st.none() | st.integers(0, 2**32 - 1),
    text=st.sampled_from(["", "too_many_pings", "bye"]),
)
STALLS = st.builds(
    WindowStall,
    connection=st.integers(0, 99),
    from_client=st.booleans(),
    stream=SMALL,
    frame=SMALL,
    begin_ns=st.integers(0, 2**61),
    end_frame=SMALL,
    end_ns=st.integers(0, 2**61),
)


@examples(60)
@given(st.lists(FRAMES, max_size=8))
def test_frames_come_back_as_they_were(frames: list[ControlFrame]) -> None:
    table = ControlFrames.of(frames)
    assert table.faults() == []
    assert list(table) == frames
    assert ControlFrames.of(table) is table
    for kind in ControlKind:
        assert list(table.of_kind(kind)) == [f for f in frames if f.kind == kind]


@examples(60)
@given(st.lists(STALLS, max_size=8))
def test_stalls_come_back_as_they_were(stalls: list[WindowStall]) -> None:
    table = WindowStalls.of(stalls)
    assert table.faults() == []
    assert list(table) == stalls
    assert table.for_ns.tolist() == [max(s.end_ns - s.begin_ns, 0) for s in stalls]
