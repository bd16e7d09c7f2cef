"""Credentials are masked, and nothing else is."""

from __future__ import annotations

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lbtrace.http_fields.masking import (
    ELLIPSIS,
    Mask,
    any_names_secret,
    is_public,
    is_secret_parameter,
    may_hold_url,
    names_secret,
)
from tests.compiled import on_both

MASK = Mask(b"a key")
HIDDEN = ELLIPSIS + r"\(\d+ bytes?, #[0-9a-f]{4}\)"
TOKEN = st.text(
    st.characters(min_codepoint=0x21, max_codepoint=0x7E, exclude_characters=";&#\"'<>="),
    min_size=6,
)


@pytest.mark.parametrize(
    ("name", "value", "shown"),
    [
        ("Authorization", "Bearer mF_9.B5f-4.1JqM", "Bearer %%"),
        ("authorization", "Basic YTpi", "Basic %%"),
        ("Authorization", "nothing-but-a-token", "%%"),
        ("Authorization", "31d4d96e0a7b4c5f9d  for=me", "%%"),
        ("Authorization", "XyZabcDEFghiJKLmno123  x", "%%"),
        ("Authorization", "sk-live_0a7b4c5f9d \t", "%% \t"),
        ("Authorization", "Bearer mF_9.B5f-4.1JqM  ", "Bearer %%  "),
        ("Authorization", "AWS4-HMAC-SHA256 Credential=a/b", "AWS4-HMAC-SHA256 %%"),
        ("Authorization", "SCRAM-SHA-256 data=cixz", "SCRAM-SHA-256 %%"),
        ("X-Api-Key", "abc def", "%%"),
        ("Proxy-Authorization", 'Digest username="a", uri="/"', "Digest %%"),
        ("Cookie", "sid=31d4d96e; theme=dark", "sid=%%; theme=%%"),
        ("Cookie", "sid=a=b=c", "sid=%%"),
        ("Cookie", "no-name", "%%"),
        ("Cookie", "empty=", "empty="),
        ("Set-Cookie", "sid=31d4; Path=/; HttpOnly", "sid=%%; Path=/; HttpOnly"),
        ("Set-Cookie", "sid=", "sid="),
        ("X-Api-Key", "0123", "%%"),
        ("X-Inner-Token", "abc", "%%"),
        ("x-acme_session-id", "abc", "%%"),
        ("X-Request-Id", "2f5256ec854c93be", "2f5256ec854c93be"),
        ("ETag", '"abc"', '"abc"'),
        ("Sec-WebSocket-Key", "dGhlIHNhbXBsZQ==", "dGhlIHNhbXBsZQ=="),
        ("X-Amzn-Trace-Id", "Root=1-67891233-abcdef", "Root=1-67891233-abcdef"),
        ("Location", "https://me:pw@host/a?token=xyz&n=1", "https://%%@host/a?token=%%&n=1"),
        ("Referer", "http://a/b?next=1", "http://a/b?next=1"),
        ("Authorization", "", ""),
        ("Authorization\x0b ", "Bearer abc", "Bearer %%"),
        ("X-AccessToken", "abc", "%%"),
        ("x-accesstoken", "abc", "%%"),
        ("x-tokens", "abc", "abc"),
        ("Cookie", "a=1;b=2", "a=%%;b=%%"),
        (
            "Set-Cookie",
            "a=1; Expires=Wed, 09 Jun 2021 10:18:14 GMT; X",
            "a=%%; Expires=Wed, 09 Jun 2021 10:18:14 GMT; %%",
        ),
        ("Set-Cookie", "a=1; Path=/, b=2; Path=/", "a=%%; Path=%%; Path=/"),
        ("Host", "me:pw@host:80", "%%@host:80"),
        (":authority", "me:pw@host", "%%@host"),
        (":path", "/a?token=b", "/a?token=%%"),
        ("Referer", "//me:pw@host/a", "//%%@host/a"),
        ("Referer", "/images//me@2x.png", "/images//me@2x.png"),
        ("Location", "/a?next=/b?token=c&n=1", "/a?next=/b?token=%%&n=1"),
        ("Location", "/a?n=1;token=c", "/a?n=1;token=%%"),
        ("Location", "/cb#state=1&access_token=c", "/cb#state=1&access_token=%%"),
        ("Location", "/a?next=%2Fb%3Ftoken%3Dc&n=1", "/a?next=%%&n=1"),
        ("Location", "/a?next=%2Fb%3Fn%3D1&n=1", "/a?next=%2Fb%3Fn%3D1&n=1"),
        ("Location", "/go/https%253A%252F%252Fh%252F%253Ftoken%253Dc", "%%"),
        ("Location", "/go?to=https%3A%2F%2Fme%3Apw%40h%2F", "/go?to=%%"),
        ("Location", "/cb?code=SplxlOBe&state=xyz", "/cb?code=%%&state=xyz"),
        ("WWW-Authenticate", "Negotiate oYG1MIGyoAM=", "Negotiate %%"),
        ("WWW-Authenticate", "NTLM", "NTLM"),
        (
            "Proxy-Authenticate",
            "Basic, Negotiate YII-_~+/=, NTLM  TlRM",
            "Basic, Negotiate %%, NTLM  %%",
        ),
        ("WWW-Authenticate", 'Basic realm="a, b c", NTLM', 'Basic realm="a, b c", NTLM'),
        ("WWW-Authenticate", "Digest realm=a, nonce=b==", "Digest realm=a, nonce=b=="),
        ("WWW-Authenticate", 'Bearer realm="/a?token=b"', 'Bearer realm="/a?token=%%"'),
        ("Sec-WebSocket-Protocol", "bearer, mF_9.B5f", "bearer, %%"),
        ("Sec-WebSocket-Protocol", "access_token ,key, chat", "access_token ,%%, chat"),
        ("Sec-WebSocket-Protocol", "a.bearer.k8s.io.YWJj, v4.k8s.io", "a.bearer.%%, v4.k8s.io"),
        ("Sec-WebSocket-Protocol", "chat, x-api-key.sk-1, soap", "chat, x-api-key.%%, soap"),
        ("Sec-WebSocket-Protocol", "v1, eyJhbGciOiJSUzI1NiJ9.eyJz.c", "v1, %%"),
        ("Sec-WebSocket-Protocol", "5f1c9a7e03b84d26, chat", "%%, chat"),
        ("Sec-WebSocket-Protocol", "actioncable-v1-json", "actioncable-v1-json"),
        (
            "Sec-WebSocket-Protocol",
            "graphql-transport-ws, wamp.2.json",
            "graphql-transport-ws, wamp.2.json",
        ),
        ("Sec-WebSocket-Protocol", "", ""),
        ("Sec-WebSocket-Protocol", ", ,", ", ,"),
        ("X-Forwarded-Client-Cert", 'Hash=ab;Subject="CN=me"', 'Hash=ab;Subject="CN=me"'),
    ],
)
def test_a_field_is_shown_without_its_credentials(name: str, value: str, shown: str) -> None:
    pattern = re.escape(shown).replace("%%", HIDDEN)
    assert re.fullmatch(pattern, MASK.value(name, value)), MASK.value(name, value)


