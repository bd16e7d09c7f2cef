"""Streams → applications and HTTP exchanges."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from lbtrace.model.http import Application, Exchange
from lbtrace.model.stream import Connection
from lbtrace.model.trace import Diagnostic
from lbtrace.options import Options
from lbtrace.tables import StreamTable


def exchanges(
    connections: Sequence[Connection], streams: StreamTable, options: Options, progress: Callable[[str, float], None]
) -> tuple[list[Application], list[Exchange], tuple[Diagnostic, ...]]:
    """Streams → one Application per connection, and every exchange, ordered by first frame."""
    raise NotImplementedError
