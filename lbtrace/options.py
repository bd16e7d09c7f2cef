"""What was meant: one frozen Options, made once from flags (or keyword arguments), read
everywhere.
"""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Options:
    """`clock_offset_ns`: client clock − backend clock as the user states it (None: estimate).
    `decode_content`: also digest bodies after gzip etc.
    """

    clock_offset_ns: int | None = None
    decode_content: bool = True


DEFAULT = Options()
