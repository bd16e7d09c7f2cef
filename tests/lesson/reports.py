"""Reports to teach from: the samples of the founding experiment, and simulated traffic."""

from __future__ import annotations

from functools import cache
from io import StringIO

import lbtrace
from lbtrace.lesson import Act, lesson
from lbtrace.model.report import Report
from lbtrace.render import View
from lbtrace.render.terminal.page import Page
from tests.cli.captures import SAMPLES

FOUNDING = ("alb-like", "nlb-like", "nlb-like-snat")


@cache
def sample(name: str) -> Report:
    backends = sorted(map(str, (SAMPLES / name).glob("backend*.pcap")))
    return lbtrace.compare(str(SAMPLES / name / "client.pcap"), *backends)


def told(*acts: Act, width: int = 80) -> tuple[str, list[str]]:
    """The lesson, and what it asked its reader for."""
    out, asked = StringIO(), list[str]()
    lesson(Page(out, View(width=width)), acts, asked.append)
    return out.getvalue(), asked
