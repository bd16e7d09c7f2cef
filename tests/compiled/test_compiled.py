"""The compiled core is optional: it can be turned off, it is told apart, and it refuses what would
lead it outside its buffers.
"""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import hatch_build
from lbtrace import compiled
from tests.compiled import CORE, needs_core, road


def _version(switch: str) -> str:
    code = "from lbtrace.cli import run; run(['--version'])"
    done = subprocess.run(
        [sys.executable, "-c", code],
        env={"LBTRACE_COMPILED": switch},
        capture_output=True,
        text=True,
        check=True,
    )
    return done.stdout.strip().partition(" (")[2]


def test_the_switch_turns_it_off() -> None:
    assert compiled.load("0") is None
    assert _version("0") == "pure Python)"


@needs_core
def test_it_is_on_where_it_was_compiled() -> None:
    assert _version("") == _version("1") == "compiled)"


def test_what_version_says() -> None:
    with road(None):
        assert compiled.kind() == "pure Python"


@needs_core
def test_it_was_compiled_from_the_files_that_are_here() -> None:
    assert CORE is not None
    assert hatch_build.digest() == CORE.SOURCES, "the C files changed: run make core"


@needs_core
def test_a_core_of_another_interface_is_not_used(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(compiled, "INTERFACE", compiled.INTERFACE + 1)
    assert compiled.load() is None


@pytest.mark.parametrize(
    ("compiler", "why"),
    [
        ("/nowhere/cc", "there is no C compiler (/nowhere/cc)"),
        ("false", "the C compiler failed: false: exit code 1"),
    ],
)
def test_without_a_compiler_the_build_says_so_and_goes_on(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, compiler: str, why: str
) -> None:
    monkeypatch.setenv("CC", compiler)
    monkeypatch.delenv("LBTRACE_COMPILED", raising=False)
    assert hatch_build.compile_core(tmp_path / "_core.abi3.so") == why
    assert list(tmp_path.iterdir()) == []


def test_without_the_headers_of_python(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.delenv("LBTRACE_COMPILED", raising=False)
    monkeypatch.setattr("sysconfig.get_path", lambda _name: str(tmp_path))
    assert hatch_build.compile_core(tmp_path / "core.so") == "Python.h is not there"


def test_the_switch_also_keeps_it_from_being_built(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("LBTRACE_COMPILED", "0")
    assert hatch_build.compile_core(tmp_path / "core.so") == "LBTRACE_COMPILED is 0"


# what it refuses


def _heads(examine: Any = lambda line, number: (1, 0), classify: Any = lambda side, line: 1) -> Any:
    assert CORE is not None
    return CORE.Heads((b"content-length",), examine, classify, 7)


def _cut(
    heads: Any,
    text: bytes,
    pieces: list[tuple[int, int]],
    side: int = 0,
    row: int = 0,
    burst: int = 0,
    count: int = 1,
) -> list[bytes]:
    """One burst of these pieces (offset and length). `row`: the number of the first piece."""
    begin, length = np.array(pieces, np.int64).reshape(-1, 2).T
    given = (
        np.zeros(len(pieces), np.uint8),
        np.ascontiguousarray(begin),
        np.ascontiguousarray(length),
        np.arange(row, row + len(pieces)),
        np.array([0, len(pieces)]),
        np.array([burst]),
        np.array([1000]),
    )
    sizes = np.int64, np.int64, np.uint8, np.int64, np.uint8, np.int64
    found = tuple(np.zeros(count, size) for size in sizes)
    bodies: list[bytes] = heads.cut(side, 100, 1000, 100, (memoryview(text),), given, found)
    return bodies


@needs_core
@pytest.mark.parametrize("piece", [(0, 5), (-1, 4), (3, -2), (0, 2**62), (2**62, 2**62), (5, 0)])
def test_a_burst_outside_its_buffer_is_refused(piece: tuple[int, int]) -> None:
    for pieces in ([piece], [(0, 1), piece]):
        with pytest.raises(IndexError, match="outside its buffer"):
            _cut(_heads(), b"abcd", pieces)
    for odd in ({"row": 1}, {"row": -1}, {"burst": 1}, {"burst": -1}):
        with pytest.raises(IndexError):
            _cut(_heads(), b"abcd", [(0, 1)], **odd)
    with pytest.raises(IndexError, match="outside its pieces"):
        _cut(_heads(), b"abcd", [])
    with pytest.raises(ValueError, match="1 items"):
        _cut(_heads(), b"abcd", [(0, 1)], count=2)
    with pytest.raises(ValueError, match="side 0 or 1"):
        _cut(_heads(), b"abcd", [(0, 1)], side=2)


@needs_core
@pytest.mark.parametrize("kind", [None, -1, 256, 2**70, "a"])
def test_a_kind_that_is_no_byte_is_refused(kind: object) -> None:
    heads = _heads(classify=lambda side, line: kind)
    with pytest.raises((TypeError, ValueError, OverflowError)):
        _cut(heads, b"odd\r\n\r\n", [(0, 7)])
    with pytest.raises(ValueError, match="none after an error"):
        _cut(heads, b"odd\r\n\r\n", [(0, 7)])


@needs_core
def test_after_an_error_it_takes_no_other_batch() -> None:
    def fail(line: bytes, number: int) -> tuple[int, int]:
        raise KeyError(line)

    heads = _heads(fail)
    text = b"A / B\r\nodd\r\n\r\n"
    with pytest.raises(KeyError):
        _cut(heads, text, [(0, len(text))])
    with pytest.raises(ValueError, match="none after an error"):
        _cut(heads, text, [(0, len(text))])
    first, line, flags = heads.columns()
    assert (len(first), len(flags)) == (8, 0)
    assert line == b""
    with pytest.raises(IndexError):
        heads.block(0)


@needs_core
@pytest.mark.parametrize("answer", [None, 3, (1,), ("a", 0), (1, 2**70)])
def test_an_answer_that_is_no_pair_of_numbers_is_refused(answer: object) -> None:
    heads = _heads(lambda line, number: answer)
    with pytest.raises((TypeError, ValueError, OverflowError)):
        _cut(heads, b"A\r\nodd\r\n\r\n", [(0, 10)])


@needs_core
def test_examining_a_line_may_not_begin_another_batch() -> None:
    heads: Any = None

    def again(line: bytes, number: int) -> tuple[int, int]:
        _cut(heads, b"B\r\n\r\n", [(0, 5)])
        return 0, 0

    heads = _heads(again)
    with pytest.raises(ValueError, match="one batch at a time"):
        _cut(heads, b"A\r\nodd\r\n\r\n", [(0, 10)])


@needs_core
@pytest.mark.parametrize(
    ("view", "begin", "end"), [(1, 0, 1), (-1, 0, 1), (0, -1, 1), (0, 3, 2), (0, 0, 5)]
)
def test_a_piece_outside_its_buffer_is_refused(view: int, begin: int, end: int) -> None:
    assert CORE is not None
    columns = [np.array([0, value]) for value in (view, begin, end)]
    with pytest.raises(IndexError):
        CORE.gathered((memoryview(b"abcd"),), *columns)
    good = CORE.gathered(
        (memoryview(b"abcd"), memoryview(b"ef")), *map(np.array, ([1, 0], [0, 1], [2, 3]))
    )
    assert good == b"efbc"


@needs_core
def test_items_of_another_size_are_refused() -> None:
    assert CORE is not None
    with pytest.raises(ValueError, match="items of 4 bytes"):
        CORE.Lines(1).blocks([], np.zeros(0, np.uint8), *[np.zeros(1, np.int64)] * 3)
    with pytest.raises(ValueError, match="3 items"):
        CORE.Lines(3).numbers(np.array([1, 2]))
    with pytest.raises(ValueError, match="contiguous"):
        CORE.Lines(2).numbers(np.arange(4)[::2])
    with pytest.raises(ValueError, match="negative"):
        CORE.Lines(-1)


@needs_core
@pytest.mark.parametrize("index", [-1, 1, 2**40])
def test_a_text_that_is_not_there_is_refused(index: int) -> None:
    assert CORE is not None
    row = np.array([index])
    for note in (
        lambda lines: lines.named(["a"], row),
        lambda lines: lines.requests([b"a"], row),
        lambda lines: lines.blocks(
            [b"a"], np.zeros(1, np.uint8), np.array([0, 1]), np.zeros(1, np.int32), row
        ),
        lambda lines: lines.blocks(
            [], np.zeros(1, np.uint8), np.array([0, 1]), np.zeros(1, np.int32), np.array([0])
        ),
        lambda lines: lines.blocks(
            [b"a"], np.zeros(1, np.uint8), np.array([0, 9]), np.zeros(1, np.int32), np.array([0])
        ),
        lambda lines: lines.bodies(
            np.array([3], np.uint8), np.array([0]), np.zeros(1, "V16"), ["a"], row
        ),
    ):
        lines = CORE.Lines(1)
        note(lines)
        with pytest.raises(IndexError):
            lines.joined("\n")


@needs_core
def test_after_an_error_no_line_is_written() -> None:
    assert CORE is not None
    lines = CORE.Lines(2)
    lines.common("a")
    with pytest.raises(ValueError, match="2 items"):
        lines.numbers(np.array([1]))
    assert lines.joined("\n") == ""


@needs_core
@pytest.mark.parametrize(
    ("low", "high", "text"),
    [(0, 9, "a0-b1-c2"), (1, 2, "b1"), (1, 9, "b1-c2"), (-5, 1, "a0"), (2, 1, ""), (3, 4, "")],
)
def test_some_of_the_lines_may_be_asked_for(low: int, high: int, text: str) -> None:
    assert CORE is not None
    lines = CORE.Lines(3)
    lines.numbers(np.arange(3))
    assert lines.joined("-", ["a", "b", "c"], low, high) == text
    ended = lines.ended("-", ["a", "b", "c"], low, high)
    assert ended == (text + "-").encode() * bool(text)
    assert lines.joined("-") == "0-1-2"


@needs_core
def test_every_field_line_is_its_own_however_many_there_are() -> None:
    """Lines that were written lately are remembered in few places, and short ones only."""
    assert CORE is not None
    texts = [b"n%d: %s" % (k, b"v" * (k % 160)) for k in range(1000)]
    order = [*range(1000), *range(0, 1000, 256), *range(999, -1, -1)]
    lines = CORE.Lines(1)
    line = np.array(order, np.int32)
    nothing = np.zeros(1000, np.uint8)
    lines.blocks(texts, nothing, np.array([0, len(order)]), line, np.array([0]))
    wanted = [list(texts[k].decode().split(": ")) for k in order]
    assert json.loads(lines.joined("")) == wanted


@needs_core
def test_equal_numbers_in_a_row_are_written_as_they_are() -> None:
    """The number that was written last is remembered; before the first one there is none."""
    assert CORE is not None
    lines = CORE.Lines(4)
    lines.numbers(np.array([0, 0, -7, 2**63 - 1]))
    lines.common("/")
    lines.numbers(np.array([0, 70, -7, -(2**63)]))
    assert lines.joined(" ") == f"0/0 0/70 -7/-7 {2**63 - 1}/{-(2**63)}"


@needs_core
def test_texts_that_are_no_texts_are_refused() -> None:
    assert CORE is not None
    for refused in (
        lambda core: core.names("no list"),
        lambda core: core.values([b"a", "no bytes"]),
        lambda core: core.request_parts([None]),
        lambda core: core.numbered([], []),
        lambda core: core.numbered({}, [[]]),
    ):
        with pytest.raises(TypeError):
            refused(CORE)


@needs_core
@pytest.mark.parametrize("position", [-1, 5, 2**62, -(2**63)])
def test_a_record_outside_its_file_is_refused(position: int) -> None:
    assert CORE is not None
    data, at = memoryview(bytes(20)), np.array([position])
    columns = np.zeros(1, np.int64), np.zeros(1, np.uint32), np.zeros(1, np.uint32)
    with pytest.raises(IndexError):
        CORE.record_fields(data, at, 8, False, 1000, *columns)
    with pytest.raises(ValueError, match="no such place"):
        CORE.record_fields(data, at, 9, False, 1000, *columns)
    CORE.record_fields(data, np.array([4]), 12, True, 1, *columns)


@needs_core
def test_tables_of_flows_that_are_none_are_refused() -> None:
    assert CORE is not None
    given = tuple(np.array([k], np.uint64) for k in range(5))
    numbers, forward = np.zeros(1, np.uint32), np.zeros(1, bool)
    seed, four, two = np.ones(5, np.uint64), np.zeros(4, np.uint32), np.zeros(10, np.uint64)

    def numbered(*tables: Any, count: int = 0) -> int:
        found: int = CORE.flows(given, *tables, seed, count, numbers, forward)
        return found

    assert numbered(two, four) == 1
    for tables, count in (
        ((two[:9], four), 0),
        ((two, four[:3]), 0),
        ((two, four[:1]), 0),
        ((two, four), 3),
        ((two, four), -1),
    ):
        with pytest.raises(ValueError, match="no such table"):
            numbered(*tables, count=count)
    for slots, count in ((np.full(4, 9, np.uint32), 0), (np.zeros(4, np.uint32), 2)):
        with pytest.raises(IndexError, match="no room"):
            numbered(two, slots, count=count)


@needs_core
@pytest.mark.parametrize("stream", [-1, 2, 2**31 - 1])
def test_a_stream_that_is_not_there_is_refused(stream: int) -> None:
    assert CORE is not None
    given = (
        np.array([stream], np.int32),
        np.zeros(1, np.int64),
        np.zeros(1, np.uint8),
        *np.zeros((3, 1), np.uint32),
    )
    found = np.zeros(2, np.uint32), np.zeros(2, np.int64), np.zeros(2, np.int32)
    with pytest.raises(IndexError, match="no such stream"):
        CORE.ack_waits(given, 1, 2, 3, 4, found)
    with pytest.raises(ValueError, match="two streams"):
        CORE.ack_waits(given, 1, 2, 3, 4, tuple(column[:1] for column in found))
    with pytest.raises(ValueError, match="no such bounds"):
        CORE.ack_waits(given, 2, 1, 3, 4, found)


def _segments(stream: int, rows: int = 1) -> tuple[np.ndarray, ...]:
    """Stream, flags, sequence number, and twice the length of segments of one byte."""
    lengths = np.ones(rows, np.uint32)
    flags, seq = np.full(rows, 16, np.uint8), np.arange(rows, dtype=np.uint32)
    return np.full(rows, stream, np.int32), flags, seq, lengths, lengths


def _streams(*kinds: type) -> tuple[np.ndarray, ...]:
    """Columns of two streams."""
    return tuple(np.zeros(2, kind) for kind in kinds)


@needs_core
def test_segments_of_streams_that_are_not_there_are_refused() -> None:
    assert CORE is not None
    eight = np.int64
    streams = _streams(eight, bool, eight, eight, eight)

    def pieces(room: int) -> tuple[np.ndarray, ...]:
        return tuple(np.zeros(room, kind) for kind in (np.int32, np.int32, np.int64, np.uint32))

    assert CORE.reassembled(_segments(1, 2), streams, pieces(2)) == 2
    for stream in (-1, 2, 2**31 - 1):
        with pytest.raises(IndexError, match="no such stream"):
            CORE.reassembled(_segments(stream), streams, pieces(1))
    with pytest.raises(ValueError, match="no room"):
        CORE.reassembled(_segments(1, 2), streams, pieces(1))
    for columns in (streams[:4], (*streams[:4], streams[4][:1]), (*streams[1:], streams[0])):
        with pytest.raises(ValueError, match="needed"):
            CORE.reassembled(_segments(1), columns, pieces(1))


@needs_core
def test_acknowledgements_of_streams_that_are_not_there_are_refused() -> None:
    assert CORE is not None
    streams = _streams(*[np.int64] * 4)

    def told(stream: int, row: int, window: int = 9) -> int:
        of, flags, seq, *_ = _segments(stream)
        found = np.zeros(1, np.int64)
        CORE.acknowledged((of, seq, flags), streams, (np.array([row], np.int32), found), window)
        return int(found[0])

    assert told(1, 0) == 0
    for stream in (-1, 2, 2**31 - 1):
        with pytest.raises(IndexError, match="no such stream"):
            told(stream, 0)
    for row in (-1, 1):
        with pytest.raises(IndexError, match="no such segment"):
            told(1, row)
    with pytest.raises(ValueError, match="no such window"):
        told(1, 0, -1)


@needs_core
def test_only_segments_of_streams_are_seen() -> None:
    assert CORE is not None
    found = _streams(*[np.uint32] * 4, *[np.int32] * 8)
    for stream in (-1, 2, 2**31 - 1):
        of, flags, _, length, _ = _segments(stream)
        with pytest.raises(IndexError, match="no such stream"):
            CORE.seen((of, flags, np.zeros(1, np.uint16), length), found)


@needs_core
@pytest.mark.parametrize(
    ("buffer", "payload"), [(1, 24), (-1, 24), (0, 23), (0, -1), (0, 2**62), (0, -(2**63))]
)
def test_a_syn_outside_its_buffer_has_no_options(buffer: int, payload: int) -> None:
    assert CORE is not None
    header = bytes(12) + b"\x60" + bytes(7) + b"\4\2\1\1"
    kinds, found = np.zeros(40, np.uint8), [np.zeros(1, kind) for kind in (np.int32, np.int16)]
    more = np.zeros(1, np.int64), np.zeros(1, bool)

    def read(buffer: int, payload: int, room: Any) -> bool:
        given = np.array([buffer], np.int8), np.array([payload]), np.array([24], np.uint8)
        CORE.options((header,), given, room, (*found, *more))
        return bool(more[1][0])

    assert not read(buffer, payload, kinds)
    assert read(0, 24, kinds)
    with pytest.raises(ValueError, match="needed"):
        read(0, 24, kinds[1:])


@needs_core
@pytest.mark.parametrize(
    ("payload", "first", "error"),
    [
        (0, [0, 1, 1], None),
        (5, [0, 1, 1], "outside its buffer"),
        (-1, [0, 1, 1], "outside its buffer"),
        (2**62, [0, 0, 1], "outside its buffer"),
        (0, [0, 2, 1], "outside its pieces"),
        (0, [0, 1, 0], "outside its pieces"),
        (0, [-1, 1, 1], "outside its pieces"),
        (0, [0, 1], "two streams"),
    ],
)
def test_pieces_that_are_not_there_are_no_bursts(
    payload: int, first: list[int], error: str | None
) -> None:
    assert CORE is not None
    streams = len(first) - 1
    given = (
        np.zeros(1, np.uint8),
        np.array([payload]),
        np.array([12], np.uint32),
        np.zeros(1, np.int64),
        np.ones(1, np.uint32),
        np.zeros(1, np.int64),
        np.zeros(1, bool),
        np.array(first),
        np.ones(streams, bool),
    )
    row, begin, stream, size = (np.zeros(1 + (k == 1), np.int64) for k in range(4))
    found = row, begin, stream, size, np.zeros(1, bool), np.zeros(streams // 2, bool)

    def walked(least: int = 12) -> tuple[int, int]:
        data = memoryview(b"GET / HTTP/1.1\r\n")
        return CORE.bursts((data,), given, found, least, b"HTTP/1.", b"GET ")

    if error is None:
        assert walked() == (1, 1)
        with pytest.raises(ValueError, match="no such beginnings"):
            walked(least=3)
    else:
        with pytest.raises((IndexError, ValueError), match=error):
            walked()


@needs_core
def test_text_that_is_no_ascii_is_refused() -> None:
    assert CORE is not None
    lines = CORE.Lines(1)
    with pytest.raises(ValueError, match="ASCII"):
        lines.common("\u00e9")
    lines.named(["\u00e9"], np.array([0]))
    for written in (lines.joined, lines.ended):
        with pytest.raises(ValueError, match="ASCII"):
            written("\n")


@needs_core
def test_texts_that_fall_on_one_place_stay_cheap_and_right() -> None:
    """The places of a table that are searched are few, whatever the texts are."""
    heads = _heads()
    texts = [b"G /%d H\r\nX: %d\r\n\r\n" % (k, k % 700) for k in range(5000)]
    bounds = np.append(0, np.cumsum([len(text) for text in texts]))
    start, block, *spare = (np.zeros(5000, np.int64) for _ in range(4))
    kinds, flags = (np.zeros(5000, np.uint8) for _ in range(2))
    each = np.arange(5000)
    size = np.diff(bounds)
    given = np.zeros(5000, np.uint8), bounds[:-1], size, each, np.arange(5001), each, size
    found = spare[0], start, kinds, block, flags, spare[1]
    heads.cut(0, 100, 1000, 100, (memoryview(b"".join(texts)),), given, found)
    lines, starts, _ = heads.texts()
    assert [starts[k] for k in start.tolist()] == [b"G /%d H" % k for k in range(5000)]
    assert [lines[heads.block(k)[0]] for k in block.tolist()] == [
        b"X: %d" % (k % 700) for k in range(5000)
    ]
    assert len(lines) == 700


@needs_core
def test_a_cookie_line_that_is_none_or_is_not_there_is_refused() -> None:
    assert CORE is not None
    for which, refused in (([0], ValueError), ([1], IndexError), ([-1], IndexError)):
        with pytest.raises(refused):
            CORE.cookies([b"no colon"], np.array(which), b"key", {}, {}, {})
    for key in (b"", bytes(65)):
        with pytest.raises(ValueError, match="1 to 64 bytes"):
            CORE.cookies([], np.zeros(0, np.int64), key, {}, {}, {})


@needs_core
@pytest.mark.parametrize(
    ("begin", "size", "refused"),
    [(-1, 1, IndexError), (0, -1, IndexError), (4, 0, IndexError), (0, 4, IndexError),
     (2**62, 1, IndexError), (0, 3, ValueError), (0, 1, ValueError)],
)  # fmt: skip
def test_a_span_outside_its_column_or_of_another_size_is_refused(
    begin: int, size: int, refused: type[Exception]
) -> None:
    assert CORE is not None
    out = np.zeros(2, np.int64)
    with pytest.raises(refused):
        CORE.ranges(np.arange(3), np.array([begin]), np.array([size]), out, 8)
    with pytest.raises(ValueError, match="at least one byte"):
        CORE.ranges(np.arange(3), np.array([0]), np.array([2]), out, 0)
    with pytest.raises(ValueError, match="items of 4 bytes"):
        CORE.ranges(np.arange(3), np.array([0]), np.array([2]), out, 4)


@needs_core
def test_a_credential_that_is_too_short_to_be_looked_for_is_refused() -> None:
    assert CORE is not None
    with pytest.raises(ValueError, match="six letters"):
        CORE.Beginnings(["short"])


@needs_core
def test_lines_that_are_no_bytes_are_refused() -> None:
    assert CORE is not None
    for function in (CORE.names, CORE.like_urls, CORE.parameters):
        with pytest.raises(TypeError):
            function(["text"])  # type: ignore[list-item]
        with pytest.raises(TypeError):
            function((b"a",))  # type: ignore[arg-type]
    for about in (CORE.lengths, CORE.traits):
        with pytest.raises(TypeError):
            about([b"no text"])  # type: ignore[list-item]
        with pytest.raises(TypeError):
            about(("a",))  # type: ignore[arg-type]
    with pytest.raises(TypeError):
        CORE.target_pieces([b"/"], {}, {}, {})
    for parts in (lambda _: ("no list",), lambda _: None):
        with pytest.raises(TypeError):
            CORE.value_parts(["\xe9"], 1, 1, {}, parts)


@needs_core
def test_first_letters_that_fall_on_one_place_stay_cheap_and_are_found() -> None:
    """More credentials than a search looks at places for, and a table that grows with them."""
    assert CORE is not None
    secrets = [f"{n:06d}" for n in range(5000)] + [f"{n:012d}" for n in range(5000)]
    held = CORE.Beginnings(secrets)
    assert held.found_in([f"a{secret}b" for secret in secrets]) == bytes([1]) * len(secrets)
    assert held.found_in(["abcdefghijklmnop"]) == b"\0"
