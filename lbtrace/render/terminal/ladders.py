"""A ladder: a lane for client, balancer and backend, an arrow for each step with its time and its
frame; or the same as a Mermaid sequence diagram.
"""

from __future__ import annotations

from collections.abc import Sequence

from rich.cells import cell_len, set_cell_size

from lbtrace.ladder import Lane, Step
from lbtrace.language import N, tr
from lbtrace.model.net import Side
from lbtrace.render.terminal import ladder_svg
from lbtrace.render.terminal.labels import Labels
from lbtrace.render.terminal.page import Page
from lbtrace.render.wording import units
from lbtrace.render.wording.escape import shown

LANES = (N("client"), N("balancer"), N("backend"))
LANES_ALONE = ("client", "server")
_MOST_SHAFT = 40  # columns between two lanes
_LEAST_SHAFT = 9


def text(page: Page, steps: Sequence[Step], labels: Labels, lanes: Sequence[str] = LANES) -> None:
    """The ladder in characters, with two lanes or three."""
    every = marks(steps, labels)
    left = _widest([time for time, _, _ in every])
    frame = _widest([f for _, f, _ in every])
    error = _widest([e for _, _, e in every])
    gaps = len(lanes) - 1
    lanes = [page.plain(tr(lane)) for lane in lanes]
    behind = max(error + 2, cell_len(lanes[-1]))
    room = page.width - 1 - left - frame - behind - 2 * 2 - len(lanes)
    shaft = min(max(room // gaps, _LEAST_SHAFT), _MOST_SHAFT)
    lead = " " * (left + 2 + frame + 2)
    page.line((lead + " ".join(set_cell_size(name, shaft) for name in lanes).rstrip(), "label"))
    for step, (time, number, uncertain) in zip(steps, every, strict=True):
        page.line(
            (f"{time:>{left}}  ", "note"),
            (f"{number:<{frame}}  ", "frame"),
            _arrow(page, step, shaft, gaps),
            (f"  {uncertain}" if uncertain else "", "note"),
        )


def marks(steps: Sequence[Step], labels: Labels) -> list[tuple[str, str, str]]:
    """(time, frame, error) of each step."""
    return [_mark(step, labels) for step in steps]


def _mark(step: Step, labels: Labels) -> tuple[str, str, str]:
    """(time, frame, error) of a step."""
    time = "" if step.after_ns is None else _after(step.after_ns)
    side = "C" if step.frame.side is Side.CLIENT else "B"
    number = labels.frame(step.frame)
    uncertain = units.half_width(step.half_width_ns) if step.half_width_ns else ""
    named = labels.alone or " " in number
    return time, number if named else f"{side} {number}", uncertain


def _after(ns: int) -> str:
    return f"{'+' if ns > 0 else ''}{units.duration(ns)}"


def _widest(texts: Sequence[str]) -> int:
    return max(map(cell_len, texts), default=0)


def _arrow(page: Page, step: Step, shaft: int, gaps: int) -> str:
    """ "│─ GET / ───▶│            │"."""
    label = page.cut(shown(tr(step.text)), shaft - 5)
    room = "─" * (shaft - 4 - cell_len(label))
    drawn = f"─ {label} {room}▶" if step.sender < step.receiver else f"◀{room} {label} ─"
    shafts = [" " * shaft] * gaps
    shafts[min(step.sender, step.receiver)] = drawn
    return f"│{'│'.join(shafts)}│"


def svg(steps: Sequence[Step], labels: Labels, lanes: Sequence[str] = LANES) -> list[str]:
    """The ladder as an SVG picture, line by line."""
    told = [(shown(step.text), *_mark(step, labels)) for step in steps]
    return ladder_svg.svg(steps, told, lanes)


def mermaid(steps: Sequence[Step], labels: Labels, lanes: Sequence[str] = LANES) -> list[str]:
    """The ladder as a Mermaid sequence diagram, line by line."""
    lines = ["sequenceDiagram"]
    named = zip(Lane, lanes, strict=False)
    lines += [f"    participant {_letter(lane)} as {name}" for lane, name in named]
    for step in steps:
        arrow = "->>" if step.sender < step.receiver else "-->>"
        told = [shown(step.text), labels.frames([step.frame])]
        if step.after_ns is not None:
            told.append(_after(step.after_ns))
        if step.half_width_ns:
            told.append(units.half_width(step.half_width_ns))
        ends = f"{_letter(step.sender)}{arrow}{_letter(step.receiver)}"
        lines.append(f"    {ends}: {', '.join(map(_escaped, told))}")
    return lines


def _letter(lane: Lane) -> str:
    return {Lane.CLIENT: "C", Lane.BALANCER: "L", Lane.BACKEND: "B"}[lane]


def _escaped(text_: str) -> str:
    """Text that ends no statement and starts no entity of Mermaid."""
    return "".join(c if c not in ';#"<>{}' else f"#{ord(c)};" for c in text_)
