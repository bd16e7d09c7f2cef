"""The catalogues: up to date, compiled, and each translation has the places of its text."""

from __future__ import annotations

import re
from collections.abc import Iterator
from io import BytesIO

import pytest
from babel.messages.mofile import read_mo
from babel.messages.pofile import read_po

from lbtrace.language import ENGLISH, languages
from lbtrace.language.__main__ import compiled, path, read, updated
from lbtrace.language.extract import texts
from lbtrace.language.split import split
from lbtrace.model.report import Severity
from tests.lesson.reports import sample

OTHERS = [language for language in languages() if language != ENGLISH]
PLACE = re.compile(r"\{[^}|]*\}")  # not the choices of words, {count:was|were}
# what no translation of a word may hold: see docs/lessons/README.md for the words
STILTED = {"ko": ("연결을 끝냈", "날랐", "자기가 끊", "표지판", "부하 분산")}


def translated(language: str) -> Iterator[tuple[str, str, str]]:
    """(the text, its form for many, a translation) of everything that has one."""
    for message in read(language):
        one, many = (message.id, "") if isinstance(message.id, str) else message.id
        found = (message.string,) if isinstance(message.string, str) else message.string or ()
        yield from ((one, many, text) for text in found if one and text)


@pytest.mark.parametrize("language", OTHERS)
def test_what_is_read_at_run_time_is_what_is_written(language: str) -> None:
    made = path(language).with_suffix(".mo").read_bytes()
    # the header names the version of Babel
    assert _texts(made) == _texts(compiled(language)), "run python -m lbtrace.language"


def _texts(compiled_catalogue: bytes) -> list[tuple[object, object]]:
    catalogue = read_mo(BytesIO(compiled_catalogue))
    return [(message.id, message.string) for message in catalogue if message.id]


# how much of what these parts of lbtrace say must be translated, in hundredths
LEAST = {
    "lbtrace/": 90,
    "lbtrace/findings/": 85,
    "lbtrace/lesson/": 100,
    "lbtrace/ladder.py": 90,
    **{
        f"lbtrace/render/terminal/{name}.py": 85
        for name in ("drawing", "exchanges", "facts", "first_screen", "overview", "problems")
    },
}


@pytest.mark.parametrize("part", LEAST)
@pytest.mark.parametrize("language", OTHERS)
def test_so_much_is_translated(language: str, part: str) -> None:
    done = {one for one, _, _ in translated(language)}
    said = {text.one for text in texts() if text.module.startswith(part)}
    missing = sorted(said - done)
    assert 100 * len(said & done) >= LEAST[part] * len(said), missing


@pytest.mark.parametrize("language", OTHERS)
def test_what_is_wrong_in_the_samples_is_told_in_it(language: str) -> None:
    done = {many or one for one, many, _ in translated(language)}
    said = {
        sentence
        for name in ("nginx-race", "nginx-timeout", "nginx-retried-post", "haproxy", "alb-like")
        for finding in sample(name).findings
        if finding.severity is not Severity.INFO
        for sentence in (*split(finding.statement), *split(finding.remedy))
        if sentence
    }
    assert len(said & done) >= 0.8 * len(said), sorted(said - done)


@pytest.mark.parametrize("language", OTHERS)
def test_bringing_it_up_to_date_loses_no_translation(language: str) -> None:
    today = updated(language).decode()
    said = {text.one for text in texts()}
    assert {one for one, _, _ in translated(language)} & said <= {
        str(m.id if isinstance(m.id, str) else m.id[0])
        for m in read_po(today.splitlines(keepends=True))
        if m.string
    }


@pytest.mark.parametrize("language", OTHERS)
def test_each_place_of_a_text_stands_in_its_translation(language: str) -> None:
    for one, many, text in translated(language):
        places = set(PLACE.findall(text))
        assert places <= set(PLACE.findall(one + many)), text
        assert set(PLACE.findall(one)) & set(PLACE.findall(many or one)) <= places, text


@pytest.mark.parametrize("language", OTHERS)
def test_no_translation_has_words_that_nobody_would_write(language: str) -> None:
    for _, _, text in translated(language):
        assert not any(word in text for word in STILTED.get(language, ())), text
