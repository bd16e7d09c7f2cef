"""Redirect loops in one capture, whatever the port of the server in it is."""

from __future__ import annotations

from pathlib import Path

import pytest

from lbtrace.pipeline import show
from tests.simulator.script import Script


@pytest.mark.parametrize(
    ("host", "location", "loops"),
    [
        ("a.example", "http://a.example/home", True),
        ("a.example:80", "http://a.example/home", True),
        ("a.example", "/home", True),
        ("a.example:8080", "http://a.example/home", False),  # of another port
        ("a.example:8080", "http://a.example:8080/home", True),
        ("a.example", "http://a.example:8080/home", False),
        ("a.example", "http://a.example/login", False),
    ],
)
def test_host_names_the_url_that_the_client_asked_for(
    host: str, location: str, loops: bool, tmp_path: Path
) -> None:
    """A Host without a port is of the default port (RFC 9110 §7.2): the balancer in front of this
    server takes connections there.
    """
    play = Script()
    for _ in range(3):
        back = play.back(8080).asks(f"GET /home HTTP/1.1\r\nHost: {host}\r\n\r\n".encode())
        head = f"HTTP/1.1 302 Found\r\nLocation: {location}\r\nContent-Length: 0\r\n\r\n"
        back.answers(head.encode()).closes()
    _, path = play.write(tmp_path)
    found = {f.slug for f in show([[str(path)]]).findings}
    assert ("redirects.loop" in found) == loops
