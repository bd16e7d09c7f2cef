"""What a balancer does to a message: a request on its way in, an answer on its way out, and what it
says by itself.

Pure functions of a `Balancer`, the message and the dice.
"""

from __future__ import annotations

import random
import struct
from dataclasses import replace
from ipaddress import ip_address
from urllib.parse import quote, unquote

from lbtrace.http.proxy_protocol import SIGNATURE, crc32c
from lbtrace.model.http import ClientHello, ProxyHeader
from lbtrace.model.net import Endpoint
from tests.simulator.roles import Balancer
from tests.simulator.wire import Message

CRC32C = 0x03
SSL = 0x20


def rewritten(lb: Balancer, asked: Message, client: Endpoint, dice: random.Random) -> Message:
    """A request as the balancer sends it on. `client`: who asks, as the balancer sees it."""
    lines = [(n, v) for n, v in asked.lines if n.lower() not in {d.lower() for d in lb.drop}]
    lines = [
        (n, v) for n, v in lines if n.lower() != "expect"
    ]  # it has answered 100 Continue itself
    unpacked = lb.unpack and asked.coding == "gzip"
    if unpacked:
        lines = [
            (n, v) for n, v in lines if n.lower() not in ("content-encoding", "content-length")
        ]
        lines.append(("Content-Length", str(len(asked.body))))
    if lb.host is not None:
        lines = [(n, lb.host if n.lower() == "host" else v) for n, v in lines]
    for name, form in lb.add:
        old = next((v for n, v in lines if n.lower() == name.lower()), "")
        fresh = f"{dice.getrandbits(64):016x}"
        value = form.format(
            client=client.address,
            clientport=client.port,
            fresh=fresh,
            old=old,
            front=lb.front.address,
        )
        value = value.removeprefix(", ")
        if old and not lb.second_line:
            lines = [(n, value if n.lower() == name.lower() else v) for n, v in lines]
        else:
            lines.append((name, value))
    if lb.gunzip and not any(n.lower() == "accept-encoding" for n, _ in lines):
        lines.append(("Accept-Encoding", "gzip"))
    if lb.merge:
        lines = _merged(lines)
    if lb.recase:
        lines = [(n.lower(), v) for n, v in lines]
    if lb.reorder:
        lines = lines[1:] + lines[:1]
    target = asked.start[1].removeprefix(lb.strip) if lb.strip else asked.start[1]
    method = "GET" if lb.in_full and asked.start[0] == "HEAD" else asked.start[0]
    return replace(
        asked,
        start=(method, normalised(target) if lb.normalise else target),
        lines=lines,
        version=lb.version,
        coding="" if unpacked else asked.coding,
        trailers=asked.trailers if lb.trailers else [],
    )


def in_front(lb: Balancer, asked: Message) -> Message:
    """A request as its client sends it."""
    if not lb.http2:
        return asked
    lines = [(":authority" if n == "Host" else n.lower(), v) for n, v in asked.lines]
    return replace(asked, lines=lines, version="HTTP/2")


def _merged(lines: list[tuple[str, str]]) -> list[tuple[str, str]]:
    """Lines of one name as one line (RFC 9110 §5.2)."""
    values: dict[str, list[str]] = {}
    for name, value in lines:
        values.setdefault(name, []).append(value)
    return [(name, ", ".join(held)) for name, held in values.items()]


def normalised(target: str) -> str:
    """A target as nginx sends it on with a rewritten URI: decoded, dot segments resolved, slashes
    merged; the query is left alone.
    """
    path, mark, query = target.partition("?")
    kept: list[str] = []
    for segment in unquote(path).split("/"):
        if segment == "..":
            kept = kept[:-1]
        elif segment not in ("", "."):
            kept.append(segment)
    return (
        quote(
            "/" + "/".join(kept) + ("/" if kept and path.endswith("/") else ""),
            safe="/~!$&'()*+,;=:@-._",
        )
        + mark
        + query
    )


