"""docs/tables.md says what the tables declare, and what the stages hand on is as declared."""

from __future__ import annotations

from pathlib import Path

import pytest

from lbtrace import capture, decode, http, tcp
from lbtrace.options import DEFAULT, quiet
from lbtrace.tables.__main__ import document, documented
from lbtrace.tables.exchanges import Exchanges
from lbtrace.tables.sides import both_sides
from lbtrace.tables.table import Table
from tests.simulator.random_simulations import random_simulation

ROOT = Path(__file__).resolve().parents[2]
SAMPLES = sorted((ROOT / "samples").glob("*/client.pcap"))


def test_the_page_is_fresh() -> None:
    page = (ROOT / "docs" / "tables.md").read_text("utf-8")
    assert page == document(), "run python -m lbtrace.tables > docs/tables.md"


def test_every_column_says_what_it_means() -> None:
    for cls in documented():
        assert cls.__doc__, cls
        for declared in cls.declared.values():
            assert declared.meaning, (cls, declared.name)
            assert "|" not in declared.meaning + declared.unit


@pytest.mark.parametrize("path", SAMPLES, ids=lambda path: path.parent.name)
def test_what_reading_hands_on_is_as_declared(path: Path) -> None:
    recording = capture.read([str(path)], quiet)
    segments = decode.segments(recording, quiet)
    connections, streams = tcp.connections(segments)
    carried = http.exchanges(connections, streams, DEFAULT, quiet)
    exchanges = carried.exchanges
    assert isinstance(exchanges, Exchanges)
    assert connections.ends
    held: list[Table] = [recording.records, segments, segments.flows, streams, connections]
    held += [
        connections.syn_options,
        exchanges.table,
        exchanges.table.heads,
        carried.control,
        carried.stalls,
        carried.calls,
    ]
    for each in held:
        assert each.faults() == [], type(each)


@pytest.mark.parametrize("seed", range(4))
def test_what_sides_hand_on_is_as_declared(seed: int) -> None:
    shown = random_simulation(seed).run()
    for side in both_sides(shown.clients, shown.backends):
        for each in (side, *side.connections):
            assert each.faults() == [], type(each)
