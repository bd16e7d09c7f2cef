"""-o DIR: a folder that a command writes files into. It is checked before the work, and so that no
input is overwritten; made when there is something to write; and removed again when nothing came
into it.
"""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from contextlib import contextmanager

from lbtrace import guard
from lbtrace.ending import told_to_end
from lbtrace.errors import InputError, OptionError


@contextmanager
def made_folder(folder: str) -> Iterator[None]:
    """The folder, made if it is missing. OptionError when a file cannot be written."""
    try:
        with told_to_end(), guard.folder(folder):
            yield
    except OSError as error:
        reason = error.strerror or str(error)
        raise OptionError("output-unwritable", f"-o {folder}: {reason}.") from error


def check_folder(
    folder: str, inputs: Sequence[str], suffix: str = "", hint: str = "Name a folder."
) -> None:
    """OptionError when the folder cannot be written to, or one of the inputs is in it; with a
    `suffix`, one of which the name ends so, as do all that will be written. `hint`: what to do when
    it is a file.
    """
    if os.path.exists(folder) and not os.path.isdir(folder):
        raise OptionError("output-no-folder", f"-o {folder}: this is a file.", hint)
    parent = os.path.dirname(os.path.abspath(folder))
    place = folder if os.path.isdir(folder) else parent
    if not os.path.isdir(place):
        raise OptionError("output-folder-missing", f"-o {folder}: there is no directory {parent}.")
    if not os.access(place, os.W_OK | os.X_OK):
        raise OptionError("output-unwritable", f"-o {folder}: no permission to write there.")
    real = os.path.realpath(folder)
    for path in (path for path in files_read(inputs) if path != "-" and path.endswith(suffix)):
        if os.path.dirname(os.path.realpath(path)) == real:
            raise OptionError(
                "output-is-input",
                f"-o {folder}: {path} is in this folder, and could be overwritten.",
                "Name another folder.",
            )


def files_read(inputs: Sequence[str]) -> list[str]:
    """The inputs, with the captures that stand in a directory in its place."""
    if not any(map(os.path.isdir, inputs)):
        return list(inputs)
    from lbtrace.capture.source import captures_in

    found: list[str] = []
    for path in inputs:
        try:
            found += captures_in(path) if os.path.isdir(path) else [path]
        except InputError:  # said where it is read
            continue
    return found
