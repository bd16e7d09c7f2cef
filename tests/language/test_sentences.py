"""What findings can say is read from their source, and is what they say."""

from __future__ import annotations

import importlib
import pkgutil
import sys
import textwrap
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from types import ModuleType

import pytest

import lbtrace.findings
import lbtrace.verdict.witnesses
from lbtrace.language.plurals import forms
from lbtrace.language.sentences import ENDS, sentences, unknown
from lbtrace.language.split import split
from tests.cli.captures import SAMPLES

HEAD = """
REMEDY = "Mend it."
HOW = {1: "by hand", 2: "by itself"}
def told(comparison, text): return text
from told_elsewhere import elsewhere
"""
ELSEWHERE = """
LAST = "F."
def elsewhere(x):
    return "E." if x else LAST
"""


@pytest.fixture
def module(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[object]:
    """Makes a module of a source."""
    monkeypatch.syspath_prepend(str(tmp_path))
    sys.modules.pop("said", None)
    (tmp_path / "told_elsewhere.py").write_text(ELSEWHERE)

    def made(source: str) -> ModuleType:
        (tmp_path / "said.py").write_text(HEAD + textwrap.dedent(source), "utf-8")
        importlib.invalidate_caches()
        return importlib.import_module("said")

    yield made
    for name in ("said", "told_elsewhere"):
        sys.modules.pop(name, None)


@pytest.mark.parametrize(
    ("statement", "found"),
    [
        ('"A."', {"A."}),
        ('"A. B."', {"A.", "B."}),
        ('"A" + (" b" if x else "") + "."', {"A.", "A b."}),
        ('"A" + " b." + " C" + (" d" if x else "") + "."', {"A b.", "C d.", "C."}),
        ('("A." if x else "B.") + (" C." if y else "")', {"A.", "B.", "C."}),
        ('"A." + ("" if x else " B.") * 1', set()),
        ("f\"A {'b' if x else 'c'} {{n}}.\"", {"A b {n}.", "A c {n}."}),
        ("REMEDY", {"Mend it."}),
        ("HOW[x]", {"by hand", "by itself"}),
        ('HOW.get(x, "so")', {"by hand", "by itself", "so"}),
        ('told(0, "A on the {side} side.")', {"A on the {side} side.", "A."}),
        ('"A {x}.".replace("{x}", "y" if x else "z")', {"A y.", "A z."}),
        ("cause(x)", {"A.", "B."}),
        ("word", {"A.", "B."}),
        ("given", {"C.", "D."}),
        ("case.words", {"A.", "B."}),
        ("x", set()),
        ('"A " + str(x)', set()),
        ("again(x)", set()),
        ('so if (so := cause(x)) else "C."', {"A.", "B.", "C."}),
        ("elsewhere(x)", {"E.", "F."}),
        ("either", {"G.", "H."}),
        ('"The {end} reads.".format(end=x)', {f"The {end} reads." for end in ENDS}),
    ],
)
def test_forms_of_a_statement(module: object, statement: str, found: set[str]) -> None:
    source = f"""
    def cause(x):
        if x:
            return "A."
        return "B."
    def again(x):
        return again(x)
    def find(x, given="C."):
        word = "A." if x else "B."
        either, number = ("G.", 1) if x else ("H.", 2)
        yield KIND.finding("", 1, 2, {statement}, frames)
    def case():
        Case(words="A.")
        Case(words="B.")
        other(words=case.words)
    def every():
        find(1, "C.")
        find(1, given="D.")
    """
    assert callable(module)
    assert set(sentences(module(source))) - {"by hand", "by itself"} == found - {
        "by hand",
        "by itself",
    }


def test_the_title_is_a_text(module: object) -> None:
    assert callable(module)
    found = module("class KIND:\n    title = 'A title'")
    assert "A title" in set(sentences(found))


@cache
def extracted() -> frozenset[str]:
    return frozenset(sentence for module in modules_that_speak() for sentence in sentences(module))


def modules_that_speak() -> Iterator[ModuleType]:
    """The findings and the witnesses."""
    for room in (lbtrace.findings, lbtrace.verdict.witnesses):
        for found in pkgutil.walk_packages(room.__path__, f"{room.__name__}."):
            if not found.name.endswith(".__main__"):
                yield importlib.import_module(found.name)


@pytest.mark.parametrize("module", [*modules_that_speak()], ids=lambda m: m.__name__)
def test_no_sentence_is_only_known_at_run_time(module: ModuleType) -> None:
    """It would stay English."""
    assert list(unknown(module)) == []


@pytest.mark.parametrize("sample", sorted(p.parent.name for p in SAMPLES.glob("*/client.pcap")))
def test_what_findings_say_is_what_was_read(sample: str) -> None:
    folder = SAMPLES / sample
    report = lbtrace.compare(str(folder / "client.pcap"), *map(str, folder.glob("backend*.pcap")))
    for finding in report.findings:
        for sentence in (*split(finding.statement), *split(finding.remedy)):
            assert not sentence or sentence in extracted(), finding.slug


def test_the_form_for_one_is_that_of_what_is_counted_first() -> None:
    assert forms("{count} requests were sent.") == (
        "{count} request was sent.",
        "{count} requests were sent.",
        "count",
    )
    assert forms("Nothing was sent.") == ("Nothing was sent.", "", "")
