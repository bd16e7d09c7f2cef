"""Languages: who asks for one, and that nothing is translated unless somebody says so."""

from __future__ import annotations

import pytest

from lbtrace.language import ENGLISH, Texts, form, known, languages, preferred, speaking, tr


@pytest.mark.parametrize(
    ("environment", "language"),
    [
        ({}, "en"),
        ({"LANG": "C.UTF-8"}, "en"),
        ({"LANG": "ko_KR.UTF-8"}, "ko"),
        ({"LANG": "ko"}, "ko"),
        ({"LANG": "ko_KR.UTF-8", "LC_ALL": "C"}, "en"),
        ({"LANG": "en_US.UTF-8", "LC_MESSAGES": "ko_KR.UTF-8"}, "ko"),
        ({"LC_MESSAGES": "en_GB.UTF-8", "LC_ALL": "ko_KR.eucKR"}, "ko"),
        ({"LC_ALL": "", "LANG": "ko_KR.UTF-8"}, "ko"),
        ({"LANG": "de_DE.UTF-8"}, "en"),
        ({"LANG": "../../ko"}, "en"),
    ],
)
def test_the_environment_asks_as_posix_says(environment: dict[str, str], language: str) -> None:
    assert preferred(environment) == language


def test_nothing_is_translated_unless_a_language_is_spoken() -> None:
    assert tr("health checks") == "health checks"
    with speaking("ko"):
        assert tr("health checks") == "헬스 체크"
        with speaking(ENGLISH):
            assert tr("health checks") == "health checks"
        assert tr("health checks") == "헬스 체크"
    assert tr("health checks") == "health checks"


def test_what_has_no_translation_stays_english() -> None:
    with speaking("ko"):
        assert tr("no such text") == "no such text"
        assert form("{n} nonesuch", "{n} nonesuches", 2) == "{n} nonesuches"
        assert known("no such text") is None


def test_the_empty_text_is_not_the_head_of_the_catalogue() -> None:
    with speaking("ko"):
        assert tr("") == ""


def test_a_form_fits_the_number() -> None:
    assert form("{n} request", "{n} requests", 1) == "{n} request"
    assert form("{n} request", "{n} requests", 0) == "{n} requests"


def test_a_table_of_texts_speaks_the_language() -> None:
    table = Texts({1: "health checks", 2: "no such text"})
    with speaking("ko"):
        assert [table[1], table[2]] == ["헬스 체크", "no such text"]
        assert [table.get(1), table.get(3, "else")] == ["헬스 체크", "else"]
    assert table[1] == "health checks"


def test_english_and_korean_are_there() -> None:
    assert languages() == ("en", "ko")
