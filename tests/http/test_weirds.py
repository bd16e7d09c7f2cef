"""Every weird has a text, and every text is used."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

import lbtrace.http
from lbtrace.http import weirds
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
    counts = Weirds()
    for frame in range(200, 0, -1):
        counts.add("bare-lf", frame)
        counts.add("bare-cr", frame, f"detail {frame}")
    found = counts.diagnostics()
    assert [(d.count, d.frame) for d in found if d.slug == "bare-lf"] == [(200, 1)]
    assert sum(d.count for d in found if d.slug == "bare-cr") == 200
    assert len(found) == 1 + 50 + 1, "fifty details, and one entry for all others"
    assert [d.frame for d in found if d.text.endswith("detail 151")] == [151]
    assert [d.count for d in found if d.slug == "bare-cr" and d.frame == 1] == [150]


SEEN = st.lists(
    st.tuples(st.sampled_from(["bare-lf", "bare-cr"]), st.integers(1, 9), st.sampled_from(" abc"))
)


@given(SEEN, SEEN)
def test_what_others_counted_is_as_if_it_had_been_seen_afterwards(
    first: list[tuple[str, int, str]], then: list[tuple[str, int, str]]
) -> None:
    with pytest.MonkeyPatch.context() as patched:
        patched.setattr(weirds, "_MAX_DETAILS", 2)
        one, other, together = Weirds(), Weirds(), Weirds()
        for counts, seen in ((one, first), (other, then), (together, first + then)):
            for slug, frame, detail in seen:
                counts.add(slug, frame, detail.strip())
        if not other.limited:
            one.take(other)
            assert one.diagnostics() == together.diagnostics()
        else:
            assert len({d for s, _, d in then if s == "bare-cr" and d.strip()}) == 3 or (
                len({d for s, _, d in then if s == "bare-lf" and d.strip()}) == 3
            )
