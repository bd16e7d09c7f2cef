"""Each format of a check is read by its consumer, whatever bytes a header held."""

from __future__ import annotations

import io
import json
import re
from dataclasses import replace
from pathlib import Path
from xml.etree import ElementTree

import jsonschema
import pytest
from junitparser import Failure, JUnitXml, Skipped

from lbtrace.model.expectation import CheckResult, Fulfilment
from lbtrace.render import View
from lbtrace.render.check import format_names, get_format
from lbtrace.render.wording.escape import shown
from lbtrace.render.wording.markdown import code, fenced
from tests.render.check.hostile import HOSTILE, outcome, result
from tests.render.json_tables import schema

SARIF = Path(__file__).with_name("sarif-2.1.0.schema.json")


def written(name: str, given: CheckResult, view: View | None = None) -> str:
    """What a format writes."""
    out = io.StringIO()
    get_format(name).write(given, out, view or View())
    return out.getvalue()


@pytest.mark.parametrize("name", format_names())
def test_hostile_text_is_never_raw(name: str) -> None:
    text = written(name, result())
    assert not re.search(r"[\x00-\x08\x0b-\x1f\x7f-\x9f\u202e\ud800]", text)
    assert "<script>" not in text or name in ("terminal", "github", "json", "sarif", "markdown")


@pytest.mark.parametrize("name", format_names())
def test_every_format_ends_in_a_line_end_and_is_the_same_twice(name: str) -> None:
    assert written(name, result()) == written(name, result())
    assert written(name, result()).endswith("\n")
    assert written(name, CheckResult((), 0, "nothing was captured"))


def test_junit_loads_and_counts() -> None:
    xml = JUnitXml.fromstring(written("junit", result()).encode())
    (suite,) = list(xml)
    assert (suite.tests, suite.failures, suite.skipped) == (6, 1, 4)
    cases = [case.result[0] if case.result else None for case in suite]
    assert [type(r) for r in cases] == [Failure, Skipped, Skipped, Skipped, Skipped, type(None)]
    ElementTree.fromstring(written("junit", result()))


def test_sarif_validates_and_names_the_line_of_the_key() -> None:
    document = json.loads(written("sarif", result()))
    jsonschema.Draft4Validator(json.loads(SARIF.read_text("utf-8"))).validate(document)
    results = document["runs"][0]["results"]
    assert [r["level"] for r in results] == ["error", "warning", "note", "none"]
    location = results[0]["locations"][0]["physicalLocation"]
    assert location["region"]["startLine"] == 9
    plain = json.loads(written("sarif", result("x")))["runs"][0]["results"][0]
    assert plain["locations"][0]["physicalLocation"]["artifactLocation"]["uri"] == "lbx.toml"


def test_a_fingerprint_is_of_the_expectation_not_of_the_run() -> None:
    def prints(given: CheckResult) -> list[dict[str, str]]:
        results = json.loads(written("sarif", given))["runs"][0]["results"]
        return [r["partialFingerprints"] for r in results]

    one = CheckResult((outcome(Fulfilment.FAILED, "a"),), 1)
    assert prints(one) == prints(CheckResult(one.outcomes, 99))
    assert prints(one) != prints(CheckResult((outcome(Fulfilment.FAILED, "b"),), 1))


def test_annotations_are_one_line_each() -> None:
    lines = written("github", result()).splitlines()
    assert [line.split(" ", 1)[0] for line in lines] == [
        "::error", "::warning", "::warning", "::warning", "::warning", "::notice",
    ]  # fmt: skip
    for line in lines:
        properties, _, message = line.removeprefix("::").partition("::")
        assert "\r" not in message
        assert "%0A::" not in properties
    assert "title=lbtrace failed%3A request.headers.Host" in written(
        "github", CheckResult((outcome(Fulfilment.FAILED),), 1)
    )


