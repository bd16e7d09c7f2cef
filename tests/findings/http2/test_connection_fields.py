"""Fields of HTTP/1 connections in messages of HTTP/2 (RFC 9113 §8.2.2)."""

from __future__ import annotations

import pytest
from h2.config import H2Configuration
from h2.connection import H2Connection

from lbtrace.model.report import Severity
from tests.findings.http2_talks import Http2Talk, of, told
from tests.findings.simulated import values

FORBIDDEN = [
    ("connection", "keep-alive", "Connection"),
    ("keep-alive", "timeout=5", "Keep-Alive"),
    ("proxy-connection", "close", "Proxy-Connection"),
    ("transfer-encoding", "chunked", "Transfer-Encoding"),
    ("upgrade", "h2,h2c", "Upgrade"),
]


class CarelessTalk(Http2Talk):
    """Neither end looks at what it sends or gets."""

    def __init__(self) -> None:
        super().__init__()
        for end, is_client in ((self.client, True), (self.server, False)):
            assert isinstance(end, H2Connection)
            end.config = H2Configuration(
                client_side=is_client,
                validate_outbound_headers=False,
                validate_inbound_headers=False,
                normalize_outbound_headers=False,
            )


@pytest.mark.parametrize(("name", "value", "spelled"), FORBIDDEN)
def test_a_response_that_has_one(name: str, value: str, spelled: str) -> None:
    talk = CarelessTalk()
    for n in range(3):
        talk.answers(talk.asks(f"/{n}"), b"ok", *([(name, value)] if n < 2 else []))
    (said,) = of(told(talk), "connection-fields")
    assert (said.slug, said.severity) == ("connection-fields.responses", Severity.LOW)
    assert (values(said)["count"], values(said)["of"]) == (2, 3)
    assert values(said)["fields"] == f"{spelled} ×2"
    assert "backend" in said.remedy


def test_a_request_that_has_several() -> None:
    talk = CarelessTalk()
    talk.answers(talk.asks("/a", None, ("connection", "close"), ("upgrade", "h2c")), b"ok")
    (said,) = of(told(talk), "connection-fields")
    assert said.slug == "connection-fields.requests"
    assert values(said)["fields"] == "Connection ×1, Upgrade ×1"
    assert "backend" not in said.remedy


def test_what_http2_allows_is_not_told() -> None:
    """TE: trailers among it."""
    talk = CarelessTalk()
    talk.answers(talk.asks("/a", None, ("te", "trailers")), b"ok", ("x-upgrade", "h2c"))
    assert of(told(talk), "connection-fields") == []
