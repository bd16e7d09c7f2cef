"""A page in another language: no sentence of lbtrace's own is English on it, -v and zooms included.
The rules of profiles are data, and stay as they are written.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from io import StringIO

import pytest

from lbtrace.language import ENGLISH, languages
from lbtrace.model.report import CaptureAlone, CaptureReport, Report
from lbtrace.render import Detail, View
from lbtrace.render.terminal import write_report, write_trace
from tests.lesson.reports import sample

OTHERS = [language for language in languages() if language != ENGLISH]
SAMPLES = ("nginx-race", "nginx-timeout", "alb-like", "nlb-like")
# names of programs, protocols and fields, words of a command or of a capture
NAMES = re.compile(
    r"frame\.number|tcp\.stream|in \{[\d, ]+\}|samples/\S+|lbtrace \S.*|--\S+|[A-Za-z][\w.-]*: .*"
    r"|[A-Z][A-Za-z0-9-]*|ms\b|µs|ppm|/\S*|(?:rare|keep-alive|l[47])-\S+|proxy_\S+|retry-on"
)
RULES = (" 일치 ", " 불일치 ")  # before a rule of a profile
WORDS = re.compile(r"(?:\b[a-z]{3,}\b[ ,;]+){4}")  # four words in a row are a sentence of ours


def pages(report: Report, language: str) -> Iterator[str]:
    for detail, zoom in ((Detail.FIRST_SCREEN, ""), (Detail.REASONS, ""), (Detail.REASONS, "1")):
        out = StringIO()
        write_report(report, out, View(width=400, detail=detail, zoom=zoom, language=language))
        yield out.getvalue()


@pytest.mark.parametrize("name", SAMPLES)
@pytest.mark.parametrize("language", OTHERS)
def test_no_sentence_is_left_in_english(name: str, language: str) -> None:
    for page in pages(sample(name), language):
        told = [line for line in page.splitlines() if not line.startswith(RULES)]
        assert not [line for line in told if WORDS.search(NAMES.sub("·", line))]


def test_the_law_sees_english() -> None:
    for page in pages(sample("nginx-race"), ENGLISH):
        assert any(WORDS.search(NAMES.sub("·", line)) for line in page.splitlines())


@pytest.mark.parametrize("language", OTHERS)
def test_one_capture_is_told_in_it(language: str) -> None:
    traces = sample("nginx-timeout").clients
    out, report = StringIO(), CaptureReport(tuple(CaptureAlone(trace) for trace in traces))
    write_trace(report, out, View(width=400, detail=Detail.REASONS, language=language))
    assert not WORDS.search(NAMES.sub("·", out.getvalue()))
