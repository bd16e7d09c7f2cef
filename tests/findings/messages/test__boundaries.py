"""Where a body ends, as its head says."""

from __future__ import annotations

import pytest

from lbtrace.findings.messages._boundaries import _declared_end
from lbtrace.model.http import HeaderLine, Request
from tests.findings.simulated import four
from tests.simulator import Balancer


def asked(length: str | None) -> Request:
    """A request without a body, that says how long its body is."""
    request = four(Balancer()).run().clients[0].exchanges[0].request
    assert request is not None
    if length is None:
        return request
    line = HeaderLine("Content-Length", length, f"Content-Length: {length}")
    return request._replace(lines=(*request.lines, line))


@pytest.mark.parametrize("length", [None, "", "3x", "-1", "9" * 19])
def test_what_says_no_length_says_no_end(length: str | None) -> None:
    assert _declared_end(asked(length)) == 0


@pytest.mark.parametrize("length", ["7", "30", "9" * 18])
def test_a_body_ends_so_many_bytes_behind_its_head(length: str) -> None:
    head = _declared_end(asked("0")) + len(length) - len("0")
    assert _declared_end(asked(length)) == head + int(length)
