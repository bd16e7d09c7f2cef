"""A NAT's own log: the kernel's connection tracking table, /proc/net/nf_conntrack → who became
whom.

Each line holds the original and the reply tuple: `src= dst= sport= dport=` twice. The reply's
destination is what the source became, the reply's source what the destination became.
"""

from __future__ import annotations

from pathlib import Path
from typing import NamedTuple

from lbtrace.lab.addresses import spelt
from lbtrace.lab.network import inside


class Translation(NamedTuple):
    """A tracked connection before and after translation, "address:port" each."""

    client: str
    server: str
    client_after: str
    server_after: str


def translations(host: str) -> list[Translation]:
    """The TCP connections a host's connection tracking knows."""
    with inside(host):
        return parse(Path("/proc/thread-self/net/nf_conntrack").read_text())


def parse(table: str) -> list[Translation]:
    """The text of nf_conntrack → its TCP connections."""
    found = []
    for line in table.splitlines():
        words = line.split()
        values: dict[str, list[str]] = {}
        for name, equals, value in (word.partition("=") for word in words):
            if equals:
                values.setdefault(name, []).append(value)
        if "tcp" in words and len(values.get("sport", [])) == 2:
            src, dst, sport, dport = values["src"], values["dst"], values["sport"], values["dport"]
            found.append(
                Translation(
                    spelt(f"{src[0]}:{sport[0]}"),
                    spelt(f"{dst[0]}:{dport[0]}"),
                    spelt(f"{dst[1]}:{dport[1]}"),
                    spelt(f"{src[1]}:{sport[1]}"),
                )
            )
    return found
