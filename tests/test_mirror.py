"""The tests mirror the code: a room of lbtrace has its folder here, a module of it its file, and a
folder here is a room or one of the few that hold a room for no package.
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
# the rooms in which each module with logic has a test file of its name
BY_MODULE = (
    "capture",
    "comparison",
    "decode",
    "frame",
    "http",
    "http/bulk",
    "http/h1",
    "http/h2",
    "http_fields",
    "live",
    "tables",
    "tcp",
    "verdict",
    "verdict/witnesses",
)
# modules of these rooms whose tests have another name: where they are, and why
ELSEWHERE = {
    "capture/block": ("capture/test_pcap.py", "only columns, filled by the readers"),
    "capture/resync": ("capture/test_pcap.py", "the search needs a format to search in"),
    "capture/unsupported_format": ("capture/test_source.py", "the errors of opening a file"),
    "comparison/unanswered": (
        "findings/connections/test_idle_limits.py",
        "what two findings rest on",
    ),
    "decode/packet": ("decode/test_laws.py", "a position in bytes, moved by every step"),
    "decode/rows": ("decode/test_laws.py", "only columns, filled by both paths"),
    "decode/slow_path": ("decode/test_laws.py", "the fast path equals it"),
    "http/h1/ready_messages": ("http/bulk/test_messages.py", "the bulk reader fills it"),
    "http_fields/agents": ("explain/test_health_checks.py", "names, that health checks give"),
    "live/tap": ("live/test_session.py", "one of the places that a session starts"),
    "tables/views": ("decode/test_laws.py", "numbers in bytes, read by the fast path"),
    "verdict/modifiers": ("verdict/test_traits.py", "each modifier is a trait"),
}


def _rooms(root: Path) -> set[str]:
    return {
        folder.relative_to(root).as_posix()
        for folder in root.rglob("*")
        if folder.is_dir() and any(folder.glob("*.py")) and "__pycache__" not in folder.parts
    }


def _modules(room: str) -> set[str]:
    return {
        f"{room}/{file.stem}"
        for file in (CODE / room).glob("*.py")
        if file.stem not in ("__init__", "__main__")
    }


def _has_its_tests(module: str) -> bool:
    room, _, name = module.rpartition("/")
    return (TESTS / room / f"test_{name}.py").exists()


def test_every_room_has_its_tests() -> None:
    tested = {room for room in _rooms(TESTS) if list((TESTS / room).glob("test_*.py"))}
    top = {room for room in _rooms(CODE) if "/" not in room}
    assert top - tested == set()


def test_every_module_has_its_tests() -> None:
    untested = {
        module for room in BY_MODULE for module in _modules(room) if not _has_its_tests(module)
    }
    assert untested == set(ELSEWHERE), "give it a test file of its name, or say where it is tested"
    missing = {place for place, _ in ELSEWHERE.values() if not (TESTS / place).exists()}
    assert missing == set()


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
