"""Rows of the balancers' own logs → what the experiment is joined by."""

from __future__ import annotations

import pytest

from lbtrace.lab.plan import BalancerLine

ROW = {"client": "10.0.0.1:4000", "method": "GET", "target": "/a", "status": 200}


def test_a_row_is_read_by_the_names_of_its_columns() -> None:
    assert BalancerLine.logged(ROW, 7, "id", "10.0.1.1:9", "10.0.2.1:80") == BalancerLine(
        "10.0.0.1:4000", 7, "GET", "/a", 200, "id", "10.0.1.1:9", "10.0.2.1:80"
    )


@pytest.mark.parametrize(
    ("written", "status"),
    [(200, 200), ("200", 200), (0, None), ("0", None), (None, None), (-1, None)],
)
def test_a_status_that_stands_for_none_is_none(written: object, status: int | None) -> None:
    """nginx writes text, HAProxy −1 or null, Squid 0."""
    assert BalancerLine.logged({**ROW, "status": written}, 7).status == status


def test_what_was_not_logged_is_empty() -> None:
    line = BalancerLine.logged({**ROW, "method": None, "target": None}, 7)
    assert (line.method, line.target, line.request_id, line.from_, line.server) == ("",) * 5
