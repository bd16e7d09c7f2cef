"""The options of a run: one frozen Options, made once from flags or keyword arguments."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Options:
    """`clock_offset_ns`: client clock − backend clock as the user states it; None: estimate it.
    `decode_content`: digest bodies after content decoding (gzip, …), too.
    """

    clock_offset_ns: int | None = None
    decode_content: bool = True


DEFAULT = Options()
