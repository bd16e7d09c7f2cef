"""Both roads give the same: every output of the compiled core is that of pure Python, byte for
byte.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from lbtrace import pipeline
from lbtrace.tables.exchanges import HeadTexts
from lbtrace.tables.words import LineList
from tests.bench.generate import write
from tests.compiled import needs_core, on_both
from tests.compiled.conversations import told, written
from tests.compiled.heads import messages
from tests.http.bulk.test_bulk_connections import bursts, spoken
from tests.http.streams import Talk
from tests.laws import examples

pytestmark = needs_core
LINE_PARTS = [b"Host", b"a", b":", b": ", b" ", b"\t", b"\0", b"\xe9", b"\x85", b"\r", b"\n"]
SAMPLES = Path(__file__).parents[2] / "samples"
CAPTURES = sorted(str(path.relative_to(SAMPLES)) for path in SAMPLES.glob("*/*.pcap*"))
CAPTURED = ["keepalive", "constant", "short", "fresh", "bulk", "lossy", "pipelined", "http2"]
PAIRS = sorted(path.name for path in SAMPLES.iterdir() if (path / "client.pcap").exists())


@pytest.mark.parametrize("capture", CAPTURES)
def test_every_sample_is_shown_alike(capture: str) -> None:
    plain, compiled = on_both(lambda: written(pipeline.show([[str(SAMPLES / capture)]])))
    assert plain == compiled


@pytest.mark.parametrize("pair", PAIRS)
def test_every_sample_is_compared_alike(pair: str) -> None:
    folder = SAMPLES / pair
    client = [[str(folder / "client.pcap")]]
    backends = [[str(path)] for path in sorted(folder.glob("backend*.pcap*"))]
    plain, compiled = on_both(lambda: written(pipeline.compare(client, backends), secrets=True))
    assert plain == compiled


@pytest.mark.parametrize("kind", CAPTURED)
def test_captures_of_the_benchmark_are_shown_alike(kind: str, tmp_path: Path) -> None:
    write(tmp_path / "a.pcap", kind, 8000)
    plain, compiled = on_both(lambda: written(pipeline.show([[str(tmp_path / "a.pcap")]])))
    assert plain == compiled


@examples(300)
@given(st.lists(st.lists(st.sampled_from(LINE_PARTS), max_size=9).map(b"".join), max_size=9))
def test_field_lines_are_parted_and_numbered_alike(lines: list[bytes]) -> None:
    def parts() -> list[tuple[list[str], list[int]]]:
        held = LineList(lines)
        return [(list(texts), of.tolist()) for texts, of in (held.names, held.values)]

    plain, compiled = on_both(parts)
    assert plain == compiled


@examples(300)
@given(st.lists(st.lists(st.sampled_from(LINE_PARTS), max_size=9).map(b"".join), max_size=9))
def test_names_of_field_lines_are_numbered_alike(lines: list[bytes]) -> None:
    def named() -> tuple[list[bytes], list[int]]:
        first = np.zeros(1, np.int64)
        names, of = HeadTexts(lines, frozenset(), first, first[:0], [], []).names
        return names, of.tolist()

    plain, compiled = on_both(named)
    assert plain == compiled


@examples(300)
@given(
    st.lists(st.lists(st.tuples(messages, messages), max_size=4), min_size=1, max_size=3),
    st.booleans(),
    st.integers(1, 3),
)
def test_odd_messages_are_read_and_written_alike(
    said: list[list[tuple[bytes, bytes]]], rotated: bool, ahead: int
) -> None:
    """`ahead`: so many requests are sent before the first of them is answered."""

    def talks() -> list[Talk]:
        found, frame = [], 0
        for each in said:
            talk = Talk(frame=frame)
            for low in range(0, len(each), ahead):
                for asked, _ in each[low : low + ahead]:
                    talk.client(asked)
                for _, answered in each[low : low + ahead]:
                    talk.server(answered)
            found.append(talk.fin())
            frame = talk.frame
        return found

    plain, compiled = on_both(lambda: told(talks(), rotated))
    assert plain == compiled


@examples(150)
@given(st.lists(st.lists(bursts, max_size=4), min_size=1, max_size=3), st.booleans())
def test_messages_in_pieces_are_read_and_written_alike(
    said: list[list[tuple[bytes, bytes, list[int]]]], rotated: bool
) -> None:
    def talks() -> list[Talk]:
        found, frame = [], 0
        for each in said:
            found.append(spoken(each, Talk(frame=frame)))
            frame = found[-1].frame
        return found

    plain, compiled = on_both(lambda: told(talks(), rotated))
    assert plain == compiled
