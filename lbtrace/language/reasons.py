"""The reason for a verdict: what the strongest observations are worth, in a sentence; and the same
sentence in the language that is spoken.

    "addresses were rewritten", "start lines are changed" (needs HTTP)
        ─▶ "Addresses were rewritten; start lines are changed, which needs a proxy that reads HTTP."
"""

from __future__ import annotations

from collections.abc import Sequence

from lbtrace.language import N, known, tr
from lbtrace.language.split import split

NEEDS_HTTP = N(", which needs a proxy that reads HTTP")
BOTH_NEED_HTTP = N(": both need a proxy that reads HTTP")
_BETWEEN = "; "


def joined(because: Sequence[tuple[str, bool]]) -> str:
    """(what it is worth, whether that needs a proxy that reads HTTP) each → a sentence."""
    both = len(because) > 1 and all(needs for _, needs in because)
    parts = [text + (NEEDS_HTTP if needs and not both else "") for text, needs in because]
    text = _BETWEEN.join(parts)
    return f"{text[:1].upper()}{text[1:]}{BOTH_NEED_HTTP if both else ''}."


def reason_in(reason: str) -> str:
    """The reason in the language that is spoken; as it is, where a part of it has no
    translation.
    """
    told = [known(sentence) or _parted(sentence) for sentence in split(reason)]
    return " ".join(filter(None, told)) if all(told) else reason


def _parted(sentence: str) -> str | None:
    text = sentence.removesuffix(".")
    both = BOTH_NEED_HTTP if text.endswith(BOTH_NEED_HTTP) else ""
    parts = [_part(part) for part in text.removesuffix(BOTH_NEED_HTTP).split(_BETWEEN)]
    return None if None in parts else _BETWEEN.join(filter(None, parts)) + tr(both) + "."


def _part(text: str) -> str | None:
    needs = NEEDS_HTTP if text.endswith(NEEDS_HTTP) else ""
    text = text.removesuffix(NEEDS_HTTP)
    found = known(text) or known(text[:1].lower() + text[1:])
    return None if found is None else found + tr(needs)
