"""HAProxy configurations: what stays, what is replaced, what cannot work."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lbtrace.errors import OptionError
from lbtrace.lab.own import Wish
from lbtrace.lab.own._haproxy_lines import _WORD, _without_comment
from tests.lab.own.files import adapted, adapted_text

FRONT = "frontend f\n bind :80\n default_backend b\n"


def test_one_port_takes_what_came_by_tls_and_by_none() -> None:
    found = adapted("haproxy", "haproxy.cfg")
    assert (found.port, found.host, found.backends) == (80, "", 2)
    for kept in (
        "  option forwardfor\n",
        "  http-request set-header X-Request-ID %[uuid()]\n",
        "  use_backend api if is_api\n",
        "  cookie SRV insert indirect nocache\n",
        "  server web1 172.31.11.95:8080 check cookie w1\n",
        "  http-check expect status 200\n",
    ):
        assert kept in found.text
    for gone in ("chroot", "/dev/log", "resolvers", "redirect", "verify", ".internal"):
        assert gone not in found.text
    assert "redirects to https" in found.said
    assert "servers of web beyond the lab's 2 backends" in found.said


def test_with_tls_the_certificate_is_the_labs() -> None:
    found = adapted("haproxy", "haproxy.cfg", Wish(tls=True))
    assert found.port == 443
    assert "bind *:443 alpn h2,http/1.1 ssl crt @LAB@/both.pem\n" in found.text
    assert "http-request redirect scheme https unless { ssl_fc }" in found.text


def test_tls_to_the_servers_stays_where_the_traffic_is_about_it(tmp_path: Path) -> None:
    found = adapted("haproxy", "haproxy.cfg", Wish(tls=True, behind=True))
    assert "server web1 172.31.11.95:8080 ssl check cookie w1 verify none\n" in found.text
    assert "/etc/ssl/ca.pem" not in found.text
    assert "certificates of the servers" in found.said
    with pytest.raises(OptionError, match="it speaks TLS to no server"):
        adapted_text(
            "haproxy",
            tmp_path,
            "frontend f\n bind :443 ssl\n default_backend b\nbackend b\n server s a:1\n",
            Wish(tls=True, behind=True),
        )


def test_a_template_of_servers_is_as_many_as_the_lab_has() -> None:
    text = adapted("haproxy", "haproxy.cfg").text
    assert "server api1 172.31.11.95:8080 check inter 2s\n" in text
    assert "server api2 172.31.22.80:8080 check inter 2s\n" in text
    assert "api3" not in text


def test_tcp_is_passed_on_with_its_proxy_header() -> None:
    found = adapted("haproxy", "tcp.cfg")
    assert found.port == 8443
    assert "server a 172.31.11.95:8080 check send-proxy-v2\n" in found.text


def test_a_host_is_asked_for_where_no_other_is_served() -> None:
    assert adapted("haproxy", "hosts.cfg").host == "shop.example.com"
    assert adapted("haproxy", "hosts.cfg", Wish(host="docs.example.com")).host == "docs.example.com"


def test_a_frontend_that_only_sends_to_https_is_not_asked(tmp_path: Path) -> None:
    text = (
        "frontend http\n bind :80\n http-request redirect scheme https\n default_backend b\n"
        "frontend https\n bind :443 ssl crt x.pem\n default_backend b\n"
        "backend b\n server s a:1\n"
    )
    assert adapted_text("haproxy", tmp_path, text).port == 443


def test_files_beside_the_configuration_are_found(tmp_path: Path) -> None:
    (tmp_path / "hosts.map").write_text("a b\n")
    (tmp_path / "503.http").write_text("HTTP/1.0 503 x\r\n\r\n")
    text = (
        "defaults\n errorfile 503 /etc/haproxy/503.http\n errorfile 504 /etc/haproxy/504.http\n"
        + FRONT
        + "backend b\n http-request set-header X %[req.hdr(host),map(/etc/haproxy/hosts.map)]\n"
        " server s a:1\n"
    )
    found = adapted_text("haproxy", tmp_path, text)
    assert f"map({tmp_path}/hosts.map)" in found.text
    assert f"errorfile 503 {tmp_path}/503.http" in found.text
    assert "errorfile 504 /etc/haproxy/504.http" in found.said


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("bind :80\n", 'line 1: "bind" stands before any section'),
        ("backend b\n server s a:1\n", "no frontend that binds a port"),
        ("frontend f\n bind :80\n", "line 1: no frontend of it sends requests to servers"),
        (FRONT + "backend b\n server s\n", "line 5: server s: it has no address"),
    ],
)
def test_what_cannot_work_is_one_line_with_its_place(text: str, says: str, tmp_path: Path) -> None:
    with pytest.raises(OptionError, match=says) as caught:
        adapted_text("haproxy", tmp_path, text)
    assert "\n" not in str(caught.value)


@given(
    st.lists(
        st.one_of(
            st.from_regex(r"[a-z0-9:./*%\[\]()-]{1,8}", fullmatch=True),
            st.from_regex(r'"[a-z #\']{0,6}"', fullmatch=True),
            st.from_regex(r"'[a-z #\"]{0,6}'", fullmatch=True),
            st.sampled_from([r"a\ b", r"\#", r"a\"b"]),
        )
    )
)
def test_words_are_those_between_spaces_that_are_not_quoted(words: list[str]) -> None:
    line = "  " + "  ".join(words) + " # a comment 'with a quote"
    assert _WORD.findall(_without_comment(line)) == words
