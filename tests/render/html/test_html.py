"""The page for a browser: what it says, what it keeps out, and that its parts belong together."""

from __future__ import annotations

import io
import json
import re
import shutil
import subprocess
from base64 import b64encode
from dataclasses import replace
from hashlib import sha256
from html.parser import HTMLParser
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lbtrace.listing import ListedExchanges, listing
from lbtrace.model.http import HeaderLine
from lbtrace.model.report import CaptureAlone, CaptureReport, Report, Severity
from lbtrace.pipeline import show
from lbtrace.render import View, get_format
from lbtrace.render.check import get_format as check_format
from lbtrace.render.diff import DiffResult
from lbtrace.render.diff import get_format as diff_format
from lbtrace.render.html import alone, compared, document
from tests.behaviour.samples import report_of, samples
from tests.laws import examples
from tests.render import founding
from tests.render.check import hostile as hostile_check
from tests.render.terminal.test_hostile import hostile

HOSTILE = (
    "</script><script>alert(1)</script><img src=x onerror=alert(1)>\u2028&lt;\x1b[31m'\"{{7*7}}"
)
SECRET = "Zm9vYmFyLXNlY3JldC12YWx1ZQ"


def written(report: Report | CaptureReport, **view: Any) -> str:
    out = io.StringIO()
    if isinstance(report, Report):
        get_format("html").write_report(report, out, View(**view))
    else:
        get_format("html").write_trace(report, out, View(**view))
    return out.getvalue()


class Elements(HTMLParser):
    """The elements of a page, and the text outside of scripts and styles."""

    def __init__(self, page: str) -> None:
        super().__init__()
        self.names: list[str] = []
        self.attributes: list[tuple[str, str | None]] = []
        self.texts: list[str] = []
        self.feed(page)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.names.append(tag)
        self.attributes += attrs

    def handle_data(self, data: str) -> None:
        self.texts.append(data)


def data_of(page: str) -> dict[str, Any]:
    """What the script of a page gets."""
    held = re.search(r'<script type="application/json" id="data">(.*?)</script>', page, re.DOTALL)
    assert held is not None
    found: dict[str, Any] = json.loads(held[1])
    return found


@pytest.mark.parametrize("name", samples())
def test_it_has_the_problems_and_the_exchanges_of_the_page_for_a_terminal(name: str) -> None:
    report = report_of(name)
    page = written(report)
    for problem in report.problems:
        assert f'id="{problem.id}"' in page
    rows, listed = data_of(page)["rows"], listing(report)
    assert rows["name"] == [row.number for row in listed.rows]
    assert sum(rows["wrong"]) == listed.troubled
    assert {len(column) for column in rows.values()} == {len(listed.rows)}


def test_a_problem_and_its_exchanges_name_each_other() -> None:
    report = report_of("nginx-race")
    page = written(report)
    data = data_of(page)
    (problem,) = report.problems
    of = ListedExchanges(report)
    names = [of.row(i).number for i in of.rows_of(problem.frames)]
    assert names
    for name in names:
        assert f'href="#pair-{name}"' in page
        row = data["rows"]["name"].index(name)
        assert data["strings"][data["rows"]["problems"][row]] == problem.id


def test_heads_stand_side_by_side_as_on_the_page_for_a_terminal() -> None:
    data = data_of(written(founding.report()))
    _, request, _, _, shape, front, behind = data["rows"]["heads"][0][0]
    strings = data["strings"]
    beside = [
        (came >= 0 and strings[front[came]], went >= 0 and strings[behind[went]])
        for came, went in data["shapes"][shape]
    ]
    assert request == 1
    assert beside[0] == ("GET /divide/25 HTTP/1.1", "GET /divide/25 HTTP/1.1")
    assert (False, "X-Forwarded-For: 1.240.235.98") in beside
    assert ("Host: alb.example", "Host: alb.example") in beside
    assert sorted(i for i, _ in data["shapes"][shape] if i >= 0) == list(range(len(front)))
    assert sorted(i for _, i in data["shapes"][shape] if i >= 0) == list(range(len(behind)))


def test_times_are_those_of_the_report() -> None:
    report = report_of("alb-like")
    assert report.latency is not None
    data = data_of(written(report))
    assert max(data["rows"]["added"]) == report.latency.added_max_ns
    assert data["band"][0] == report.latency.half_width_ns


def nasty(alone_: bool = False) -> Report | CaptureReport:
    """A report with hostile text wherever a capture can put some, as a problem."""
    report = hostile(HOSTILE)
    report = replace(
        report, findings=tuple(replace(f, severity=Severity.HIGH) for f in report.findings)
    )
    return CaptureReport((CaptureAlone(report.clients[0]),)) if alone_ else report


def pages_with(text: str) -> dict[str, str]:
    """One page of each kind, with this text in it."""
    found = {"report": written(hostile(text)), "captures": written(nasty(True))}
    out = io.StringIO()
    check_format("html").write(hostile_check.result(text), out, View())
    found["check"] = out.getvalue()
    out = io.StringIO()
    diff_format("html").write(DiffResult((text, text), (), (text, "")), out, View())
    found["diff"] = out.getvalue()
    return found


