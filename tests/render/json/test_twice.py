"""Lines that a document holds twice: the second time they are those of the first."""

import errno
import os
import tempfile
from collections.abc import Iterator, Sequence
from io import BytesIO, StringIO, TextIOWrapper
from tempfile import TemporaryDirectory

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lbtrace.render.json import twice
from lbtrace.render.json.text import Piece, in_bytes, in_text
from lbtrace.render.json.twice import Twice, write_bytes

LINES = st.text(st.characters(codec="ascii", exclude_characters="\n"))
PIECES = st.lists(st.lists(LINES, min_size=1, max_size=3).map("\n".join), max_size=8)


class Counting:
    """Makes pieces, and counts how often it was asked."""

    def __init__(self, pieces: Sequence[Piece]) -> None:
        self.pieces, self.asked = pieces, 0

    def __call__(self) -> Iterator[Piece]:
        self.asked += 1
        yield from self.pieces


def written(pieces: Iterator[Piece]) -> str:
    """Each text is followed by a line end; bytes have theirs."""
    return "".join(f"{in_text(piece)}\n" for piece in pieces)


@given(PIECES, st.integers(1, 20), st.integers(1, 20))
def test_the_second_time_gives_the_same_lines_and_makes_none(
    pieces: list[str], few: int, size: int
) -> None:
    made = Counting(pieces)
    with pytest.MonkeyPatch.context() as patched:
        patched.setattr(twice, "_FEW", few)
        patched.setattr(twice, "_PIECE", size)
        with Twice(made) as both:
            assert written(both.first()) == written(both.second()) == written(iter(pieces))
    assert made.asked == 1


class Full(BytesIO):
    """A file on a disk that is full after so many bytes."""

    room = 0

    def write(self, data: object) -> int:
        written = super().write(data)  # type: ignore[arg-type]
        if self.tell() > self.room:
            raise OSError(28, "No space left on device")
        return written


@given(PIECES.filter(bool), st.integers(0, 20))
def test_where_there_is_no_room_the_lines_are_made_again(pieces: list[str], room: int) -> None:
    made = Counting(pieces)
    kept = Full()
    kept.room = room
    with pytest.MonkeyPatch.context() as patched:
        patched.setattr(twice, "SpooledTemporaryFile", lambda few: kept)
        with Twice(made) as both:
            assert written(both.first()) == written(both.second()) == written(iter(pieces))
    fits = sum(len(piece) + 1 for piece in pieces) <= room
    assert made.asked == (1 if fits else 2)


def test_no_folder_for_temporary_files_is_no_room(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tempfile, "tempdir", "/no/such/folder")
    monkeypatch.setattr(twice, "_FEW", 1)
    made = Counting(["a long line", "and one more"])
    with Twice(made) as both:
        assert written(both.first()) == written(both.second())
    assert made.asked == 2


def test_what_was_not_asked_for_to_its_end_is_made_again() -> None:
    made = Counting(["one", "two"])
    with Twice(made) as both:
        next(both.first())
        assert written(both.second()) == "one\ntwo\n"


@pytest.mark.parametrize("encoding", ["utf-8", "ascii", "utf-16"])
@given(PIECES, st.integers(1, 20))
def test_lines_copied_from_file_to_file_are_the_same(
    encoding: str, pieces: list[str], few: int
) -> None:
    with (
        TemporaryDirectory() as folder,
        pytest.MonkeyPatch.context() as patched,
        open(f"{folder}/out", "w+", encoding=encoding, newline="") as out,
    ):
        patched.setattr(twice, "_FEW", few)
        with Twice(Counting(pieces)) as both:
            first = written(both.first())
            out.write("before\n")
            copied = both.copy_to(out)
            assert copied == (len(first) > few and encoding != "utf-16")
            out.write("behind\n")
        out.seek(0)
        assert out.read() == f"before\n{first if copied else ''}behind\n"


@given(PIECES, st.integers(1, 20))
def test_bytes_and_texts_are_the_same_lines(pieces: list[str], few: int) -> None:
    made = [in_bytes(piece) if k % 2 else piece for k, piece in enumerate(pieces)]
    with pytest.MonkeyPatch.context() as patched:
        patched.setattr(twice, "_FEW", few)
        with Twice(Counting(made)) as both:
            assert written(both.first()) == written(both.second()) == written(iter(pieces))


@pytest.mark.parametrize("encoding", ["utf-8", "ascii", "utf-16"])
def test_bytes_are_written_where_they_belong(encoding: str) -> None:
    below = BytesIO()
    with TextIOWrapper(below, encoding=encoding, newline="") as out:
        out.write("one\n")
        write_bytes(out, b"two\n")
        out.write("three\n")
        out.flush()
        assert below.getvalue().decode(encoding) == "one\ntwo\nthree\n"
    page = StringIO()
    write_bytes(page, b"two\n")
    assert page.getvalue() == "two\n"


def test_lines_are_copied_into_no_page_in_memory(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(twice, "_FEW", 1)
    with Twice(Counting(["a line"])) as both:
        assert written(both.first())
        assert not both.copy_to(StringIO())


def test_what_the_system_cannot_copy_is_left_to_the_writer(monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_: object) -> int:
        raise OSError(errno.EINVAL, "Invalid argument")

    monkeypatch.setattr(twice, "_FEW", 1)
    monkeypatch.setattr(os, "sendfile", refuse)
    with Twice(Counting(["a line"])) as both, open(os.devnull, "w", encoding="ascii") as out:
        assert written(both.first())
        assert not both.copy_to(out)


@given(PIECES)
def test_what_is_not_worth_keeping_is_made_twice(pieces: list[str]) -> None:
    made = Counting(pieces)
    with Twice(made, keep=False) as both:
        assert written(both.first()) == written(both.second()) == written(iter(pieces))
        assert not both.copy_to(StringIO())
    assert made.asked == 2
