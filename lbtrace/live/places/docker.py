"""`docker:NAME[:INTERFACE]`: a container, by the docker of this machine and its current context."""

from __future__ import annotations

from lbtrace.live.place import PlaceKind, by_name

NO_TCPDUMP = (
    "Start one beside it that has tcpdump and its network: docker run -d --rm --name tap --network "
    "container:NAME nicolaka/netshoot sleep 3600, then name that one: docker:tap"
)


KIND = PlaceKind(
    "docker",
    "docker:NAME[:INTERFACE]",
    "a container, by docker",
    by_name("docker", "exec", "-i"),
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
