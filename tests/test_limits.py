"""SECURITY.md promises limits: the numbers there are the numbers of the code."""

from __future__ import annotations

from pathlib import Path

import pytest

from lbtrace import capture, options
from lbtrace.capture import pcap, resync, source
from lbtrace.decode import fragments, ip, networks, slow_path
from lbtrace.findings.answers import refused_messages
from lbtrace.http import budget, digest, weirds
from lbtrace.http.h1 import body, head, reader
from lbtrace.http.h2 import direction, hpack_tolerant
from lbtrace.render import html

PAGE = Path(__file__).resolve().parents[1] / "SECURITY.md"
KIB, MIB = 1 << 10, 1 << 20
LIMITS = {
    "a compressed capture": (source.SLACK_BYTES // MIB, source.MAX_EXPANSION_RATIO),
    "exchanges of HTTP/2 streams": (budget.BYTES_EACH, budget.SPARE),
    "control frames of HTTP/2": (budget.FRAMES_EACH,),
    "what header blocks of HTTP/2 unfold to": (
        budget.UNFOLDED_EACH // KIB,
        hpack_tolerant._MAX_UNFOLDED // KIB,
    ),
    "an HTTP message head, an HTTP/2 header block": (
        head.MAX_HEAD // MIB,
        direction._MAX_BLOCK // MIB,
    ),
    "a start line, the trailers of a message": (
        reader.MAX_START_LINE // KIB,
        body._MAX_TRAILERS // KIB,
    ),
    "the size line of a chunk": (body.MAX_CHUNK_LINE // KIB,),
    "the dynamic table of HPACK": (hpack_tolerant._MAX_TABLE // MIB, direction._MAX_FRAME // MIB),
    "a decoded body": (digest.MAX_DECODED // MIB, digest.RATIO, digest.STEP // KIB),
    "IP fragments": (fragments.MAX_PENDING_DATAGRAMS, fragments.MAX_PENDING_BYTES // MIB),
    "packets that lbtrace puts together": (fragments.MAX_UNPACKED_BYTES // MIB,),
    "headers around a TCP segment": (slow_path.MAX_STEPS, ip.MAX_EXTENSION_HEADERS),
    "a packet of a pcap file": (pcap.MAX_PACKET_BYTES // KIB, pcap.MAX_STATED_PACKET_BYTES // MIB),
    "the search for the next record": (resync.MAX_CHECKS,),
    "captures of a command": (options.MAX_CAPTURES, capture.MAX_FILES),
    "sections of a file": (capture.MAX_SECTIONS,),
    "networks (VLANs, tunnels)": (networks.MAX_NETWORKS,),
    "details of a diagnostic": (weirds._MAX_DETAILS,),
    "servers whose refused requests": (refused_messages._SERVERS,),
    "exchanges of a page of HTML": (html.MOST,),
}


@pytest.mark.parametrize("what", LIMITS)
def test_a_limit_is_as_promised(what: str) -> None:
    (row,) = (r for r in PAGE.read_text("utf-8").splitlines() if r.startswith(f"| {what}"))
    numbers = row.replace(" ", "").rpartition("|")[0].rpartition("|")[2]
    for limit in LIMITS[what]:
        assert str(limit) in numbers
