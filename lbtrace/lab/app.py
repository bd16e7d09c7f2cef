"""The backend: a small real HTTP application, `/divide/N` → 100 / N, that keeps its own log.

    python -m lbtrace.lab.app ADDRESS PORT LOG [--idle SECONDS] [--fails] [--tls CERTIFICATE]
                                            [--keys FILE] [--below PATH] [--answers-all]
                                            [--proxy unaware|demanded]

The log has one JSON object a line (`ground_truth.BackendLine`): who asked over which connection,
what, when, and how it was answered. It is the backend's part of the ground truth, written by the
program that answered and not by anything that reads packets. A connection that carried no request
is logged too (method ""): a TCP health check looks like that from here. With --tls, connections
that begin as TLS does are TLS, and their secrets are logged; others are plain.
"""

from __future__ import annotations

import argparse
import base64
import hashlib
import json
import secrets
import socket
import ssl
import struct
import sys
import threading
import time
from collections.abc import Callable
from http.client import HTTPConnection
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from ipaddress import ip_address
from socketserver import TCPServer
from typing import IO
from urllib.parse import parse_qsl

from lbtrace.model.net import Endpoint

# Headers a balancer may put its own name for the request in: all values are logged, and one of them
# is in the balancer's log too.
REQUEST_IDS = ("X-Request-Id", "X-Amzn-Trace-Id")
WEBSOCKET_KEY = "258EAFA5-E914-47DA-95CA-C5AB0DC85B11"  # RFC 6455 §1.3
HANDSHAKE = b"\x16"  # a record of TLS begins with its type (RFC 8446 §5.1)
PROXY_V2 = b"\r\n\r\n\0\r\nQUIT\n"
ADDRESS_BYTES = {0x11: 4, 0x21: 16}  # of TCP over IPv4 and over IPv6 (proxy-protocol.txt §2.2)


class BackendServer(ThreadingHTTPServer):
    """The application's server: each connection has a thread. `fails`: answer every /flaky with
    503. `below`: a path that may stand before every target. `answers_all`: 200 for what there is
    not. `proxy`: "unaware" takes a PROXY header for a request, "demanded" closes without one.
    """

    daemon_threads = True
    request_queue_size = 256
    below = ""
    answers_all = False

    def __init__(
        self,
        address: str,
        port: int,
        log: IO[str],
        idle: float,
        fails: bool,
        tls: ssl.SSLContext | None,
    ) -> None:
        if ":" in address:
            self.address_family = socket.AF_INET6
        super().__init__((address, port), RequestHandler)
        self.log = log
        self.idle = idle
        self.fails = fails
        self.tls = tls
        self.proxy = ""
        self.lock = threading.Lock()

    def server_bind(self) -> None:
        """Bind without asking a name server for the machine's name, as http.server does."""
        TCPServer.server_bind(self)

    def handle_error(self, request: object, client_address: object) -> None:
        """A peer that goes away is part of the experiment."""
        if not isinstance(sys.exc_info()[1], OSError):
            super().handle_error(request, client_address)  # type: ignore[arg-type]

    def note(self, line: dict[str, object]) -> None:
        """Write one line of the log."""
        with self.lock:
            self.log.write(json.dumps(line) + "\n")
            self.log.flush()


