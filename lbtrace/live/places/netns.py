"""`netns:NAME[:INTERFACE]`: a network namespace of this machine, as `ip netns list` shows it."""

from __future__ import annotations

from lbtrace.live.place import PlaceKind, by_name

KIND = PlaceKind(
    "netns",
    "netns:NAME[:INTERFACE]",
    "a network namespace of this machine",
    by_name("ip", "netns", "exec"),
    (
        ("cannot open network namespace", "There are: ip netns list"),
        ("setting the network namespace", "Namespaces need root: log in as root, or give --sudo."),
        ("mount --make", "Namespaces need root: log in as root, or give --sudo."),
    ),
)
