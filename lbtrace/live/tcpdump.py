"""What runs at a place, and what its words mean: tcpdump below a shell that ends it when standard
input is closed.

In: an interface and a filter. Out: the words of a command, the same at every place; and from the
lines that it writes to standard error, whether it listens, what it counted, or why it failed. The
script is constant: what a user typed only ever is an argument of it.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from typing import NamedTuple

# $1 is the SSH connection that the packets themselves may leave by, as sshd states it in
# SSH_CONNECTION: were it captured, each packet would cause the next one. $2 is the filter, the rest
# is tcpdump. A shell gives what it starts in the background no standard input, so that is kept as
# 3. TERM, for such a process ignores INT. `wait` is told of a signal before tcpdump has ended.
SCRIPT = (
    "exec 3<&0; own=$1; filter=$2; shift 2; "
    'if [ "$own" ]; then peer=${own%% *}; port=${own#* }; '
    'filter="($filter) and not (tcp and host ${peer%%%*} and port ${port%% *})"; fi; '
    """dump=; ended=; trap 'ended=1; [ -z "$dump" ] || kill $dump' HUP INT TERM; """
    '"$@" "$filter" </dev/null 3<&- & dump=$!; [ -z "$ended" ] || kill $dump; '
    "{ while read -r line <&3; do :; done; kill $dump; } >/dev/null 2>&1 & watch=$!; "
    "exec 3<&-; "
    "while :; do wait $dump; code=$?; kill -0 $dump 2>/dev/null || break; done; "
    "kill $watch 2>/dev/null; exit $code"
)
PROGRAM = (
    "tcpdump",
    "-n",
    "-U",
    "--immediate-mode",
    "-s",
    "0",
    "-B",
    "16384",  # KiB that wait to be read: eight times the usual, so that fewer are dropped
    "--time-stamp-precision=nano",
    "-w",
    "-",
    "-i",
)
MOST = 300  # characters of what is told of a failure

Hints = Sequence[
    tuple[str, str]
]  # (what standard error has in it, what to do), the first that fits

_ROOT = "tcpdump needs root or CAP_NET_RAW there: log in as root, or give --sudo."
HINTS: Hints = (
    ("permission to", _ROOT),
    ("operation not permitted", _ROOT),
    ("cap_net_raw", _ROOT),
    ("no such device", "Its interfaces are listed there by: tcpdump -D"),
    ("sudo: ", "sudo must let this user run sh without a password (NOPASSWD), or log in as root."),
    ("tcpdump: not found", "Install tcpdump there."),
    ("tcpdump: command not found", "Install tcpdump there."),
    ("tcpdump: inaccessible or not found", "Install tcpdump there."),
    ("filter expression", 'Write --filter as for tcpdump: "tcp port 80".'),
    ("syntax error", 'Write --filter as for tcpdump: "tcp port 80".'),
    ("unknown host", 'Write --filter as for tcpdump: "tcp port 80".'),
)
_LISTENING = re.compile(r"\blistening on \S")
_COUNT = re.compile(
    r"(\d+) packets? (captured|received by filter|dropped by (?:kernel|interface))\Z"
)


class Command(NamedTuple):
    """The words that run at a place; between `before` and `after` stands the SSH connection."""

    before: tuple[str, ...]
    after: tuple[str, ...]

    def words(self, own: str) -> tuple[str, ...]:
        """All of them. `own` is the SSH connection, "" for none."""
        return (*self.before, own, *self.after)


class TcpdumpCounts(NamedTuple):
    """What tcpdump said when it ended; None is what it did not say."""

    captured: int | None = None
    received: int | None = None
    dropped: int | None = None  # by the kernel: tcpdump was too slow
    dropped_by_interface: int | None = None

    @property
    def lost(self) -> int | None:
        """How many packets passed the filter and are not there."""
        return None if self.dropped is None else self.dropped + (self.dropped_by_interface or 0)


def command(interface: str, filter_: str) -> Command:
    """tcpdump on an interface, below the script."""
    return Command(("sh", "-c", SCRIPT, "lbtrace"), (filter_, *PROGRAM, interface, "--"))


def listens(line: str) -> bool:
    """Whether it says that packets are captured from now on."""
    return _LISTENING.search(line) is not None


def counts(said: Iterable[str]) -> TcpdumpCounts:
    """What it wrote → what it counted."""
    found = {match[2]: int(match[1]) for line in said if (match := _COUNT.match(line))}
    return TcpdumpCounts(
        found.get("captured"),
        found.get("received by filter"),
        found.get("dropped by kernel"),
        found.get("dropped by interface"),
    )


def reason(said: Sequence[str], code: int | None, hints: Hints) -> tuple[str, str]:
    """What it wrote before it ended → (why it failed, what to do), "" where that is not known.
    `hints` are those of the kind of place; they come first.
    """
    for fragment, advice in (*hints, *HINTS):
        for line in said:
            if fragment.lower() in line.lower():
                return _cut(line), advice
    words = [line for line in said if not listens(line) and not _COUNT.match(line)]
    return (_cut(words[-1]) if words else f"it ended with exit code {code}"), ""


def _cut(line: str) -> str:
    line = line.strip().rstrip(".")
    return line if len(line) <= MOST else f"{line[:MOST]}…"
