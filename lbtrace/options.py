"""The options of a run: one frozen Options, made once from flags or keyword arguments; and whom to
tell how far it is.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

Progress = Callable[[str, float], None]  # (what is being done, fraction done 0 … 1)


@dataclass(frozen=True, slots=True)
class Options:
    """`clock_offset_ns`: client clock − backend clock as the user states it; None: estimate it.
    `decode_content`: digest bodies after content decoding (gzip, …), too.
    """

    clock_offset_ns: int | None = None
    decode_content: bool = True


DEFAULT = Options()


def quiet(_what: str, _fraction: float) -> None:
    """The Progress of whoever does not ask."""
