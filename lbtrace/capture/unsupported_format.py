"""The first bytes of a file that is no pcap or pcapng → one InputError that says what the file is
and what to do.
"""

from __future__ import annotations

import re

from lbtrace.capture.pcap import magic_order
from lbtrace.capture.pcapng import SECTION_MAGIC
from lbtrace.errors import InputError
from lbtrace.tables.packets import Buffer

CONVERT = "Convert it: editcap -F pcap IN OUT (editcap comes with Wireshark)."
UNPACK = "Unpack it first."

# (first bytes, what it is, what to do)
KNOWN: tuple[tuple[bytes, str, str], ...] = (
    (b"snoop\0\0\0", "a Solaris snoop capture", CONVERT),
    (b"iptrace 1.0", "an AIX iptrace capture", CONVERT),
    (b"iptrace 2.0", "an AIX iptrace capture", CONVERT),
    (b"RTSS", "a Microsoft Network Monitor 1 capture", CONVERT),
    (b"GMBU", "a Microsoft Network Monitor 2 capture", CONVERT),
    (b"TRSNIFF data    \x1a", "a Sniffer (DOS) capture", CONVERT),
    (b"XCP\0", "a NetXRay / Sniffer (Windows) capture", CONVERT),
    (b"\x05VNF", "a Visual Networks capture", CONVERT),
    (b"btsnoop\0", "a Bluetooth snoop capture", CONVERT),
    (b"\x7fver", "a Savvius *Peek capture", CONVERT),
    (b"EyeSDN", "an EyeSDN capture", CONVERT),
    (b"\x54\x00\x12\xaa", "a 5Views capture", CONVERT),
    (b"PK\x03\x04", "a zip archive", UNPACK),
    (b"BZh", "compressed twice", UNPACK),
    (b"7z\xbc\xaf\x27\x1c", "a 7-Zip archive", UNPACK),
    (b"Rar!", "a RAR archive", UNPACK),
    (b"\x1f\x9d", "compressed with compress(1)", "Unpack it first: uncompress FILE."),
    (b"\x1f\x8b", "compressed twice", UNPACK),
    (b"\x28\xb5\x2f\xfd", "compressed twice", UNPACK),
    (b"\x7fELF", "a program", "Name a capture file."),
    (b"%PDF", "a PDF", "Name a capture file."),
)
RECORD = "Record with tcpdump -w FILE."
SAVE = "Give the capture itself: in Wireshark, File > Save As; with tshark, -w FILE."

# (what every text of the kind has near its beginning, what it is, what to do)
TEXTS: tuple[tuple[tuple[bytes, ...], str, str], ...] = (
    (
        (b'"log"', b'"entries"'),
        "is a HAR file: the requests as a browser saw them, without packets",
        "Capture packets at the same time: tcpdump -w FILE.",
    ),
    (
        (b'"format":"lbtrace-',),
        "is a result of lbtrace, not a capture",
        "lbtrace diff A B and lbtrace check --report FILE read it.",
    ),
    ((b'"_source"', b'"layers"'), "is what tshark -T json prints, not the packets", SAVE),
    ((b"<pdml",), "is PDML: packets as Wireshark dissected them, not the packets", SAVE),
    ((b"<psml",), "is PSML: the packet list of Wireshark, not the packets", SAVE),
    ((b"<html",), "is a web page, not a capture", "Download the capture itself."),
    ((b"No.", b"Time", b"Source"), "is a text export of Wireshark, not the packets", SAVE),
    ((b"Frame 1:", b"bytes on wire"), "is a text export of Wireshark, not the packets", SAVE),
    ((b" IP ", b" > "), "is the text tcpdump prints, not the packets", RECORD),
    ((b" IP6 ", b" > "), "is the text tcpdump prints, not the packets", RECORD),
)
_HEX_DUMP = re.compile(rb"\s*0000(?:00)?[: ]\s*(?:[0-9a-fA-F]{2}\s){4}")
HEAD_BYTES = 4096  # looked at to tell what a file is


def not_a_capture(path: str, data: Buffer) -> InputError:
    """The error for a file whose bytes are no capture."""
    what, todo = _what_it_is(bytes(data[:HEAD_BYTES]))
    return InputError("input-not-a-capture", f"{path}: {what}.", todo)


def may_be_capture(head: bytes) -> bool:
    """Whether the first bytes are those of a pcap or pcapng file."""
    return bool(magic_order(head, 0)) or head.startswith(SECTION_MAGIC)


def _what_it_is(head: bytes) -> tuple[str, str]:
    """What bytes are that begin no capture, and what to do about it."""
    for magic, what, todo in KNOWN:
        if head.startswith(magic):
            return f"is {what}, not pcap or pcapng", todo
    if head[257:262] == b"ustar":
        return "is a tar archive, not a capture", UNPACK
    if may_be_capture(head):
        return "begins like a capture but ends inside its header", RECORD
    if is_text(head):
        return _what_text(head)
    return "is no pcap or pcapng file", "If Wireshark opens it: editcap -F pcap IN OUT."


def _what_text(head: bytes) -> tuple[str, str]:
    for marks, what, todo in TEXTS:
        if all(mark in head for mark in marks):
            return what, todo
    if _HEX_DUMP.match(head):
        return "is a hex dump, not a capture", "Make one of it: text2pcap IN OUT.pcap."
    if head.lstrip()[:1] in (b"{", b"["):
        return "is JSON text, not a capture", RECORD
    return "is a text file, not a capture", RECORD


def is_text(head: bytes) -> bool:
    """Whether bytes look like text: no NUL, hardly any control characters."""
    odd = sum(1 for b in head if b < 9 or 13 < b < 32)
    return bool(head) and odd * 100 <= len(head) and b"\0" not in head
