"""Files on disk → RecordTable (see lbtrace.tables)."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from lbtrace.tables import Recording


def read(files: Sequence[str], progress: Callable[[str, float], None]) -> Recording:
    """The files of one capture point, in order → one Recording. Raises InputError."""
    raise NotImplementedError
