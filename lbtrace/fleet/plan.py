"""A plan of a fleet (TOML) → its capture points, their files in order of time, and how to read
them.

    output = "found"                      the folder for what is found; beside the plan
    keylogs = ["keys/*.txt"]              secrets of TLS connections
    clock_offset = "37.5s"                client clock − backend clock, if it is known
    slice_exchanges = 200000              exchanges that are compared at a time
    shard_bytes = "256MB"                 bytes of a capture point that are read at a time

    [[client]]                            also [[backend]], and [[balancer]], which holds both sides
    name = "edge-1"
    files = ["edge-1/*.pcap.gz"]          patterns, from the folder of the plan
    lb_addresses = ["10.0.0.1"]           of [[balancer]] alone: where it takes connections;
    lb_ports = [443]                      one of the two

A key that there is not, and a value that makes no sense, is one line that names the line.
"""

from __future__ import annotations

import os
from dataclasses import dataclass
from glob import glob
from ipaddress import ip_address
from pathlib import Path
from typing import Any, Final

from lbtrace.errors import LbtraceError, OptionError, nearest
from lbtrace.model.net import Side
from lbtrace.options import parse_offset, parse_size
from lbtrace.toml_document import Document
from lbtrace.toml_document import read as read_document

SLICE_EXCHANGES: Final = 200_000
SHARD_BYTES: Final = 256_000_000
_LEAST_SHARD: Final = 1000
_KEYS: Final = ("output", "keylogs", "clock_offset", "slice_exchanges", "shard_bytes")
_KINDS: Final = ("client", "balancer", "backend")
_OF_POINT: Final = ("name", "files")
_OF_BALANCER: Final = ("lb_addresses", "lb_ports")


@dataclass(frozen=True, slots=True)
class PlannedPoint:
    """A capture point. `addresses` and `ports` are where the balancer takes connections, of a
    capture that was taken on the balancer; of its connections, `side` says which are meant.
    """

    name: str
    side: Side
    files: tuple[str, ...]
    addresses: tuple[str, ...] = ()
    ports: tuple[int, ...] = ()

    @property
    def on_balancer(self) -> bool:
        """Whether it holds both sides."""
        return bool(self.addresses or self.ports)


@dataclass(frozen=True, slots=True)
class Plan:
    """What to compare, and how. `clients` and `backends` are the points of each side."""

    path: str
    output: str
    clients: tuple[PlannedPoint, ...]
    backends: tuple[PlannedPoint, ...]
    keylogs: tuple[str, ...] = ()
    clock_offset_ns: int | None = None
    slice_exchanges: int = SLICE_EXCHANGES
    shard_bytes: int = SHARD_BYTES


def read_plan(path: str) -> Plan:
    """A plan. OptionError when it cannot be read, or makes no sense."""
    return _Reading(read_document(path, "plan-", "plan of a fleet")).plan()


