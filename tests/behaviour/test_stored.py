"""A report in JSON gives its Behaviour back."""

from __future__ import annotations

import io
import json
import os
from pathlib import Path

import pytest

from lbtrace.behaviour import stored
from lbtrace.errors import InputError
from lbtrace.render import View, get_format
from tests.behaviour.samples import behaviour_of, report_of, samples


def _written(sample: str) -> str:
    out = io.StringIO()
    get_format("json").write_report(report_of(sample), out, View())
    return out.getvalue()


def _holding(key: str, value: str) -> str:
    """A report with one fact, in which this key has this value."""
    held = {"name": '"latency.added-max"', "value": "3", "unit": '"ns"', "low": "3", "high": "3"}
    held |= {"seen": '""', "shares": "[]", "values": "[]", "evidence": "[]", "unknown": '""'}
    whole = {"exchanges": "4", "undecided": '""', "one_sided": "false"}
    for each in (held, whole):
        if key in each:
            each[key] = value
    whole["facts"] = f"[{_object(held)}]"
    return _object({"format": '"lbtrace-report"', "behaviour": _object(whole)})


def _object(keys: dict[str, str]) -> str:
    return "{" + ",".join(f'"{key}":{value}' for key, value in keys.items()) + "}"


def test_a_fact_alone_is_a_behaviour(tmp_path: Path) -> None:
    path = tmp_path / "report.json"
    path.write_text(_holding("value", "7"), "utf-8")
    (fact,) = stored(str(path)).facts
    assert (fact.value, fact.low, fact.high) == (7, 3, 3)


@pytest.mark.parametrize("sample", samples())
def test_what_is_written_is_read_back(sample: str, tmp_path: Path) -> None:
    path = tmp_path / "report.json"
    path.write_text(_written(sample), "utf-8")
    assert stored(str(path)) == behaviour_of(sample)


def test_another_program_may_have_written_it_anew(tmp_path: Path) -> None:
    path = tmp_path / "report.json"
    path.write_text(json.dumps(json.loads(_written("alb-like")), indent=2), "utf-8")
    assert stored(str(path)) == behaviour_of("alb-like")


@pytest.mark.parametrize(
    ("text", "slug"),
    [
        ("", "no-report"),
        ("no json", "no-report"),
        ('{"format":"lbtrace-trace"}', "report-without-behaviour"),
        ("[1]", "report-without-behaviour"),
        ('{"format":"lbtrace-report"}', "report-without-behaviour"),
        ('{"format":"lbtrace-report","behaviour":{"facts":[{}]}}', "damaged-report"),
        ('{"format":"lbtrace-report","behaviour":[]}', "damaged-report"),
        ("[" * 200_000, "no-report"),
        ('{"format":"lbtrace-report","x":' + "[" * 200_000, "no-report"),
        (_holding("exchanges", "Infinity"), "damaged-report"),
        (_holding("value", "1.5"), "damaged-report"),
        (_holding("value", "[]"), "damaged-report"),
        (_holding("low", '"a"'), "damaged-report"),
        (_holding("high", "Infinity"), "damaged-report"),
        (_holding("name", '"findings.resets"'), "damaged-report"),
    ],
)
def test_what_is_no_report_is_refused_in_one_line(text: str, slug: str, tmp_path: Path) -> None:
    path = tmp_path / "report.json"
    path.write_text(text, "utf-8")
    with pytest.raises(InputError) as caught:
        stored(str(path))
    assert caught.value.slug == slug
    assert "\n" not in str(caught.value)


@pytest.mark.skipif(not os.path.exists("/dev/zero"), reason="there is no endless file")
def test_of_what_never_ends_only_the_beginning_is_read() -> None:
    with pytest.raises(InputError, match="is no JSON report"):
        stored("/dev/zero")


def test_a_file_that_is_not_there_is_named() -> None:
    with pytest.raises(InputError, match=r"nowhere\.json"):
        stored("nowhere.json")
