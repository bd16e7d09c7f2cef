"""The hosts of a report → where the picture of them has its texts and arrows. Layout only: the
template draws, and jinja escapes.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import NamedTuple

from lbtrace.model.report import Kind, Report
from lbtrace.render.wording.escape import cut, shown

_MOST = 8  # of each column
_LETTERS = 26  # of an address and its port that fit a box; IPv6 may have more
_TOP, _LINE, _BELOW = 54, 20, 14  # px
_BOX = 210  # px wide
_AT = (20, 320, 520, 820)  # px: where the boxes begin
_NO_BALANCER = (Kind.DIRECT, Kind.UNRELATED, Kind.INCONCLUSIVE)


class Box(NamedTuple):
    """A column of addresses: `lines` are (y, text shown, text in full)."""

    x: int
    title: str
    lines: tuple[tuple[int, str, str], ...]


class Picture(NamedTuple):
    """All of it; `box` is how wide a box is."""

    width: int
    height: int
    box: int
    boxes: tuple[Box, ...]
    joined: bool  # the two boxes in the middle are one host


def picture(report: Report) -> Picture | None:
    """Client, balancer, what it connects from, backend; None where nobody is known."""
    t = report.correlation.topology
    columns = [t.clients, map(str, t.fronts), t.sources, map(str, t.backends)]
    told = [_few(column) for column in columns]
    if not any(told):
        return None
    balancer = report.verdict.kind not in _NO_BALANCER
    titles = (
        "client",
        "load balancer" if balancer else "connects to",
        "source behind it",
        "backend",
    )
    boxes = tuple(
        Box(x, title, tuple(_lines(column)))
        for x, title, column in zip(_AT, titles, told, strict=True)
    )
    rows = max(len(column) for column in told)
    return Picture(_AT[-1] + _BOX + 20, _TOP + _LINE * rows + _BELOW, _BOX, boxes, balancer)


def _few(addresses: Iterable[str]) -> list[str]:
    every = [shown(address) for address in addresses]
    hidden = len(every) - _MOST
    return every if hidden <= 1 else [*every[:_MOST], f"+{hidden} more"]


def _lines(column: list[str]) -> Iterable[tuple[int, str, str]]:
    for row, text in enumerate(column or ["unknown"]):
        yield _TOP + _LINE * row, cut(text, _LETTERS), text