def returned(lb: Balancer, answer: Message, dice: random.Random) -> Message:
    """An answer as the balancer gives it to the client."""
    names = {n.lower() for n, _ in lb.respond}
    lines = [(n, v) for n, v in answer.lines if n.lower() not in names]
    lines += [(n, v.format(fresh=f"{dice.getrandbits(64):016x}")) for n, v in lb.respond]
    said = replace(answer, lines=lines, trailers=answer.trailers if lb.trailers else [])
    if lb.gunzip:
        said.coding = ""
        said.lines = _with_length([(n, v) for n, v in lines if n != "Content-Encoding"], said)
    if lb.gzip:
        zipped(said)
    if lb.chunk:
        said.chunked = True
        said.lines = [
            *((n, v) for n, v in said.lines if n != "Content-Length"),
            ("Transfer-Encoding", "chunked"),
        ]
    return said


def zipped(answer: Message) -> None:
    """Give an answer the content coding gzip."""
    answer.coding = "gzip"
    answer.lines = _with_length(
        [*((n, v) for n, v in answer.lines if n != "Content-Length"), ("Content-Encoding", "gzip")],
        answer,
    )


def _with_length(lines: list[tuple[str, str]], message: Message) -> list[tuple[str, str]]:
    return [
        *((n, v) for n, v in lines if n != "Content-Length"),
        ("Content-Length", str(len(message.coded()))),
    ]


def own(status: str, reason: str, server: str) -> Message:
    """An answer that no backend gave to this client: the balancer's page."""
    body = f"<h1>{status} {reason}</h1>".encode()
    named = [("Server", server)] if server else []
    return Message(
        (status, reason),
        [*named, ("Content-Type", "text/html"), ("Content-Length", str(len(body)))],
        body,
    )


def moved(target: str, server: str) -> Message:
    """A redirect of the balancer's."""
    made = own("301", "Moved Permanently", server)
    made.lines.insert(1, ("Location", f"https://lb.example.com{target}"))
    return made


def proxy_header(lb: Balancer, client: Endpoint) -> tuple[bytes, ProxyHeader]:
    """The PROXY header for a client (proxy-protocol.txt §2): its bytes, and what a reader should
    make of them.
    """
    six = ":" in client.address
    if lb.proxy == 1:
        family = "TCP6" if six else "TCP4"
        line = (
            f"PROXY {family} {client.address} {lb.front.address} {client.port} {lb.front.port}\r\n"
        ).encode()
        return line, ProxyHeader(1, "PROXY", str(client), str(lb.front), (), len(line), 1)
    ends = b"".join(ip_address(e.address).packed for e in (client, lb.front)) + struct.pack(
        ">HH", client.port, lb.front.port
    )
    tlvs = b"".join(struct.pack(">BH", kind, len(value)) + value for kind, value in lb.tlvs)
    head = (
        SIGNATURE + struct.pack(">BBH", 0x21, 0x21 if six else 0x11, len(ends) + len(tlvs)) + ends
    )
    flat = [
        part
        for kind, value in lb.tlvs
        for part in ((kind, value), *(_inner(value[5:]) if kind == SSL else ()))
    ]
    crc = crc32c(head + tlvs)
    if any(kind == CRC32C for kind, _ in lb.tlvs):
        mark = struct.pack(">BH", CRC32C, 4)
        tlvs = tlvs.replace(mark + bytes(4), mark + crc.to_bytes(4, "big"))
        flat = [(kind, crc.to_bytes(4, "big") if kind == CRC32C else value) for kind, value in flat]
    said = tuple((kind, value.hex()) for kind, value in flat)
    checked = True if any(kind == CRC32C for kind, _ in flat) else None
    whole = head + tlvs
    return whole, ProxyHeader(2, "PROXY", str(client), str(lb.front), said, len(whole), 1, checked)


def _inner(data: bytes) -> list[tuple[int, bytes]]:
    """The TLVs inside an SSL TLV (§2.2.5)."""
    found = []
    while data:
        kind, size = struct.unpack(">BH", data[:3])
        found.append((kind, data[3 : 3 + size]))
        data = data[3 + size :]
    return found


def hello(dice: random.Random) -> ClientHello:
    """What a TLS client says first."""
    return ClientHello(
        f"{dice.getrandbits(256):064x}", "", "lb.example.com", ("http/1.1",), (772,), 1
    )
