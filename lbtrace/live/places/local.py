"""`local:[INTERFACE]`: this machine."""

from __future__ import annotations

import os

from lbtrace.live.place import PlaceKind, Reached, with_sudo
from lbtrace.live.tcpdump import Command


def own_connection() -> str:
    """The SSH connection that this session came by, as sshd states it; "" without one."""
    return os.environ.get("SSH_CONNECTION", "")


def _read(rest: str) -> Reached | None:
    return Reached(rest, _around)


def _around(command: Command, sudo: bool) -> list[str]:
    return with_sudo(command.words(own_connection()), sudo)


KIND = PlaceKind("local", "local:[INTERFACE]", "this machine", _read)
