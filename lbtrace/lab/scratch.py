"""Files of an experiment that are for nobody else, and directories of which nothing is left.

A scratch directory lies in a file system in memory that only this process and its children see
(mount_namespaces(7)). When the last of them ends, however it ends, the kernel frees it. Where no
such file system can be had, the directory lies in the temporary folder and is named after the
process that made it; if that was killed, the next run removes it. Keys are written to files that
only their owner reads, and never through a link that somebody put there; what is kept of an
experiment is its owner's alone.
"""

from __future__ import annotations

import ctypes
import os
import shutil
import tempfile
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager, suppress
from functools import cache
from pathlib import Path
from typing import BinaryIO, Final

from lbtrace.ending import told_to_end

PREFIX: Final = "lbtrace-lab-"
PLACE: Final = Path("/proc/fs")  # is always there, holds nobody's files, and nothing here reads it
PLACE_BYTES: Final = 1 << 30
CLONE_NEWNS, MS_REC, MS_PRIVATE = 0x20000, 0x4000, 1 << 18  # sched.h, sys/mount.h


@contextmanager
def scratch_directory() -> Iterator[Path]:
    """A directory of which nothing is left afterwards."""
    sweep()
    with (
        told_to_end(),
        tempfile.TemporaryDirectory(prefix=f"{PREFIX}{os.getpid()}-", dir=_place()) as name,
    ):
        yield Path(name)


@cache
def _place() -> Path | None:
    """A file system in memory of this process's own, from now on; None where there can be none."""
    libc = ctypes.CDLL(None, use_errno=True)
    if os.geteuid() != 0 or not hasattr(libc, "unshare") or libc.unshare(CLONE_NEWNS) != 0:
        return None
    mount, options = libc.mount, f"mode=0700,size={PLACE_BYTES}".encode()
    mount.argtypes = [*[ctypes.c_char_p] * 3, ctypes.c_ulong, ctypes.c_char_p]
    private = mount(b"none", b"/", None, MS_REC | MS_PRIVATE, None) == 0
    if private and mount(b"tmpfs", bytes(PLACE), b"tmpfs", 0, options) == 0:
        return PLACE
    return None


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


def shut(directory: Path) -> None:
    """Make a directory and what is in it its owner's alone: whoever wrote there is done."""
    for path in (directory, *directory.rglob("*")):
        if not path.is_symlink():
            path.chmod(0o700 if path.is_dir() else 0o600)


def hand_over(directory: Path, environment: Mapping[str, str]) -> None:
    """Give a directory and what is in it to whoever called sudo: the learner reads the captures
    without root. Nothing happens without sudo.
    """
    hand_over_each((directory, *directory.rglob("*")), environment)


def hand_over_each(paths: Iterable[Path], environment: Mapping[str, str]) -> None:
    """Give these to whoever called sudo, and nothing else."""
    owner = environment.get("SUDO_UID", ""), environment.get("SUDO_GID", "")
    if os.geteuid() != 0 or not all(number.isdigit() for number in owner):
        return
    for path in paths:
        os.chown(path, int(owner[0]), int(owner[1]), follow_symlinks=False)
