"""A ladder as an SVG picture: a line for each lane, an arrow for each step with its text, its time
and its frame.

The picture is ASCII: every other character is written as a reference, so that it is the same in any
encoding. Text of a capture is escaped; nothing in the picture is fetched or run.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from html import escape

from rich.cells import cell_len

from lbtrace.ladder import Step

_LEFT, _RIGHT = 190, 90  # px beside the lanes: time and frame; the error of a time
_ROW, _TOP, _GAP = 34, 44, 24  # px of a step, above the first one, below the last one
_CHARACTER = 7.3  # px of one, in the font of the arrows
_LEAST_SHAFT = 240  # px between two lanes
_HEAD = 8  # px of an arrow's head
_STYLE = (
    "text{font:12px ui-monospace,monospace;fill:#222}.lane{font-weight:bold}"
    ".note{fill:#666}.line{stroke:#999}.arrow{stroke:#06c;fill:none}.head{fill:#06c}"
)


def svg(
    steps: Sequence[Step], marks: Sequence[tuple[str, str, str, str]], lanes: Sequence[str]
) -> list[str]:
    """The picture, line by line. `marks` are the text, time, frame and error of each step."""
    longest = max((cell_len(text) for text, *_ in marks), default=0)
    shaft = max(_LEAST_SHAFT, round(longest * _CHARACTER) + 40)
    at = [_LEFT + shaft * number for number in range(len(lanes))]
    width, height = at[-1] + _RIGHT, _TOP + _ROW * len(steps) + _GAP
    return [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width} {height}" width="{width}" '
        f'height="{height}">',
        f"<style>{_STYLE}</style>",
        '<rect width="100%" height="100%" fill="white"/>',
        *_lanes(at, lanes, height),
        *(
            line
            for number, (step, mark) in enumerate(zip(steps, marks, strict=True), 1)
            for line in _step(step, mark, at, _TOP + _ROW * number)
        ),
        "</svg>",
    ]


def _lanes(at: Sequence[int], names: Sequence[str], height: int) -> Iterator[str]:
    for x, name in zip(at, names, strict=True):
        yield _text(x, 24, name, "lane", "middle")
        yield f'<line class="line" x1="{x}" y1="34" x2="{x}" y2="{height - _GAP // 2}"/>'


def _step(step: Step, mark: tuple[str, str, str, str], at: Sequence[int], y: int) -> Iterator[str]:
    text, time, frame, error = mark
    begin, end = at[step.sender], at[step.receiver]
    back = _HEAD if end < begin else -_HEAD
    yield _text(8, y + 4, time, "note", "start")
    yield _text(90, y + 4, frame, "", "start")
    yield _text((begin + end) // 2, y - 6, text, "", "middle")
    yield f'<line class="arrow" x1="{begin}" y1="{y}" x2="{end + back}" y2="{y}"/>'
    points = f"{end},{y} {end + back},{y - 4} {end + back},{y + 4}"
    yield f'<polygon class="head" points="{points}"/>'
    if error:
        yield _text(at[-1] + 10, y + 4, error, "note", "start")


def _text(x: int, y: int, text: str, kind: str, anchor: str) -> str:
    written = escape(text).encode("ascii", "xmlcharrefreplace").decode("ascii")
    of = f' class="{kind}"' if kind else ""
    return f'<text{of} x="{x}" y="{y}" text-anchor="{anchor}">{written}</text>'