@pytest.mark.parametrize(
    ("name", "secret"),
    [
        ("access_token", True),
        ("access%5Ftoken", True),
        ("accessToken", True),
        ("X-Amz-Signature", True),
        ("X-Amz-Credential", True),
        ("sig", True),
        ("PHPSESSID", True),
        ("api_key", True),
        ("code", True),
        ("code_verifier", True),
        ("oauth_verifier", True),
        ("ticket", True),
        ("SAMLart", True),
        ("client_assertion", True),
        ("otp", True),
        ("user[password]", True),
        ("a[token]", True),
        ("user%5Btoken%5D", True),
        ("login.pin", True),
        ("filters[0][key][]", True),
        ("a[tokens]", False),
        ("zip.country_code", False),
        ("country_code", False),
        ("state", False),
        ("monkey", False),
        ("keyword", False),
        ("n", False),
        ("design", False),
        ("Sec-WebSocket-Key", False),
    ],
)
def test_a_parameter_is_secret_by_the_words_of_its_name(name: str, secret: bool) -> None:
    assert is_secret_parameter(name) is secret


@pytest.mark.parametrize(
    ("line", "shown"),
    [
        ("CONNECT me:pw@host:443 HTTP/1.1", "CONNECT %%@host:443 HTTP/1.1"),
        ("GET /a?token=b HTTP/1.1", "GET /a?token=%% HTTP/1.1"),
        ("GET /a b?token=c HTTP/1.1", "GET /a b?token=%% HTTP/1.1"),
        ("GET /a?token=b", "GET /a?token=%%"),
        ("HTTP/1.1 302 see /a?token=b", "HTTP/1.1 302 see /a?token=%%"),
        ("HTTP/1.1 200 me@here ok", "HTTP/1.1 200 me@here ok"),
        ("", ""),
    ],
)
def test_a_start_line_is_masked_by_its_target(line: str, shown: str) -> None:
    pattern = re.escape(shown).replace("%%", HIDDEN)
    assert re.fullmatch(pattern, MASK.start_line(line)), MASK.start_line(line)


def test_a_line_that_continues_a_field_is_masked_as_the_field_is() -> None:
    assert MASK.continued("Authorization: Bearer", "\t mF_9") == f"\t {MASK.hide('mF_9')}"
    assert MASK.continued("Accept: a,", "  b") == "  b"


def test_a_line_is_masked_by_its_name_and_keeps_its_blanks() -> None:
    assert MASK.line("Cookie:  a=secret") == f"Cookie:  a={MASK.hide('secret')}"
    assert MASK.line("Host: example.com") == "Host: example.com"
    assert MASK.line("GET /a?token=xyz") == f"GET /a?token={MASK.hide('xyz')}"
    assert MASK.line("/a;jsessionid=12AB?x=1") == f"/a;jsessionid={MASK.hide('12AB')}?x=1"


