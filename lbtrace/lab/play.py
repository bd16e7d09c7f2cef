"""The client's part of an experiment: what a traffic may do, and the client's own log of it.

A `Play` gives callers on the laptop (captured) and in the office (not captured: "other clients"). A
`Call` is one TCP connection made in that host's namespace; every request sent on it becomes a
`truth.ClientLine` with the connection's own ports, and its status once read.
"""

from __future__ import annotations

import os
import socket
import ssl
import subprocess
import threading
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import NamedTuple

from lbtrace.lab.truth import ClientLine
from lbtrace.lab.world import LAPTOP, World, inside

HOST = "divide-LB-1893847015.ap-northeast-2.elb.amazonaws.com"
USER_AGENT = "lbtrace-lab/1.0"
Headers = Sequence[tuple[str, str]]


class Answer(NamedTuple):
    """A response the client read. `interim` are the 1xx statuses before it."""

    status: int
    headers: dict[str, str]
    body: bytes
    interim: tuple[int, ...]


@dataclass
class Play:
    """What a traffic plays on. `log` fills with what the captured clients did."""

    world: World
    address: str
    port: int
    pace_seconds: float = 0.1
    tls: ssl.SSLContext | None = None
    log: list[ClientLine] = field(default_factory=list)
    lock: threading.Lock = field(default_factory=threading.Lock)
    host: str = HOST
    at: Callable[[float], None] = lambda _seconds: None

    def call(self, host: str = LAPTOP) -> Call:
        """Open a connection from a host to the balancer."""
        return Call(self, host)

    def get(self, target: str, *headers: tuple[str, str], host: str = LAPTOP) -> Answer:
        """One request on a connection of its own."""
        with self.call(host) as call:
            return call.ask("GET", target, *headers)

    def pause(self, seconds: float | None = None) -> None:
        """Wait, as a person between two commands does."""
        time.sleep(self.pace_seconds if seconds is None else seconds)

    def together(self, acts: Sequence[Callable[[], object]]) -> None:
        """Do several things at the same time, each in a thread."""
        threads = [threading.Thread(target=act) for act in acts]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()

    def curl(self, target: str, *options: str) -> None:
        """One real curl on the laptop, a connection of its own; its own account of what it did goes
        to the log.
        """
        began = time.time_ns()
        tell = "%{stderr}%{local_ip}:%{local_port} %{remote_ip}:%{remote_port} %{http_code}"
        command = [
            "curl",
            "--silent",
            "--max-time",
            "9",
            "--connect-to",
            f"::{self.address}:{self.port}",
            "--write-out",
            tell,
            *options,
        ]
        scheme = "https" if self.tls else "http"
        done = self.world.run(LAPTOP, [*command, f"{scheme}://{self.host}{target}"])
        local, remote, status = done.stderr.split()[-3:]
        line = ClientLine(
            time_ns=began,
            local=local,
            remote=remote,
            ordinal=1,
            method="GET",
            target=target,
            status=int(status) or None,
        )
        with self.lock:
            self.log.append(line)


class Call:
    """One client connection. `send` and `read` may be called apart: that is pipelining."""

    def __init__(self, play: Play, host: str) -> None:
        self.play = play
        self.logged = host == LAPTOP
        self.waiting: list[ClientLine] = []
        self.sent = 0
        with inside(host):
            self.socket: socket.socket = socket.create_connection(
                (play.address, play.port), timeout=9
            )
        self.local, self.remote = (
            f"{a}:{p}" for a, p in (self.socket.getsockname()[:2], self.socket.getpeername()[:2])
        )
        if play.tls is not None:
            self.socket = play.tls.wrap_socket(self.socket, server_hostname=play.host)
        self.stream = self.socket.makefile("rb")

    def __enter__(self) -> Call:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """End the connection."""
        self.stream.close()
        self.socket.close()

    def ask(self, method: str, target: str, *headers: tuple[str, str], body: bytes = b"") -> Answer:
        """Send a request and read its response."""
        self.send(method, target, *headers, body=body)
        return self.read()

    def send(
        self,
        method: str,
        target: str,
        *headers: tuple[str, str],
        body: bytes = b"",
        raw_body: bytes | None = None,
    ) -> None:
        """Send a request; `raw_body` is sent as it is (the caller has stated its framing), `body`
        gets a Content-Length.
        """
        lines = [("Host", self.play.host), ("User-Agent", USER_AGENT), ("Accept", "*/*"), *headers]
        if body:
            lines.append(("Content-Length", str(len(body))))
        head = (
            f"{method} {target} HTTP/1.1\r\n" + "".join(f"{n}: {v}\r\n" for n, v in lines) + "\r\n"
        )
        self.note(method, target)
        self.socket.sendall(head.encode() + (body if raw_body is None else raw_body))

    def note(self, method: str, target: str) -> None:
        """Log a request as sent now."""
        self.sent += 1
        now = time.time_ns()
        line = ClientLine(
            time_ns=now,
            local=self.local,
            remote=self.remote,
            ordinal=self.sent,
            method=method,
            target=target,
            status=None,
        )
        self.waiting.append(line)
        if self.logged:
            with self.play.lock:
                self.play.log.append(line)

    def read(self) -> Answer:
        """Read the next response; a connection that ends first gives status 0."""
        line = self.waiting.pop(0)
        interim: list[int] = []
        try:
            while True:
                status, headers = self.read_head()
                if status < 100 or status >= 200 or status == 101:
                    break
                interim.append(status)
            if status == 0:
                return Answer(0, {}, b"", tuple(interim))
            line["status"] = status
            body = (
                b""
                if line["method"] == "HEAD" or status in (101, 204, 304)
                else self.read_body(headers)
            )
        except OSError:
            return Answer(line["status"] or 0, {}, b"", tuple(interim))
        return Answer(status, headers, body, tuple(interim))

    def read_head(self) -> tuple[int, dict[str, str]]:
        """The next head: status (0 when the connection ended) and headers, lower-cased."""
        first = self.stream.readline()
        if not first:
            return 0, {}
        headers: dict[str, str] = {}
        while (row := self.stream.readline()) not in (b"\r\n", b"\n", b""):
            name, _, value = row.decode("latin-1").partition(":")
            headers[name.lower()] = value.strip()
        return int(first.split()[1]), headers

    def read_body(self, headers: dict[str, str]) -> bytes:
        """The body, its framing taken off."""
        if "chunked" in headers.get("transfer-encoding", ""):
            body = b""
            while size := int(self.stream.readline().partition(b";")[0] or b"0", 16):
                body += self.stream.read(size)
                self.stream.readline()
            self.stream.readline()
            return body
        if "content-length" in headers:
            return self.stream.read(int(headers["content-length"]))
        return self.stream.read()


def make_certificate(world: World) -> tuple[str, str]:
    """A self-signed certificate for HOST: (PEM with key and certificate, PEM with the
    certificate).
    """
    key, certificate, both = (
        world.directory / name for name in ("key.pem", "certificate.pem", "both.pem")
    )
    command = [
        "openssl",
        "req",
        "-x509",
        "-newkey",
        "ec",
        "-pkeyopt",
        "ec_paramgen_curve:prime256v1",
        "-nodes",
        "-days",
        "2",
    ]
    command += [
        "-subj",
        f"/CN={HOST[:60]}",
        "-addext",
        f"subjectAltName=DNS:{HOST}",
        "-keyout",
        str(key),
        "-out",
        str(certificate),
    ]
    subprocess.run(command, check=True, capture_output=True, env=os.environ)
    both.write_bytes(certificate.read_bytes() + key.read_bytes())
    return str(both), str(certificate)
