"""A field as scapy names and writes it → its name in the RFC, and its value in words.

IPv4: RFC 791; IPv6: RFC 8200; TCP: RFC 9293. Fields of other protocols stay as they are.
"""

from __future__ import annotations

from ast import literal_eval

_NAMES = {
    "IP": {
        "ihl": "IHL",
        "tos": "type of service",
        "len": "total length",
        "id": "identification",
        "frag": "fragment offset",
        "ttl": "time to live",
        "proto": "protocol",
        "chksum": "checksum",
        "src": "source",
        "dst": "destination",
    },
    "IPv6": {
        "tc": "traffic class",
        "fl": "flow label",
        "plen": "payload length",
        "nh": "next header",
        "hlim": "hop limit",
        "src": "source",
        "dst": "destination",
    },
    "TCP": {
        "sport": "source port",
        "dport": "destination port",
        "seq": "sequence number",
        "ack": "acknowledgment number",
        "dataofs": "data offset",
        "chksum": "checksum",
        "urgptr": "urgent pointer",
    },
    "Ethernet": {"src": "source", "dst": "destination"},
}
_FLAGS = {
    "F": "FIN",
    "S": "SYN",
    "R": "RST",
    "P": "PSH",
    "A": "ACK",
    "U": "URG",
    "E": "ECE",
    "C": "CWR",
    "N": "AE",
}


def told(layer: str, name: str, value: str) -> str:
    """A field of a layer in words: "source port 8080", "flags FIN ACK"."""
    if layer == "TCP" and name == "flags":
        value = " ".join(_FLAGS.get(letter, letter) for letter in value)
    elif name == "options":
        value = _options(value)
    return f"{_NAMES.get(layer, {}).get(name, name)} {value or 'none'}"


def _options(written: str) -> str:
    """The options of a header as scapy writes them, a list of (name, value); what is none of these
    stays as it is.
    """
    try:
        options = literal_eval(written)
        return ", ".join(" ".join((str(name), *_values(value))) for name, value in options)
    except (SyntaxError, TypeError, ValueError):
        return written


def _values(value: object) -> list[str]:
    if value is None or value == b"":
        return []
    if isinstance(value, tuple):
        return [str(part) for part in value]
    return [value.hex() if isinstance(value, bytes) else str(value)]
