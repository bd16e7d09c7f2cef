"""Laws of the masks that stand in place of credentials."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from lbtrace.redact.same_length import SameLengthMask, Scramble
from lbtrace.redact.search import encoded

KEY = b"k" * 32
TEXTS = st.text(st.characters(max_codepoint=255), min_size=1, max_size=60)


@given(TEXTS)
def test_a_mask_is_as_long_in_bytes_and_in_the_huffman_code(secret: str) -> None:
    masked = SameLengthMask(KEY).hide(secret)
    assert len(masked) == len(secret)
    assert len(encoded(masked.encode("latin-1"))) == len(encoded(secret.encode("latin-1")))


@given(TEXTS)
def test_only_letters_digits_and_high_bytes_change(secret: str) -> None:
    masked = SameLengthMask(KEY).hide(secret)
    for old, new in zip(secret, masked, strict=True):
        if old.isascii() and not old.isalnum():
            assert new == old
        else:
            assert new.isalnum() if old.isascii() else ord(new) >= 0x80


@given(st.lists(st.text("abcXYZ019-", min_size=6, max_size=12), unique=True, max_size=40))
def test_different_words_have_different_masks(words: list[str]) -> None:
    mask = SameLengthMask(KEY)
    hidden = [mask.hide(word) for word in words if any(map(str.isalnum, word))]
    assert len(set(hidden)) == len(hidden)
    assert hidden == [mask.hide(word) for word in words if any(map(str.isalnum, word))]


def test_all_numbers_of_one_digit_stay_different() -> None:
    mask = SameLengthMask(KEY)
    assert len({mask.hide(digit) for digit in "0123456789"}) == 10


def test_the_parts_of_a_list_are_masked_as_they_are_alone() -> None:
    mask = SameLengthMask(KEY)
    one, other = mask.hide("first-key"), mask.hide("second-key")
    assert mask.hide("first-key, second-key") == f"{one}, {other}"
    assert mask.hide('"first-key"\r\n second-key') == f'"{one}"\r\n {other}'


def test_another_key_gives_other_masks() -> None:
    secret = "c2VjcmV0LXRva2Vu"
    masks = {SameLengthMask(bytes([n]) * 32).hide(secret) for n in range(20)}
    assert len(masks) == 20
    assert secret not in masks


def test_the_scheme_and_the_names_of_cookies_stay() -> None:
    mask = SameLengthMask(KEY)
    line = mask.line("Authorization: Bearer mF_9.B5f-4.1JqM")
    assert line.startswith("Authorization: Bearer ")
    assert "mF" not in line
    line = mask.line("Cookie: sid=31d4d96e; theme=darkness")
    assert line.startswith("Cookie: sid=")
    assert "; theme=" in line
    assert "31d4d96e" not in line


@given(st.integers(0, 9000), st.integers(0, 9000), st.integers(0, 500))
def test_letters_do_not_depend_on_how_they_are_asked_for(begin: int, size: int, shift: int) -> None:
    one, other = Scramble(KEY, b"seed"), Scramble(KEY, b"seed").shifted(shift)
    whole = one.letters(0, begin + size)
    assert one.letters(begin, begin + size) == whole[begin:]
    assert other.letters(begin + shift, begin + size + shift) == whole[begin:]
    assert len(whole) == begin + size
    assert not whole or (whole.isalpha() and whole.islower())
