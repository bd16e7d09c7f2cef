"""`docker:NAME[:INTERFACE]`: a container, by the docker of this machine and its current context."""

from __future__ import annotations

from lbtrace.live.place import PlaceKind, Reached, named, with_sudo
from lbtrace.live.tcpdump import Command

NO_TCPDUMP = (
    "Start one beside it that has tcpdump and its network: docker run -d --rm --name tap --network "
    "container:NAME nicolaka/netshoot sleep 3600, then name that one: docker:tap"
)


def _read(rest: str) -> Reached | None:
    found = named(rest)
    if found is None:
        return None
    name, interface = found

    def around(command: Command, sudo: bool) -> list[str]:
        return with_sudo(("docker", "exec", "-i", name, *command.words("")), sudo)

    return Reached(interface, around)


KIND = PlaceKind(
    "docker",
    "docker:NAME[:INTERFACE]",
    "a container, by docker",
    _read,
    (
        ("tcpdump: not found", NO_TCPDUMP),
        ("tcpdump: command not found", NO_TCPDUMP),
        ("executable file not found", NO_TCPDUMP),
        ("no such container", "There are: docker ps"),
        ("is not running", "There are: docker ps"),
        ("docker daemon", "Is the daemon up, and may this user reach it? Try: docker ps"),
        ("permission to", "The container needs the capability NET_RAW, and to run as root."),
        (
            "operation not permitted",
            "The container needs the capability NET_RAW, and to run as root.",
        ),
    ),
)
