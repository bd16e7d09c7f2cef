"""The mutants that no test can catch, because the program does the same with them, and why.

Each is known by its file and by its line before and after: those that a change makes disappear are
found by a test.
"""

from __future__ import annotations

import tomllib
from pathlib import Path

from tests.mutation.operators import Mutant

PAGE = Path(__file__).with_name("equivalent.toml")


def known() -> dict[tuple[str, str, str], str]:
    """(file, before, after) → reason."""
    entries = tomllib.loads(PAGE.read_text()).get("mutant", [])
    return {(e["file"], e["before"], e["after"]): e["reason"] for e in entries}


_KNOWN = known()


def reason(mutant: Mutant) -> str:
    """Why a mutant is equivalent, or nothing."""
    return _KNOWN.get((mutant.path, mutant.before, mutant.after), "")
