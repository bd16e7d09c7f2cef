"""Which values tell one exchange from all others: those that look drawn at random.

A value → whether it, or a part of it, has the form of an id: an UUID, or a run of digits and
letters that keep changing places. No other exchange, anywhere, has such a value by chance. What
every message has (dates, names of software, fields of one hop) tells no exchange from another.
"""

from __future__ import annotations

import re

from lbtrace.http_fields import HOP, HOST, Meaning, fields_of

# what software sends by default, and what each hop makes anew
COMMON_FIELDS = fields_of(HOP, Meaning.TIME, Meaning.SOFTWARE) | {HOST}
# An id: no words, no blanks; a shorter one shows it by letters and digits that keep changing
# places.
_RANDOM = re.compile(
    r"(?=[^ ]*\d)(?:[0-9a-fA-F-]{16,}|[0-9a-zA-Z_+/=-]{22,}|(?=[0-9a-zA-Z]{14})(?:\d+[a-zA-Z]+){3})"
)
LOOKED_AT = 256  # characters of a value: the search takes the square of them
# what stands between separators: an UUID, a run of letters and digits
_WHOLE = re.compile(r"[0-9a-fA-F]{8}(?:-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12}|[0-9a-zA-Z]{14,}")


def drawn(value: str) -> bool:
    """Whether a value looks drawn at random, so that two messages hardly share it by chance; its
    beginning tells, and bounds the cost.
    """
    return bool(_RANDOM.search(value[:LOOKED_AT]))


def drawn_parts(value: str) -> set[str]:
    """The parts of a value, between anything but letters and digits, that look drawn at random; an
    UUID and the letters of Base64 are whole.
    """
    return {part for part in _WHOLE.findall(value[:LOOKED_AT]) if drawn(part)}