class RequestHandler(BaseHTTPRequestHandler):
    """One connection."""

    protocol_version = "HTTP/1.1"
    server_version = "divide/1.0"
    default_request_version = "HTTP/1.1"  # of what is no request: the error has a status line
    disable_nagle_algorithm = (
        True  # head and body are two segments; none shall wait for an acknowledgement
    )
    server: BackendServer

    def setup(self) -> None:
        self.ordinal = 0
        self.began = time.time_ns()
        aware = self.server.proxy != "unaware"
        self.proxied = read_proxy_header(self.request) if aware else None
        if self.server.proxy == "demanded" and self.proxied is None:
            raise ConnectionAbortedError
        if self.server.tls is not None and self.request.recv(1, socket.MSG_PEEK) == HANDSHAKE:
            self.request = self.server.tls.wrap_socket(self.request, server_side=True)
        super().setup()
        self.request.settimeout(self.server.idle)

    def version_string(self) -> str:
        """The Server header."""
        return self.server_version

    def handle(self) -> None:
        super().handle()
        if self.ordinal == 0:
            self.command, self.path = "", ""
            self.record(self.began, None)

    def handle_one_request(self) -> None:
        try:
            super().handle_one_request()
        except ConnectionError:
            self.close_connection = True

    def do_GET(self) -> None:
        """Read the body if there is one, look the path up in the table, answer, log."""
        self.ordinal += 1
        began = time.time_ns()
        body = self.read_body()
        path, _, query = self.path.partition("?")
        path = path.removeprefix(self.server.below)
        first = path.strip("/").partition("/")[0]
        answer = ANSWERS.get(first, health if self.server.answers_all else not_found)
        status: int | None = None
        try:
            status = answer(self, path, dict(parse_qsl(query)), body)
        finally:
            self.record(began, status)

    do_POST = do_PUT = do_HEAD = do_OPTIONS = do_DELETE = do_GET

    def read_body(self) -> bytes:
        """The request's body without its transfer coding."""
        if "chunked" not in self.headers.get("Transfer-Encoding", "").lower():
            return self.rfile.read(int(self.headers.get("Content-Length", "0")))
        body = b""
        while size := int(self.rfile.readline().partition(b";")[0], 16):
            body += self.rfile.read(size)
            self.rfile.readline()
        while self.rfile.readline() not in (b"\r\n", b""):
            pass
        return body

    def reply(self, status: int, text: str | bytes, *headers: tuple[str, str]) -> int:
        """Send a response with a Content-Length."""
        body = text.encode() if isinstance(text, str) else text
        self.send_response(status)
        self.send_header("Content-Type", "text/plain; charset=utf-8")
        for name, value in headers:
            self.send_header(name, value)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(body)
        return status

    def record(self, began: int, status: int | None) -> None:
        """Log this exchange."""
        headers = getattr(self, "headers", None)
        self.server.note(
            {
                "time_ns": began,
                "peer": str(Endpoint(*self.client_address[:2])),
                "local": str(Endpoint(*self.connection.getsockname()[:2])),
                "ordinal": self.ordinal,
                "method": self.command,
                "target": self.path,
                "status": status,
                "user_agent": headers.get("User-Agent", "") if headers else "",
                "request_ids": [v for name in REQUEST_IDS for v in headers.get_all(name, ())]
                if headers
                else [],
                "proxied": self.proxied,
            }
        )

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002
        """Nothing on stderr: `record` is the log."""


def read_proxy_header(connection: socket.socket) -> str | None:
    """Read and remove a PROXY protocol header, v1 or v2 (proxy-protocol.txt §2). Return the source
    that it states as "address:port", or None without one.
    """
    start = b""
    try:
        start = connection.recv(16, socket.MSG_PEEK)
    except OSError:
        return None
    if start.startswith(b"PROXY "):
        line = b""
        while not line.endswith(b"\r\n"):
            line += connection.recv(1)
        words = line.decode().split()
        return str(Endpoint(words[2], int(words[4]))) if len(words) > 4 else None
    if start.startswith(PROXY_V2):
        head = connection.recv(16, socket.MSG_WAITALL)
        rest = connection.recv(int.from_bytes(head[14:16], "big"), socket.MSG_WAITALL)
        size = ADDRESS_BYTES.get(head[13])
        if size is None:
            return None
        port = int.from_bytes(rest[2 * size : 2 * size + 2], "big")
        return str(Endpoint(str(ip_address(rest[:size])), port))
    return None


Answer = Callable[[RequestHandler, str, dict[str, str], bytes], "int | None"]


def not_found(talk: RequestHandler, path: str, query: dict[str, str], body: bytes) -> int | None:
    """Anything else."""
    return talk.reply(404, "not found\n")


def divide(talk: RequestHandler, path: str, query: dict[str, str], body: bytes) -> int | None:
    """100 / N."""
    number = path.rpartition("/")[2]
    return (
        talk.reply(200, f"{100 / int(number):g}\n")
        if number.isdigit() and int(number)
        else talk.reply(400, "which number?\n")
    )


def health(talk: RequestHandler, path: str, query: dict[str, str], body: bytes) -> int | None:
    """The health check."""
    return talk.reply(200, "ok\n")


def same(talk: RequestHandler, path: str, query: dict[str, str], body: bytes) -> int | None:
    """The same response for everybody, after ?ms=N milliseconds."""
    time.sleep(float(query.get("ms", "0")) / 1000)
    return talk.reply(200, "same\n")