class _Reading:
    """A plan while it is read."""

    def __init__(self, document: Document) -> None:
        self._document = document
        self._content = document.content
        self._folder = Path(document.file).parent

    def plan(self) -> Plan:
        for key in self._content:
            if key not in (*_KEYS, *_KINDS):
                raise self._error(f"there is no key {key!r}", key, near=(key, (*_KEYS, *_KINDS)))
        clients: list[PlannedPoint] = []
        backends: list[PlannedPoint] = []
        for kind in _KINDS:
            for number, table in enumerate(self._tables(kind)):
                self._add(kind, number, table, clients, backends)
        for kind, found in (("client", clients), ("backend", backends)):
            if not found:
                raise self._error(
                    f"no capture of the {kind} side: write [[{kind}]] with name and files"
                )
        self._check_names(clients, backends)
        return Plan(
            self._document.file,
            str(self._folder / self._text("output", "found")),
            tuple(clients),
            tuple(backends),
            tuple(p for each in self._texts("keylogs") for p in self._paths(each, "keylogs")),
            self._offset(),
            self._number("slice_exchanges", SLICE_EXCHANGES),
            self._size("shard_bytes", SHARD_BYTES),
        )

    def _error(
        self, said: str, *path: str | int, near: tuple[str, tuple[str, ...]] | None = None
    ) -> OptionError:
        line = self._document.line(*path)
        close = nearest(*near) if near else ""
        return OptionError("bad-plan", f"{self._document.file}:{line}: {said}{close or '.'}")

    def _tables(self, kind: str) -> list[dict[str, Any]]:
        tables = self._content.get(kind, [])
        if not isinstance(tables, list) or not all(isinstance(t, dict) for t in tables):
            raise self._error(f"write [[{kind}]], once for each capture point", kind)
        return tables

    def _add(
        self,
        kind: str,
        number: int,
        table: dict[str, Any],
        clients: list[PlannedPoint],
        backends: list[PlannedPoint],
    ) -> None:
        known = (*_OF_POINT, *(_OF_BALANCER if kind == "balancer" else ()))
        for key in table:
            if key not in known:
                raise self._error(
                    f"[[{kind}]] has no key {key!r}", kind, number, key, near=(key, known)
                )
        name = table.get("name", f"{kind} {number + 1}")
        if not isinstance(name, str) or not name:
            raise self._error("a name is a text", kind, number, "name")
        files = self._files(kind, number, table.get("files"))
        if kind != "balancer":
            side = Side(kind)
            (clients if side is Side.CLIENT else backends).append(PlannedPoint(name, side, files))
            return
        addresses, ports = self._balancer(number, table)
        for side, points in ((Side.CLIENT, clients), (Side.BACKEND, backends)):
            points.append(PlannedPoint(name, side, files, addresses, ports))

    def _files(self, kind: str, number: int, patterns: object) -> tuple[str, ...]:
        place = (kind, number, "files")
        if isinstance(patterns, str):
            patterns = [patterns]
        if (
            not isinstance(patterns, list)
            or not patterns
            or not all(isinstance(p, str) and p for p in patterns)
        ):
            raise self._error(f'[[{kind}]] needs files = ["…"]: paths, or patterns of them', *place)
        found = [path for pattern in patterns for path in self._paths(pattern, *place)]
        return tuple(dict.fromkeys(found))

    def _paths(self, pattern: str, *place: str | int) -> list[str]:
        """The files of a pattern, by name. The folder of the plan is no part of the pattern."""
        path = str(self._folder / pattern)
        every = (str(self._folder / name) for name in glob(pattern, root_dir=self._folder))
        found = [path] if os.path.isfile(path) else sorted(filter(os.path.isfile, every))
        if not found:
            raise self._error(f"no file is there for {pattern!r}", *place)
        return found

    def _balancer(
        self, number: int, table: dict[str, Any]
    ) -> tuple[tuple[str, ...], tuple[int, ...]]:
        addresses, ports = table.get("lb_addresses", []), table.get("lb_ports", [])
        if not isinstance(addresses, list) or not all(map(_is_address, addresses)):
            raise self._error(
                'lb_addresses is a list of IP addresses, like ["192.0.2.1"]',
                "balancer",
                number,
                "lb_addresses",
            )
        if not isinstance(ports, list) or not all(
            type(port) is int and 0 < port < 1 << 16 for port in ports
        ):
            raise self._error(
                "lb_ports is a list of port numbers, like [443]", "balancer", number, "lb_ports"
            )
        if not addresses and not ports:
            raise self._error(
                "[[balancer]] needs lb_addresses or lb_ports: where the balancer takes connections",
                "balancer",
                number,
            )
        return tuple(str(ip_address(a)) for a in addresses), tuple(ports)

    def _check_names(self, clients: list[PlannedPoint], backends: list[PlannedPoint]) -> None:
        for points in (clients, backends):
            names = [p.name for p in points]
            for place, name in enumerate(names):
                if name in names[:place]:
                    raise self._error(f"two capture points of a side have the name {name!r}")
            seen: set[str] = set()
            for file in (f for p in points for f in p.files):
                if file in seen:
                    raise self._error(f"{file} is in two capture points of a side")
                seen.add(file)

    def _texts(self, key: str) -> list[str]:
        value = self._content.get(key, [])
        if not isinstance(value, list) or not all(isinstance(each, str) for each in value):
            raise self._error(f'{key} is a list of texts, like ["…"]', key)
        return value

    def _text(self, key: str, default: str) -> str:
        value = self._content.get(key, default)
        if not isinstance(value, str) or not value:
            raise self._error(f"{key} is a text", key)
        return value

    def _number(self, key: str, default: int) -> int:
        value = self._content.get(key, default)
        if type(value) is not int or value < 1:
            raise self._error(f"{key} is a number of at least 1", key)
        return value

    def _size(self, key: str, default: int) -> int:
        value = self._content.get(key, default)
        size = parse_size(value) if isinstance(value, str) else value
        if type(size) is not int or size < _LEAST_SHARD:
            raise self._error(f'{key} is a size, like "256MB"', key)
        return size

    def _offset(self) -> int | None:
        value = self._content.get("clock_offset")
        if value is None:
            return None
        try:
            return parse_offset(value if isinstance(value, str) else "")
        except LbtraceError as error:
            raise self._error(
                'clock_offset is a time, like "37.5s" or "-250ms"', "clock_offset"
            ) from error


def _is_address(text: object) -> bool:
    try:
        ip_address(text if isinstance(text, str) else "")
    except ValueError:
        return False
    return True
