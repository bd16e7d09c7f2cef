"""lbtrace: two packet captures in, one from each side of a load balancer; what it did out.

    >>> import lbtrace
    >>> report = lbtrace.compare(
    ...     "samples/nginx-race/client.pcap", "samples/nginx-race/backend.pcap"
    ... )
    >>> report
    <Report: 1 problem in 3 requests; L7 proxy, looks like nginx (confidence: medium)>
    >>> [(problem.id, problem.slugs, problem.count, problem.of) for problem in report.problems]
    [('P1', ('keep-alive-race.backend', 'retries.repeated'), 1, 3)]

`print(report)` writes the first screen; a notebook shows it in colour. docs/python.md has more.
Everything heavy (numpy, the stages) is imported when it is first needed.
"""

from __future__ import annotations

from collections.abc import Sequence
from importlib import import_module
from os import PathLike, fspath

from lbtrace._version import __version__
from lbtrace.errors import LbtraceError

TYPE_CHECKING = False  # as in typing, which takes as long to load as all else here: until the
# command line answers Ctrl-C, Python writes a traceback
if TYPE_CHECKING:
    from lbtrace.model.expectation import CheckResult
    from lbtrace.model.problems import Problem
    from lbtrace.model.report import CaptureReport, Finding, Report
    from lbtrace.model.trace import Trace
    from lbtrace.options import Options

__all__ = [
    "CaptureReport",
    "Finding",
    "LbtraceError",
    "Options",
    "Problem",
    "Report",
    "Trace",
    "__version__",
    "check",
    "compare",
    "inspect",
    "show",
]

Path = str | PathLike[str]
Files = Path | Sequence[Path]
_WHERE = {  # classes, imported when somebody names them
    "CaptureReport": "lbtrace.model.report",
    "Finding": "lbtrace.model.report",
    "Options": "lbtrace.options",
    "Problem": "lbtrace.model.problems",
    "Report": "lbtrace.model.report",
    "Trace": "lbtrace.model.trace",
}


def __getattr__(name: str) -> object:
    if name not in _WHERE:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(_WHERE[name]), name)


def compare(
    client: Files | None = None,
    *backend: Files,
    lb: Files | None = None,
    lb_address: str | Sequence[str] = (),
    lb_port: int | Sequence[int] = (),
    clock_offset: str | None = None,
    keylog: Files | None = None,
    options: Options | None = None,
) -> Report:
    """Compare captures of the client side of a load balancer with captures of its backend side.

    `client` and each `backend` is the path of a capture (pcap or pcapng, compressed or not; "-" is
    standard input), or a list of such: the files of one side, in any order, as `--client` and
    `--backend` take them. Files that follow each other in time are one rotated capture; others are
    of several machines.

    `lb` is one capture that holds both sides, taken on the balancer itself; `lb_address` and
    `lb_port` are the balancer's own, if the capture does not show them. `clock_offset` is client
    clock − backend clock, if you know it: "37.5s", "-250ms". `keylog` are files with the secrets of
    TLS connections (SSLKEYLOGFILE).

    Returns a `Report`. Raises `LbtraceError` when a file cannot be read or is no capture. The
    content of a capture never raises.

    >>> report = compare(["samples/alb-like/client.pcap"], ["samples/alb-like/backend.pcap"])
    >>> print(report.verdict.kind, report.client_counts.syns, report.backend_counts.syns)
    l7-proxy 4 1
    """
    from dataclasses import replace

    from lbtrace.options import check_captures, check_lb, parse_offset, quiet

    options = _with_keys(options, keylog)
    if clock_offset is not None:
        options = replace(options, clock_offset_ns=parse_offset(clock_offset))
    on_balancer, clients = _files(lb), _files(client)
    addresses = [lb_address] if isinstance(lb_address, str) else list(lb_address)
    ports = [lb_port] if isinstance(lb_port, int) else list(lb_port)
    sides = [*clients, *(f for b in backend for f in _files(b))]
    check_lb(on_balancer, addresses, sides, ports)
    check_captures([*on_balancer, *sides])
    if on_balancer:
        from lbtrace.pipeline import compare_on_balancer

        return compare_on_balancer(on_balancer, addresses, options, ports=ports)
    if not clients or not backend:
        raise TypeError("compare() takes a client and a backend capture, or lb=")
    from lbtrace.model.net import Side
    from lbtrace.pipeline import compare as run
    from lbtrace.points import points_of

    return run(
        points_of([clients], Side.CLIENT, quiet),
        points_of([_files(b) for b in backend], Side.BACKEND, quiet),
        options,
    )


def _with_keys(options: Options | None, keylog: Files | None) -> Options:
    """The options, with the secrets that are named beside them."""
    from dataclasses import replace

    from lbtrace.options import DEFAULT

    options = options or DEFAULT
    return replace(options, keylogs=(*options.keylogs, *_files(keylog)))


def _files(given: Files | None) -> list[str]:
    """One path or several."""
    if given is None:
        return []
    every = [given] if isinstance(given, str | PathLike) else given
    return [fspath(path) for path in every]


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

    >>> report = compare("samples/alb-like/client.pcap", "samples/alb-like/backend.pcap")
    >>> check(report, profile="aws-alb").exit_code
    0
    """
    from lbtrace.behaviour import stored
    from lbtrace.expect import standard

    assert report.behaviour is not None
    return standard(
        None if expect is None else fspath(expect),
        profile,
        None if baseline is None else stored(fspath(baseline)),
    ).check(report.behaviour, min_exchanges)


def inspect(*files: Path, keylog: Files | None = None, options: Options | None = None) -> Trace:
    """Read one capture, or the files of a rotated one in order: its connections and HTTP exchanges.

    Raises `LbtraceError` when a file cannot be read or is no capture.

    >>> trace = inspect("samples/alb-like/client.pcap")
    >>> trace
    <Trace samples/alb-like/client.pcap: 40 packets, 4 connections, 4 exchanges>
    >>> first = trace.exchanges[0]
    >>> first.request.target, first.request.first_frame, first.response.status
    ('/divide/25', 4, 200)
    """
    from lbtrace.options import check_captures
    from lbtrace.pipeline import inspect as run

    check_captures(_files(files))
    return run([fspath(f) for f in files], options=_with_keys(options, keylog))


def show(
    *captures: Path, keylog: Files | None = None, options: Options | None = None
) -> CaptureReport:
    """Read captures, and tell what each shows alone. Files of one machine that follow each other in
    time are one rotated capture, all others captures of their own.

    Raises `LbtraceError` when a file cannot be read or is no capture.

    >>> report = show("samples/nginx-race/client.pcap", "samples/nginx-race/backend.pcap")
    >>> report
    <CaptureReport: 2 problems in 2 captures>
    >>> [(alone.trace.name, len(alone.trace.exchanges)) for alone in report.captures]
    [('samples/nginx-race/client.pcap', 3), ('samples/nginx-race/backend.pcap', 4)]
    """
    from lbtrace.options import check_captures, quiet
    from lbtrace.pipeline import show as run
    from lbtrace.points import points_of_any_side

    check_captures(_files(captures))
    return run(
        points_of_any_side([fspath(c) for c in captures], quiet), _with_keys(options, keylog)
    )
