"""Heads with every oddity, for hypothesis."""

from __future__ import annotations

from hypothesis import strategies as st

NAMES = (
    b"Host", b"X", b"x-Request-ID", b"Authorization", b"Cookie", b"Set-Cookie", b"Content-Length",
    b"content-length", b"Transfer-Encoding", b"Upgrade", b"Content-Encoding", b"Connection",
    b"CONTENT-ENCODING", b"", b"a b", b"X ", b"caf\xe9", b"~!#$%&'*+-.^_`|", b"()", b"X\0",
)  # fmt: skip
VALUES = (
    b"a", b"", b"0", b"5", b"+5", b"5, 5", b"0005", b"9" * 18, b"9" * 19, b"9" * 20, b"-1",
    b"chunked", b"Chunked", b"gzip, chunked", b"chunked, chunked", b"identity", b"br", b"GZip",
    b"h2c", b"Bearer c2VjcmV0LXRva2Vu", b"session=0123456789abcdef; Path=/", b"caf\xe9 \xff",
    b'quote " back \\ slash', b"a: b", b"https://u:p@h/?token=0123456789abcdef", b"\x7f\x01\x1f",
    b"tab\there", b"bare\nfeed", b"bare\rreturn", b"nul\0", b"x" * 300, b"x" * 9000,
)  # fmt: skip
BETWEEN = (b": ", b":", b":  ", b":\t", b" : ", b" ", b"")
ENDS = (b"", b" ", b"\t", b" \t")
STARTS = (
    b"GET / HTTP/1.1", b"GET /a?token=0123456789abcdef HTTP/1.1", b"HEAD /h HTTP/1.1",
    b"POST /p HTTP/1.0", b"PRI * HTTP/2.0", b"CONNECT a:443 HTTP/1.1", b"GET  HTTP/1.1", b"G",
    b"GET /caf\xe9\"\\\x7f HTTP/1.1", b"PROXY TCP4 a b 1 2", b"", b"GET /a b HTTP/1.1",
    b"HTTP/1.1 200 OK", b"HTTP/1.1 200", b"HTTP/1.1 200 ", b"HTTP/1.0 404 Not \xe9 Found",
    b"HTTP/1.1 204 No Content", b"HTTP/1.1 304 Not Modified", b"HTTP/1.1 100 Continue",
    b"HTTP/1.1 099 x", b"HTTP/1.1 20 x", b"HTTP/1.1  200 OK", b"HTTP/2 200 OK",
    b"GET /" + b"y" * 2001 + b" HTTP/1.1", b"GET\0/ HTTP/1.1", b"GET / HTTP/1.1\n",
)  # fmt: skip
LINE_ENDS = (b"\r\n", b"\r\n", b"\r\n", b"\n", b"\r", b"\r\n ", b"\r\n\t")

field_lines = st.builds(
    lambda *parts: b"".join(parts),
    st.sampled_from(NAMES),
    st.sampled_from(BETWEEN),
    st.sampled_from(VALUES) | st.binary(max_size=6),
    st.sampled_from(ENDS),
)


@st.composite
def heads(draw: st.DrawFn) -> bytes:
    """A start line, field lines, line ends that are mostly sound, and perhaps an empty line."""
    found = draw(st.sampled_from(STARTS))
    for line in draw(st.lists(field_lines, max_size=4)):
        found += draw(st.sampled_from(LINE_ENDS)) + line
    return found + draw(st.sampled_from((b"\r\n\r\n", b"\r\n\r\n", b"\r\n\r\n", b"\n\n", b"")))


messages = st.builds(
    lambda head, body: head + body,
    heads(),
    st.sampled_from((b"", b"hello", b"x", b"5\r\nhello\r\n0\r\n\r\n", b"\r\n\r\n", b"HTTP/1.1 2")),
)
