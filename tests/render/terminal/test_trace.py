"""One capture alone."""

from __future__ import annotations

import dataclasses

import pytest

from lbtrace.model.http import Application, Exchange, Mark, Protocol, ProxyHeader
from lbtrace.model.trace import PacketCounts
from lbtrace.render import Detail
from tests.render import founding
from tests.render.documents import page, squeezed

replace = dataclasses.replace


def test_show_marks_what_is_damaged() -> None:
    trace = founding.client_trace()
    lost = Exchange(0, 0, 1, None, trace.exchanges[0].response, marks=(Mark.LOST,))
    text = page(replace(trace, exchanges=[lost, *trace.exchanges[1:]]))
    assert "(request " in text
    assert "lost in capture" in text
    assert "4 SYNs : 3 requests = 1.3 : 1" in text


def test_of_many_rows_the_first_are_shown() -> None:
    trace = founding.client_trace()
    connections = [trace.connections[0]._replace(id=n) for n in range(13)]
    exchanges = [trace.exchanges[0]._replace(id=n, connection=0) for n in range(26)]
    many = replace(
        trace,
        connections=connections,
        applications=[trace.applications[0]] * 13,
        exchanges=exchanges,
    )
    text = page(many)
    assert "Connections   12 of 13\n" in text
    assert "HTTP exchanges   25 of 26; frames: where each half begins\n" in text
    assert "Connections   13 of 13\n" in page(many, detail=Detail.EVERYTHING)
    assert page(many, detail=Detail.EVERYTHING).count("GET /divide/25") == 26


@pytest.mark.parametrize(
    ("carried", "text"),
    [
        (Application(Protocol.HTTP1), "1 HTTP "),
        (Application(Protocol.HTTP2), "1 HTTP/2 "),
        (Application(Protocol.TLS), "TLS "),
        (Application(Protocol.NONE), "no bytes "),
        (Application(Protocol.OTHER), "no HTTP "),
        (Application(Protocol.OTHER, name="ssh"), "ssh "),
        (Application(Protocol.HTTP1, upgraded="websocket"), "1 HTTP, then websocket "),
        (
            Application(Protocol.HTTP1, proxy=(ProxyHeader(2, "PROXY", None, None, (), 16, 4),)),
            "PROXY v2, 1 HTTP ",
        ),
    ],
)
def test_a_connection_says_what_it_carried(carried: Application, text: str) -> None:
    trace = founding.client_trace()
    changed = replace(trace, applications=[carried, *trace.applications[1:]])
    row = next(line for line in page(changed, width=120).splitlines() if "50000" in line)
    assert f" SYN {text}" in squeezed(row).replace("no SYN", "") + " "
    assert squeezed(row).endswith("client FIN")


def test_who_closed_is_said() -> None:
    trace = founding.client_trace()
    first = trace.connections[0]
    silent = first._replace(
        from_client=first.from_client._replace(fin_ns=None),
        from_server=first.from_server._replace(fin_ns=None),
    )
    text = page(replace(trace, connections=[silent, *trace.connections[1:]]), width=120)
    assert [line for line in text.splitlines() if line.endswith("nobody")]


@pytest.mark.parametrize(
    ("opened", "text"),
    [
        (1, "The SYN of 1 connection was not captured."),
        (2, "The SYN of 2 connections was not captured."),
    ],
)
def test_connections_from_before_are_counted(opened: int, text: str) -> None:
    trace = founding.client_trace()
    before = [c._replace(syns=0) if c.id < opened else c for c in trace.connections]
    told = squeezed(page(replace(trace, connections=before), width=110))
    assert text in told
    assert f"{4 - opened} SYN" in told


def test_an_empty_capture_says_so() -> None:
    empty = replace(
        founding.client_trace(),
        connections=[],
        applications=[],
        exchanges=[],
        packets=PacketCounts(0, 0),
    )
    assert "There is no packet in this capture." in page(empty)
    other = replace(empty, packets=PacketCounts(3, 0, (("ARP", 3),)))
    assert "No packet in this capture belongs to a TCP connection." in page(other)


def test_damage_is_told_by_the_half_it_is_in() -> None:
    trace = founding.client_trace()
    e = trace.exchanges[0]
    assert e.request is not None
    assert e.response is not None
    damaged = e._replace(
        marks=(Mark.RESET,),
        request=e.request._replace(marks=(Mark.PIPELINED, Mark.PIPELINED)),
        response=e.response._replace(marks=(Mark.BODY_TRUNCATED, Mark.RETRANSMITTED)),
    )
    text = page(replace(trace, exchanges=[damaged]), width=110)
    assert "reset; request pipelined; response body cut, retransmitted" in text
