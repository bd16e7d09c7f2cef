"""HTTP messages and exchanges, with the frames and times they were seen at.

The vocabulary is version-blind: HTTP/1.x and HTTP/2 end in the same `Exchange`. Text is latin-1, so
every byte of the wire survives. Frames are numbered through the files of the capture point (see
`model.stream`), times are ns since the epoch. RFC 9110 (semantics), RFC 9112 (HTTP/1.1).
"""

from __future__ import annotations

from enum import StrEnum
from typing import Final, NamedTuple

from lbtrace.model.tls_alerts import TlsAlert
from lbtrace.model.tls_session import TlsSession


class HeaderLine(NamedTuple):
    """One field line as it was sent: `raw` without the line end, `name` as sent, `value` without
    surrounding blanks.

    A line that is no field line at all (no colon) has an empty name and the whole line as value.
    """

    name: str
    value: str
    raw: str


class Framing(StrEnum):
    """What delimits a body (RFC 9112 §6.3)."""

    NONE = "none"  # the message cannot have one, or declares none
    CONTENT_LENGTH = "content-length"
    CHUNKED = "chunked"
    UNTIL_CLOSE = "until-close"
    TUNNEL = "tunnel"  # after CONNECT or 101: opaque bytes, not counted as body
    DATA_FRAMES = "data-frames"  # HTTP/2


class Body(NamedTuple):
    """A message body after its transfer framing is taken off.

    `length` counts the body bytes captured; `declared` is the Content-Length, None when not given.
    `complete`: every byte of it is in the capture. `digest` is the XXH3-128 of the body (32 hex
    digits), None unless complete. `content_digest` and `content_length` are the same after content
    decoding (gzip, deflate, …), None when there is no coding, it is unknown, or decoding failed.
    """

    framing: Framing
    length: int
    declared: int | None
    complete: bool
    digest: str | None
    content_digest: str | None = None
    content_length: int | None = None


NO_BODY: Final = Body(Framing.NONE, 0, None, True, None)  # there is none, and none was declared


class Mark(StrEnum):
    """What is unusual about a message: each is a fact about the capture or the wire, none is an
    error of lbtrace.
    """

    HEAD_TRUNCATED = "head-truncated"  # the head does not end in the capture
    BODY_TRUNCATED = "body-truncated"  # bytes of the body are not in the capture
    RETRANSMITTED = (
        "retransmitted"  # a segment of it was sent again or arrived late: no clock reference
    )
    RESYNCED = (
        "resynced"  # found again after a gap: what came before it on the connection is unknown
    )
    PIPELINED = "pipelined"  # sent before the previous response was complete
    # the rest, or the other half, is missing from the capture, though it was sent; or a RST says so
    LOST = "lost"
    RESET = "reset"  # cut short by a RST
    CLOSED = "closed"  # cut short by a FIN
    CAPTURE_ENDED = "capture-ended"  # cut short by the end of the capture
    MALFORMED = "malformed"  # see the diagnostics of the trace
    AMBIGUOUS_FRAMING = (
        "ambiguous-framing"  # two readings of where the body ends (request smuggling family)
    )
    PAIRED_BY_ORDER = (
        "paired-by-order"  # after damage: request and response belong together by order only
    )
    FROM_SERVER = "from-server"  # a request of the server, on a connection where both ends ask


class Request(NamedTuple):
    """A request message. `target` exactly as sent; `first_*` is its first byte, `head_ns` the end
    of the head, `last_*` its last byte.
    """

    method: str
    target: str
    version: str
    lines: tuple[HeaderLine, ...]
    body: Body
    first_frame: int
    head_frame: int
    last_frame: int
    first_ns: int
    head_ns: int
    last_ns: int
    marks: tuple[Mark, ...] = ()
    trailers: tuple[HeaderLine, ...] = ()
    offset: int = 0  # of its first byte in the stream


class Response(NamedTuple):
    """A final response message (an interim 1xx is an `Interim`).

    `status` is 0 when it states none (HTTP/0.9), or none that can be read.
    """

    status: int
    reason: str
    version: str
    lines: tuple[HeaderLine, ...]
    body: Body
    first_frame: int
    head_frame: int
    last_frame: int
    first_ns: int
    head_ns: int
    last_ns: int
    marks: tuple[Mark, ...] = ()
    trailers: tuple[HeaderLine, ...] = ()
    offset: int = 0


class Interim(NamedTuple):
    """A 1xx response before the final one (RFC 9110 §15.2)."""

    status: int
    lines: tuple[HeaderLine, ...]
    frame: int
    time_ns: int


class Exchange(NamedTuple):
    """A request with the response it got on one connection; either half may be missing, and `marks`
    says why.

    `id` is its index in the trace, `ordinal` its place on the connection from 1 (counting every
    request seen or known to be lost), `stream_id` the HTTP/2 stream, None for HTTP/1.
    """

    id: int
    connection: int
    ordinal: int
    request: Request | None
    response: Response | None
    interim: tuple[Interim, ...] = ()
    marks: tuple[Mark, ...] = ()
    stream_id: int | None = None

    @property
    def first_frame(self) -> int:
        """The frame it is first seen in; 0 when nothing of it is."""
        if self.request is not None:
            return self.request.first_frame
        if self.interim:
            return self.interim[0].frame
        return self.response.first_frame if self.response is not None else 0

    @property
    def extended(self) -> bool:
        """Whether it asks for a WebSocket by an extended CONNECT (RFC 8441 §4): a CONNECT of HTTP/2
        for a path.
        """
        q = self.request
        asked = self.stream_id is not None and q is not None and q.method == "CONNECT"
        return asked and q is not None and q.target.startswith("/")

    @property
    def total_ns(self) -> int | None:
        """From the first byte of the request to the last byte of the response; None when either is
        missing, or the clock was set back in between.
        """
        if self.request is None or self.response is None:
            return None
        total_ns = self.response.last_ns - self.request.first_ns
        return total_ns if total_ns >= 0 else None