@pytest.mark.parametrize("kind", ["report", "captures", "check", "diff"])
def test_hostile_bytes_are_text(kind: str) -> None:
    page = pages_with(HOSTILE)[kind]
    elements = Elements(page)
    assert elements.names.count("script") == (2 if kind in ("report", "captures") else 0)
    assert "img" not in elements.names
    assert not [name for name, _ in elements.attributes if name.startswith("on")]
    assert not [name for name, _ in elements.attributes if name in ("src", "style", "action")]
    assert all(c == "\n" or c.isprintable() for c in page)
    assert "{{7*7}}" in page


@given(st.text(st.characters(max_codepoint=0xFF), max_size=14))
@examples(10)
def test_whatever_the_wire_carried_the_elements_are_the_same(text: str) -> None:
    calm, odd = (Elements(written(hostile(each))) for each in ("calm", text))
    assert odd.names == calm.names
    data_of(written(hostile(text)))


@given(st.dictionaries(st.text(max_size=8), st.text(max_size=8), max_size=4))
def test_data_cannot_leave_the_script_and_come_back_whole(data: dict[str, str]) -> None:
    text = document.inert(data)
    assert not set(text) & set("<>&\u2028\u2029")
    assert json.loads(text) == data


@pytest.mark.parametrize("kind", ["report", "captures", "check", "diff"])
def test_the_policy_names_the_style_and_the_script_of_the_page_and_nothing_else(kind: str) -> None:
    page = pages_with("calm")[kind]
    policy = re.search(r'http-equiv="Content-Security-Policy" content="([^"]+)"', page)
    assert policy is not None
    rules = policy[1].replace("&#39;", "'").split("; ")
    wanted = ["default-src 'none'"]
    for rule, held in (
        ("style-src", re.findall(r"<style>(.*?)</style>", page, re.DOTALL)),
        ("script-src", re.findall(r"<script>(.*?)</script>", page, re.DOTALL)),
    ):
        for text in held:
            digest = b64encode(sha256(text.encode()).digest()).decode()
            wanted.append(f"{rule} 'sha256-{digest}'")
    assert rules == [*wanted, "base-uri 'none'", "form-action 'none'"]


@pytest.mark.parametrize("kind", ["report", "captures", "check", "diff"])
def test_nothing_is_fetched(kind: str) -> None:
    page = pages_with("calm")[kind]
    addresses = [value for name, value in Elements(page).attributes if name in ("href", "src")]
    assert all(str(address).startswith("#") for address in addresses)
    assert "url(" not in document.text("page.css")
    assert "@import" not in document.text("page.css")


def test_credentials_are_masked_unless_they_are_asked_for() -> None:
    report = founding.report()
    (client,) = report.clients
    exchanges = list(client.exchanges)
    asked = exchanges[0].request
    assert asked is not None
    line = HeaderLine("Cookie", f"session={SECRET}", f"Cookie: session={SECRET}")
    exchanges[0] = exchanges[0]._replace(request=asked._replace(lines=(*asked.lines, line)))
    report = replace(report, clients=(replace(client, exchanges=exchanges),))
    assert SECRET not in written(report)
    assert SECRET in written(report, show_secrets=True)
    assert SECRET not in written(CaptureReport((CaptureAlone(report.clients[0]),)))


def test_many_exchanges_are_sampled_and_the_page_says_so() -> None:
    report = report_of("nginx-race")
    values, data = compared.content(report, View(), 2)
    assert data["rows"]["name"][0] == "2"  # the one that went wrong
    assert len(data["rows"]["name"]) == 2
    assert "2 of 3 exchanges: all 1 that went wrong" in str(values["list"])
    values, data = compared.content(report, View(), 50)
    assert "page has" not in str(values["list"])


def test_captures_alone_are_numbered_as_on_the_page_for_a_terminal() -> None:
    files = [[f"samples/{name}/client.pcap"] for name in ("nginx", "envoy")]
    report = show(files)
    _, data = alone.content(report, View(), 3)
    assert data["rows"]["name"] == ["1:1", "1:2", "1:3", "2:1", "2:2", "2:3"]
    assert data["lanes"] == ("client", "server")


def test_an_empty_report_has_a_page() -> None:
    report = founding.report()
    nothing = replace(
        report,
        correlation=replace(report.correlation, pairs=(), unpaired=()),
        findings=(),
        latency=None,
    )
    assert data_of(written(nothing))["rows"]["name"] == []


@pytest.mark.skipif(shutil.which("node") is None, reason="no node here")
def test_the_script_is_a_program() -> None:
    script = str(document.FOLDER / "page.js")
    done = subprocess.run(["node", "--check", script], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr


def test_the_script_makes_no_markup_of_texts() -> None:
    script = document.text("page.js")
    for word in (
        "innerHTML",
        "outerHTML",
        "insertAdjacent",
        "document.write",
        "eval(",
        "Function(",
    ):
        assert word not in script