def test_the_length_is_in_bytes() -> None:
    assert MASK.hide("\xc3\xa9").startswith(f"{ELLIPSIS}(2 bytes, #")
    assert MASK.hide("e").startswith(f"{ELLIPSIS}(1 byte, #")
    assert MASK.hide("\u20ac").startswith(f"{ELLIPSIS}(3 bytes, #")  # no text of the wire


_PIECES = (
    "Via",
    "Host",
    "Cookie",
    "X-Api-Key",
    " ",
    ":",
    "=",
    "%3D",
    "//",
    "a@b",
    "?",
    "token",
    "x",
)


@given(st.lists(st.lists(st.sampled_from(_PIECES)).map("".join)))
def test_what_is_surely_shown_as_sent_is_what_the_mask_leaves(lines: list[str]) -> None:
    mask = Mask(b"key")
    as_sent = list(filter(_surely_shown, lines))
    assert list(map(mask.line, as_sent)) == as_sent
    assert not mask.hidden


def test_an_ordinary_line_is_surely_shown_as_sent() -> None:
    lines = "Via: 1.1 a", "Cookie: x", "Host: a", "X-Trace: Root=1", "Location: /a?b=c"
    assert list(map(_surely_shown, lines)) == [True, False, False, True, False]


def _surely_shown(line: str) -> bool:
    return is_public(line.partition(":")[0]) and not may_hold_url(line.encode("latin-1"))


@given(TOKEN, TOKEN, st.binary(min_size=1, max_size=64))
def test_equal_stays_equal_and_the_key_decides(a: str, b: str, key: bytes) -> None:
    mask = Mask(key)
    assert mask.hide(a) == Mask(key).hide(a)
    if len(a) != len(b):
        assert mask.hide(a) != mask.hide(b)


@given(TOKEN)
def test_no_credential_is_left_in_what_is_shown(secret: str) -> None:
    for name in ("Authorization", "Cookie", "Set-Cookie", "X-Api-Key", "Proxy-Authorization"):
        for value in (secret, f"Bearer {secret}", f"sid={secret}"):
            assert secret not in MASK.value(name, value)
    for url in (f"/a?access_token={secret}", f"https://h/?x=1&password={secret}&y=2"):
        assert secret not in MASK.url(url)


@given(st.text(max_size=60))
def test_any_text_can_be_masked_and_masking_is_the_same_each_time(text: str) -> None:
    for name in ("Cookie", "Set-Cookie", "Authorization", "X-Secret", "Location"):
        assert MASK.value(name, text) == MASK.value(name, text)
    assert MASK.url(text) == MASK.url(text)


_COOKIE_PARTS = [
    *(b"sid=31d4", b"theme=dark", b"31d4", b"=", b";", b"; ", b";  ", b";\t", b" ", b"\xe9\x85"),
    b"\0" * 127,
    b"x" * 300,
]


@given(
    st.lists(
        st.tuples(
            st.sampled_from([b"Cookie:", b"cookie: ", b"Cookie:\t "]),
            st.lists(st.sampled_from(_COOKIE_PARTS), max_size=6).map(b"".join),
        ).map(b"".join),
        max_size=6,
    ),
    st.sampled_from([b"k", b"key" * 21 + b"!"]) | st.none(),
)
def test_many_cookie_lines_are_masked_as_each_alone(lines: list[bytes], key: bytes | None) -> None:
    def masked() -> tuple[object, ...]:
        mask, known = Mask(key), dict[bytes, bytes]()
        which = list(range(0, len(lines), 2))
        shown = mask.cookie_lines(lines, which, known)
        again = mask.cookie_lines(lines, which, known)
        assert [id(line) for line in shown] == [id(line) for line in again]
        return shown, known, mask.hidden, mask.values

    plain, compiled = on_both(masked)
    assert plain == compiled
    alone = Mask(key)
    each = [alone.line(line.decode("latin-1")).encode("latin-1") for line in lines[::2]]
    assert plain[0] == each
    assert (plain[2], plain[3]) == (alone.hidden, alone.values)


_PARAMETERS = ["?", "&", "#", ";", "=", " ", "\t", "\x1c", "\x85", "\xa0", "\xe9", '"', "<", ">",
               "token", "sid", "page", "x" * 120, "%74oken", "/"]  # fmt: skip


@given(st.lists(st.lists(st.sampled_from(_PARAMETERS), max_size=8).map("".join), max_size=4))
def test_names_of_parameters_are_found_in_many_lines_as_in_each(lines: list[str]) -> None:
    sent = [line.encode("latin-1") for line in lines]
    for found in on_both(lambda: any_names_secret(sent)):
        assert found == any(map(names_secret, lines))
