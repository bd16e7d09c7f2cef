"""One capture point, from its files to what they show."""

from __future__ import annotations

import gc
from pathlib import Path

import pytest

from lbtrace import guard
from lbtrace.errors import InputError
from lbtrace.inspection import inspect, no_collection
from tests.golden import SAMPLES


def test_a_capture_that_is_overwritten_while_it_is_read(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(guard, "_handled", [True])
    path = tmp_path / "a.pcap"
    whole = (SAMPLES / "alb-like" / "client.pcap").read_bytes()
    path.write_bytes(whole)

    def overwrite(_what: str, _part: float) -> None:
        with path.open("r+b") as file:
            file.seek(100)
            file.write(b"other")

    assert inspect([str(path)]).exchanges
    with pytest.raises(InputError, match="was overwritten while it was read"):
        inspect([str(path)], progress=overwrite)
    path.write_bytes(whole)

    def append(_what: str, _part: float) -> None:
        with path.open("ab") as file:
            file.write(b"more")

    assert inspect([str(path)], progress=append).exchanges


def test_a_search_for_cycles_begins_again_where_it_was_on() -> None:
    """Reading makes no cycles, and a search walks all that was made."""
    for was_on in (True, False):
        (gc.enable if was_on else gc.disable)()
        try:
            with no_collection():
                assert not gc.isenabled()
            assert gc.isenabled() == was_on
        finally:
            gc.enable()


def test_an_input_that_cannot_be_read_leaves_it_as_it_was(tmp_path: Path) -> None:
    with pytest.raises(InputError):
        inspect([str(tmp_path / "none.pcap")])
    assert gc.isenabled()
