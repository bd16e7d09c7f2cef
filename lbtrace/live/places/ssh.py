"""`ssh://[USER@]HOST[:PORT][/INTERFACE]`: another machine, by the ssh of this one.

Keys, jump hosts and aliases are those of ~/.ssh/config. ssh gives its words to a shell over there
as one line; so they are quoted, and nothing but the name of a variable is left for that shell to
read.
"""

from __future__ import annotations

import re
import shlex

from lbtrace.live.place import PlaceKind, Reached, with_sudo
from lbtrace.live.tcpdump import Command

_PLACE = re.compile(
    r"//(?:(?P<user>[A-Za-z0-9_][\w.-]*)@)?"
    r"(?:\[(?P<address>[0-9A-Fa-f:.]+(?:%[\w.-]+)?)\]|(?P<host>[A-Za-z0-9_][\w.-]*))"
    r"(?::(?P<port>[0-9]{1,5}))?(?:/(?P<interface>[^/]*))?\Z",
    re.ASCII,
)
OPTIONS = (
    "-T",
    "-o",
    "BatchMode=yes",  # nobody is there to answer
    "-o",
    "ConnectTimeout=10",
    "-o",
    "ServerAliveInterval=5",  # a machine that is gone is noticed
    "-o",
    "ServerAliveCountMax=3",
)


def _read(rest: str) -> Reached | None:
    found = _PLACE.match(rest)
    if found is None or not 0 < int(found["port"] or 22) < 1 << 16:
        return None
    host = found["address"] or found["host"]
    where = f"{found['user']}@{host}" if found["user"] else host
    port = ("-p", found["port"]) if found["port"] else ()

    def around(command: Command, sudo: bool) -> list[str]:
        before = shlex.join(with_sudo(command.before, sudo))
        line = f'{before} "$SSH_CONNECTION" {shlex.join(command.after)}'
        return ["ssh", *OPTIONS, *port, "--", where, line]

    return Reached(found["interface"] or "", around)


KIND = PlaceKind(
    "ssh",
    "ssh://[USER@]HOST[:PORT][/INTERFACE]",
    "another machine, by ssh",
    _read,
    (
        (
            "host identification has changed",
            "If that is expected: ssh-keygen -R HOST, then connect once by hand with ssh.",
        ),
        ("host key verification failed", "Connect once by hand with ssh, and check its key."),
        ("permission denied (", "ssh must log in without a password: a key in ssh-agent."),
        ("could not resolve hostname", "Is the name right?"),
        ("connection refused", "Does sshd listen there, on that port?"),
        ("timed out", "Is the machine up, and does a firewall let ssh pass?"),
        ("no route to host", "Is the machine up, and does a firewall let ssh pass?"),
    ),
)
