"""The JSON of connections is written from columns, many lines at a time: each line says what its
Connection says.
"""

from __future__ import annotations

import json
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from lbtrace.model.http import Application, Protocol
from lbtrace.model.net import Endpoint, Side, SynFingerprint
from lbtrace.model.stream import Connection, Direction, RoleSource
from lbtrace.model.trace import CaptureFile, PacketCounts, Trace
from lbtrace.render.json.connections import connections
from tests.laws import examples
from tests.tables.test_connections import connection

PLAIN, NOTHING = Application(Protocol.HTTP1), Application(Protocol.NONE)
FRAMES_OF_ENDS = (
    "fin",
    "rst",
    "first_payload",
    "repeat",
    "deferred",
    "delayed",
    "ack_wait",
    "unacked",
    "window_closed",
)
MICROSECONDS = ("syn_ns", "synack_ns", "established_ns", "first_ns", "last_ns")


def trace(found: list[Connection], files: int) -> Trace:
    def file(number: int) -> CaptureFile:
        return CaptureFile(
            f"{number}.pcap",
            "pcap",
            "",
            0,
            1000,
            1 + 1000 * number,
            None,
            None,
            1000,
            (),
            None,
            None,
        )

    carried = [PLAIN if c.opened else NOTHING for c in found]
    return Trace(
        Side.CLIENT, 0, tuple(map(file, range(files))), PacketCounts(0, 0), 0, 0, found, carried, ()
    )


def frame(name: str, number: int | None, files: int) -> dict[str, int | None]:
    if number is None:
        return {f"{name}_frame": None, f"{name}_file": None}
    file = min(max(number - 1, 0) // 1000, files - 1) if files > 1 else 0
    return {f"{name}_frame": number - 1000 * file, f"{name}_file": file}


def end(d: Direction, files: int) -> dict[str, Any]:
    said = d._asdict()
    # how to read the times; the findings go by them
    del said["answers_fin"], said["fin_unseen"]
    for name in FRAMES_OF_ENDS:
        said |= frame(name, said.pop(f"{name}_frame"), files)
    return said | {"syn": None if d.syn is None else offer(d.syn)}


def offer(syn: SynFingerprint) -> dict[str, Any]:
    return syn._asdict() | {"options": list(syn.options)}


def expected(c: Connection, files: int) -> dict[str, Any]:
    said = c._asdict()
    for name in ("syn", "first", "last"):
        said |= frame(name, said.pop(f"{name}_frame"), files)
    protocol = (PLAIN if c.opened else NOTHING).protocol.value
    carried = {
        "protocol": protocol,
        "name": "",
        "upgraded": "",
        "reversed": False,
        "proxy": [],
        "tls": None,
        "digests": [None, None],
        "alerts": [],
        "mismatch": None,
    }
    said |= {
        "client": str(c.client),
        "server": str(c.server),
        "already_open": c.already_open,
        "application": carried,
    }
    return said | {
        "from_client": end(c.from_client, files),
        "from_server": end(c.from_server, files),
    }


def written(found: list[Connection], files: int) -> list[dict[str, Any]]:
    lines: list[dict[str, Any]] = json.loads("[" + ",".join(connections(trace(found, files))) + "]")
    return lines


@examples(60)
@given(
    st.lists(connection, max_size=5),
    st.sampled_from([1, 3]),
    st.sampled_from([1, 1000]),
    st.integers(1, 3),
)
def test_a_line_says_what_the_connection_says(
    given_ones: list[Connection], files: int, unit: int, times: int
) -> None:
    """`times` alike, one after the other, so that what lines share is shared."""
    found: list[Connection] = []
    for c in [c for c in given_ones for _ in range(times)]:
        coarse: dict[str, Any] = {
            name: None if getattr(c, name) is None else getattr(c, name) // unit * unit
            for name in MICROSECONDS
        }
        found.append(c._replace(id=len(found), **coarse))
    assert written(found, files) == [expected(c, files) for c in found]


def test_a_time_of_zero_is_written_as_one_digit() -> None:
    end = Direction(0, 0, 0, 0, 0, 0, 0, 0, 0, None, None, None, None, None, None, None, None, None)
    ends = Endpoint("::1", 1), Endpoint("::2", 2)
    c = Connection(
        0,
        *ends,
        "a%d",
        RoleSource.PORT,
        0,
        0,
        0,
        False,
        None,
        None,
        None,
        None,
        1,
        0,
        1,
        0,
        end,
        end,
    )
    [line] = written([c], 1)
    assert (line["first_ns"], line["network"], line["client"]) == (0, "a%d", "[::1]:1")
    assert [said["first_ns"] for said in written([c, c._replace(id=1, first_ns=5000)], 1)] == [
        0,
        5000,
    ]
