"""The options of a run: one frozen Options, made once from flags or keyword arguments; and whom to
tell how far it is.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from lbtrace.errors import OptionError

Progress = Callable[[str, float], None]  # (what is being done, fraction done 0 … 1)
YEAR_NS = 365 * 24 * 3600 * 1_000_000_000
MAX_OFFSET_NS = 100 * YEAR_NS  # a time in 64 bits plus this one stays in 64 bits


@dataclass(frozen=True, slots=True)
class Options:
    """`clock_offset_ns`: client clock − backend clock as the user states it; None: estimate it.
    `decode_content`: digest bodies after content decoding (gzip, …), too.
    """

    clock_offset_ns: int | None = None
    decode_content: bool = True

    def __post_init__(self) -> None:
        """Refuse what makes no sense."""
        if abs(self.clock_offset_ns or 0) > MAX_OFFSET_NS:
            raise offset_too_far(f"clock_offset_ns {self.clock_offset_ns}")


def offset_too_far(shown: str) -> OptionError:
    """The error of an offset, as it was given, that is beyond MAX_OFFSET_NS."""
    return OptionError(
        "bad-clock-offset",
        f"{shown}: more than {MAX_OFFSET_NS // YEAR_NS} years.",
        "No two clocks differ that much: state client clock − backend clock.",
    )


DEFAULT = Options()


def quiet(_what: str, _fraction: float) -> None:
    """The Progress of whoever does not ask."""
