"""A TOML file, and the line of each of its keys."""

from __future__ import annotations

import tomllib
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lbtrace.errors import OptionError
from lbtrace.toml_document import Document, _lines, read

NAMES = st.from_regex(r"[A-Za-z][A-Za-z0-9_-]{0,8}", fullmatch=True)
VALUES = st.sampled_from(
    [
        "1",
        '"a"',
        "true",
        '"a = 1"',
        "{ a = 1, b = 2 }",
        "'# [ {'",
        r'"\"[ # "',
        '""',
        "[\n  1, # ]\n  2,\n]",
        '["]", [\n{ a = "}" },\n], \'[\']',
        '"""\nx = 1\n[y]\n"""',
        '"""""a""b\n"""""',
        '"""\n\\"""\n#""""',
        r"'C:\'",
        "'''[\n\\'''",
        "'''''[\n''''",
    ]
)
BLANKS = st.sampled_from(["", "# x = 1", "   ", "# [table]", '# """ \''])


@given(
    st.lists(
        st.tuples(NAMES, st.lists(st.tuples(NAMES, VALUES, BLANKS), unique_by=lambda k: k[0])),
        unique_by=lambda t: t[0],
    )
)
def test_the_line_of_a_key_is_where_it_is_written(
    tables: list[tuple[str, list[tuple[str, str, str]]]],
) -> None:
    text: list[str] = []
    expected: dict[tuple[str | int, ...], int] = {}
    for table, keys in tables:
        expected[table,] = len("\n".join(text).split("\n")) + 1 if text else 1
        text.append(f"[{table}]")
        for name, value, blank in keys:
            text.append(blank)
            expected[table, name] = len("\n".join(text).split("\n")) + 1
            text.append(f"{name} = {value}")
    whole = "\n".join(text)
    tomllib.loads(whole)
    assert dict(_lines(whole)) == expected


def test_dotted_and_quoted_keys_and_arrays_of_tables() -> None:
    text = 'a.b = 1\n"x = y".z = 2\n\n[[allow]]\nfinding = "f"\n\n[[allow]]\nreason = "r"\n'
    lines = dict(_lines(text))
    assert lines["a", "b"] == 1
    assert lines["x = y", "z"] == 2
    assert lines["allow", 0] == 4
    assert lines["allow", 1, "reason"] == 8


def test_a_key_of_an_inline_table_has_the_line_of_the_table() -> None:
    document = Document("f", {}, dict(_lines("\n[a]\nb = { c = 1 }")))
    assert document.line("a", "b", "c") == 3
    assert document.line("nothing") == 1


def test_what_is_read_to_find_the_lines_grows_with_the_text(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    text = "files = [\n" + '  "edge/file.pcap",\n' * 1000 + "]\n"
    read_again = 0

    def counting(part: str) -> dict[str, Any]:
        nonlocal read_again
        read_again += len(part)
        return {"files": 0}

    monkeypatch.setattr(tomllib, "loads", counting)
    assert dict(_lines(text)) == {("files",): 1}
    assert read_again <= 2 * len(text)


@pytest.mark.parametrize(
    ("content", "says"),
    [
        (b"[a\nb = 1", r"line 1"),
        (b"a = 1\na = 2", r"is not TOML: Cannot overwrite"),
        (b"\xff", "UTF-8"),
        (b"a" * 2_000_000, "larger"),
        (b"a = " + b"[" * 20_000 + b"]" * 20_000, "nested too deeply"),
    ],
)
def test_what_is_no_toml_is_one_line(content: bytes, says: str, tmp_path: Path) -> None:
    path = tmp_path / "lb.toml"
    path.write_bytes(content)
    with pytest.raises(OptionError, match=says) as caught:
        read(str(path), "expect-", "file of expectations")
    assert "\n" not in str(caught.value)


def test_a_file_that_is_not_there(tmp_path: Path) -> None:
    with pytest.raises(OptionError, match="there is no such file"):
        read(str(tmp_path / "nothing.toml"), "expect-", "file of expectations")
