"""Every oddity that is said has a text, and every text is said somewhere."""

from __future__ import annotations

import re
from pathlib import Path

import lbtrace.http
from lbtrace.http.weirds import AMBIGUOUS, TEXTS, Oddities

ROOM = Path(lbtrace.http.__file__).parent


def test_texts_and_slugs_agree() -> None:
    source = "".join(p.read_text() for p in ROOM.glob("*.py") if p.name != "oddities.py")
    assert [slug for slug in TEXTS if f'"{slug}"' not in source] == []
    assert set(TEXTS) >= AMBIGUOUS
    assert set(
        re.findall(r'(?:oddities\.add\(|odd\[|odd\.append\()"([a-z0-9.\-]+)"', source)
    ) <= set(TEXTS)


def test_counts_are_kept_with_the_first_frame_and_details_are_bounded() -> None:
    oddities = Oddities()
    for frame in range(200, 0, -1):
        oddities.add("bare-lf", frame)
        oddities.add("bare-cr", frame, f"detail {frame}")
    found = oddities.diagnostics()
    assert [(d.count, d.frame) for d in found if d.slug == "bare-lf"] == [(200, 1)]
    assert sum(d.count for d in found if d.slug == "bare-cr") == 200
    assert len(found) < 60
