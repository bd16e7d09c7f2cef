"""A ladder as a picture: well-formed, ASCII, and an arrow for each step."""

from __future__ import annotations

import re
from xml.etree import ElementTree

from hypothesis import given
from hypothesis import strategies as st

from lbtrace.ladder import Lane, Step
from lbtrace.model.net import FrameRef, Side
from lbtrace.render import Detail
from lbtrace.render.terminal.labels import Labels
from lbtrace.render.terminal.ladders import svg
from tests.laws import examples
from tests.render import founding
from tests.render.documents import page

SVG = "{http://www.w3.org/2000/svg}"
LABELS = Labels([founding.client_trace()], [founding.backend_trace()])


def test_it_shows_the_steps_of_the_text_ladder() -> None:
    text = page(detail=Detail.FIRST_SCREEN, zoom="1", ladder="text")
    picture = page(detail=Detail.FIRST_SCREEN, zoom="1", ladder="svg")
    root = ElementTree.fromstring(picture)
    arrows = [line for line in root.iter(f"{SVG}line") if line.get("class") == "arrow"]
    assert len(arrows) == len(text.splitlines()) - 1
    words = [element.text for element in root.iter(f"{SVG}text")]
    for word in ("client", "balancer", "backend", "GET /divide/25", "C #4"):
        assert word in words


def test_an_arrow_points_to_who_receives() -> None:
    steps = [step(Lane.CLIENT, Lane.BALANCER), step(Lane.BACKEND, Lane.BALANCER)]
    lines = svg(steps, LABELS)
    ends = re.findall(r'class="head" points="(\d+),', "\n".join(lines))
    lanes = re.findall(r'class="lane" x="(\d+)"', "\n".join(lines))
    assert ends == [lanes[1], lanes[1]]


def step(sender: Lane, receiver: Lane, text: str = "SYN") -> Step:
    return Step(sender, receiver, text, FrameRef(Side.CLIENT, 0, 0, 4, 0), 0, 0)


@examples(30)
@given(st.text(st.characters(max_codepoint=0xFF), max_size=300))
def test_whatever_the_wire_says_the_picture_is_well_formed(said: str) -> None:
    lines = svg([step(Lane.CLIENT, Lane.BALANCER, said)], LABELS)
    text = "\n".join(lines)
    assert text.isascii()
    root = ElementTree.fromstring(text)
    assert {element.tag.removeprefix(SVG) for element in root.iter()} <= {
        "svg", "style", "rect", "text", "line", "polygon",
    }  # fmt: skip
    assert len(list(root.iter(f"{SVG}text"))) == 3 + 3
