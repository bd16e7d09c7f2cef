"""Error pages that come with a proxy's software."""

from __future__ import annotations

from pathlib import Path

import pytest
import xxhash

from lbtrace.match.own_pages import HAPROXY, NGINX, maker
from lbtrace.model.http import Body, Framing, HeaderLine, Response
from lbtrace.model.pairing import Confidence, UnpairedDetail, UnpairedReason
from tests.findings.through import exchange, message, request
from tests.simulator.script import Script

TOO_MANY = (
    "<html><body><h1>429 Too Many Requests</h1>\nYou have sent too many requests in a given amount "
    "of time.\n</body></html>\n"
)
PADDING = "<!-- a padding to disable MSIE and Chrome friendly error page -->\r\n" * 6


def of_nginx(line: str, server: str) -> str:
    return (
        f"<html>\r\n<head><title>{line}</title></head>\r\n<body>\r\n<center><h1>{line}</h1></center>"
        f"\r\n<hr><center>{server}</center>\r\n</body>\r\n</html>\r\n"
    )


def answer(line: str, page: str, server: str = "") -> Response:
    status, _, reason = line.partition(" ")
    data = page.encode()
    body = Body(
        Framing.CONTENT_LENGTH,
        len(data),
        len(data),
        True,
        xxhash.xxh3_128_hexdigest(data),
        None,
        None,
    )
    lines = (HeaderLine("Server", server, f"Server: {server}"),) if server else ()
    return Response(int(status), reason, "HTTP/1.1", lines, body, 1, 1, 1, 0, 0, 0)


def test_a_page_of_haproxy() -> None:
    assert maker(answer("429 Too Many Requests", TOO_MANY)) == "HAProxy"
    assert maker(answer("403 Forbidden", TOO_MANY)) == ""
    assert len(set(HAPROXY.values())) == len(HAPROXY)


@pytest.mark.parametrize("padding", ["", PADDING])
@pytest.mark.parametrize("line", ["429 Too Many Requests", "502 Bad Gateway", "404 Not Found"])
def test_a_page_of_nginx(line: str, padding: str) -> None:
    """One with files says 404, too."""
    page = of_nginx(line, "nginx/1.22.1") + padding
    made = "nginx" if int(line[:3]) in NGINX else ""
    assert maker(answer(line, page, "nginx/1.22.1")) == made
    assert maker(answer(line, page, "nginx/1.18.0")) == ""
    assert maker(answer(line, page)) == ""


@pytest.mark.parametrize("by_backend", [False, True])
def test_the_page_tells_who_made_the_error_where_nothing_else_does(
    by_backend: bool, tmp_path: Path
) -> None:
    """Unless a backend sends the same page."""
    play, refused = Script(), message("429 Too Many Requests", TOO_MANY)
    for n in range(5):
        exchange(play, f"/{n}")
    if by_backend:
        exchange(play, "/limited", given=refused)
    for n in range(5, 8):
        play.front().asks(request(f"/{n}")).answers(refused).leaves()
        play.wait(100)
    exchange(play, "/8")
    unpaired = [u for u in play.report(tmp_path).correlation.unpaired if u.side == "client"]
    assert len(unpaired) == 3
    own = UnpairedReason.UNKNOWN if by_backend else UnpairedReason.ANSWERED_BY_BALANCER
    assert {u.reason for u in unpaired} == {own}
    if not by_backend:
        assert {(u.confidence, u.detail, u.value) for u in unpaired} == {
            (Confidence.MEDIUM, UnpairedDetail.OWN_PAGE, "HAProxy")
        }
