"""Text that a program wrote for people → what of it is quoted: one line, without what may be a
secret.
"""

from __future__ import annotations

import re
from typing import Final

LONGEST: Final = 120  # characters
# a long word with a digit in it may be a token or an id
_TOKEN: Final = re.compile(r"(?=[^\s\"'<>]*[0-9])[^\s\"'<>]{20,}")


def short(text: str) -> str:
    """Text as it is quoted: one line of printable characters, without what may be a token; "" where
    it is not printable.
    """
    line = " ".join(_TOKEN.sub("…", text).split())
    if not line.isprintable():
        return ""
    return line if len(line) <= LONGEST else line[: LONGEST - 1].rstrip() + "…"
