"""`netns:NAME[:INTERFACE]`: a network namespace of this machine, as `ip netns list` shows it."""

from __future__ import annotations

from lbtrace.live.place import PlaceKind, Reached, named, with_sudo
from lbtrace.live.tcpdump import Command


def _read(rest: str) -> Reached | None:
    found = named(rest)
    if found is None:
        return None
    name, interface = found

    def around(command: Command, sudo: bool) -> list[str]:
        return with_sudo(("ip", "netns", "exec", name, *command.words("")), sudo)

    return Reached(interface, around)


KIND = PlaceKind(
    "netns",
    "netns:NAME[:INTERFACE]",
    "a network namespace of this machine",
    _read,
    (
        ("cannot open network namespace", "There are: ip netns list"),
        ("setting the network namespace", "Namespaces need root: log in as root, or give --sudo."),
        ("mount --make", "Namespaces need root: log in as root, or give --sudo."),
    ),
)
