"""PROXY headers: what they state, and whether it is true."""

from __future__ import annotations

from pathlib import Path

import pytest

from lbtrace.model.report import Severity
from tests.findings.simulated import values
from tests.findings.through import message, request, told
from tests.http.test_proxy_protocol import tlv, v2, with_crc
from tests.simulator.script import CLIENT, FRONT, Script


def behind(header: bytes, count: int = 2) -> Script:
    """Requests that a balancer passes on behind a PROXY header; {port} is the client's."""
    play = Script()
    for n in range(count):
        ask, answer = request(f"/{n}"), message("200 OK", f"page {n}")
        front = play.front().asks(ask)
        port = str(front.ends[0][1]).encode()
        play.back().asks(header.replace(b"{port}", port) + ask).answers(answer).closes()
        front.answers(answer).leaves()
    return play


TRUE = f"PROXY TCP4 {CLIENT} {FRONT} {{port}} 80\r\n".encode()


def test_a_header_that_names_the_client(tmp_path: Path) -> None:
    true, seen = sorted(told(behind(TRUE), tmp_path, "proxy-protocol"), key=lambda f: f.values[0])
    slugs = {true.slug: true, seen.slug: seen}
    assert slugs.keys() == {"proxy-protocol.true-source", "proxy-protocol.backend"}
    said = values(slugs["proxy-protocol.true-source"])
    assert (said["count"], said["of"]) == (2, 2)
    said = values(slugs["proxy-protocol.backend"])
    assert (said["connections"], said["versions"], said["local"]) == (2, "1", 0)
    assert said["example"] == f"{CLIENT}:40001"
    assert slugs["proxy-protocol.backend"].remedy


@pytest.mark.parametrize(
    ("kind", "name"),
    [
        (0x01, "ALPN"),
        (0x02, "AUTHORITY"),
        (0x05, "UNIQUE_ID"),
        (0x20, "SSL"),
        (0x30, "NETNS"),
        (0xE0, "GCP connection id"),
        (0xEA, "AWS VPC endpoint"),
        (0xEE, "Azure link id"),
        (0xEB, "type 0xEB"),
    ],
)
def test_what_a_header_brings_along(kind: int, name: str, tmp_path: Path) -> None:
    found = told(behind(v2(tlvs=tlv(kind, b"value"))), tmp_path, "proxy-protocol")
    (seen,) = (f for f in found if f.slug == "proxy-protocol.backend")
    assert (values(seen)["versions"], values(seen)["tlvs"]) == ("2", name)
    assert "with {tlvs}" in seen.statement


@pytest.mark.parametrize("good", [True, False])
def test_a_checksum_holds_or_does_not(good: bool, tmp_path: Path) -> None:
    header = v2(tlvs=tlv(0x03, bytes(4)))
    header = with_crc(header) if good else header
    found = told(behind(header), tmp_path, "proxy-protocol.checksum")
    assert [(f.severity, values(f)["count"]) for f in found] == [(Severity.MEDIUM, 2)] * (not good)


def test_connections_of_the_balancers_own_name_nobody(tmp_path: Path) -> None:
    found = told(behind(v2(b"", 0x00, 0x20)), tmp_path, "proxy-protocol")
    (seen,) = found
    assert (seen.slug, values(seen)["local"]) == ("proxy-protocol.backend", 2)
    assert "{local}" in seen.statement
    assert "{example}" not in seen.statement
