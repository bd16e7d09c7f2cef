"""-o DIR: a folder that a command writes files into. It is checked before the work, and so that no
input is overwritten.
"""

from __future__ import annotations

import os
from collections.abc import Sequence

from lbtrace.errors import OptionError


def check_folder(folder: str, inputs: Sequence[str], suffix: str = "") -> None:
    """OptionError when the folder cannot be written to, or one of the inputs is in it; with a
    `suffix`, one of which the name ends so, as do all that will be written.
    """
    if os.path.exists(folder) and not os.path.isdir(folder):
        raise OptionError("output-no-folder", f"-o {folder}: this is a file.", "Name a folder.")
    parent = os.path.dirname(os.path.abspath(folder))
    place = folder if os.path.isdir(folder) else parent
    if not os.path.isdir(place):
        raise OptionError("output-folder-missing", f"-o {folder}: there is no directory {parent}.")
    if not os.access(place, os.W_OK | os.X_OK):
        raise OptionError("output-unwritable", f"-o {folder}: no permission to write there.")
    real = os.path.realpath(folder)
    for path in (path for path in inputs if path != "-" and path.endswith(suffix)):
        if os.path.dirname(os.path.realpath(path)) == real:
            raise OptionError(
                "output-is-input",
                f"-o {folder}: {path} is in this folder, and could be overwritten.",
                "Name another folder.",
            )
