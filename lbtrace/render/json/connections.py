"""Connections → one line of JSON each (docs/json-format.md specifies the keys), written from their columns.

A line has sixty values. Most are the same for many connections: nothing lost, nothing sent twice, no RST, the options that every SYN of
a host has. These are written once, into a template; what differs (times, frames, sequence numbers, ports) is filled in. So no Connection
is made, and a line costs one look-up and one `%`. Connections are taken CHUNK at a time: the lists stay small.
"""

from __future__ import annotations

from collections.abc import Iterator
from enum import Enum
from json import JSONEncoder
from typing import Any, NamedTuple, TypeAlias

import numpy as np

from lbtrace.connection_table import CONNECTION, DIRECTION, NONE, OFFER, SOURCES, Column, ConnectionTable, Ends, Offers
from lbtrace.model.http import Application
from lbtrace.model.trace import Trace
from lbtrace.render.json.exchanges import FrameWriter, quoted

_encode = JSONEncoder(ensure_ascii=True, separators=(",", ":"), allow_nan=False).encode

_Table: TypeAlias = ConnectionTable | Ends | Offers
Json = dict[str, object]  # one JSON object on its way into the encoder; never leaves this module

_CHUNK = 1 << 11  # connections
_REMEMBERED = 4096  # templates, and applications


class _How(Enum):
    """How a value is written. All but the numbers that are filled in are part of the template, and so is null."""

    FILLED = "a number that differs from line to line"
    FRAME = "the same, and the file it is in"
    SAME = "a number"
    FLAG = "true or false"
    NO = "true for 0"
    NAME = "one of a list of texts"


class _Field(NamedTuple):
    """A key and the column its values are in; `missing` is the number that stands for null there."""

    key: str
    column: str
    how: _How
    missing: int | None


def _fields(kinds: dict[str, tuple[str, int | None]], **keys: _How) -> tuple[_Field, ...]:
    """The keys of an object, in order."""
    found = []
    for key, how in keys.items():
        column = f"{key}_frame" if how is _How.FRAME else "syns" if how is _How.NO else key
        found.append(_Field(key, column, how, kinds.get(column, ("", None))[1]))
    return tuple(found)


_CONNECTION = _fields(
    CONNECTION,
    network=_How.NAME,
    role_source=_How.NAME,
    syns=_How.SAME,
    syn_retransmissions=_How.SAME,
    synacks=_How.SAME,
    opened=_How.FLAG,
    already_open=_How.NO,
    syn=_How.FRAME,
    syn_ns=_How.FILLED,
    synack_ns=_How.FILLED,
    established_ns=_How.FILLED,
    first=_How.FRAME,
    first_ns=_How.FILLED,
    last=_How.FRAME,
    last_ns=_How.FILLED,
)
_END = _fields(
    DIRECTION,
    packets=_How.FILLED,
    bytes=_How.FILLED,
    missing=_How.FILLED,
    truncated=_How.FILLED,
    retransmissions=_How.FILLED,
    out_of_order=_How.SAME,
    zero_windows=_How.SAME,
    fins=_How.SAME,
    rsts=_How.SAME,
    isn=_How.FILLED,
    start_seq=_How.FILLED,
    fin=_How.FRAME,
    fin_ns=_How.FILLED,
    rst=_How.FRAME,
    rst_ns=_How.FILLED,
    first_payload=_How.FRAME,
    first_payload_ns=_How.FILLED,
    last_payload_ns=_How.FILLED,
)
_SYN = _fields(
    OFFER,
    ttl=_How.SAME,
    window=_How.SAME,
    mss=_How.SAME,
    window_scale=_How.SAME,
    sack_permitted=_How.FLAG,
    timestamp=_How.FILLED,
    options=_How.NAME,
)


def connections(trace: Trace) -> Iterator[str]:
    """One object per connection, with what it carried."""
    writer = _Writer(trace)
    for low in range(0, len(trace.connections), _CHUNK):
        yield from writer.lines(low, min(low + _CHUNK, len(trace.connections)))


