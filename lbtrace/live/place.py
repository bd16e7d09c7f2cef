"""A place as typed → where it is, and how to run something there.

Every module in `places/` has one `KIND`. A kind is told by the word in front of the first colon, so
a new one is one new file.
"""

from __future__ import annotations

import importlib
import pkgutil
import re
from collections.abc import Callable
from dataclasses import dataclass
from functools import cache

from lbtrace.errors import OptionError, unknown_name
from lbtrace.live import places, tcpdump

ANY = "any"  # the interface of a place that names none
NAME = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_.-]*\Z")  # no option, no path, no shell
INTERFACE = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_.@-]*\Z")
Around = Callable[[tcpdump.Command, bool], list[str]]  # (what runs there, with sudo) → an argv


@dataclass(frozen=True, slots=True)
class Reached:
    """Where a place is: its interface ("": every one), and the argv around what runs there."""

    interface: str
    around: Around


@dataclass(frozen=True, slots=True)
class PlaceKind:
    """A kind of place. `read` takes what stands behind the colon, and returns None when that is no
    such place. `hints` say what to do about what its program says.
    """

    name: str
    spelling: str
    summary: str
    read: Callable[[str], Reached | None]
    hints: tcpdump.Hints = ()

    @property
    def begins(self) -> str:
        """What every place of this kind begins with."""
        return re.split(r"[A-Z[]", self.spelling, maxsplit=1)[0]


@dataclass(frozen=True, slots=True)
class CapturePlace:
    """A place, as typed."""

    written: str
    kind: PlaceKind
    reached: Reached

    @property
    def interface(self) -> str:
        """The interface to capture on."""
        return self.reached.interface or ANY

    def argv(self, filter_: str, sudo: bool) -> list[str]:
        """What to start here, so that tcpdump runs there."""
        return self.reached.around(tcpdump.command(self.interface, filter_), sudo)


@cache
def kinds() -> dict[str, PlaceKind]:
    """Every kind of place by name."""
    found = [
        importlib.import_module(f"{places.__name__}.{module.name}").KIND
        for module in pkgutil.iter_modules(places.__path__)
    ]
    return {kind.name: kind for kind in found}


def place(text: str) -> CapturePlace:
    """The place that was typed. OptionError when it is none."""
    name, colon, rest = text.partition(":")
    if not colon:
        every = ", ".join(kind.spelling for kind in kinds().values())
        raise OptionError("bad-place", f"{text}: not a place to capture.", f"Places: {every}.")
    if name not in kinds():
        raise unknown_name("unknown-place", "kind of place", name, kinds())
    kind = kinds()[name]
    reached = kind.read(rest)
    if reached is None or not (reached.interface == "" or INTERFACE.match(reached.interface)):
        raise OptionError(
            "bad-place", f"{text}: not a place to capture.", f"Write it like {kind.spelling}."
        )
    return CapturePlace(text, kind, reached)


def by_name(*before: str) -> Callable[[str], Reached | None]:
    """What reads "NAME[:INTERFACE]": these words and the name stand before what runs there."""

    def read(rest: str) -> Reached | None:
        name, colon, interface = rest.partition(":")
        if not NAME.match(name) or (colon and not interface):
            return None

        def around(command: tcpdump.Command, sudo: bool) -> list[str]:
            return with_sudo((*before, name, *command.words("")), sudo)

        return Reached(interface, around)

    return read


def with_sudo(words: tuple[str, ...], sudo: bool) -> list[str]:
    """The words, run as root if so wished. `-n`: there is nobody to type a password."""
    return ["sudo", "-n", *words] if sudo else list(words)
