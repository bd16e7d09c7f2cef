"""`python -m tests.bench`: what lbtrace costs, beside other programs, on generated captures.

It prints the tables of docs/performance.md, as they stand there: `show` beside tshark, tcpdump,
tcptrace, a loop over dpkt and a plain C program that does the least (floor.c); then `compare`; then
what opening TLS costs. With --versus the same lbtrace work is done by an older lbtrace, by turns.

Programs that are not installed are named and left out. "Own" memory is what lbtrace needs beyond
the idle interpreter and the mapped file. Nothing here passes or fails: it is a measurement.
"""

from __future__ import annotations

import argparse
import sys
import tempfile
from collections.abc import Mapping
from pathlib import Path

from tests.bench import tls
from tests.bench.generate import HTTP2, KINDS, PAIRS, write, write_pair
from tests.bench.measure import Cost, MarkdownTable, ratio, run, seconds, thousands
from tests.bench.programs import NAMES, NO_HTTP2, built_floor, commands, lbtrace, missing
from tests.bench.versus import Versus

LONG = 800_000
DEFAULT_PAIRS = ("reuse", "kept", "identical", "nat")
SHOW = {
    "lbtrace": "lbtrace",
    "page": "page",
    "floor": "C floor",
    "tshark": "tshark",
    "tcpdump": "tcpdump",
    "tcptrace": "tcptrace",
    "dpkt": "dpkt's loop",
}
RATIOS = ("tshark ÷ lbtrace", "lbtrace ÷ tcpdump", "lbtrace ÷ floor")
MEMORY = ("own memory per packet", "most anonymous")
COMPARE = ("pair", "exchanges a side", "packets", "CPU s", "µs per exchange", "peak MB",
           "anonymous MB")  # fmt: skip


def options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        prog="python -m tests.bench", description=__doc__.splitlines()[0] if __doc__ else None
    )
    add = parser.add_argument
    add("--packets", type=int, default=1_000_000, help="packets per capture (default: one million)")
    add("--kinds", nargs="*", choices=KINDS, default=list(KINDS), help="which captures")
    add("--exchanges", type=int, default=200_000, help="exchanges a side for compare")
    add("--pairs", nargs="*", choices=PAIRS, default=list(DEFAULT_PAIRS),
        help="which pairs to compare")  # fmt: skip
    add("--long", action="store_true",
        help=f"compare {LONG} exchanges a side too: five minutes for each pair, 5 GB")  # fmt: skip
    add("--only", nargs="+", choices=NAMES, help="only these programs, and show alone")
    add("--no-tls", dest="tls", action="store_false", help="without the costs of TLS")
    add("--versus", metavar="PYTHON",
        help="only lbtrace, beside the older one of this interpreter, by turns")  # fmt: skip
    add("--seed", type=int, default=1)
    add("--write", type=Path, metavar="FILE",
        help="only write the capture of the first kind there")  # fmt: skip
    return parser.parse_args()


def main() -> None:
    wanted = options()
    if wanted.write:
        print(f"{write(wanted.write, wanted.kinds[0], wanted.packets, wanted.seed)} packets")
        return
    with tempfile.TemporaryDirectory(prefix="lbtrace-bench-") as name:
        folder = Path(name)
        if wanted.versus:
            versus_table(folder, wanted)
            return
        if wanted.kinds:
            show_table(folder, wanted)
        if wanted.pairs and not wanted.only:
            compare_table(folder, wanted)
    if wanted.tls and not wanted.only:
        tls.tables()


