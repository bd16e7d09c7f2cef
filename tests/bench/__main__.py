"""`python -m tests.bench`: lbtrace next to tshark, tcpdump and dpkt on generated captures, as a
table of ratios; then `lbtrace compare`.

Each program runs as a process of its own, its output thrown away; CPU time is user + system of that
process and its children (wait4), memory the peak resident set. The interpreter's own cost is
measured too and taken off the memory. Programs that are not installed are named and left out; "own"
is what lbtrace needs beyond that and the mapped file. Nothing here passes or fails: it is a
measurement, for docs/performance.md.
"""

from __future__ import annotations

import argparse
import os
import shutil
import sys
import tempfile
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from tests.bench.generate import KINDS, PAIRS, write, write_pair

_TSHARK_FIELDS = (
    "frame.number",
    "tcp.stream",
    "http.request.method",
    "http.request.uri",
    "http.response.code",
    "http.content_length",
)


@dataclass(frozen=True)
class Cost:
    """What one process took. `status` is its exit code. `anonymous_bytes`: the most memory it had
    that is no part of a file, as far as looking every hundredth of a second shows; 0 where the
    system does not tell.
    """

    cpu_s: float
    peak_bytes: int
    status: int
    anonymous_bytes: int = 0


def commands(capture: Path) -> dict[str, list[str]]:
    """The programs and how each is asked to read the capture."""
    fields = [word for name in _TSHARK_FIELDS for word in ("-e", name)]
    show = [sys.executable, "-m", "tests.bench.show", "show", str(capture)]
    return {
        "lbtrace": [*show, "--format", "json"],
        "page": show,
        "tshark": ["tshark", "-2", "-n", "-r", str(capture), "-Y", "http", "-T", "fields", *fields],
        "tcpdump": ["tcpdump", "-r", str(capture), "-w", "/dev/null"],
        "dpkt": [sys.executable, "-m", "tests.bench.dpkt_loop", str(capture)],
    }


def run(command: Sequence[str]) -> Cost:
    """Run it, output thrown away."""
    pid = os.fork()
    if pid == 0:
        sink = os.open(os.devnull, os.O_WRONLY)
        os.dup2(sink, 1)
        os.dup2(sink, 2)
        try:
            os.execvp(command[0], list(command))
        except OSError:
            os._exit(127)
    anonymous = 0
    while True:
        ended, status, usage = os.wait4(pid, os.WNOHANG)
        if ended:
            break
        anonymous = max(anonymous, _anonymous_bytes(pid))
        time.sleep(0.01)
    return Cost(
        usage.ru_utime + usage.ru_stime,
        usage.ru_maxrss * 1024,
        os.waitstatus_to_exitcode(status),
        anonymous,
    )


def _anonymous_bytes(pid: int) -> int:
    """Memory of a process that is no part of a file, now."""
    try:
        status = Path(f"/proc/{pid}/status").read_text()
    except OSError:
        return 0
    found = [line.split()[1] for line in status.splitlines() if line.startswith("RssAnon:")]
    return int(found[0]) * 1024 if found else 0


