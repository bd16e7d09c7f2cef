"""Where the results of tasks are kept: a file each, named by what it was made from.

A name is a digest of all that a result depends on: the content of captures, options, the version of
lbtrace. So a second run finds what the first one left, and a task that two workers do writes the
same file twice. A file gets its name when it is complete.

The files are Python's own (pickle), for lbtrace alone: the folder belongs to one user, and what
others can write into is never read.
"""

from __future__ import annotations

import os
import pickle
import stat
from hashlib import blake2b
from typing import Any, Final
from uuid import uuid4

import zstandard

from lbtrace._version import __version__
from lbtrace.errors import InputError, OptionError, unread
from lbtrace.guard import unfinished

FORMAT: Final = 1  # of the files; another one makes other names
_ENDS: Final = 1 << 16  # bytes of a capture that are looked at, at its beginning and its end
_LEVEL: Final = 1
_OWN: Final = 0o700
_OTHERS_WRITE: Final = stat.S_IWGRP | stat.S_IWOTH


def prepared(folder: str) -> str:
    """A folder for results, which only its owner may enter. OptionError when it cannot be one."""
    try:
        os.makedirs(folder, _OWN, exist_ok=True)
        held = os.stat(folder)
    except OSError as error:
        raise OptionError(
            "output-unwritable", f"{folder}: {error.strerror or error}.", "Name another output."
        ) from error
    if held.st_uid != os.geteuid() or held.st_mode & _OTHERS_WRITE:
        raise OptionError(
            "output-shared",
            f"{folder}: others can write there.",
            f"Results that are kept are trusted: chmod 700 {folder}, or name another output.",
        )
    return folder


def name_of(*parts: object) -> str:
    """What a result depends on → its name."""
    text = repr((FORMAT, __version__, *parts)).encode("utf-8", "surrogateescape")
    return blake2b(text, digest_size=16).hexdigest()


def content_of(path: str) -> str:
    """A digest of a file: its size, its first and its last 64 kB. InputError when it cannot be
    read.
    """
    try:
        size = os.path.getsize(path)
        with open(path, "rb") as file:
            ends = file.read(_ENDS)
            file.seek(max(size - _ENDS, 0))
            ends += file.read(_ENDS)
    except OSError as error:
        wrong, hint = unread(error)
        raise InputError("input-unreadable", f"{path}: {wrong}", hint) from error
    return blake2b(size.to_bytes(8) + ends, digest_size=16).hexdigest()


def write(path: str, thing: object) -> None:
    """Keep a thing."""
    beside = f"{path}.{uuid4().hex}.part"
    with unfinished(beside):
        compressor = zstandard.ZstdCompressor(_LEVEL)
        with open(beside, "wb") as file, compressor.stream_writer(file) as out:
            pickle.dump(thing, out, 5)
        os.replace(beside, path)


def read(path: str) -> Any:
    """A thing that `write` kept."""
    with open(path, "rb") as file, zstandard.ZstdDecompressor().stream_reader(file) as held:
        return pickle.load(held)
