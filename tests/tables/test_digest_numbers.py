"""Digests of bodies as numbers."""

from __future__ import annotations

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from lbtrace.tables.digest_numbers import KIND, NO_DIGEST, DigestNumbers

# few values of each half, so digests agree in one of them
halves = st.sampled_from([bytes(8), b"\xff" * 8, b"\x01" + bytes(7), bytes(7) + b"\x01"])
digests = st.builds(bytes.__add__, halves, halves)


@given(st.lists(st.lists(digests)))
def test_numbers_are_in_the_order_of_the_first_use(columns: list[list[bytes]]) -> None:
    known, seen = DigestNumbers(), dict[bytes, int]()
    for column in columns:
        expected = [seen.setdefault(digest, len(seen) + 1) for digest in column]
        assert known.of(np.frombuffer(b"".join(column), KIND)).tolist() == expected


@given(st.lists(st.none() | digests))
def test_texts_have_the_numbers_of_their_digests(held: list[bytes | None]) -> None:
    known = DigestNumbers()
    there = [digest for digest in held if digest is not None]
    numbers = iter(known.of(np.frombuffer(b"".join(there), KIND)).tolist())
    expected = [NO_DIGEST if digest is None else next(numbers) for digest in held]
    texts = [None if digest is None else digest.hex() for digest in held]
    found = known.of_texts(texts).tolist()
    assert found == expected
    assert [known[number] for number in found] == [text or "" for text in texts]
    assert known[:] == ["", *dict.fromkeys(text for text in texts if text is not None)]
