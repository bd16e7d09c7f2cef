"""A statement is cut into its sentences and nowhere else."""

from __future__ import annotations

import pytest

from lbtrace.language.split import split


@pytest.mark.parametrize(
    ("statement", "sentences"),
    [
        ("One.", ["One."]),
        ("One. Two: {a}. {b} three.", ["One.", "Two: {a}.", "{b} three."]),
        ("It differs (RFC 9110 §7.6.1). Another.", ["It differs (RFC 9110 §7.6.1).", "Another."]),
        ("It took 1.5 s. and more", ["It took 1.5 s. and more"]),
        ("", [""]),
    ],
)
def test_sentences(statement: str, sentences: list[str]) -> None:
    assert split(statement) == sentences
    assert " ".join(sentences) == statement
