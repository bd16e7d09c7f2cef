"""Files of one side → capture points: which files are one rotated capture, and which were taken at different places.

One machine writes one file after the other; two machines capture at the same time. So files whose windows of time do not overlap
are one capture point, in order of time, and a connection may span them; a file that overlaps another is a point of its own. The time
stamps at the seam of a rotation may step back a little, so an overlap of a few milliseconds does not count.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

from lbtrace.capture import read

SEAM_NS = 10_000_000


def points(files: Sequence[str], progress: Callable[[str, float], None]) -> list[list[str]]:
    """Files of one side, in any order → the files of each capture point, each in order of time.

    A file without a timed frame goes with the point before it. A single file is not opened. Raises InputError.
    """
    if len(files) < 2:
        return [list(files)]
    windows: list[tuple[int, int, str]] = []
    empty: list[str] = []
    for path in files:
        file = read([path], progress).files[0]
        if file.first_ns is None or file.last_ns is None:
            empty.append(path)
        else:
            windows.append((file.first_ns, file.last_ns, path))
    found: list[tuple[int, list[str]]] = []  # (end of its last file, its files)
    for first_ns, last_ns, path in sorted(windows):
        for i, (end_ns, rotated) in enumerate(found):
            if first_ns >= end_ns - SEAM_NS and last_ns > end_ns:
                found[i] = (last_ns, [*rotated, path])
                break
        else:
            found.append((last_ns, [path]))
    if not found:
        return [list(files)]
    found[0][1].extend(empty)
    return [rotated for _, rotated in found]
