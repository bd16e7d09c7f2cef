"""Two sides → what belongs together."""

from __future__ import annotations

from collections.abc import Sequence

from lbtrace.model.pairing import Correlation
from lbtrace.model.trace import Trace
from lbtrace.options import Options


def correlate(clients: Sequence[Trace], backends: Sequence[Trace], options: Options) -> Correlation:
    """Client traces and backend traces → Correlation."""
    raise NotImplementedError
