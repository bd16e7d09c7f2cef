"""Connections → lines of JSON, one each (docs/json-format.md specifies the keys), written from
their columns.

A line has sixty values, most of them the same for many connections: nothing lost, nothing sent
twice, no RST, the options that every SYN of a host has. Many connections are written at a time: a
value they all share becomes, with the keys around it, one piece of text that all lines have in
common; every other one becomes a column of texts. A line is the join of one text from each. No
Connection is made.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import NamedTuple, TypeAlias

import numpy as np

from lbtrace import compiled
from lbtrace.model.http import Application, ClientHello, Mismatch, ProxyHeader
from lbtrace.model.tls_alerts import TlsAlert
from lbtrace.model.tls_session import TlsSession
from lbtrace.model.trace import Trace
from lbtrace.render.json.frames import FrameWriter
from lbtrace.render.json.http2 import http2
from lbtrace.render.json.lines import JsonLines, json_lines
from lbtrace.render.json.text import NULL, TRUTH, Json, encode, quoted
from lbtrace.render.json.web_sockets import web_sockets
from lbtrace.tables.columns import Column
from lbtrace.tables.connections import (
    NO_FRAME,
    NONE,
    SOURCES,
    ConnectionTable,
    Ends,
    SynOptions,
)

_Table: TypeAlias = ConnectionTable | Ends | SynOptions
_ROWS, _COMPILED_ROWS = 1024, 8192  # connections written at a time
_REMEMBERED = 4096  # applications
_TRUTH = list(TRUTH)


class _Field(NamedTuple):
    """A key of an object and how its value is written.

    `kind`: "number", "frame" (two keys: the number, and the file it is in), "flag", "no" (true for
    0), or "name" (one of a list).
    """

    key: str
    kind: str = "number"

    @property
    def name(self) -> str:
        """The key in the object; of a frame, that of its number."""
        return f"{self.key}_frame" if self.kind == "frame" else self.key

    @property
    def column(self) -> str:
        """The column of the table."""
        return "syns" if self.kind == "no" else self.name


_CONNECTION = (
    _Field("network", "name"),
    _Field("role_source", "name"),
    _Field("syns"),
    _Field("syn_retransmissions"),
    _Field("synacks"),
    _Field("opened", "flag"),
    _Field("already_open", "no"),
    _Field("syn", "frame"),
    _Field("syn_ns"),
    _Field("synack_ns"),
    _Field("established_ns"),
    _Field("first", "frame"),
    _Field("first_ns"),
    _Field("last", "frame"),
    _Field("last_ns"),
)
_END = (
    _Field("packets"),
    _Field("bytes"),
    _Field("missing"),
    _Field("truncated"),
    _Field("retransmissions"),
    _Field("out_of_order"),
    _Field("zero_windows"),
    _Field("fins"),
    _Field("rsts"),
    _Field("isn"),
    _Field("start_seq"),
    _Field("fin", "frame"),
    _Field("fin_ns"),
    _Field("rst", "frame"),
    _Field("rst_ns"),
    _Field("first_payload", "frame"),
    _Field("first_payload_ns"),
    _Field("last_payload_ns"),
    _Field("lost"),
    _Field("repeats"),
    _Field("repeat", "frame"),
    _Field("repeat_ns"),
    _Field("deferred", "frame"),
    _Field("deferred_ns"),
    _Field("unacked"),
    _Field("unacked", "frame"),
    _Field("unacked_ns"),
    _Field("unacked_last_ns"),
    _Field("unacked_idle_ns"),
    _Field("unacked_least"),
    _Field("acked_most"),
    _Field("window_closed", "frame"),
    _Field("window_closed_ns"),
    _Field("window_closed_for_ns"),
    _Field("last_packet_ns"),
    _Field("delayed_for_ns"),
    _Field("delayed", "frame"),
    _Field("delayed_ns"),
    _Field("ack_waits"),
    _Field("ack_wait_for_ns"),
    _Field("ack_wait", "frame"),
    _Field("ack_wait_ns"),
)
_SYN = (
    _Field("ttl"),
    _Field("window"),
    _Field("mss"),
    _Field("window_scale"),
    _Field("sack_permitted", "flag"),
    _Field("timestamp"),
    _Field("options", "name"),
)


def connections(trace: Trace) -> Iterator[str]:
    """Texts of some lines each, one object per connection with what it carried; a comma stands
    before each line but the first.
    """
    writer = _Writer(trace)
    count = len(trace.connections)
    step = _ROWS if compiled.core is None else _COMPILED_ROWS
    for low in range(0, count, step):
        yield from writer.lines(low, min(low + step, count))


class _Writer:
    """Writes the connections of one trace."""

    def __init__(self, trace: Trace) -> None:
        table = self.table = ConnectionTable.of(trace.connections)
        self.applications = trace.applications
        self.frames = FrameWriter(trace)
        self.hosts = [
            quoted(f"[{a}]:" if ":" in a else f"{a}:")[:-1] for a in table.addresses
        ]  # the string stays open for the port
        self.names = {
            "network": [quoted(name) for name in table.networks],
            "role_source": [quoted(source.value) for source in SOURCES],
            "options": [encode(layout) for layout in table.syn_options.layouts],
        }
        self.http2 = http2(trace, self.frames) if len(trace.control) else {}
        self.web_sockets = web_sockets(trace, self.frames) if trace.web_sockets else {}
        self.carried: dict[int, str] = {}  # by identity: the trace keeps its applications alive

    def lines(self, low: int, high: int) -> Iterator[str]:
        """The connections low … high, at least one: texts of some lines each."""
        table, rows, lines = self.table, slice(low, high), json_lines(high - low)
        lines.common('{"id":')
        lines.numbers(np.arange(low, high))
        for key in ("client", "server"):
            lines.common(f',"{key}":')
            lines.named(self.hosts, getattr(table, key)[rows])
            lines.numbers(getattr(table, f"{key}_port")[rows])
            lines.common('"')
        self._object(lines, table, rows, _CONNECTION, ",")
        lines.common(',"application":')
        self._applications(lines, self.applications[low:high])
        for key, place in (("from_client", 0), ("from_server", 1)):
            ends = slice(2 * low + place, 2 * high, 2)
            lines.common(f',"{key}":{{')
            self._object(lines, table.ends, ends, _END)
            lines.common(',"syn":')
            self._syns(lines, table.ends.syn_row[ends])
            lines.common("}")
        for key, held in (("http2", self.http2), ("web_sockets", self.web_sockets)):
            if held:
                texts = [held.get(number) for number in range(low, high)]
                _texts(lines, [f',"{key}":{text}' if text else "" for text in texts])
        lines.common("}")
        return lines.pieces("\n,")

    def _object(
        self,
        lines: JsonLines,
        table: _Table,
        rows: slice | Column,
        fields: tuple[_Field, ...],
        before: str = "",
    ) -> None:
        """The members of an object."""
        for field in fields:
            lines.common(f'{before}"{field.name}":')
            before = ","
            column, missing = getattr(table, field.column)[rows], table.declared[field.column].none
            match field.kind:
                case "name":
                    lines.named(self.names[field.key], column)
                case "flag":
                    lines.named(_TRUTH, column)
                case "no":
                    lines.named(_TRUTH, np.equal(column, 0))
                case "frame":
                    file = self.frames.files(column)
                    lines.numbers(self.frames.numbers(column, file), missing)
                    lines.common(f',"{field.key}_file":')
                    lines.numbers(np.where(column == NO_FRAME, NONE, file), NONE)
                case _:
                    lines.numbers(column, missing)

    def _syns(self, lines: JsonLines, syn_row: Column) -> None:
        """What the SYN of an end offered, null where it was not captured."""
        seen = np.flatnonzero(syn_row != NONE)
        if not len(seen):
            lines.common(NULL)
            return
        some = lines if len(seen) == len(syn_row) else json_lines(len(seen))
        some.common("{")
        self._object(some, self.table.syn_options, syn_row[seen], _SYN)
        some.common("}")
        if some is not lines:
            which = np.full(len(syn_row), len(seen))
            which[seen] = np.arange(len(seen))
            lines.named([*some.joined("\n").split("\n"), NULL], which)

    def _applications(self, lines: JsonLines, held: Sequence[Application]) -> None:
        """What each connection carried. Most connections have one Application in common."""
        which = list(map(id, held))
        if len(set(which)) == 1:
            lines.common(self._carry(held[0]))
        else:
            _texts(lines, list(map(self._carry, held)))

    def _carry(self, application: Application) -> str:
        return self.carried.get(id(application)) or self._carried(application)

    def _carried(self, application: Application) -> str:
        text = _application(application, self.frames)
        if len(self.carried) < _REMEMBERED:
            self.carried[id(application)] = text
        return text


def _texts(lines: JsonLines, texts: list[str]) -> None:
    """A text for each line."""
    if len(set(texts)) == 1:
        lines.common(texts[0])
    else:
        lines.named(texts, np.arange(len(texts)))


def _application(a: Application, frames: FrameWriter) -> str:
    """What a connection carried."""
    if a._replace(schemes=()) == Application(a.protocol):  # those are among what HTTP/2 says
        return (
            f'{{"protocol":"{a.protocol.value}","name":"","upgraded":"","reversed":false,'
            '"proxy":[],"tls":null,"digests":[null,null],"alerts":[],"mismatch":null}'
        )
    return encode(
        {
            "protocol": a.protocol.value,
            "name": a.name,
            "upgraded": a.upgraded,
            "reversed": a.reversed,
            "proxy": [_proxy(header, frames) for header in a.proxy],
            "tls": None if a.tls is None else _tls(a.tls, a.asked_nothing, frames),
            "digests": list(a.digests),
            "alerts": [_alert(alert, frames) for alert in a.alerts],
            "mismatch": None if a.mismatch is None else _mismatch(a.mismatch, frames),
        }
    )


def _alert(alert: TlsAlert, frames: FrameWriter) -> Json:
    file, number = frames.split(alert.frame)
    return {
        "from_client": alert.from_client,
        "level": alert.level,
        "description": alert.description,
        "name": alert.name,
        "first_frame": number,
        "first_file": file,
    }


def _mismatch(mismatch: Mismatch, frames: FrameWriter) -> Json:
    file, number = frames.split(mismatch.frame)
    return {
        "client": mismatch.client.value,
        "server": mismatch.server.value,
        "first_frame": number,
        "first_file": file,
    }


def _proxy(header: ProxyHeader, frames: FrameWriter) -> Json:
    file, number = frames.split(header.frame)
    return {
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


def _tls(hello: ClientHello, asked_nothing: bool, frames: FrameWriter) -> Json:
    file, number = frames.split(hello.frame)
    return {
        "server_name": hello.server_name,
        "alpn": list(hello.alpn),
        "versions": list(hello.versions),
        "random": hello.random,
        "session_id": hello.session_id,
        "first_frame": number,
        "first_file": file,
        "time_ns": hello.time_ns,
        "session": None if hello.session is None else _session(hello.session),
        "asked_nothing": asked_nothing,
    }


def _session(session: TlsSession) -> Json:
    return {
        "version": session.version,
        "suite": session.suite,
        "alpn": session.alpn,
        "resumed": session.resumed,
        "early_data": session.early_data.value,
        "records": session.records,
        "unauthenticated": session.unauthenticated,
        "failed": session.failed,
        "names": list(session.names),
        "not_opened": session.not_opened and session.not_opened.value,
    }
