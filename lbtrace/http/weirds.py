"""What can be unusual about a message on the wire (a *weird*, as Zeek says): a slug and a sentence
each, and the counter they are collected in.

Slugs are stable. A weird in AMBIGUOUS gives a message two ends, depending on who reads it (request
smuggling, RFC 9112 §11.2); such a message is marked AMBIGUOUS_FRAMING.
"""

from __future__ import annotations

from typing import Final

from lbtrace.model.trace import Diagnostic

TEXTS: Final[dict[str, str]] = {
    # start lines
    "leading-empty-lines": "Empty lines stand in front of a start line; RFC 9112 §2.2 lets a "
    "server skip them.",
    "http-0.9-request": "A request line without a version is HTTP/0.9: no header fields, and the "
    "response is raw bytes until close.",
    "odd-version": "The version of a start line is neither HTTP/1.0 nor HTTP/1.1.",
    "odd-method": "The method of a request is not a token (RFC 9110 §9.1).",
    "odd-target": "The request target is in no form that RFC 9112 §3.2 allows for its method.",
    "spaces-in-request-line": "A request line is not three words with one space between them.",
    "odd-status-line": "A status line is not a version, three digits and a reason (RFC 9112 §4).",
    "not-a-start-line": "Bytes that should begin a message are not a start line; they were "
    "skipped.",
    # field lines
    "bare-lf": "A line ends in LF alone: some readers take it as a line end, others as part of "
    "the line.",
    "mixed-line-ends": "A head has lines that end in CRLF and lines that end in LF alone: readers "
    "disagree about what is a line.",
    "bare-cr": "A CR stands inside a line: some readers take it as a line end or a blank.",
    "nul-in-head": "A NUL byte stands in the head.",
    "obs-fold": "A field line is continued on the next line (obs-fold, deprecated by RFC 9112 "
    "§5.2): some readers see two lines.",
    "blank-before-colon": "A blank stands between a field name and its colon: some readers drop "
    "it, others do not know the field.",
    "field-without-colon": "A field line has no colon.",
    "odd-field-name": "A field name is empty or not a token.",
    "head-too-long": "A head is longer than lbtrace reads (1 MiB).",
    # framing
    "framing-field-malformed": "A Content-Length or Transfer-Encoding line is folded or has a "
    "blank before its colon: some ignore it.",
    "content-length-and-transfer-encoding": "A message has both Content-Length and "
    "Transfer-Encoding.",
    "content-length-repeated": "Content-Length is given more than once, with the same value.",
    "content-length-conflict": "Content-Length is given more than once, with different values.",
    "content-length-invalid": "Content-Length is not a plain decimal number.",
    "content-length-huge": "Content-Length is 2^63 or more.",
    "transfer-encoding-repeated": "Transfer-Encoding is given on more than one line.",
    "transfer-encoding-odd": "Transfer-Encoding is spelled in a way that some readers take for "
    "chunked and others do not.",
    "transfer-encoding-not-chunked": "The last transfer coding is not chunked.",
    "transfer-encoding-in-http-1.0": "An HTTP/1.0 message has Transfer-Encoding.",
    "chunk-extension": "A chunk size is followed by a chunk extension.",
    "chunk-size-invalid": "A chunk size is not a plain hexadecimal number.",
    "chunk-size-huge": "A chunk size is 2^64 or more: it overflows in many readers.",
    "chunk-end-missing": "A chunk's data does not end in CRLF where its size says.",
    "chunk-bare-lf": "A line of the chunked framing ends in LF alone.",
    "body-where-none-belongs": "A response that cannot have a body (to HEAD, 1xx, 204, 304) is "
    "followed by bytes that do not begin a response.",
    "content-limited": "A coded body unfolds further than lbtrace decodes (64 times its bytes, and "
    "16 MiB): what it holds is unknown.",
    # exchanges
    "bytes-before-http": "Bytes of something else (SOCKS, a tunnel's greeting) stand before the "
    "first HTTP message.",
    "tls-answered-in-clear": "A TLS ClientHello was answered in plain HTTP: the client speaks TLS "
    "to a port that does not.",
    "response-before-request": "A response was sent before any request it could answer.",
    "roles-reversed": "Requests come from the end that accepted the connection, responses from "
    "the end that opened it.",
    "requests-both-ways": "Both ends of a connection send requests and neither answers; the "
    "requests of both are reported.",
    "http2-answered-by-http1": "An HTTP/2 preface was answered in HTTP/1: the server does not "
    "speak HTTP/2 on this port.",
    "exchanges-limited": "A connection has more exchanges, or control frames of HTTP/2, than "
    "lbtrace makes of so few bytes; the first ones are reported.",
    "pairing-in-doubt": "After loss, requests and responses were left unpaired because the "
    "packets do not say which belong together.",
    # other protocols
    "proxy-protocol-malformed": "A PROXY protocol header is malformed.",
    "http2-state-lost": "HTTP/2 header compression state was lost (a gap, or a capture that began "
    "later): header blocks are unreadable.",
    "http2-malformed": "An HTTP/2 frame or header block is malformed.",
}

AMBIGUOUS: Final = frozenset(
    {
        "bare-cr",
        "nul-in-head",
        "framing-field-malformed",
        "mixed-line-ends",
        "content-length-and-transfer-encoding",
        "content-length-conflict",
        "content-length-invalid",
        "content-length-huge",
        "transfer-encoding-odd",
        "transfer-encoding-not-chunked",
        "transfer-encoding-in-http-1.0",
        "transfer-encoding-repeated",
        "chunk-size-invalid",
        "chunk-size-huge",
        "chunk-end-missing",
        "body-where-none-belongs",
    }
)


_MAX_DETAILS: Final = 50  # different details kept of one slug


class Weirds:
    """Counts of weirds, with the first frame each was seen in."""

    __slots__ = ("details", "found")

    def __init__(self) -> None:
        self.details: dict[str, int] = {}
        self.found: dict[tuple[str, str], list[int]] = {}

    def add(self, slug: str, frame: int, detail: str = "") -> None:
        """Count one more. `detail` is a sentence about this one; those with the same detail are
        counted together.
        """
        if detail and (slug, detail) not in self.found:
            self.details[slug] = self.details.get(slug, 0) + 1
            if self.details[slug] > _MAX_DETAILS:
                detail = ""
        entry = self.found.setdefault((slug, detail), [0, frame])
        entry[0] += 1
        entry[1] = min(entry[1], frame)

    def tells(self, slug: str) -> bool:
        """Whether what is different about one more of a slug would be kept."""
        return self.details.get(slug, 0) <= _MAX_DETAILS

    def has(self, slug: str) -> bool:
        """Whether any of a slug was counted."""
        return any(found == slug for found, _ in self.found)

    @property
    def limited(self) -> bool:
        """Whether a slug has more different details than are kept."""
        return any(count > _MAX_DETAILS for count in self.details.values())

    def take(self, others: Weirds) -> None:
        """Count what others counted, who are not `limited`, as if it had been seen afterwards."""
        for (slug, detail), (count, frame) in others.found.items():
            self.add(slug, frame, detail)
            entry = self.found.get((slug, detail)) or self.found[slug, ""]
            entry[0] += count - 1

    def diagnostics(self) -> tuple[Diagnostic, ...]:
        """The counts as diagnostics, in order of slug."""
        return tuple(
            Diagnostic(slug, f"{TEXTS[slug]} {detail}".rstrip(), count, frame)
            for (slug, detail), (count, frame) in sorted(self.found.items())
        )
