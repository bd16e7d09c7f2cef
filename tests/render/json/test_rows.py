"""Rows of a table are written as the objects made of them are."""

from __future__ import annotations

import json
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lbtrace.model.net import Side
from lbtrace.model.trace import CaptureFile, PacketCounts, Trace
from lbtrace.render.json import rows
from lbtrace.tables.exchanges import Exchanges
from tests.http.bulk.test_bulk_connections import bursts, plain_bursts, spoken
from tests.http.streams import Talk, get, hear, ok
from tests.laws import examples

FILE = CaptureFile("a.pcap", "pcap", "", 0, 3, 1, 0, 0, 1, ("ETHERNET",), None, None)


def trace(*talks: Talk, files: tuple[CaptureFile, ...] = (FILE,)) -> Trace:
    heard = hear(*talks)
    return Trace(
        Side.CLIENT, 0, files, PacketCounts(0, 0), 0, 0, [], heard.applications, heard.exchanges
    )


def both(seen: Trace) -> tuple[str, str]:
    """What is written of the rows, and of the objects."""
    assert isinstance(seen.exchanges, Exchanges)
    return "\n".join(rows.texts(seen)), "\n".join(
        rows.texts(replace(seen, exchanges=list(seen.exchanges)))
    )


@examples(150)
@given(
    st.lists(
        st.lists(plain_bursts, max_size=4) | st.lists(bursts, max_size=2), min_size=1, max_size=4
    ),
    st.booleans(),
)
def test_rows_and_objects_are_written_alike(
    said: list[list[tuple[bytes, bytes, list[int]]]], rotated: bool
) -> None:
    talks, frame = [], 0
    for each in said:
        talks.append(spoken(each, Talk(frame=frame)))
        frame = talks[-1].frame
    files = (
        (FILE, replace(FILE, first_frame=4), replace(FILE, first_frame=9)) if rotated else (FILE,)
    )
    of_rows, of_objects = both(trace(*talks, files=files))
    assert of_rows == of_objects
    json.loads(f"[{of_rows}]")


def test_more_rows_than_are_written_at_a_time(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(rows, "_COMPILED_ROWS", rows._ROWS)
    talk, other = Talk(), Talk()
    for i in range(2 * rows._ROWS + 1):
        talk.client(get(f"/{i}", "X: y" if i % 2 else f"X: {i}")).server(ok(b"x"))
    other.client(get("/in between"), lost=True).server(ok(b"y"))
    other.frame = rows._ROWS
    other.client(get("/lost")).server(ok(b"z"))
    of_rows, of_objects = both(trace(talk, other))
    assert of_rows == of_objects
    assert [e["id"] for e in json.loads(f"[{of_rows}]")] == list(range(2 * rows._ROWS + 3))


def test_rows_of_long_texts_are_written_fewer_at_a_time(monkeypatch: pytest.MonkeyPatch) -> None:
    talk = Talk()
    for i in range(40):
        long = "x" * (3000 if 10 <= i < 20 else 1)
        talk.client(get(f"/{i}", f"X: {long}{i}")).server(ok(b"x"))
    told = trace(talk)
    whole = "\n".join(rows.texts(told))
    for most in ("_ROWS", "_COMPILED_ROWS"):
        monkeypatch.setattr(rows, most, 8)
    monkeypatch.setattr(rows, "_LONG", 9000)
    pieces = list(rows.texts(told))
    assert "\n".join(pieces) == whole
    counts = [len(piece.split("\n")) for piece in pieces]
    assert max(counts) == 8
    assert min(counts[:-1]) <= 3, "no piece stays as long as the one before"
    assert counts[-2] > min(counts[:-1]), "short ones are many again"