def show_table(folder: Path, wanted: argparse.Namespace) -> None:
    """Every program on every kind of capture."""
    idle = run([sys.executable, "-c", "import lbtrace.cli, numpy"])
    floor = built_floor(folder)
    left_out = dict(missing(floor))
    names = [n for n in SHOW if n not in left_out and (not wanted.only or n in wanted.only)]
    print(f"Interpreter with numpy, doing nothing: {seconds(idle.cpu_s)}, "
          f"{idle.peak_bytes / 1e6:.0f} MB.")  # fmt: skip
    if left_out:
        said = ", ".join(f"{name} ({why})" for name, why in left_out.items())
        print(f"Left out: {said}.")
    table = MarkdownTable(
        "Measured: show",
        (f"capture, {thousands(wanted.packets)} packets", *(SHOW[n] for n in names), *RATIOS,
         *MEMORY),
    )  # fmt: skip
    for kind in wanted.kinds:
        capture = folder / f"{kind}.pcap"
        packets = write(capture, kind, wanted.packets, wanted.seed)
        size = capture.stat().st_size
        able = [n for n in names if kind not in HTTP2 or n not in NO_HTTP2]
        every = commands(capture, floor)
        costs = {name: run(every[name]) for name in able}
        figures = {SHOW[n]: seconds(cost.cpu_s) + cost.note for n, cost in costs.items()}
        figures |= ratios(costs)
        if own := costs.get("lbtrace"):  # it maps the file: its pages are the system's to take back
            each = (own.peak_bytes - idle.peak_bytes - size) / packets
            figures[MEMORY[0]] = f"{max(each, 0):.0f} B"
            figures[MEMORY[1]] = f"{own.anonymous_bytes / 1e6:.0f} MB"
        table.row(f"`{kind}`, {thousands(round(size / 1e6))} MB", figures)
        capture.unlink()


def ratios(costs: Mapping[str, Cost]) -> dict[str, str]:
    """The ratios of which both sides were measured, by their columns."""
    found = {}
    for column, (above, below) in zip(
        RATIOS, (("tshark", "lbtrace"), ("lbtrace", "tcpdump"), ("lbtrace", "floor")), strict=True
    ):
        if above in costs and below in costs and costs[below].cpu_s:
            found[column] = ratio(costs[above].cpu_s / costs[below].cpu_s)
    return found


def compare_table(folder: Path, wanted: argparse.Namespace) -> None:
    """`lbtrace compare` on every kind of pair, at a quarter of the exchanges and at all of them:
    the cost of one must not grow.
    """
    table = MarkdownTable("Measured: compare", COMPARE)
    front, back = folder / "client.pcap", folder / "backend.pcap"
    for name in wanted.pairs:
        for most in (wanted.exchanges // 4, wanted.exchanges, *([LONG] if wanted.long else [])):
            exchanges, packets = write_pair(front, back, name, most, wanted.seed)
            cost = run(lbtrace(*compare_words(front, back)))
            figures = (
                thousands(exchanges),
                thousands(packets),
                f"{cost.cpu_s:.1f}{cost.note}",
                f"{cost.cpu_s / exchanges * 1e6:.0f}",
                thousands(round(cost.peak_bytes / 1e6)),
                thousands(round(cost.anonymous_bytes / 1e6)),
            )
            table.row(f"`{name}`", dict(zip(COMPARE[1:], figures, strict=True)))


def compare_words(front: Path, back: Path) -> list[str]:
    """One process, so that its CPU time and memory are those of the whole."""
    return ["compare", str(front), str(back), "--format", "json", "--jobs", "1"]


def versus_table(folder: Path, wanted: argparse.Namespace) -> None:
    """`show` on every kind of capture and `compare` on every kind of pair, with both lbtraces."""
    versus = Versus(wanted.versus)
    capture, front, back = (folder / f"{n}.pcap" for n in ("capture", "client", "backend"))
    for kind in wanted.kinds:
        write(capture, kind, wanted.packets, wanted.seed)
        versus.row(f"show `{kind}`", ["show", str(capture), "--format", "json"])
    for name in wanted.pairs:
        write_pair(front, back, name, wanted.exchanges, wanted.seed)
        versus.row(f"compare `{name}`", compare_words(front, back))


if __name__ == "__main__":
    main()
