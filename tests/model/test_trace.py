"""What a sentence calls a capture, and when its clock is to be believed."""

from __future__ import annotations

from dataclasses import replace

import pytest

from lbtrace.model.net import Side
from lbtrace.model.trace import SET_BACK, Diagnostic
from tests.render import founding


@pytest.mark.parametrize(
    ("alone", "several", "called"),
    [
        (True, False, "this capture"),
        (False, False, "the backend capture"),
        (False, True, "the backend capture b2.pcap"),
    ],
)
def test_a_capture_is_called_by_its_side_and_where_there_are_several_by_its_file(
    alone: bool, several: bool, called: str
) -> None:
    trace = founding.client_trace()
    file = replace(trace.files[0], path="captures/of today/b2.pcap")
    held = replace(trace, side=Side.BACKEND, files=(file,))
    assert held.called(alone, several) == called


def test_a_clock_that_was_set_back_is_not_steady() -> None:
    trace = founding.client_trace()
    assert trace.steady
    assert not replace(trace, diagnostics=(Diagnostic(SET_BACK, "…"),)).steady