@pytest.mark.parametrize("text", ["`", "``", "a`b``c", " ", "", "|", "x`", HOSTILE])
def test_a_code_span_holds_its_text(text: str) -> None:
    span = code(shown(text))
    fence = re.match("`+", span)
    assert fence is not None
    inner = span[len(fence[0]) : -len(fence[0])]
    assert fence[0] not in re.findall("`+", inner)
    assert inner.strip() == shown(text).strip()


def test_a_cell_of_a_table_holds_no_bar() -> None:
    table = written("markdown", result("a|b")).split("|---|---|---|\n")[1]
    rows = [line for line in table.splitlines() if line.startswith("|")]
    assert len(rows) == 6
    assert all(len(re.findall(r"(?<!\\)\|", row)) == 4 for row in rows)


def test_json_follows_its_schema() -> None:
    document = json.loads(written("json", result()))
    jsonschema.validate(document, schema("lbtrace-check-1.schema.json"))
    assert document["exit_code"] == 1
    assert [o["word"] for o in document["outcomes"]] == [
        "failed", "warning", "allowed", "inconclusive", "not judged", "holds",
    ]  # fmt: skip


@pytest.mark.parametrize("width", [40, 80, 200])
def test_a_page_for_people_keeps_its_width(width: int) -> None:
    for line in written("terminal", result("x" * 30), View(width=width)).splitlines():
        assert len(line) <= width
    ascii_page = written("terminal", result(), View(width=width, ascii_only=True))
    assert ascii_page.isascii()


def test_what_failed_stands_first_with_expected_seen_packets_and_filter() -> None:
    page = written("terminal", result("x"), View(width=100))
    assert page.index("FAILED") < page.index("INCONCLUSIVE") < page.index("holds  ")
    for text in ("lbx.toml:9", "client #4 ↔ backend #16", "frame.number == 16", "expected x"):
        assert text in page
    assert page.startswith("5 expectations on 12 exchanges: 1 holds, 1 failed, 1 is a")


def test_without_a_judgement_the_reason_stands_on_top() -> None:
    page = written("terminal", CheckResult((outcome(Fulfilment.INCONCLUSIVE),), 0, "they differ"))
    assert "Nothing can be judged: they differ." in page


def test_both_heads_stand_side_by_side_with_what_the_balancer_did() -> None:
    one = CheckResult((outcome(Fulfilment.FAILED, "x"),), 4, command="lbtrace compare a b")
    page = written("terminal", one, View(width=60)).splitlines()
    at = next(
        n for n, line in enumerate(page) if line.split() == ["client", "#4", "backend", "#16"]
    )
    assert [line.split() for line in page[at + 1 : at + 5]] == [
        ["GET", "/x", "HTTP/1.1", "GET", "/x", "HTTP/1.1"],
        ["+", "X-x:", "`x"],
        ["~", "Host:", "x", "Host:", "b"],
        ["Accept:", "*/*", "Accept:", "*/*"],
    ]
    assert "  zoom in    lbtrace compare a b --zoom 1" in page


def test_equal_heads_are_shown_once() -> None:
    both = (outcome(Fulfilment.FAILED, "x"), replace(outcome(Fulfilment.FAILED, "x"), key="other"))
    page = written("terminal", CheckResult(both, 4), View(width=60))
    assert page.count("Accept: */*   ") == 1
    assert "heads      as under request.headers.x" in page


def test_markdown_and_junit_show_the_heads_as_a_diff() -> None:
    one = CheckResult((outcome(Fulfilment.FAILED, "x"),), 4)
    expected = "  GET /x HTTP/1.1\n+ X-x: `x\n- Host: x\n+ Host: b\n  Accept: */*"
    assert f"```diff\n{expected}\n```\n" in written("markdown", one)
    (suite,) = list(JUnitXml.fromstring(written("junit", one).encode()))
    (case,) = list(suite)
    assert expected in case.result[0].text


def test_a_fence_is_longer_than_any_in_the_heads() -> None:
    assert fenced(["````", "a"], "diff") == "`````diff\n````\na\n`````\n"
