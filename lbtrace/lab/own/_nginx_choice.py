"""A tree of nginx directives → which of its servers the clients of the lab ask, and for what.

A server is worth asking when it passes requests on. One that passes on all of `/` is preferred,
then one without TLS: port 80 often does no more than redirect to 443.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import NamedTuple

from lbtrace.lab.own import Wish, wrong
from lbtrace.lab.own._nginx_tree import Directive

ALL, SOME, NOTHING = 2, 1, 0
_ANYTHING = re.compile(r"\^(/[\w/-]*?)/?(?:\(?\.\*\)?|\(/\|\$\)|\(\.\+\))?\$?\Z")


class Listener(NamedTuple):
    """A server at one of the ports that it listens on."""

    server: Directive
    port: int
    tls: bool
    http: bool

    @property
    def names(self) -> list[str]:
        """The names that a client can ask for: wildcards made concrete, expressions left out."""
        found = self.server.first("server_name")
        args = [] if found is None else found.args
        concrete = (re.sub(r"^\*\.|^\.", "lab.", name) for name in args)
        return [name for name in concrete if re.fullmatch(r"[\w.-]*\w\.?[\w.-]*", name) and
                name != "_"]  # fmt: skip

    @property
    def sends(self) -> int:
        """How much of what it is asked it passes on."""
        if not self.http:
            return ALL if self.server.first("proxy_pass") else NOTHING
        if any(_is_root(d) and sends(d, self.server) for d in self.server.block or ()):
            return ALL
        return SOME if any(d.name == "proxy_pass" for d in self.server.every()) else NOTHING


def listeners(servers: Sequence[tuple[Directive, bool]]) -> Iterator[Listener]:
    """(server, whether of HTTP) → each with each port on which it listens by TCP."""
    for server, http in servers:
        listens = [d for d in server.block or () if d.name == "listen" and d.args]
        every_tls = any((d.name, d.args) == ("ssl", ["on"]) for d in server.block or ())
        if not listens:
            yield Listener(server, 80, every_tls, http)
        for listen in listens:
            port = port_of(listen.args[0])
            if port and not {"quic", "udp"} & set(listen.args):
                yield Listener(server, port, every_tls or "ssl" in listen.args, http)


def port_of(address: str) -> int:
    """ "443", "*:443", "[::]:443", "10.0.0.1" → the port; 0 for a socket of Unix."""
    if address.startswith("unix:"):
        return 0
    last = address.rpartition(":")[2] if not address.endswith("]") else ""
    return int(last) if last.isdigit() else 80


def choose(path: Path, found: Sequence[Listener], wish: Wish) -> Listener:
    """The one to ask. OptionError when none passes requests on."""
    if not found:
        raise wrong(
            path,
            0,
            "it has no server.",
            "What it includes (conf.d, sites-enabled) must be beside it; or give the file of the "
            "site itself.",
        )
    able = [each for each in found if each.tls or not wish.tls]
    if not able:
        raise wrong(path, 0, "no server of it takes TLS.", "Leave out --traffic tls.")
    able = _named(path, able, wish.host)
    best = max(able, key=lambda each: (each.sends, not each.tls))
    if best.sends is NOTHING:
        raise best.server.error(
            "it passes no request on: the lab needs a server with proxy_pass to backends that "
            "speak HTTP."
        )
    return best


def _named(path: Path, able: list[Listener], host: str) -> list[Listener]:
    if not host:
        return able
    named = [each for each in able if host in each.names]
    unnamed = [each for each in able if not each.names]
    if not named and not unnamed:
        names = ", ".join(dict.fromkeys(name for each in able for name in each.names))
        raise wrong(path, 0, f"no server of it is named {host}.", f"There are: {names}.")
    return named or unnamed


def below(chosen: Listener, wish: Wish) -> str:
    """The path below which the clients ask, so that the server passes it on; "" for all."""
    if wish.path or chosen.sends is ALL:
        return wish.path.rstrip("/")
    for location in chosen.server.block or ():
        if location.name == "location" and sends(location, chosen.server):
            prefix = _prefix(location.args)
            if prefix:
                return prefix
    raise chosen.server.error(
        "which path it passes on cannot be told from its locations.", "Name one: --below /api."
    )


def _prefix(args: Sequence[str]) -> str:
    """The path of a location that takes all below it."""
    modifier = args[0] if len(args) > 1 else ""
    if modifier in ("", "^~"):
        return args[-1].rstrip("/") if args[-1].startswith("/") else ""
    match = _ANYTHING.match(args[-1]) if modifier.startswith("~") else None
    return match[1].rstrip("/") if match else ""


def _is_root(directive: Directive) -> bool:
    return directive.name == "location" and (
        (directive.args[-1:] == ["/"] and directive.args[0] != "=")
        or (len(directive.args) > 1 and directive.args[0].startswith("~")
            and directive.args[1] in ("/", "^/", "^/.*", "^/(.*)", "^/(.*)$", ".*"))
    )  # fmt: skip


def sends(location: Directive, server: Directive) -> bool:
    """Whether a location passes requests on, itself or through a named one."""
    below_it = list(location.every())
    if any(d.name == "proxy_pass" for d in below_it):
        return True
    named = {d.args[-1] for d in below_it if d.name in ("try_files", "error_page") and d.args}
    return any(
        d.name == "location"
        and d.args[-1] in named
        and d.args[-1].startswith("@")
        and any(each.name == "proxy_pass" for each in d.every())
        for d in server.block or ()
    )
