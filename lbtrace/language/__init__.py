"""English texts → the same in the reader's language, as the catalogues of this room have them.

The msgids are the English texts themselves, with {name} places. A text without a translation stays
English. Nothing is translated unless somebody says so (`speaking`), and only pages for people do:
JSON, slugs and the formats of CI are English everywhere.

    with speaking("ko"):
        tr("health checks")                                헬스 체크
        form("{n} request", "{n} requests", 4)             요청 {n}개

`tr` and `form` take literals, or names that are marked where they are written: `N("client")`.
`python -m lbtrace.language` looks for them, brings the catalogues up to date and compiles them.
"""

from __future__ import annotations

import gettext
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from contextvars import ContextVar
from functools import cache
from pathlib import Path
from typing import TypeVar

ROOM = Path(__file__).parent
DOMAIN = "lbtrace"
ENGLISH = "en"
K = TypeVar("K")

_NOTHING = gettext.NullTranslations()
_SPOKEN: ContextVar[gettext.NullTranslations] = ContextVar("spoken", default=_NOTHING)


def languages() -> tuple[str, ...]:
    """English, and those that have a catalogue."""
    return ENGLISH, *sorted(p.parent.parent.name for p in ROOM.glob(f"*/LC_MESSAGES/{DOMAIN}.mo"))


def preferred(environment: Mapping[str, str]) -> str:
    """The language that the environment asks for (POSIX: LC_ALL, else LC_MESSAGES, else LANG);
    English when there is no catalogue for it.
    """
    names = (environment.get(name, "") for name in ("LC_ALL", "LC_MESSAGES", "LANG"))
    stated = next(filter(None, names), "")
    language = stated.replace("-", "_").partition(".")[0].partition("_")[0].lower()
    return language if language in languages() else ENGLISH


@contextmanager
def speaking(language: str) -> Iterator[None]:
    """Within it, texts are in that language."""
    token = _SPOKEN.set(_NOTHING if language == ENGLISH else _catalogue(language))
    try:
        yield
    finally:
        _SPOKEN.reset(token)


@cache
def _catalogue(language: str) -> gettext.NullTranslations:
    return gettext.translation(DOMAIN, ROOM, [language], fallback=True)


def N(text: str) -> str:
    """The text itself: marks a text that is translated where it is used."""
    return text


def tr(text: str) -> str:
    """The text in the language that is spoken; "" stays "", which names the catalogue itself."""
    return _SPOKEN.get().gettext(text) if text else ""


class Texts(dict[K, str]):
    """A table of texts: what is looked up comes in the language that is spoken."""

    def __getitem__(self, key: K) -> str:
        return tr(super().__getitem__(key))

    def get(self, key: K, default: str = "") -> str:  # type: ignore[override]
        """The text of a key; the default as it is."""
        found = super().get(key)
        return default if found is None else tr(found)


def form(one: str, many: str, number: int) -> str:
    """The form of a text that fits the number; its places stay."""
    return _SPOKEN.get().ngettext(one, many, number)


def known(one: str, many: str = "", number: int = 1) -> str | None:
    """The translation of a text, or None when the language spoken has none."""
    spoken = _SPOKEN.get()
    found = spoken.ngettext(one, many, number) if many else spoken.gettext(one)
    return None if found in (one, many) else found
