"""The lesson: an act for each balancer, with a question before its answer; every number is the
report's.
"""

from __future__ import annotations

import re

import pytest

from lbtrace.lesson import Act
from tests.lesson.reports import FOUNDING, sample, told

ACTS = [Act(name, sample(name)) for name in FOUNDING]


def test_each_act_asks_before_it_answers_and_shows_one_ladder_and_one_table() -> None:
    page, asked = told(*ACTS)
    assert len(asked) == len(ACTS) + 1
    for part in page.split("\nAct ")[1:]:
        order = [part.index(f"\n {word}") for word in ("Question: ", "Answer: ")]
        order += [part.index("\nOne exchange"), part.index("(confidence: ")]
        assert order == sorted(order)
        assert part.count("One exchange") == 1
    assert page.index("(confidence: ") < page.index("\nSide by side")


def test_the_reader_is_asked_to_guess_between_question_and_answer() -> None:
    from io import StringIO

    from lbtrace.lesson import lesson
    from lbtrace.render import View
    from lbtrace.render.terminal.page import Page

    out, seen = StringIO(), list[str]()
    lesson(Page(out, View()), ACTS[:1], lambda _words: seen.append(out.getvalue()))
    assert "Question: " in seen[0]
    assert "Answer: " not in seen[0]
    assert "Side by side" not in seen[1]


@pytest.mark.parametrize("act", ACTS)
def test_every_frame_of_an_act_is_one_of_its_captures(act: Act) -> None:
    page, _ = told(act)
    frames = re.findall(r"^ .*?([CB]) #(\d+)", page, re.MULTILINE)
    assert frames
    sides = {"C": act.report.clients[0], "B": act.report.backends[0]}
    for letter, number in frames:
        assert 1 <= int(number) <= sides[letter].packets.read


def test_one_balancer_is_one_act_without_a_number() -> None:
    page, asked = told(ACTS[0])
    assert "\nThe experiment   alb-like\n" in page
    assert "Act 1" not in page
    assert len(asked) == 2


def test_the_requests_are_named_and_those_beyond_are_counted() -> None:
    page, _ = told(Act("nginx", sample("nginx")))
    report = sample("nginx")
    first = report.clients[0].exchanges[0].request
    assert first is not None
    assert f"The client sent 13 requests: {first.method} {first.target}, " in page
    assert re.sub(r"\s+", " ", page).count("+9.") == 1
