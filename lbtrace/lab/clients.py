"""The client side of an experiment: what a traffic can do, and the clients' own log of it.

`Clients` opens connections from the laptop, which is captured, and from the office, which is not
("other clients"). A `ClientConnection` is one TCP connection made in the namespace of that host.
Every request sent on it becomes a `ground_truth.ClientLine` with the connection's own ports, and
with its status once the response is read.
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

from lbtrace.lab.addresses import LAPTOP, spelt
from lbtrace.lab.ground_truth import ClientLine
from lbtrace.lab.network import Network, inside
from lbtrace.lab.scratch import private_file
from lbtrace.model.net import Endpoint

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
class Clients:
    """The hosts a traffic can send requests from. `log` fills with what the captured ones did."""

    network: Network
    front: Endpoint
    pace_seconds: float = 0.1
    tls: ssl.SSLContext | None = None
    log: list[ClientLine] = field(default_factory=list)
    lock: threading.Lock = field(default_factory=threading.Lock)
    host: str = HOST
    below: str = ""  # the path that stands before every target
    at: Callable[[float], None] = lambda _seconds: None

    def connect(self, host: str = LAPTOP) -> ClientConnection:
        """Open a connection from a host to the balancer."""
        return ClientConnection(self, host)

    def get(self, target: str, *headers: tuple[str, str], host: str = LAPTOP) -> Answer:
        """One request on a connection of its own."""
        with self.connect(host) as connection:
            return connection.ask("GET", target, *headers)

    def pause(self, seconds: float | None = None) -> None:
        """Wait, as a person does between two commands."""
        time.sleep(self.pace_seconds if seconds is None else seconds)

    def at_once(self, tasks: Sequence[Callable[[], object]]) -> None:
        """Do several things at the same time, each in a thread."""
        threads = [threading.Thread(target=task) for task in tasks]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()

    def curl(self, target: str, *options: str) -> None:
        """Run one real curl on the laptop, on a connection of its own, and log what it reports.
        Over TLS it takes the lab's certificate as it is, and logs its secrets.
        """
        target = self.below + target
        began = time.time_ns()
        tell = "%{stderr}%{local_ip}:%{local_port} %{remote_ip}:%{remote_port} %{http_code}"
        command = [
            "curl",
            "--silent",
            "--max-time",
            "9",
            "--connect-to",
            f"::{self.front}",
            "--write-out",
            tell,
            *options,
        ]
        scheme, environment = "http", {}
        if self.tls is not None:
            scheme, environment = "https", {"SSLKEYLOGFILE": str(self.tls.keylog_filename)}
            command.append("--insecure")
        done = self.network.run(
            LAPTOP, [*command, f"{scheme}://{self.host}{target}"], environment=environment
        )
        local, remote, status = done.stderr.split()[-3:]
        line = ClientLine(
            time_ns=began,
            local=spelt(local),
            remote=spelt(remote),
            ordinal=1,
            method="GET",
            target=target,
            status=int(status) or None,
        )
        with self.lock:
            self.log.append(line)


class ClientConnection:
    """One client connection. Several `send`s before the first `read` pipeline the requests."""

    def __init__(self, clients: Clients, host: str) -> None:
        self.clients = clients
        self.logged = host == LAPTOP
        self.waiting: list[ClientLine] = []
        self.sent = 0
        with inside(host):
            self.socket: socket.socket = socket.create_connection(clients.front, timeout=9)
        ends = self.socket.getsockname(), self.socket.getpeername()
        self.local, self.remote = (str(Endpoint(*end[:2])) for end in ends)
        if clients.tls is not None:
            self.socket = clients.tls.wrap_socket(self.socket, server_hostname=clients.host)
        self.stream = self.socket.makefile("rb")

    def __enter__(self) -> ClientConnection:
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
        """Send a request. `body` gets a Content-Length; `raw_body` is sent as it is, and the caller
        has stated its framing in the headers.
        """
        target = self.clients.below + target
        lines = [
            ("Host", self.clients.host),
            ("User-Agent", USER_AGENT),
            ("Accept", "*/*"),
            *headers,
        ]
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
            with self.clients.lock:
                self.clients.log.append(line)

    def read(self) -> Answer:
        """Read the next response. Status 0 when the connection ends first."""
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
        """The next head: status (0 when the connection ended) and headers by lower-case name."""
        first = self.stream.readline()
        if not first:
            return 0, {}
        headers: dict[str, str] = {}
        while (row := self.stream.readline()) not in (b"\r\n", b"\n", b""):
            name, _, value = row.decode("latin-1").partition(":")
            headers[name.lower()] = value.strip()
        return int(first.split()[1]), headers

    def read_body(self, headers: dict[str, str]) -> bytes:
        """The body without its transfer coding."""
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


def make_certificate(network: Network) -> tuple[str, str]:
    """A self-signed certificate for HOST: (PEM with key and certificate, PEM with the
    certificate).
    """
    key, certificate, both = (
        network.directory / name for name in ("key.pem", "certificate.pem", "both.pem")
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
    with private_file(both) as file:
        file.write(certificate.read_bytes() + key.read_bytes())
    return str(both), str(certificate)
