"""Text from a capture (or a file name) → text that is safe to show.

Header values, targets and paths come from strangers. A raw escape sequence would move the reader's
cursor, hide a line, or set the window's title; a bidirectional mark would turn a line around.
Invariant: what `shown` returns holds printable characters and spaces only, and everything else as
\\xNN or \\u{NNNN}. Characters that nobody can see are such, and marks on a letter that has more of
them than any writing needs. Text of the wire is latin-1, so bytes that form UTF-8 are shown as the
letters they mean.
"""

from __future__ import annotations

import re
import unicodedata

_HIDDEN = {"Cc", "Cf", "Cs", "Co", "Cn", "Zl", "Zp"}
# no-break space; Hangul and Braille fillers; grapheme joiner; Khmer and Mongolian signs without a
# shape; variation selectors (Unicode, Default_Ignorable_Code_Point, and blanks that are letters)
INVISIBLE = frozenset(
    "\xa0\u3164\uffa0\u115f\u1160\u2800\u034f\u17b4\u17b5\u180b\u180c\u180d\u180f"
) | frozenset(map(chr, (*range(0xFE00, 0xFE10), *range(0xE0100, 0xE01F0))))
_ON_A_LETTER = {"Mn", "Me"}
MOST_MARKS = 4
_PLAIN = re.compile(r"[ -~]*\Z")
_BYTES = re.compile(r"[\x80-\xff]+")


def shown(text: str) -> str:
    """Text of the wire (latin-1) → printable text."""
    if _PLAIN.match(text):
        return text
    text = _BYTES.sub(_letters, text)
    seen, marks = [], MOST_MARKS  # a mark in front has nothing to stand on
    for character in text:
        marks = marks + 1 if unicodedata.category(character) in _ON_A_LETTER else 0
        seen.append(_escaped(character) if marks > MOST_MARKS else _visible(character))
    return "".join(seen)


def _letters(found: re.Match[str]) -> str:
    """Bytes that stand together → the letters they mean, if they are UTF-8."""
    try:
        return found[0].encode("latin-1").decode("utf-8")
    except UnicodeDecodeError:
        return found[0]


def _visible(character: str) -> str:
    if " " <= character <= "~":
        return character
    if (
        character not in INVISIBLE
        and unicodedata.category(character) not in _HIDDEN
        and not character.isspace()
    ):
        return character
    return _escaped(character)


def _escaped(character: str) -> str:
    code = ord(character)
    if 0xDC80 <= code <= 0xDCFF:  # a byte of a file name that is no UTF-8 (PEP 383)
        code -= 0xDC00
    return f"\\x{code:02x}" if code < 0x100 else f"\\u{{{code:x}}}"


def cut(text: str, width: int, mark: str = "…") -> str:
    """The text, or as much of its beginning and end as fits `width`, with a mark where the middle
    was.
    """
    if len(text) <= width:
        return text
    if width <= len(mark):
        return text[:width]
    keep = width - len(mark)
    tail = keep // 3
    return text[: keep - tail] + mark + (text[-tail:] if tail else "")


def cut_end(text: str, width: int, mark: str = "…") -> str:
    """The text, or as much of its beginning as fits `width`."""
    return text if len(text) <= width else text[: max(width - len(mark), 0)] + mark[:width]
