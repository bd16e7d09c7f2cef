"""The errors that lbtrace raises on purpose.

The content of a capture never raises: it becomes a value (a malformed message, a diagnostic). Only
an input that cannot be read, or an option that makes no sense, is an error. Each error is one line
that says what is wrong and what to do; the command line turns it into exit code 2.
"""

from __future__ import annotations

import errno
from collections.abc import Iterable

NO_ROOM = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG)  # of an OSError: nothing more fits


class LbtraceError(Exception):
    """An input or an option lbtrace cannot work with.

    `slug` names the kind for machines (stable, kebab-case); `message` says what is wrong in one
    line; `hint` says what to do about it, in one line.
    """

    def __init__(self, slug: str, message: str, hint: str = "") -> None:
        super().__init__(message)
        self.slug = slug
        self.message = message
        self.hint = hint

    def __str__(self) -> str:
        return f"{self.message} {self.hint}".strip()


class InputError(LbtraceError):
    """A capture that cannot be opened or is not a capture."""


class OptionError(LbtraceError):
    """An option, or a combination of options, that makes no sense."""


class LabError(LbtraceError):
    """The lab cannot run on this machine: not root, not Linux, a program is missing."""


def unread(error: OSError) -> tuple[str, str]:
    """Why a file that was named cannot be read: what is wrong with it, and what to do ("" where
    that is not known).
    """
    if isinstance(error, FileNotFoundError):
        return "there is no such file.", "Check the name."
    if isinstance(error, IsADirectoryError):
        return "this is a directory.", "Name a file."
    return f"{error.strerror or error}.", ""


def nearest(name: str, names: Iterable[str]) -> str:
    """ ". Did you mean …?" for a name that resembles one there is, or begins one; else nothing."""
    from difflib import get_close_matches

    known = list(names)
    begun = [each for each in known if name and each.startswith(name)]
    close = get_close_matches(name, known, 1) or begun
    return f'. Did you mean "{close[0]}"?' if close else ""


def unknown_name(slug: str, what: str, name: str, names: Iterable[str]) -> OptionError:
    """The error for a name that there is not, with the nearest one, or with all."""
    known = list(names)
    near = nearest(name, known)
    every = "" if near else f"There are: {', '.join(known)}."
    return OptionError(slug, f"There is no {what} {name!r}{near or '.'}", every)
