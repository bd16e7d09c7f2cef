"""Results show themselves: one line, a page, HTML, a dictionary. The examples of the documents
work.
"""

from __future__ import annotations

import doctest
import io
import json
import pickle
from collections.abc import Callable
from html.parser import HTMLParser
from pathlib import Path

import pytest

import lbtrace
from lbtrace.render import View, get_format
from tests.cli.captures import SAMPLES
from tests.render import founding

ROOT = SAMPLES.parent
RACE = [SAMPLES / "nginx-race" / f"{side}.pcap" for side in ("client", "backend")]


@pytest.fixture
def _at_the_root(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(ROOT)


@pytest.mark.usefixtures("_at_the_root")
def test_the_examples_in_docstrings_work() -> None:
    done = doctest.testmod(lbtrace)
    assert done.attempted > 10
    assert not done.failed


@pytest.mark.usefixtures("_at_the_root")
def test_the_examples_of_the_page_work() -> None:
    done = doctest.testfile(str(ROOT / "docs/python.md"), module_relative=False)
    assert done.attempted > 10
    assert not done.failed


@pytest.mark.usefixtures("_at_the_root")
def test_the_notebook_works() -> None:
    pytest.importorskip("pyarrow", reason="pyarrow is not installed")
    done = doctest.testfile(str(ROOT / "docs/notebook.md"), module_relative=False)
    assert done.attempted > 8
    assert not done.failed


class Texts(HTMLParser):
    """The text between the tags, and the tags."""

    def __init__(self) -> None:
        super().__init__()
        self.text, self.tags = "", set[str]()

    def handle_starttag(self, tag: str, attrs: object) -> None:
        self.tags.add(tag)

    def handle_data(self, data: str) -> None:
        self.text += data


def page(report: lbtrace.Report, width: int) -> str:
    out = io.StringIO()
    get_format("terminal").write_report(report, out, View(width=width))
    return out.getvalue()


def test_a_report_prints_its_first_screen_and_is_one_line() -> None:
    report = lbtrace.compare(*RACE)
    assert str(report) == page(report, 80)
    assert repr(report).count("\n") == 0
    for one in (*report.problems, *report.findings, report.clients[0]):
        assert repr(one).count("\n") == 0


def test_a_notebook_shows_the_same_words() -> None:
    report = lbtrace.compare(*RACE)
    seen = Texts()
    seen.feed(report._repr_html_())
    assert seen.text.split() == page(report, 100).split()
    assert seen.tags <= {"pre", "span"}


def test_a_capture_report_shows_itself_too() -> None:
    alone = lbtrace.show(RACE[0])
    assert str(alone).startswith(" No problems found in 3 requests")
    assert repr(alone) == "<CaptureReport: no problems found in 1 capture>"
    assert "HTTP exchanges" in alone._repr_html_()
    assert alone.to_dict()["captures"][0]["exchange_count"] == 3


def test_the_dictionary_is_the_json() -> None:
    report, out = founding.report(), io.StringIO()
    get_format("json").write_report(report, out, View())
    assert report.to_dict() == json.loads(out.getvalue())
    assert report.to_dict(show_secrets=True)["secrets"] == "shown"


def test_a_capture_cannot_write_html(tmp_path: Path) -> None:
    """What stands in a capture is text, also in a notebook."""
    data = RACE[0].read_bytes().replace(b"GET /divide/25 ", b"GET /<b>x</b>& ")
    (tmp_path / "a.pcap").write_bytes(data)
    seen = Texts()
    seen.feed(lbtrace.show(tmp_path / "a.pcap")._repr_html_())
    assert "/<b>x</b>&" in seen.text
    assert seen.tags <= {"pre", "span"}


def test_a_problem_shows_no_credential_by_itself(tmp_path: Path) -> None:
    """What stands in its sentence as a parameter: no capture is at hand that could tell."""
    paths = [tmp_path / "a.pcap", tmp_path / "b.pcap"]
    secret = b"Forwarded: a=b;secret=Zq129"
    for path, recorded in zip(paths, RACE, strict=True):
        data = recorded.read_bytes()
        at = data.index(b"User-Agent: ")
        path.write_bytes(data[:at] + secret + data[at + len(secret) :])
    [told] = [p for p in lbtrace.compare(*paths).problems if "Forwarded" in p.text]
    assert "secret=Zq129" in told.text
    assert "Zq129" not in repr(told)
    assert "secret=…(5 bytes)" in repr(told)


@pytest.mark.parametrize("call", [lbtrace.compare, lbtrace.show, lbtrace.inspect])
def test_standard_input_is_one_capture(call: Callable[..., object]) -> None:
    with pytest.raises(lbtrace.LbtraceError, match="only one"):
        call("-", "-")


@pytest.mark.parametrize(
    "name", ["Report", "CaptureReport", "Finding", "Problem", "Options", "Trace"]
)
def test_the_names_are_there(name: str) -> None:
    assert getattr(lbtrace, name).__name__ == name
    assert name in lbtrace.__all__


def test_no_other_name_is_there() -> None:
    with pytest.raises(AttributeError, match="no attribute 'nothing'"):
        _ = lbtrace.nothing


def test_a_list_is_the_files_of_one_side() -> None:
    one, listed = lbtrace.compare(*RACE), lbtrace.compare([RACE[0]], [str(RACE[1])])
    assert one.to_dict() == listed.to_dict()


def test_a_rotated_capture_in_any_order_is_one_point(tmp_path: Path) -> None:
    raw = RACE[1].read_bytes()
    cut = 24
    for _ in range(13):
        cut += 16 + int.from_bytes(raw[cut + 8 : cut + 12], "little")
    parts = [tmp_path / name for name in ("b.pcap", "a.pcap")]
    parts[0].write_bytes(raw[:cut])
    parts[1].write_bytes(raw[:24] + raw[cut:])
    report = lbtrace.compare(RACE[0], parts[::-1])
    assert [f.path for f in report.backends[0].files] == list(map(str, parts))
    assert [p.slugs for p in report.problems] == [p.slugs for p in lbtrace.compare(*RACE).problems]


def test_the_clock_offset_is_stated_as_on_the_command_line() -> None:
    report = lbtrace.compare(*RACE, clock_offset="5s")
    assert report.correlation.clocks[0].middle_ns == 5_000_000_000
    with pytest.raises(lbtrace.LbtraceError, match="not a time"):
        lbtrace.compare(*RACE, clock_offset="soon")


def test_one_capture_of_both_sides(tmp_path: Path) -> None:
    both = tmp_path / "both.pcap"
    both.write_bytes(RACE[0].read_bytes() + RACE[1].read_bytes()[24:])
    report = lbtrace.compare(lb=both, lb_address=["3.35.166.21", "172.31.42.119"])
    assert report.summary.one_capture
    with pytest.raises(lbtrace.LbtraceError, match="give no other captures"):
        lbtrace.compare(RACE[0], lb=both)
    with pytest.raises(lbtrace.LbtraceError, match="not an IP address"):
        lbtrace.compare(lb=both, lb_address=["here"])
    with pytest.raises(lbtrace.LbtraceError, match="needs --lb"):
        lbtrace.compare(*RACE, lb_port=[80])


def test_a_side_that_is_missing_is_a_wrong_call() -> None:
    for given in ([], RACE[:1], [[], RACE[1]]):
        with pytest.raises(TypeError, match="a client and a backend capture"):
            lbtrace.compare(*given)


def test_what_shows_itself_can_still_be_pickled() -> None:
    finding = founding.report().findings[0]
    assert pickle.loads(pickle.dumps(finding)) == finding
