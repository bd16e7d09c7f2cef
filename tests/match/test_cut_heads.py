"""Heads cut by the snapshot length: what is missing is unknown, and neither vetoes nor tells
apart.
"""

from lbtrace.correlate import correlate
from lbtrace.model.http import Mark
from lbtrace.model.trace import Trace
from lbtrace.options import DEFAULT
from tests.simulator.scenarios import SCENARIOS
from tests.simulator.score import score


def cut(trace: Trace, lines: int) -> None:
    """Keep so many field lines of each request, and no body."""
    for i, e in enumerate(trace.exchanges):
        assert e.request is not None
        body = e.request.body._replace(complete=False, digest=None, content_digest=None)
        short = e.request._replace(
            lines=e.request.lines[:lines], body=body, marks=(*e.request.marks, Mark.HEAD_TRUNCATED)
        )
        trace.exchanges[i] = e._replace(request=short)  # type: ignore[index]


def test_start_lines_and_times_still_pair() -> None:
    for name in ("two-points-identical", "own-date-and-server", "retry-reset"):
        recorded = SCENARIOS[name]().run()
        for backend in recorded.backends:
            cut(backend, 1)
        counted, said = score(recorded, correlate(recorded.clients, recorded.backends, DEFAULT))
        assert not said
        assert counted.covered > 0.9, name
