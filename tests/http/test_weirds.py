"""Every weird has a text, and every text is used."""

from __future__ import annotations

import re
from pathlib import Path

import lbtrace.http
from lbtrace.http.weirds import AMBIGUOUS, TEXTS, Weirds

ROOM = Path(lbtrace.http.__file__).parent


def test_texts_and_slugs_agree() -> None:
    source = "".join(p.read_text() for p in ROOM.rglob("*.py") if p.name != "weirds.py")
    assert [slug for slug in TEXTS if f'"{slug}"' not in source] == []
    assert set(TEXTS) >= AMBIGUOUS
    used = re.findall(r'(?:weirds\.add\(|odd\[|odd\.append\()"([a-z0-9.\-]+)"', source)
    assert len(set(used)) > 20
    assert set(used) <= set(TEXTS)


def test_counts_are_kept_with_the_first_frame_and_details_are_bounded() -> None:
    weirds = Weirds()
    for frame in range(200, 0, -1):
        weirds.add("bare-lf", frame)
        weirds.add("bare-cr", frame, f"detail {frame}")
    found = weirds.diagnostics()
    assert [(d.count, d.frame) for d in found if d.slug == "bare-lf"] == [(200, 1)]
    assert sum(d.count for d in found if d.slug == "bare-cr") == 200
    assert len(found) == 1 + 50 + 1, "fifty details, and one entry for all others"
    assert [d.frame for d in found if d.text.endswith("detail 151")] == [151]
    assert [d.count for d in found if d.slug == "bare-cr" and d.frame == 1] == [150]
