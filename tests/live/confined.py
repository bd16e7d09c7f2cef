"""What `test_network` runs as process 1 of its own namespaces: the lab's network with nginx as the
balancer, an sshd on the backend if there is one, and then lbtrace, which captures there.

    python -m tests.live.confined FOLDER WORD…

The words follow `lbtrace capture`. They are run on the host "vpc", from where ssh reaches the
backend. Afterwards it writes the exit code, and whatever tcpdump is still there, into FOLDER.
"""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import time
from pathlib import Path

from lbtrace.lab.addresses import INSTANCE, IPV4, VPC
from lbtrace.lab.confine import find_program
from lbtrace.lab.experiment import Experiment, prepare, start_balancer
from lbtrace.lab.network import Network
from lbtrace.lab.registry import find_balancer, find_traffic
from lbtrace.model.net import Endpoint

SSHD = """Port 22
HostKey {keys}/host
AuthorizedKeysFile {keys}/user.pub
PasswordAuthentication no
PermitRootLogin yes
StrictModes no
PidFile none
"""
SSH = """#!/bin/sh
exec {ssh} -F none -o IdentityFile={keys}/user -o IdentitiesOnly=yes \\
  -o UserKnownHostsFile={keys}/known -o StrictHostKeyChecking=yes -o LogLevel=ERROR "$@"
"""


def start_sshd(network: Network, keys: Path) -> Path:
    """An sshd on the backend; returns the folder of an ssh that knows it."""
    programs = keys / "bin"
    programs.mkdir(parents=True)
    for name in ("host", "user", "other"):
        words = ["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", str(keys / name)]
        subprocess.run(words, check=True)
    public = (keys / "host.pub").read_text()
    (keys / "known").write_text(f"{IPV4.instance} {public}")
    (keys / "sshd_config").write_text(SSHD.format(keys=keys))
    (programs / "ssh").write_text(SSH.format(ssh=shutil.which("ssh"), keys=keys))
    (programs / "ssh").chmod(0o755)
    os.makedirs("/run/sshd", exist_ok=True)  # /run is this experiment's own
    sshd = find_program("sshd")
    assert sshd is not None
    started = network.start(INSTANCE, [sshd, "-D", "-e", "-f", str(keys / "sshd_config")])
    network.wait_for_port(INSTANCE, Endpoint(IPV4.instance, 22), started)
    return programs


def running(name: str) -> list[str]:
    """The command lines of the programs of that name, after they had a moment to go."""
    until = time.monotonic() + 5
    while (found := _running(name)) and time.monotonic() < until:
        time.sleep(0.05)
    return found


def _running(name: str) -> list[str]:
    found = []
    for process in Path("/proc").glob("[0-9]*"):
        try:
            words = (process / "cmdline").read_bytes().split(b"\0")
        except OSError:
            continue
        if Path(words[0].decode(errors="replace")).name == name:
            found.append(b" ".join(words).decode(errors="replace"))
    return found


def main(folder: Path, words: list[str]) -> None:
    """Build, capture, look what is left."""
    logs = folder / "logs"
    logs.mkdir()
    network = Network(logs)
    network.build()
    experiment = Experiment(find_balancer("nginx"), find_traffic("four"), folder)
    start_balancer(network, experiment, prepare(network, experiment))
    path = os.environ["PATH"]
    if any(word.startswith("ssh://") for word in words):
        path = f"{start_sshd(network, folder / 'keys')}:{path}"
        if "wrong-key" in words:
            words.remove("wrong-key")
            public = (folder / "keys/other.pub").read_text()
            (folder / "keys/known").write_text(f"{IPV4.instance} {public}")
    process = subprocess.run(
        ["ip", "netns", "exec", VPC, sys.executable, "-m", "lbtrace", "capture", *words],
        cwd=folder,
        env={**os.environ, "PATH": path},
        stdin=subprocess.DEVNULL,
        capture_output=True,
        encoding="utf-8",
        check=False,
    )
    result = {
        "code": process.returncode,
        "out": process.stdout,
        "err": process.stderr,
        "left": running("tcpdump"),
    }
    (folder / "result.json").write_text(json.dumps(result))


if __name__ == "__main__":
    main(Path(sys.argv[1]), sys.argv[2:])
