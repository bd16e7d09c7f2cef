"""The body of an error response → the software whose built-in page it is.

Proxies write the same page each time: HAProxy a fixed one for each status, nginx one that is made
of its status line and of the name that it puts into Server. Who else would send the same bytes?

Sources: the pages that HAProxy 2.6 sends for `http-request deny deny_status N`, as XXH3 digests;
the form of nginx's special responses (1.9.12 and later), with and without the padding that it adds
for some browsers (`msie_padding`).
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

import xxhash

from lbtrace.http_fields import SERVER
from lbtrace.http_fields.lines import field_value
from lbtrace.model.http import Response

HAPROXY: Final = {
    400: "fe5d15c2aead29ad522666194f215198",
    401: "237f7b291068c42d723a158b71edadc3",
    403: "88453b36910c6c600e57a95e66114f89",
    404: "3a47919e9ab6758c219d1d1beee11456",
    405: "f956ea49b21bd2ae9c7ee1ba3e8ec5ed",
    407: "d5dd324752ff072121aae964b46ef3db",
    408: "f9bd48f2ccbe4fcc41f524f1d459eccf",
    410: "f4e57b85fad913c013c330851615f31e",
    413: "ba67a3e1e8dc98c96ef540f3286b0401",
    425: "0ba03aad9d054a6eee0b1d98d6ca2e20",
    429: "f590c89b76094ff67f66523bdd255e96",
    500: "635e4258ff0a52187a4dc52b0867db5e",
    501: "9731628ab8e18db539c9717abf315885",
    502: "9346cfeb9a5024064ec88fb35b3b0bd3",
    503: "24bd196df510a50e8c234b7b9b3339e4",
    504: "f15459733c5495251a8292ec96813a84",
}
# what nginx says for itself as a proxy; a 403 or a 404 is as likely that of an nginx with files
NGINX: Final = {400, 408, 413, 414, 429, 494, 500, 501, 502, 503, 504}
_PADDING: Final = b"<!-- a padding to disable MSIE and Chrome friendly error page -->\r\n" * 6


def maker(response: Response) -> str:
    """The software whose built-in page for its status the body of a response is, "" for none."""
    digest = response.body.digest
    if digest is None:
        return ""
    if HAPROXY.get(response.status) == digest:
        return "HAProxy"
    server = field_value(response, SERVER) or ""
    if response.status in NGINX and server.startswith("nginx"):
        line = f"{response.status} {response.reason}"
        if any(digest == xxhash.xxh3_128_hexdigest(page) for page in _nginx(line, server)):
            return "nginx"
    return ""


def _nginx(line: str, server: str) -> Iterator[bytes]:
    """The pages that nginx may send with this status line and this name."""
    page = (
        f"<html>\r\n<head><title>{line}</title></head>\r\n<body>\r\n<center><h1>{line}</h1>"
        f"</center>\r\n<hr><center>{server}</center>\r\n</body>\r\n</html>\r\n"
    ).encode("latin-1", "replace")
    yield page
    yield page + _PADDING