class Protocol(StrEnum):
    """What a connection carried, as its first bytes tell."""

    HTTP1 = "http/1"
    HTTP2 = "http/2"
    TLS = "tls"
    OTHER = "other"
    NONE = "none"  # no payload at all


class ClientHello(NamedTuple):
    """What a TLS client says before anything is encrypted (RFC 8446 §4.1.2, RFC 6066 §3, RFC
    7301), and where and when it begins. `session` says how much of the connection was opened, when
    secrets were given.
    """

    random: str  # 64 hex digits
    session_id: str
    server_name: str | None
    alpn: tuple[str, ...]
    versions: tuple[int, ...]
    frame: int
    session: TlsSession | None = None
    time_ns: int = 0


class ProxyHeader(NamedTuple):
    """A PROXY protocol header in front of the payload (HAProxy, proxy-protocol.txt §2).

    `source`/`destination` are "address:port" text, None for LOCAL or UNKNOWN. `tlvs` are (type,
    value hex), the sub-TLVs of an SSL TLV following it. `crc_ok` is None without a CRC. `facts` are
    what known TLVs state, as (name, text): "authority", "alpn", "aws-vpc-endpoint",
    "azure-link-id", "ssl-version", …
    """

    version: int
    command: str
    source: str | None
    destination: str | None
    tlvs: tuple[tuple[int, str], ...]
    length: int
    frame: int
    crc_ok: bool | None = None
    facts: tuple[tuple[str, str], ...] = ()


class Mismatch(NamedTuple):
    """Client and server speak different protocols, as the first bytes of each tell. The place is
    that of the server's first byte.
    """

    client: Protocol
    server: Protocol
    frame: int
    time_ns: int


# the least status of an error (RFC 9110 §15.5), and of one that the server made (§15.6)
MIN_ERROR: Final = 400
MIN_SERVER_ERROR: Final = 500
# the statuses that ask who the client is (RFC 9110 §15.5.2, §15.5.8)
UNAUTHORIZED: Final = 401
PROXY_UNAUTHORIZED: Final = 407
FORBIDDEN: Final = 403  # RFC 9110 §15.5.4
REQUEST_TIMEOUT: Final = 408  # RFC 9110 §15.5.9
OF_GATEWAYS: Final = frozenset({502, 503, 504})  # said of servers behind (RFC 9110 §15.6)
# statuses after which balancers can be told to try once more, and do (nginx `proxy_next_upstream`,
# HAProxy `retry-on`, Envoy `retry_on`)
RETRIED: Final = (401, 403, 404, 408, 409, 425, 429, *range(500, 600))
NO_CONTENT: Final = (204, 304)  # bytes behind such a response are none of it (RFC 9112 §6.3)

DIGESTED = 1 << 16  # bytes: what is equal so far and of equal length is equal


class Application(NamedTuple):
    """What a connection carried. `name` names an OTHER protocol when its first bytes do ("ssh",
    "mysql", …), else "".

    `proxy` are the PROXY headers in front of the payload, in wire order (proxies stack them);
    `upgraded` the protocol after a 101 or CONNECT. `reversed`: requests come from the end that
    accepted the connection. `digests` are of an OTHER protocol: the XXH3-128 of what client and
    server sent (32 hex digits each), PROXY headers off, or of the first DIGESTED bytes of it; None
    where the beginning was not captured or bytes of it are missing. `alerts` are the TLS alerts in
    the clear, those of the client first. `schemes` are what `:scheme` says in its requests of
    HTTP/2, each once, the first four of them. `asked_nothing`: the records of its TLS client, to
    the last one, are as long as those of a handshake and of its end, so it sent no data.
    """

    protocol: Protocol
    name: str = ""
    proxy: tuple[ProxyHeader, ...] = ()
    tls: ClientHello | None = None
    upgraded: str = ""
    reversed: bool = False
    digests: tuple[str | None, str | None] = (None, None)
    alerts: tuple[TlsAlert, ...] = ()
    mismatch: Mismatch | None = None
    schemes: tuple[str, ...] = ()
    asked_nothing: bool = False

    @property
    def hidden(self) -> bool:
        """Whether TLS hides what was asked on it. A handshake that ended in an alert, and a client
        that sent no data, asked nothing.
        """
        in_tls = self.protocol is Protocol.TLS
        return in_tls and not self.asked_nothing and self.fatal_alert is None

    @property
    def fatal_alert(self) -> TlsAlert | None:
        """The alert that ended its TLS handshake."""
        return next((alert for alert in self.alerts if alert.fatal), None)

    @property
    def opened(self) -> bool:
        """Whether all that it carried came in TLS, and was read with its secrets."""
        tls = self.tls
        if tls is None or tls.session is None or self.upgraded:
            return False
        return self.protocol is not Protocol.TLS and tls.session.records > 0