def echo(talk: RequestHandler, path: str, query: dict[str, str], body: bytes) -> int | None:
    """How long the body was, and its digest."""
    return talk.reply(200, f"{len(body)} {hashlib.sha256(body).hexdigest()}\n")


def large(talk: RequestHandler, path: str, query: dict[str, str], body: bytes) -> int | None:
    """?bytes=N of body that never repeats."""
    size = int(query.get("bytes", "100000"))
    return talk.reply(200, b"".join(b"%07d\n" % n for n in range(size // 8 + 1))[:size])


def text(talk: RequestHandler, path: str, query: dict[str, str], body: bytes) -> int | None:
    """Text that compresses well."""
    return talk.reply(
        200,
        "All happy balancers are alike; each unhappy balancer is unhappy in its own way.\n" * 40,
    )


def chunked(talk: RequestHandler, path: str, query: dict[str, str], body: bytes) -> int | None:
    """A response with ?n= chunks."""
    pieces = [f"piece {number}\n" for number in range(int(query.get("n", "3")))]
    return _in_chunks(talk, "text/plain; charset=utf-8", pieces, 0.01)


def events(talk: RequestHandler, path: str, query: dict[str, str], body: bytes) -> int | None:
    """?n= server-sent events, one each ?ms= milliseconds."""
    pieces = [f"data: event {number}\n\n" for number in range(int(query.get("n", "5")))]
    return _in_chunks(talk, "text/event-stream", pieces, float(query.get("ms", "300")) / 1000)


def _in_chunks(talk: RequestHandler, content_type: str, pieces: list[str], pause_s: float) -> int:
    """A 200 whose chunks come one by one, with a pause behind each (RFC 9112 §7.1)."""
    talk.send_response(200)
    talk.send_header("Content-Type", content_type)
    talk.send_header("Transfer-Encoding", "chunked")
    talk.end_headers()
    for piece in map(str.encode, pieces):
        talk.wfile.write(b"%x\r\n%s\r\n" % (len(piece), piece))
        talk.wfile.flush()
        time.sleep(pause_s)
    talk.wfile.write(b"0\r\n\r\n")
    return 200


def login(talk: RequestHandler, path: str, query: dict[str, str], body: bytes) -> int | None:
    """A response that sets a session which only this backend knows."""
    return talk.reply(
        200, "welcome\n", ("Set-Cookie", f"JSESSIONID={secrets.token_hex(16)}; Path=/; HttpOnly")
    )


def slow(talk: RequestHandler, path: str, query: dict[str, str], body: bytes) -> int | None:
    """A response after ?ms=N milliseconds."""
    time.sleep(float(query.get("ms", "300")) / 1000)
    return talk.reply(200, "at last\n")


def big_head(talk: RequestHandler, path: str, query: dict[str, str], body: bytes) -> int | None:
    """A response whose head has more than ?bytes=N bytes."""
    filler = "x" * int(query.get("bytes", "10000"))
    return talk.reply(200, "a small body\n", ("X-Filler", filler))


def status(talk: RequestHandler, path: str, query: dict[str, str], body: bytes) -> int | None:
    """The status that the target names."""
    return talk.reply(int(path.rpartition("/")[2]), "as you asked\n")


def flaky(talk: RequestHandler, path: str, query: dict[str, str], body: bytes) -> int | None:
    """503 from a backend that fails, 200 from one that does not."""
    return talk.reply(503, "not now\n") if talk.server.fails else talk.reply(200, "well\n")


def reset(talk: RequestHandler, path: str, query: dict[str, str], body: bytes) -> int | None:
    """RST instead of a response, or after ?after=N bytes of its body."""
    if "after" in query:
        talk.send_response(200)
        talk.send_header("Content-Length", "100000")
        talk.end_headers()
        talk.wfile.write(b"x" * int(query["after"]))
        time.sleep(0.1)
    talk.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    talk.close_connection = True
    talk.connection.close()
    raise ConnectionResetError


def leaves(talk: RequestHandler, path: str, query: dict[str, str], body: bytes) -> int | None:
    """No answer from a backend that fails, which closes the connection, and 200 from one that does
    not.
    """
    if not talk.server.fails:
        return talk.reply(200, f"{len(body)} bytes\n")
    talk.close_connection = True
    return None


def loop(talk: RequestHandler, path: str, query: dict[str, str], body: bytes) -> int | None:
    """A redirect to the same URL on ?host= with https, where X-Forwarded-Proto is not https."""
    if talk.headers.get("X-Forwarded-Proto", "") == "https":
        return talk.reply(200, "here\n")
    return talk.reply(301, "", ("Location", f"https://{query.get('host', '')}{talk.path}"))


def onward(talk: RequestHandler, path: str, query: dict[str, str], body: bytes) -> int | None:
    """What the service at ?to=ADDRESS:PORT answers to the rest of the path."""
    service = HTTPConnection(query["to"], timeout=9)
    service.request("GET", path.removeprefix("/onward"))
    answer = service.getresponse()
    text = answer.read()
    service.close()
    return talk.reply(answer.status, text)


def garbage(talk: RequestHandler, path: str, query: dict[str, str], body: bytes) -> int | None:
    """A status line, then something that is no header. (Without the status line nginx would pass
    the response on as HTTP/0.9.)
    """
    talk.wfile.write(b"HTTP/1.1 200 OK\r\n\x00\x01 this is no header\r\n\r\n")
    talk.close_connection = True
    return None


def closing(talk: RequestHandler, path: str, query: dict[str, str], body: bytes) -> int | None:
    """A response that closes the connection."""
    talk.close_connection = True
    return talk.reply(200, "good bye\n", ("Connection", "close"))


def cacheable(talk: RequestHandler, path: str, query: dict[str, str], body: bytes) -> int | None:
    """A response that a cache may keep for a minute."""
    return talk.reply(
        200, "keep me\n", ("Cache-Control", "public, max-age=60"), ("ETag", '"keep-1"')
    )


def cookie(talk: RequestHandler, path: str, query: dict[str, str], body: bytes) -> int | None:
    """A response that sets two cookies."""
    return talk.reply(
        200,
        "sweet\n",
        ("Set-Cookie", f"session={talk.ordinal:04d}; Path=/"),
        ("Set-Cookie", "theme=dark"),
    )


def websocket(talk: RequestHandler, path: str, query: dict[str, str], body: bytes) -> int | None:
    """Switch to WebSocket and echo until the client closes (RFC 6455)."""
    accept = base64.b64encode(
        hashlib.sha1((talk.headers.get("Sec-WebSocket-Key", "") + WEBSOCKET_KEY).encode()).digest()
    )
    talk.send_response(101, "Switching Protocols")
    talk.send_header("Upgrade", "websocket")
    talk.send_header("Connection", "Upgrade")
    talk.send_header("Sec-WebSocket-Accept", accept.decode())
    talk.end_headers()
    talk.close_connection = True
    while len(head := talk.rfile.read(2)) == 2:
        mask = talk.rfile.read(4)
        payload = bytes(b ^ mask[i % 4] for i, b in enumerate(talk.rfile.read(head[1] & 0x7F)))
        talk.wfile.write(bytes([head[0], len(payload)]) + payload)
        if head[0] & 0x0F == 8:
            break
    return 101


ANSWERS: dict[str, Answer] = {
    "divide": divide,
    "health": health,
    "same": same,
    "echo": echo,
    "large": large,
    "text": text,
    "chunked": chunked,
    "events": events,
    "login": login,
    "slow": slow,
    "big-head": big_head,
    "status": status,
    "flaky": flaky,
    "reset": reset,
    "leaves": leaves,
    "loop": loop,
    "onward": onward,
    "garbage": garbage,
    "closing": closing,
    "cacheable": cacheable,
    "cookie": cookie,
    "websocket": websocket,
}


def main() -> None:
    """Serve until the process is ended."""
    parser = argparse.ArgumentParser()
    parser.add_argument("address")
    parser.add_argument("port", type=int)
    parser.add_argument("log")
    parser.add_argument("--idle", type=float, default=75.0)
    parser.add_argument("--fails", action="store_true")
    parser.add_argument("--tls")
    parser.add_argument("--keys")
    parser.add_argument("--below", default="")
    parser.add_argument("--answers-all", action="store_true")
    parser.add_argument("--proxy", choices=("unaware", "demanded"), default="")
    options = parser.parse_args()
    tls = None
    if options.tls:
        tls = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        tls.load_cert_chain(options.tls)
        tls.keylog_filename = options.keys
    with open(options.log, "a", encoding="utf-8") as log:
        server = BackendServer(options.address, options.port, log, options.idle, options.fails, tls)
        server.below, server.answers_all = options.below, options.answers_all
        server.proxy = options.proxy
        server.serve_forever()


if __name__ == "__main__":
    main()
