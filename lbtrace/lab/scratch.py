"""Files of an experiment that are for nobody else, and directories of which nothing is left.

A scratch directory is named after the process that made it. One that a process could not remove,
because it was killed, is removed by the next run. Keys are written to files that only their owner
reads, and never through a link that somebody put there.
"""

from __future__ import annotations

import os
import shutil
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import BinaryIO, Final

from lbtrace.lab.confine import interruptible

PREFIX: Final = "lbtrace-lab-"


@contextmanager
def scratch_directory() -> Iterator[Path]:
    """A directory that is deleted afterwards, also when the experiment is ended."""
    sweep()
    with (
        interruptible(),
        tempfile.TemporaryDirectory(prefix=f"{PREFIX}{os.getpid()}-") as name,
    ):
        yield Path(name)


def sweep() -> None:
    """Remove the scratch directories of this user whose process is gone."""
    for directory in Path(tempfile.gettempdir()).glob(f"{PREFIX}*-*"):
        owner = directory.name.removeprefix(PREFIX).partition("-")[0]
        with suppress(OSError):
            is_mine = directory.lstat().st_uid == os.geteuid() and not directory.is_symlink()
            if is_mine and owner.isdigit() and not _is_alive(int(owner)):
                shutil.rmtree(directory, ignore_errors=True)


def _is_alive(process: int) -> bool:
    try:
        os.kill(process, 0)
    except ProcessLookupError:
        return False
    except OSError:
        return True
    return True


def private_file(path: Path) -> BinaryIO:
    """A file to write to that only its owner may read. OSError when it is a link."""
    flags = os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_NOFOLLOW
    number = os.open(path, flags, 0o600)
    os.fchmod(number, 0o600)  # it may have been there
    return os.fdopen(number, "wb")


def hand_over(directory: Path, environment: Mapping[str, str]) -> None:
    """Give a directory and what is in it to whoever called sudo: the learner reads the captures
    without root. Nothing happens without sudo.
    """
    owner = environment.get("SUDO_UID", ""), environment.get("SUDO_GID", "")
    if os.geteuid() != 0 or not all(number.isdigit() for number in owner):
        return
    for path in (directory, *directory.rglob("*")):
        os.chown(path, int(owner[0]), int(owner[1]), follow_symlinks=False)
