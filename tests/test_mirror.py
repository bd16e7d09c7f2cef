"""The tests mirror the code: a room of lbtrace has its folder here, and a folder here is a room or
one of the few that hold a room for no package.
"""

from __future__ import annotations

from pathlib import Path

import lbtrace

TESTS = Path(__file__).parent
CODE = Path(lbtrace.__file__).parent
# what is about the whole, not about a room
OF_THE_WHOLE = {
    "bench": "speed and memory",
    "captures": "foreign and hostile captures",
    "fuzz": "arbitrary bytes",
    "golden": "pages and JSON of the samples",
    "mutation": "planted faults",
    "sentences": "sentences of a report, held against the packets",
    "simulator": "simulated traffic with its truth",
}


def _rooms(root: Path) -> set[str]:
    return {
        folder.relative_to(root).as_posix()
        for folder in root.rglob("*")
        if folder.is_dir() and any(folder.glob("*.py")) and "__pycache__" not in folder.parts
    }


def test_every_room_has_its_tests() -> None:
    tested = {room for room in _rooms(TESTS) if list((TESTS / room).glob("test_*.py"))}
    top = {room for room in _rooms(CODE) if "/" not in room}
    assert top - tested == set()


def test_every_folder_of_tests_is_a_room() -> None:
    rooms = _rooms(CODE)
    strange = {
        folder
        for folder in _rooms(TESTS)
        if folder not in rooms and folder.partition("/")[0] not in OF_THE_WHOLE
    }
    assert strange == set()


def test_every_exception_is_there() -> None:
    assert set(OF_THE_WHOLE) <= _rooms(TESTS)
