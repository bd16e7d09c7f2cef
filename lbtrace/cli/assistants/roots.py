"""A path as an assistant gave it → a file or a folder below one of the roots.

Symbolic links are resolved first. One error says all of it: whether there is something outside of
the roots is not told, nor where a link leads.
"""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator, Sequence

from lbtrace.capture.source import begins_well
from lbtrace.errors import InputError, OptionError


def is_capture(path: str) -> bool:
    """Whether a file can be read, and begins as a capture."""
    try:
        return begins_well(path)
    except OSError:
        return False


class Roots:
    """The directories that may be read, with everything below them."""

    def __init__(self, folders: Sequence[str]) -> None:
        for folder in folders:
            if not os.path.isdir(folder):
                raise OptionError("bad-root", f"--root {folder}: this is no directory.")
        self.folders = tuple(dict.fromkeys(os.path.realpath(folder) for folder in folders))

    def file(self, given: str) -> str:
        """The real path of a file. InputError when it is none, or not below a root."""
        found = self._below(given)
        if found is None or not os.path.isfile(found):
            raise self._error(given, "file")
        return found

    def is_folder(self, given: str) -> bool:
        """Whether it is a folder below a root."""
        found = self._below(given)
        return found is not None and os.path.isdir(found)

    def captures(self, given: Iterable[str]) -> list[str]:
        """The real paths of captures; a folder stands for those in it."""
        found = []
        for path in given:
            if not self.is_folder(path):
                found.append(self.file(path))
                continue
            inside = [real for _, real in self.folder_files(path) if is_capture(real)]
            if not inside:
                raise self._error(path, "directory with captures")
            found += inside
        return found

    def folder_files(self, given: str) -> list[tuple[str, str]]:
        """The files of a folder: (name, real path), by name."""
        folder = self._below(given)
        if folder is None or not os.path.isdir(folder):
            raise self._error(given, "directory")
        try:
            names = sorted(os.listdir(folder))
        except OSError:  # it may not be read, or is gone
            raise self._error(given, "directory") from None
        return [
            (name, os.path.realpath(os.path.join(folder, name)))
            for name in names
            if self._is_file(folder, name)
        ]

    def _is_file(self, folder: str, name: str) -> bool:
        found = self._below(os.path.join(folder, name))
        return found is not None and os.path.isfile(found)

    def _below(self, given: str) -> str | None:
        """The real path, if it is below a root. A relative path is looked for in each of them."""
        if "\0" in given:
            return None
        places = [os.path.realpath(os.path.join(root, given)) for root in self.folders]
        inside = [
            path
            for path in places
            if any(path == root or path.startswith(root.rstrip("/") + "/") for root in self.folders)
        ]
        there = [path for path in inside if os.path.exists(path)]
        return there[0] if there else None

    def listed(self, most: int) -> Iterator[tuple[str, int]]:
        """All captures below the roots, as real paths with their sizes in bytes, of the first
        `most` files. One that goes meanwhile is left out.
        """
        looked_at = 0
        for root in self.folders:
            for folder, folders, names in os.walk(root):
                folders.sort()
                for name in sorted(names):
                    path, looked_at = os.path.join(folder, name), looked_at + 1
                    if looked_at > most:
                        return
                    if not os.path.islink(path) and os.path.isfile(path) and is_capture(path):
                        try:
                            size = os.path.getsize(path)
                        except OSError:
                            continue
                        yield path, size

    def _error(self, given: str, what: str) -> InputError:
        return InputError(
            "not-below-a-root",
            f"{given}: there is no such {what} below {', '.join(self.folders)}.",
            "The tool `captures` lists what there is.",
        )
