"""nginx configurations: what stays, what is replaced, what cannot work."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from lbtrace.errors import OptionError
from lbtrace.lab.own import Wish
from tests.lab.own.files import SHOP, adapted, adapted_text

SITE = "server {{ listen 80; server_name a.test; {} }}"


def _words(text: str) -> str:
    return " ".join(text.split())


def test_the_site_behind_tls_is_asked_and_not_the_redirect_to_it() -> None:
    found = adapted("nginx", SHOP)
    assert (found.port, found.host, found.path, found.backends) == (443, "shop.example.com", "", 2)
    text = _words(found.text)
    assert "listen 443; server_name shop.example.com" in text
    assert "ssl_certificate" not in text
    assert "server 172.31.11.95:8080 max_fails=3 fail_timeout=10s;" in text
    assert "return 301 https://$host$request_uri;" in text  # of port 80, which nobody asks


def test_with_tls_the_certificate_is_the_labs() -> None:
    text = _words(adapted("nginx", SHOP, Wish(tls=True)).text)
    assert "listen 443 ssl;" in text
    assert "ssl_certificate @LAB@/both.pem; ssl_certificate_key @LAB@/both.pem;" in text


def test_tls_to_the_servers_stays_where_the_traffic_is_about_it(tmp_path: Path) -> None:
    site = """upstream shop { server a:8443; }
    server { listen 443 ssl; location / { proxy_pass https://shop; proxy_ssl_verify on;
    proxy_ssl_name a.test; } location /p { proxy_pass http://shop; } }"""
    text = _words(adapted_text("nginx", tmp_path, site, Wish(tls=True, behind=True)).text)
    assert "proxy_pass https://shop; proxy_ssl_name a.test; }" in text
    assert "proxy_pass http://shop;" in text
    assert "proxy_ssl_verify" not in text
    text = _words(adapted_text("nginx", tmp_path, site, Wish(tls=True)).text)
    assert "https://shop" not in text
    assert "proxy_ssl_name" not in text
    with pytest.raises(OptionError, match="it speaks TLS to no server"):
        adapted("nginx", SHOP, Wish(tls=True, behind=True))


def test_tls_of_a_stream_is_one_directive(tmp_path: Path) -> None:
    stream = "stream { server { listen 443 ssl; proxy_pass a:1; proxy_ssl on; } }"
    kept = adapted_text("nginx", tmp_path, stream, Wish(tls=True, behind=True))
    assert "proxy_ssl on;" in _words(kept.text)
    assert "proxy_ssl" not in adapted_text("nginx", tmp_path, stream, Wish(tls=True)).text


def test_what_decides_the_behaviour_stays_word_for_word() -> None:
    text = _words(adapted("nginx", SHOP).text)
    for kept in (
        "keepalive 16;",
        "proxy_http_version 1.1;",
        "proxy_set_header Connection '';",
        "proxy_set_header X-Forwarded-For $proxy_add_x_forwarded_for;",
        "proxy_pass http://shop;",
    ):
        assert kept in text


def test_one_line_says_what_was_changed_and_left_out() -> None:
    said = adapted("nginx", SHOP).said
    assert "\n" not in said
    assert "The clients ask shop.example.com on port 443." in said
    assert "servers of shop beyond the lab's 2 backends" in said
    assert "fastcgi_pass (the lab's backends speak HTTP), answered with 502" in said


def test_a_whole_configuration_takes_its_includes_from_beside_it() -> None:
    found = adapted("nginx", "nginx/nginx.conf")
    assert (found.port, found.host, found.path) == (80, "api.example.com", "/v2")
    text = _words(found.text)
    assert "proxy_set_header Host $host;" in text  # of snippets/proxy.conf
    assert "server 172.31.11.95:8080 weight=3;" in text
    assert "auth_basic" not in text
    assert "auth_basic" in found.said
    assert "/var/cache/nginx" not in text
    assert re.search(r"proxy_cache_path @LAB@/cache-\d+ levels=1:2", text)
    assert "return 444" in text


def test_what_is_asked_can_be_named() -> None:
    found = adapted("nginx", "nginx/nginx.conf", Wish(path="/login/", host="api.example.com"))
    assert found.path == "/login"
    with pytest.raises(OptionError, match=r"no server of it is named x\.test.*api\.example\.com"):
        adapted("nginx", "nginx/conf.d/api.conf", Wish(host="x.test"))


@pytest.mark.parametrize(
    ("written", "becomes"),
    [
        ("proxy_pass http://app:3000;", "proxy_pass http://172.31.11.95:8080;"),
        ("proxy_pass http://app:3000/v1/;", "proxy_pass http://172.31.11.95:8080/v1/;"),
        ("proxy_pass https://10.0.0.7;", "proxy_pass http://172.31.11.95:8080;"),
        ("proxy_pass http://app$request_uri;", "proxy_pass http://172.31.11.95:8080$request_uri;"),
        ("proxy_pass http://unix:/run/a.sock:/v1/;", "proxy_pass http://172.31.11.95:8080/v1/;"),
        ("proxy_pass http://unix:/run/a.sock;", "proxy_pass http://172.31.11.95:8080;"),
        ("proxy_pass http://[fd00::1]:80;", "proxy_pass http://172.31.11.95:8080;"),
    ],
)
def test_a_server_that_is_named_directly_is_a_backend(
    written: str, becomes: str, tmp_path: Path
) -> None:
    text = SITE.format(f"location / {{ {written} }}")
    assert becomes in adapted_text("nginx", tmp_path, text).text


def test_a_variable_that_names_a_server_is_followed_to_where_it_is_set() -> None:
    text = _words(adapted("nginx", "compose.conf").text)
    assert "set $backend http://172.31.11.95:8080;" in text
    assert "proxy_pass $backend;" in text
    assert "set $store 172.31.11.95;" in text
    assert "proxy_pass http://$store:8080;" in text
    assert "set $port 3000;" in text  # names no server
    assert "resolver" not in text


def test_a_redirect_to_https_inside_the_server_is_left_out_without_tls() -> None:
    assert "301" not in adapted("nginx", "gunicorn.conf").text
    assert "redirects to https" in adapted("nginx", "gunicorn.conf").said
    found = adapted("nginx", "gunicorn.conf", Wish(tls=True))
    assert "301" in found.text
    assert found.port == 443


def test_addresses_of_listen_become_one_port_each(tmp_path: Path) -> None:
    text = """server { listen 10.0.0.1:80 default_server; listen [::]:80 default_server;
    listen unix:/run/n.sock; listen 443 quic; location / { proxy_pass http://a; } }
    server { listen 10.0.0.2:80 default_server; server_name b.test; return 444; }"""
    found = adapted_text("nginx", tmp_path, text)
    assert re.findall(r"listen [^;]*;", found.text) == ["listen 80 default_server;", "listen 80;"]
    assert "listen unix:/run/n.sock; listen 443 quic" in found.said


def test_a_stream_is_passed_on_by_its_port() -> None:
    found = adapted("nginx", "stream.conf")
    assert (found.port, found.host, found.path, found.backends) == (5432, "", "", 2)


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("server { location / { return 200; } }", "line 1: it passes no request on"),
        ("upstream a { server b; }", "it has no server"),
        ("server {\nlisten 80", "line 2: unexpected end of file|line 2: .80. is not followed"),
        ("server { listen 80; ", "unexpected end of file"),
        (SITE.format("include nothing.conf;"), "line 1: include nothing.conf: there is no such"),
        (SITE.format("location / { proxy_pass http://$x; }"), r"line 1: .*nothing .*sets \$x"),
        (
            SITE.format("set $x '$1'; location / { proxy_pass http://$x; }"),
            r"\$x says where requests go, and its value is no address",
        ),
        (SITE.format(r"location ~ \.do$ { proxy_pass http://a; }"), "--below /api"),
        (SITE.format("location / { fastcgi_pass php:9000; }"), "passes no request on"),
    ],
)
def test_what_cannot_work_is_one_line_with_its_place(text: str, says: str, tmp_path: Path) -> None:
    with pytest.raises(OptionError, match=says) as caught:
        adapted_text("nginx", tmp_path, text)
    assert "\n" not in str(caught.value)
    assert str(tmp_path / "my.conf") in str(caught.value)


def test_tls_that_nobody_takes_cannot_be_asked_for(tmp_path: Path) -> None:
    with pytest.raises(OptionError, match="no server of it takes TLS"):
        adapted_text("nginx", tmp_path, SITE.format("location / { proxy_pass http://a; }"),
                     Wish(tls=True))  # fmt: skip


def test_files_that_include_each_other_end(tmp_path: Path) -> None:
    with pytest.raises(OptionError, match="include each other"):
        adapted_text("nginx", tmp_path, "include my.conf;")


def test_a_file_that_is_not_there_or_no_text(tmp_path: Path) -> None:
    with pytest.raises(OptionError, match=r"there is no such file\. Check the name\."):
        adapted("nginx", tmp_path / "nothing.conf")
    (tmp_path / "my.conf").write_bytes(b"\xff\xfe")
    with pytest.raises(OptionError, match="is not UTF-8"):
        adapted("nginx", tmp_path / "my.conf")
