"""The key logs of an experiment with TLS (RFC 9850): who writes which, and where they are.

    client.keys                   the clients: the connections in front
    backend.keys, backend2.keys   the backends, where TLS reaches them
    balancer.keys                 the balancer, if it can: Envoy both sides, HAProxy the front

They lie beside the captures; `keys.log` is what client.keys is, by its first name. Each is made
before anybody writes to it, so that only its owner reads it, and never through a link. One to which
nobody wrote is removed.
"""

from __future__ import annotations

import re
from pathlib import Path
from typing import Final

from lbtrace.lab.scratch import private_file

OF_CLIENT: Final = "client.keys"
FIRST_NAME: Final = "keys.log"
OF_BALANCER: Final = "balancer.keys"
_SECRET = re.compile(rb"[A-Z][A-Z0-9_]+ [0-9a-fA-F]{64} [0-9a-fA-F]{32,}")


def of_backend(number: int) -> str:
    """The name of the key log of a backend: its capture's, with another ending."""
    return f"backend{number + 1 if number else ''}.keys"


def made(directory: Path, name: str) -> Path:
    """A new key log, still empty, that only its owner reads."""
    path = directory / name
    private_file(path).close()
    return path


def every(directory: Path) -> tuple[str, ...]:
    """The key logs there are in a directory."""
    return tuple(map(str, sorted(directory.glob("*.keys"))))


def take_out(log: Path, into: Path) -> None:
    """Move the secrets that stand among other lines of a log to a key log, each once."""
    rows = log.read_bytes().splitlines()
    secrets = dict.fromkeys(row for row in rows if _SECRET.fullmatch(row))
    with into.open("ab") as file:
        file.writelines(row + b"\n" for row in secrets)
    log.write_bytes(b"".join(row + b"\n" for row in rows if row not in secrets))


def finish(directory: Path) -> None:
    """Remove the key logs to which nobody wrote. The clients' gets its first name, too."""
    for path in directory.glob("*.keys"):
        if path.stat().st_size == 0:
            path.unlink()
    of_client = directory / OF_CLIENT
    if of_client.exists():
        with private_file(directory / FIRST_NAME) as file:
            file.write(of_client.read_bytes())