class _Writer:
    """Writes the connections of one trace; keeps the templates."""

    def __init__(self, trace: Trace) -> None:
        table = self.table = ConnectionTable.of(trace.connections)
        self.applications = trace.applications
        self.frames = FrameWriter(trace)
        self.starts = np.array([f.first_frame for f in trace.files], np.int64)
        self.hosts = [quoted(f"[{a}]:" if ":" in a else f"{a}:")[:-1] for a in table.addresses]  # the string stays open for the port
        self.names = {
            "network": [_literal(quoted(name)) for name in table.networks],
            "role_source": [quoted(source.value) for source in SOURCES],
            "options": [_encode(layout) for layout in table.offers.layouts],
        }
        self.templates: dict[bytes, str] = {}
        self.carried: dict[int, str] = {}  # by identity: the trace keeps its applications alive

    def lines(self, low: int, high: int) -> Iterator[str]:
        """The connections low … high."""
        table, hosts, part = self.table, self.hosts, slice(low, high)
        known = self.carried.get
        shared: list[Column] = []
        filled: list[Any] = [
            range(low, high),
            [hosts[i] for i in table.client[part].tolist()],
            table.client_port[part].tolist(),
            [hosts[i] for i in table.server[part].tolist()],
            table.server_port[part].tolist(),
        ]
        self._add(table, _CONNECTION, part, shared, filled)
        filled.append([known(id(a)) or self._carried(a) for a in self.applications[part]])
        for end in (slice(2 * low, 2 * high, 2), slice(2 * low + 1, 2 * high, 2)):
            self._add(table.ends, _END, end, shared, filled)
            offer = table.ends.offer[end]
            shared.append(offer == NONE)
            if len(table.offers.ttl):
                self._add(table.offers, _SYN, np.maximum(offer, 0), shared, filled)
        keys = np.stack([column.astype(np.int64) for column in shared], axis=1).view(f"V{8 * len(shared)}").ravel().tolist()
        template_of = self.templates.get
        for key, values in zip(keys, zip(*filled, strict=True), strict=True):
            yield (template_of(key) or self._template(key)) % values

    def _add(
        self,
        table: ConnectionTable | Ends | Offers,
        fields: tuple[_Field, ...],
        rows: slice | Column,
        shared: list[Column],
        filled: list[Any],
    ) -> None:
        """The values of an object, in the order `_object` takes them."""
        for _, name, how, missing in fields:
            column = getattr(table, name)[rows]
            if how is _How.FRAME:
                file, number = self._split(column)
                shared.append(np.where(column == missing, -1, file))
                filled.append(number.tolist())
            elif how is _How.FILLED:
                if missing is not None:
                    shared.append(column == missing)
                filled.append(column.tolist())
            else:
                shared.append(column)

    def _split(self, frames: Column) -> tuple[Column | int, Column]:
        """Frames numbered through a point's files → the file, and the number there."""
        if len(self.starts) <= 1:
            return 0, frames
        file = np.maximum(np.searchsorted(self.starts, frames, "right") - 1, 0)
        return file, frames - self.starts[file] + 1

    def _template(self, key: bytes) -> str:
        """The line of all connections that agree in what is not filled in."""
        values = iter(np.frombuffer(key, np.int64).tolist())
        head = f'"id":%d,"client":%s%d","server":%s%d",{self._object(_CONNECTION, values)}'
        text = f'{{{head},"application":%s,"from_client":{{{self._end(values)}}},"from_server":{{{self._end(values)}}}}}'
        if len(self.templates) >= _REMEMBERED:
            self.templates.clear()
        self.templates[key] = text
        return text

    def _end(self, values: Iterator[int]) -> str:
        text = self._object(_END, values)
        unseen = next(values)
        if not len(self.table.offers.ttl):
            return f'{text},"syn":null'
        syn = self._object(_SYN, values)
        return f'{text},"syn":{"null%.0s" if unseen else f"{{{syn}}}"}'  # its time stamp is taken, and not written

    def _object(self, fields: tuple[_Field, ...], values: Iterator[int]) -> str:
        """The members of an object, with a place for each number that is filled in."""
        text = []
        for key, _, how, missing in fields:
            value = next(values) if how is not _How.FILLED or missing is not None else 0
            if how is _How.FRAME:
                text.append(f'"{key}_frame":null%.0s,"{key}_file":null' if value < 0 else f'"{key}_frame":%d,"{key}_file":{value}')
            elif how is _How.FILLED:
                text.append(f'"{key}":{"null%.0s" if value else "%d"}')  # the null takes its number and writes nothing of it
            elif how is _How.SAME:
                text.append(f'"{key}":{"null" if value == missing else value}')
            elif how is _How.NAME:
                text.append(f'"{key}":{self.names[key][value]}')
            else:
                text.append(f'"{key}":{"true" if bool(value) is (how is _How.FLAG) else "false"}')
        return ",".join(text)

    def _carried(self, application: Application) -> str:
        text = _application(application, self.frames)
        if len(self.carried) < _REMEMBERED:
            self.carried[id(application)] = text
        return text


def _literal(text: str) -> str:
    """As it stands in a template."""
    return text.replace("%", "%%")


def _application(a: Application, frames: FrameWriter) -> str:
    """What a connection carried; frames become (file, number)."""
    if not (a.proxy or a.tls or a.name or a.upgraded or a.reversed):
        return f'{{"protocol":"{a.protocol.value}","name":"","upgraded":"","reversed":false,"proxy":[],"tls":null}}'
    proxy = []
    for header in a.proxy:
        file, number = frames.split(header.frame)
        proxy.append(
            {
                "version": header.version,
                "command": header.command,
                "source": header.source,
                "destination": header.destination,
                "tlvs": [{"type": kind, "value": value} for kind, value in header.tlvs],
                "length": header.length,
                "crc_ok": header.crc_ok,
                "facts": [{"name": name, "value": value} for name, value in header.facts],
                "first_frame": number,
                "first_file": file,
            }
        )
    tls: Json | None = None
    if a.tls is not None:
        file, number = frames.split(a.tls.frame)
        tls = {
            "server_name": a.tls.server_name,
            "alpn": list(a.tls.alpn),
            "versions": list(a.tls.versions),
            "random": a.tls.random,
            "session_id": a.tls.session_id,
            "first_frame": number,
            "first_file": file,
        }
    return _encode(
        {"protocol": a.protocol.value, "name": a.name, "upgraded": a.upgraded, "reversed": a.reversed, "proxy": proxy, "tls": tls}
    )
