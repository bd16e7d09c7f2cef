"""Words agree with their numbers."""

from __future__ import annotations

import pytest

from lbtrace.language.plurals import chosen, in_singular, noun


@pytest.mark.parametrize(
    ("number", "text"), [(0, "frames"), (1, "frame"), (2, "frames"), (-1, "frames")]
)
def test_a_noun_takes_an_s_but_for_one(number: int, text: str) -> None:
    assert noun(number, "frame") == text


def test_an_irregular_noun_is_told() -> None:
    assert noun(2, "match", "matches") == "matches"
    assert noun(1, "match", "matches") == "match"


@pytest.mark.parametrize(
    ("many", "one"),
    [
        ("{n} requests were sent.", "{n} request was sent."),
        ("{n} pairs of connections carry it.", "{n} pair of connections carries it."),
        ("{n} backend connections begin so.", "{n} backend connection begins so."),
        ("Sent to {n} different backends; so.", "Sent to {n} different backend; so."),
        ("{n} requests", "{n} request"),
    ],
)
def test_one_of_them_is_spoken_of_in_the_singular(many: str, one: str) -> None:
    assert in_singular(many, {"n"}) == one
    assert in_singular(many, {"of"}) == many


def test_each_place_is_counted_for_itself() -> None:
    statement = "{count} of {of} requests, {count} exchanges"
    assert in_singular(statement, {"of"}) == "{count} of {of} request, {count} exchanges"
    assert in_singular(statement, {"count"}) == "{count} of {of} requests, {count} exchange"


@pytest.mark.parametrize("text", ["{n} becomes", "{n} was", "{n} checksum", "{n} requestsx"])
def test_other_words_stay_as_they_are(text: str) -> None:
    assert in_singular(text, {"n"}) == text


def test_a_verb_that_stands_elsewhere_agrees_with_the_number_it_names() -> None:
    statement = "{count} of {of} connections to {server} {count:begins|begin} in TLS."
    many = "{count} of {of} connections to {server} begin in TLS."
    one = "{count} of {of} connections to {server} begins in TLS."
    assert chosen(statement, {"count": 2, "of": 1}) == many
    assert chosen(statement, {"count": 0, "of": 1}) == many
    assert chosen(statement, {"count": 1, "of": 3}) == one


def test_a_word_cannot_agree_with_a_number_that_is_not_there() -> None:
    with pytest.raises(KeyError):
        chosen("It {count:is|are}.", {})
