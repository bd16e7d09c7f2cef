"""What is said of one capture is in its packets, and is not another thing than two captures say."""

from __future__ import annotations

import io
import json
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from lbtrace.options import Options
from lbtrace.pipeline import show
from lbtrace.render import View, get_format
from tests.sentences import alone as laws
from tests.sentences.alone import LAWS, Alone, contradictions
from tests.sentences.laws import Json, Recording
from tests.sentences.test_laws import REPORTS, SAMPLES, told

SAMPLE_FILES = [p for folder in SAMPLES for p in sorted(folder.glob("*.pcap*"))]
REPORT_FILES = [p for folder in REPORTS for p in sorted(folder.glob("*.pcap*"))]


def heard(path: Path) -> Alone:
    """What is said of one capture file, with the keys that lie beside it."""
    out = io.StringIO()
    keys = Options(keylogs=tuple(map(str, sorted(path.parent.glob("*.keys")))))
    get_format("json").write_trace(show([[str(path)]], keys), out, View())
    return Alone(json.loads(out.getvalue()), Recording([path]))


def name(path: object) -> str:
    return f"{path.parent.name}-{path.stem}" if isinstance(path, Path) else "none"


@pytest.mark.parametrize("path", SAMPLE_FILES, ids=name)
def test_no_sentence_about_one_capture_is_contradicted(path: Path) -> None:
    about = heard(path)
    assert about.recording.packets
    assert [complaint for law in LAWS for complaint in law(about)] == []


@pytest.mark.parametrize("path", REPORT_FILES, ids=name)
def test_no_sentence_about_one_capture_of_a_public_report_is_contradicted(path: Path) -> None:
    assert [complaint for law in LAWS for complaint in law(heard(path))] == []


def one_each(folder: Path) -> Iterator[tuple[str, Path]]:
    """The captures of a folder that are alone on their side."""
    for side in ("client", "backend"):
        files = sorted(folder.glob(f"{side}*.pcap*"))
        if len(files) == 1:
            yield side, files[0]


@pytest.mark.parametrize("folder", [*SAMPLES, *REPORTS], ids=lambda p: p.name)
def test_one_capture_does_not_contradict_both(folder: Path) -> None:
    report = told(folder).report
    if report["swapped"]:
        pytest.skip("the captures were given the other way round")
    said = [c for side, path in one_each(folder) for c in contradictions(heard(path), report, side)]
    assert said == []


@pytest.fixture
def about() -> Alone:
    """A sample in which all is well, to be made false."""
    return heard(SAMPLES[0] / "client.pcap")


def say(about: Alone, slug: str, text: str, frames: list[int], **values: object) -> None:
    """Put a finding of our own into a document."""
    about.document["findings"] = [
        {
            "slug": slug,
            "text": text,
            "values": [{"name": n, "value": v} for n, v in values.items()],
            "evidence": [{"frames": [{"frame": f} for f in frames]}],
        }
    ]


@pytest.mark.parametrize(
    ("law", "slug", "text", "values"),
    [
        (laws.no_side_is_named, "errors.seen", "The backend made them.", {}),
        (laws.who_reset_sent_a_reset, "resets.by-the-server-end", "It reset.", {"count": 1}),
        (laws.who_closed_without_an_answer_said_nothing, "closed-unanswered", "It closed.", {}),
        (
            laws.refused_is_a_syn_answered_by_a_reset,
            "connection-failures.refused",
            "Refused: 1.",
            {"count": 1},
        ),
        (
            laws.what_is_lost_was_repeated_before_it_was_acknowledged,
            "tcp-facts.loss",
            "Lost.",
            {"again": 1},
        ),
        (laws.a_slow_request_is_slow, "slow-requests", "Slow.", {"longest": 9, "waiting": 9}),
        (
            laws.a_slow_request_is_slow,
            "slow-requests",
            "Slow.",
            {"longest": 2_000_000_000, "waiting": 2_000_000_000},
        ),
    ],
)
def test_each_law_has_its_fault(
    about: Alone, law: object, slug: str, text: str, values: dict[str, object]
) -> None:
    assert callable(law)
    assert list(law(about)) == []
    say(about, slug, text, [1], **values)
    assert list(law(about))


def test_a_finding_without_its_packet_is_noticed(about: Alone) -> None:
    say(about, "errors.seen", "An error.", [4711])
    assert list(laws.what_it_rests_on_is_there(about))


def test_an_answer_that_went_well_is_no_error(about: Alone) -> None:
    answer = next(p for p in about.recording.packets if p.payload.startswith(b"HTTP/1."))
    say(about, "errors.seen", "An error.", [answer.number])
    assert list(laws.an_error_is_in_the_packets(about))
    about.recording.by_number[answer.number] = replace(
        answer, payload=b"HTTP/1.1 503 Service Unavailable\r\n\r\n"
    )
    assert list(laws.an_error_is_in_the_packets(about)) == []


def test_another_number_than_in_both_is_a_contradiction(about: Alone) -> None:
    report: Json = {"findings": []}
    assert list(contradictions(about, report, "client")) == []
    say(about, "errors.seen", "1 error.", [4], count=1)
    assert len(list(contradictions(about, report, "client"))) == 1
    about.document["not_captured"] = "in-front"
    assert len(list(contradictions(about, report, "client"))) == 2
