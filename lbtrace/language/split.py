"""A statement → its sentences, which are what is translated."""

from __future__ import annotations

import re

# behind a full stop, before a capital letter or a place; not behind "RFC 9110 §5.1." and its like
_END = re.compile(r"(?<=[.!?]) (?=[A-Z{])")


def split(statement: str) -> list[str]:
    """The sentences, without the blanks between them."""
    return [sentence.strip() for sentence in _END.split(statement)]
