"""lbtrace: two packet captures in, one from each side of a load balancer; what it did out.

    import lbtrace
    report = lbtrace.compare("client.pcap", "backend.pcap")
    print(report.verdict.kind, report.client_counts.syns, report.backend_counts.syns)

Everything heavy (numpy, the stages) is imported when it is first needed.
"""

from __future__ import annotations

from os import PathLike, fspath
from typing import TYPE_CHECKING

from lbtrace._version import __version__
from lbtrace.errors import LbtraceError

if TYPE_CHECKING:
    from lbtrace.model.expectation import CheckResult
    from lbtrace.model.report import CaptureReport, Report
    from lbtrace.model.trace import Trace
    from lbtrace.options import Options

__all__ = ["LbtraceError", "__version__", "check", "compare", "inspect", "show"]

Path = str | PathLike[str]


def compare(client: Path, *backends: Path, options: Options | None = None) -> Report:
    """Compare a capture of the client side of a load balancer with one or more of its backend side.

    `client` and each of `backends` is the path of a capture: pcap or pcapng, compressed or not; "-"
    is standard input. Returns a `Report`. Raises `LbtraceError` when a file cannot be read or is no
    capture. The content of a capture never raises.
    """
    from lbtrace.options import DEFAULT
    from lbtrace.pipeline import compare as run

    return run([[fspath(client)]], [[fspath(b)] for b in backends], options or DEFAULT)


def check(
    report: Report,
    *,
    expect: Path | None = None,
    profile: str | None = None,
    baseline: Path | None = None,
    min_exchanges: int = 1,
) -> CheckResult:
    """Hold a report against what the balancer must do (docs/check.md): `expect` is a file of
    expectations, `profile` the id of a known balancer, `baseline` a report in JSON of a good run.
    All that are given must hold. `CheckResult.exit_code` is that of `lbtrace check`. Raises
    `LbtraceError` when a file or an id is not as it must be.
    """
    from lbtrace.behaviour import stored
    from lbtrace.expect import check as run

    assert report.behaviour is not None
    return run(
        report.behaviour,
        None if expect is None else fspath(expect),
        profile,
        None if baseline is None else stored(fspath(baseline)),
        min_exchanges,
    )


def inspect(*files: Path, options: Options | None = None) -> Trace:
    """Read one capture, or the files of a rotated one in order: its connections and HTTP exchanges.

    Raises `LbtraceError` when a file cannot be read or is no capture.
    """
    from lbtrace.options import DEFAULT
    from lbtrace.pipeline import inspect as run

    return run([fspath(f) for f in files], options=options or DEFAULT)


def show(*captures: Path, options: Options | None = None) -> CaptureReport:
    """Read captures, and tell what each shows alone. Files of one machine that follow each other in
    time are one rotated capture, all others captures of their own.

    Raises `LbtraceError` when a file cannot be read or is no capture.
    """
    from lbtrace.options import DEFAULT, quiet
    from lbtrace.pipeline import show as run
    from lbtrace.points import points_of_any_side

    return run(points_of_any_side([fspath(c) for c in captures], quiet), options or DEFAULT)
