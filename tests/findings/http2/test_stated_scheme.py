"""What `:scheme` says: of requests that a balancer passes on, and on connections without TLS."""

from __future__ import annotations

from pathlib import Path

import pytest

from lbtrace.model.net import Endpoint
from lbtrace.model.report import Finding
from lbtrace.pipeline import compare
from tests.findings.http2_talks import Http2Talk, of, told
from tests.findings.simulated import values
from tests.tcp.wire import pcap


def talk(*schemes: str, behind: bool = False) -> Http2Talk:
    """A request for each scheme, on one connection."""
    said = Http2Talk(50001 if behind else 40001, at=2 * behind, isn=9000 if behind else 99)
    if behind:
        said.between("10.0.0.80", Endpoint("172.16.0.11", 8080))
    for n, scheme in enumerate(schemes):
        said.scheme = scheme
        said.answers(said.asks(f"/{n}", None, ("x-id", f"7f3a9c1e5b2d486{n}")), b"ok %d" % n)
    return said


def compared(folder: Path, front: Http2Talk, behind: Http2Talk) -> list[Finding]:
    paths = folder / "client.pcap", folder / "backend.pcap"
    for path, one in zip(paths, (front, behind), strict=True):
        path.write_bytes(pcap(one.wire))
    report = compare([[str(paths[0])]], [[str(paths[1])]])
    return of(list(report.findings), "stated-scheme")


@pytest.mark.parametrize(
    ("before", "after", "severity"), [("https", "http", "info"), ("http", "https", "low")]
)
def test_a_balancer_that_states_another_scheme(
    tmp_path: Path, before: str, after: str, severity: str
) -> None:
    found = compared(tmp_path, talk(before, before), talk(after, after, behind=True))
    said = found[0]
    assert (said.slug, said.severity) == ("stated-scheme.changed", severity)
    assert (values(said)["count"], values(said)["of"]) == (2, 2)
    assert (values(said)["before"], values(said)["after"]) == (before, after)
    assert said.remedy
    assert [f.slug for f in found[1:]] == (
        ["stated-scheme.plain-client"] if before == "https" else []
    )


def test_the_same_scheme_on_both_sides_is_not_told(tmp_path: Path) -> None:
    assert compared(tmp_path, talk("http"), talk("http", behind=True)) == []


def test_https_on_both_sides_of_a_plain_balancer(tmp_path: Path) -> None:
    found = compared(tmp_path, talk("https"), talk("https", behind=True))
    assert {f.slug for f in found} == {"stated-scheme.plain-client", "stated-scheme.plain-backend"}


def test_a_connection_that_states_both_says_nothing(tmp_path: Path) -> None:
    front, behind = talk("https", "http"), talk("http", "http", behind=True)
    assert compared(tmp_path, front, behind) == []


def test_one_capture_alone() -> None:
    other = Http2Talk(40002)
    other.answers(other.asks("/"), b"ok")
    (said,) = of(told(talk("https"), other), "stated-scheme")
    assert said.slug == "stated-scheme.plain"
    assert (values(said)["count"], values(said)["of"]) == (1, 2)
    assert "side" not in said.text


@pytest.mark.parametrize(("scheme", "judged"), [("https", False), ("http", True)])
def test_whether_x_forwarded_proto_is_right_is_open_where_a_plain_client_says_https(
    tmp_path: Path, scheme: str, judged: bool
) -> None:
    """TLS may have ended before the balancer, which says http then; or the client is wrong."""
    front, behind = talk(scheme), Http2Talk(50001, at=2, isn=9000)
    behind.between("10.0.0.80", Endpoint("172.16.0.11", 8080))
    stated = ("x-forwarded-proto", "http")
    behind.answers(behind.asks("/0", None, ("x-id", "7f3a9c1e5b2d4860"), stated), b"ok 0")
    paths = tmp_path / "client.pcap", tmp_path / "backend.pcap"
    for path, one in zip(paths, (front, behind), strict=True):
        path.write_bytes(pcap(one.wire))
    found = of(list(compare([[str(paths[0])]], [[str(paths[1])]]).findings), "forwarded-fields")
    assert [f.slug for f in found] == (["forwarded-fields.right"] if judged else [])
