"""Text → Markdown that shows exactly this text.

What stands in a header could be a link, a mention or an image: texts of a capture stand in code
spans, whose fence is longer than any run of back-ticks in them (CommonMark §6.1), or in blocks
(§4.5); `|` is escaped for tables (GFM §4.10).
"""

from __future__ import annotations

import re
from collections.abc import Sequence

_RUN = re.compile("`+")


def code(text: str) -> str:
    """A code span that holds exactly this text."""
    fence = _fence([text], 1)
    pad = " " if text.startswith("`") or text.endswith("`") or not text.strip() else ""
    return f"{fence}{pad}{text}{pad}{fence}"


def cell(text: str) -> str:
    """A code span in a table."""
    return code(text).replace("|", "\\|")


def fenced(rows: Sequence[str], language: str) -> str:
    """A block of code that holds exactly these lines."""
    fence = _fence(rows, 3)
    return "\n".join([f"{fence}{language}", *rows, fence]) + "\n"


def _fence(rows: Sequence[str], least: int) -> str:
    """Back-ticks, so many that no row holds as many in a row."""
    fence = "`" * least
    for run in (run for row in rows for run in _RUN.findall(row)):
        if run.startswith(fence):
            fence = f"{run}`"
    return fence
