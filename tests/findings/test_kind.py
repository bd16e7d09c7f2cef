"""The name and docstring of a file, and what is said in one sentence, make a whole finding."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lbtrace.comparison.claims import ns, size
from lbtrace.findings import rooms
from lbtrace.findings._kind import FindingKind
from lbtrace.model.net import FrameRef, Side
from lbtrace.model.pairing import Confidence
from lbtrace.model.report import Finding, Severity, Value

KIND = FindingKind.of(
    "lbtrace.findings.slow_start", "Slow start.\n\nMeaning:\n    It takes long.\n"
)
FRAME = FrameRef(side=Side.CLIENT, point=0, file=0, number=3, time_ns=7)
WORDS = st.text("abcdefghijklmnopqrstuvwxyz", min_size=1)


def finding(variant: str = "", frames: tuple[FrameRef, ...] = (FRAME,)) -> Finding:
    return KIND.finding(
        variant,
        Severity.LOW,
        Confidence.HIGH,
        "{count} of {size} after {waited} at {target}.",
        frames,
        count=3,
        size=size(9),
        waited=ns(1_500),
        target="/a",
        nothing=None,
        note="the first one",
        remedy="Wait.",
    )


@given(st.lists(WORDS, min_size=1, max_size=4))
def test_the_slug_is_the_name_of_the_file_with_dashes(words: list[str]) -> None:
    kind = FindingKind.of(f"lbtrace.findings.{'_'.join(words)}", "Title.")
    assert kind.slug == "-".join(words)


@pytest.mark.parametrize(
    ("doc", "title"),
    [
        ("Slow start.", "Slow start"),
        ("Slow start.\n\nMeaning:\n    More.", "Slow start"),
        ("\nSlow start: v1.0\n", "Slow start: v1.0"),
    ],
)
def test_the_title_is_the_first_line_of_the_docstring(doc: str, title: str) -> None:
    assert FindingKind.of("a.b", doc).title == title


def test_a_file_without_a_docstring_is_titled_by_its_slug() -> None:
    assert FindingKind.of("lbtrace.findings.slow_start", None) == ("slow-start", "slow-start")


@pytest.mark.parametrize(
    ("variant", "slug"), [("", "slow-start"), ("of-backend", "slow-start.of-backend")]
)
def test_a_variant_follows_the_slug_after_a_dot(variant: str, slug: str) -> None:
    assert finding(variant).slug == slug


def test_a_finding_holds_what_was_said() -> None:
    said = finding()
    assert (said.title, said.severity, said.confidence) == (
        "Slow start",
        Severity.LOW,
        Confidence.HIGH,
    )
    assert said.statement == "{count} of {size} after {waited} at {target}."
    assert said.values == (
        Value("count", 3, "count"),
        Value("size", 9, "bytes"),
        Value("waited", 1_500, "ns"),
        Value("target", "/a"),
    )
    assert said.remedy == "Wait."


def test_the_note_stands_beside_the_frames() -> None:
    (proof,) = finding().evidence
    assert (proof.frames, proof.note) == ((FRAME,), "the first one")
    assert proof.client_filter == "frame.number == 3"


def test_no_frame_no_finding() -> None:
    with pytest.raises(ValueError, match=r"slow-start\.late has no evidence"):
        finding("late", ())


def test_every_file_names_its_kind_by_itself() -> None:
    """`KIND` of one file copied into another would give findings of another's slug."""
    import importlib

    for room in rooms():
        for of in room.findings:
            name = of.slug.replace("-", "_")
            module = importlib.import_module(f"lbtrace.findings.{room.name}.{name}")
            assert (of.slug, of.title) == module.KIND
