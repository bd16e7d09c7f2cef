"""What --init writes holds of the run it was written from, and is read as it was meant."""

from __future__ import annotations

import tomllib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lbtrace.expect import file_of, observed
from lbtrace.expect._init import written
from lbtrace.model.expectation import Fulfilment
from tests.behaviour.samples import behaviour_of, samples
from tests.expect.files import outcomes


@pytest.mark.parametrize("sample", samples())
def test_a_run_meets_what_was_pinned_from_it(sample: str) -> None:
    behaviour = behaviour_of(sample)
    found = outcomes(file_of(behaviour), behaviour)
    assert len(found) >= 5
    assert {o.answer for o in found} == {Fulfilment.HOLDS}, found


def test_another_balancer_does_not() -> None:
    found = outcomes(file_of(behaviour_of("alb-like")), behaviour_of("nlb-like"))
    assert sum(o.fails for o in found) >= 5


def test_each_line_says_what_was_seen() -> None:
    lines = file_of(behaviour_of("alb-like")).split("\n")
    for number, line in enumerate(lines):
        if " = " in line and not line.startswith("#"):
            assert lines[number - 1].startswith("# "), line


def test_what_is_pinned_has_an_order() -> None:
    keys = [key for key, _, _ in observed(behaviour_of("alb-like"))]
    assert keys[0] == "balancer.kind"
    assert keys[-1] == "findings.fail_on"


@given(st.text(max_size=20), st.text(max_size=20))
def test_any_text_is_written_as_toml(name: str, text: str) -> None:
    content = written(1, [(f"request.headers.{name}", text, text)])
    assert tomllib.loads(content) == {"request": {"headers": {name: text}}}
