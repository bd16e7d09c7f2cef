"""Run an experiment so that nothing of it can outlive it.

In: the arguments of `python -m lbtrace.lab`. Out: its files in a directory that the caller chose,
or a LabError. The experiment runs as process 1 of a PID namespace, with mount and network
namespaces of its own:

- When process 1 ends, for whatever reason (success, failure, Ctrl-C, SIGKILL), the kernel ends
  every process in that namespace.
- With the last process the network namespaces, their links and their rules go
  (network_namespaces(7), pid_namespaces(7)).
- `ip netns` keeps its names in /run/netns, and /run is a private tmpfs in here: names cannot
  collide and cannot be seen outside.

There is no list of things to undo that could be interrupted half way. `setpriv --pdeathsig` and
`unshare --kill-child` tie the experiment to the caller. Should the caller die before setpriv runs,
process 1 finds its standard input, a pipe that the caller holds open, at its end, and stops.
"""

from __future__ import annotations

import os
import select
import shlex
import shutil
import subprocess
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from lbtrace.ending import told_to_end
from lbtrace.errors import LabError

STDERR = 2
COMPLAINT = "lbtrace-lab-error:\n"  # on stderr of process 1, before slug, message and hint
DEMO = "Or see the recorded captures instead: lbtrace demo"


def require_linux_root() -> None:
    """Raise LabError unless namespaces can be made here."""
    if not sys.platform.startswith("linux"):
        raise LabError(
            "lab-not-linux",
            f"The lab needs Linux network namespaces; this is {sys.platform}.",
            DEMO,
        )
    if os.geteuid() != 0:
        raise LabError(
            "lab-not-root",
            "The lab needs root to make network namespaces.",
            f"Run it with sudo: sudo {program()} lab run … {DEMO}",
        )
    require_programs(
        {"unshare": "util-linux", "setpriv": "util-linux", "ip": "iproute2", "tcpdump": "tcpdump"}
    )
    probe = subprocess.run(
        ["unshare", "--net", "--pid", "--mount", "--fork", "true"],
        capture_output=True,
        text=True,
        check=False,
    )
    if probe.returncode != 0:
        reason = probe.stderr.strip().splitlines()[-1:] or ["unshare failed"]
        raise LabError(
            "lab-no-namespaces",
            f"Namespaces cannot be made here ({reason[0]}).",
            f"A container needs --privileged. {DEMO}",
        )


def program() -> str:
    """What sudo can run as this program: its path, for sudo searches no virtual environment."""
    started = Path(sys.argv[0])
    if started.name == "lbtrace" and os.access(started, os.X_OK):
        return shlex.quote(str(started.absolute()))
    return f"{shlex.quote(sys.executable)} -m lbtrace"


def find_program(name: str) -> str | None:
    """The path of a program, daemons in sbin included."""
    return shutil.which(name, path=search_path())


def search_path() -> str:
    """PATH, and the directories of daemons."""
    return os.environ.get("PATH", "") + ":/usr/local/sbin:/usr/sbin:/sbin"


def require_programs(programs: dict[str, str]) -> None:
    """`programs` maps a program to its Debian package. Raise LabError naming those missing and the
    command that installs them.
    """
    missing = {name: package for name, package in programs.items() if find_program(name) is None}
    if missing:
        install = "sudo apt-get install " + " ".join(sorted(set(missing.values())))
        plural = "s" if len(missing) > 1 else ""
        raise LabError(
            "lab-program-missing",
            f"Missing program{plural}: {', '.join(missing)}.",
            f"Install: {install}. {DEMO}",
        )


def run_confined(arguments: Sequence[str]) -> None:
    """Run `python -m lbtrace.lab ARGUMENTS` as process 1 of its own namespaces and wait for it.

    Raises LabError when it could not be done. SIGINT and SIGTERM end the experiment; after its end
    they raise KeyboardInterrupt.
    """
    namespaces = ["--net", "--pid", "--mount", "--ipc"]
    command = [
        "setpriv",
        "--pdeathsig",
        "KILL",
        "unshare",
        *namespaces,
        "--fork",
        "--kill-child",
        sys.executable,
        "-m",
        "lbtrace.lab",
        *arguments,
    ]
    with told_to_end(), _held_open() as alive:
        child = subprocess.Popen(
            command,
            start_new_session=True,
            stdin=alive,
            stdout=STDERR,  # what it explains is no result
            stderr=subprocess.PIPE,
            text=True,
        )
        try:
            complaint = child.communicate()[1]
        except BaseException:
            _end(child)
            raise
    if child.returncode != 0:
        raise _understood(complaint)


@contextmanager
def _held_open() -> Iterator[int]:
    """The end for reading of a pipe that is at its end as soon as this process is gone."""
    reading, writing = os.pipe()
    try:
        yield reading
    finally:
        os.close(reading)
        os.close(writing)


def stop_without_caller() -> None:
    """In process 1: end when the caller is gone already; then let go of what tells so."""
    ready, _, _ = select.select([0], [], [], 0)
    if ready and not os.read(0, 1):
        raise LabError("lab-orphan", "The caller of the experiment is gone.")
    nothing = os.open(os.devnull, os.O_RDONLY)
    os.dup2(nothing, 0)
    os.close(nothing)


def _end(child: subprocess.Popen[str]) -> None:
    """End unshare. Then --kill-child ends process 1, and the kernel everything else. Returns when
    process 1 is gone.
    """
    first = (
        Path(f"/proc/{child.pid}/task/{child.pid}/children").read_text().split()[:1]
        if child.poll() is None
        else []
    )
    watched = [os.pidfd_open(int(pid)) for pid in first]
    child.kill()
    child.wait()
    for descriptor in watched:
        select.select([descriptor], [], [], 5.0)
        os.close(descriptor)


def _understood(complaint: str) -> LabError:
    """What process 1 wrote to stderr before it ended (slug, message and hint in its last lines, or
    a traceback) → the error.
    """
    before, mark, said = complaint.rpartition(COMPLAINT)
    if mark:
        slug, message, hint = [*said.strip("\n").split("\n", 2), "", ""][:3]
        return LabError(slug, message, " ".join(hint.split()))
    last = before or complaint
    return LabError(
        "lab-failed",
        f"The experiment failed: {(last.strip().splitlines() or ['no reason given'])[-1]}",
        "This is a bug in the lab.",
    )