def main() -> None:
    parser = argparse.ArgumentParser(
        prog="python -m tests.bench", description=__doc__.splitlines()[0] if __doc__ else None
    )
    parser.add_argument(
        "--packets", type=int, default=1_000_000, help="packets per capture (default: one million)"
    )
    parser.add_argument(
        "--kinds",
        nargs="*",
        choices=KINDS,
        default=list(KINDS),
        help="which captures (none: compare only)",
    )
    parser.add_argument(
        "--exchanges", type=int, default=200_000, help="exchanges a side for compare"
    )
    parser.add_argument(
        "--pairs",
        nargs="*",
        choices=PAIRS,
        default=list(PAIRS),
        help="which pairs to compare (none: show only)",
    )
    parser.add_argument(
        "--only",
        nargs="+",
        choices=("lbtrace", "page", "tshark", "tcpdump", "dpkt"),
        help="which programs",
    )
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument(
        "--write", type=Path, metavar="FILE", help="only write the capture of the first kind there"
    )
    options = parser.parse_args()
    if options.write:
        print(f"{write(options.write, options.kinds[0], options.packets, options.seed)} packets")
        return
    idle = run([sys.executable, "-c", "import lbtrace.cli, numpy"])
    print(
        f"Interpreter with numpy, doing nothing: {idle.cpu_s:.2f} s, {idle.peak_bytes / 1e6:.0f} "
        "MB\n"
    )
    missing: set[str] = set()
    with tempfile.TemporaryDirectory(prefix="lbtrace-bench-") as folder:
        if options.kinds:
            missing = show_table(Path(folder), options, idle)
        if options.pairs and not options.only:
            compare_table(Path(folder), options)
    if missing:
        print("\nNot installed, left out: " + ", ".join(sorted(missing)))


def show_table(folder: Path, options: argparse.Namespace, idle: Cost) -> set[str]:
    """Every program on every kind of capture; returns the programs that are not installed."""
    missing: set[str] = set()
    print("| capture | program | CPU s | × lbtrace | peak MB | anonymous MB | own B per packet |")
    print("|---|---|---:|---:|---:|---:|---:|")
    for kind in options.kinds:
        capture = folder / f"{kind}.pcap"
        packets = write(capture, kind, options.packets, options.seed)
        title = f"{kind}, {packets:,} packets, {capture.stat().st_size / 1e6:.0f} MB"
        own: Cost | None = None
        for name, command in commands(capture).items():
            if options.only and name not in options.only:
                continue
            if shutil.which(command[0]) is None:
                missing.add(name)
                continue
            cost = run(command)
            own = own or (cost if name == "lbtrace" else None)
            ratio = f"{cost.cpu_s / own.cpu_s:.2f}" if own else ""
            mapped = (
                capture.stat().st_size
            )  # lbtrace maps the file: its pages are resident, and the system's to take back
            each = (
                f"{(cost.peak_bytes - idle.peak_bytes - mapped) / packets:.0f}"
                if name in ("lbtrace", "page")
                else ""
            )
            note = "" if cost.status == 0 else f" (exit {cost.status})"
            print(
                f"| {title} | {name}{note} | {cost.cpu_s:.2f} | {ratio} | "
                f"{cost.peak_bytes / 1e6:.0f} | {cost.anonymous_bytes / 1e6:.0f} | {each} |",
                flush=True,
            )
        capture.unlink()
    return missing


def compare_table(folder: Path, options: argparse.Namespace) -> None:
    """`lbtrace compare` on every kind of pair, at a quarter of the exchanges and at all of them:
    the cost of one must not grow.
    """
    print(
        "\n| pair | exchanges a side | packets | CPU s | µs per exchange | peak MB | anonymous MB |"
    )
    print("|---|---:|---:|---:|---:|---:|---:|")
    front, back = folder / "client.pcap", folder / "backend.pcap"
    for name in options.pairs:
        for wanted in (options.exchanges // 4, options.exchanges):
            exchanges, packets = write_pair(front, back, name, wanted, options.seed)
            cost = run(
                [
                    sys.executable,
                    "-m",
                    "tests.bench.show",
                    "compare",
                    str(front),
                    str(back),
                    "--format",
                    "json",
                    "--jobs",
                    "1",
                ]
            )
            note = "" if cost.status == 0 else f" (exit {cost.status})"
            each = cost.cpu_s / exchanges * 1e6
            print(
                f"| {name}{note} | {exchanges:,} | {packets:,} | {cost.cpu_s:.1f} | {each:.0f} | "
                f"{cost.peak_bytes / 1e6:.0f} | {cost.anonymous_bytes / 1e6:.0f} |",
                flush=True,
            )


if __name__ == "__main__":
    main()
