"""The bytes of one frame → its layers and their fields, as scapy dissects them.

scapy takes half a second to load, so it is imported when a frame is shown and nowhere else.
Whatever the bytes are, nothing is raised: what scapy cannot dissect is payload, and a field that it
cannot write is written as Python does.
"""

from __future__ import annotations

import logging
from typing import Any, NamedTuple


class Layer(NamedTuple):
    """A protocol, its fields as (name, value) texts, and the bytes that it has of the frame."""

    name: str
    fields: tuple[tuple[str, str], ...]
    begin: int = 0
    end: int = 0


class Dissection(NamedTuple):
    """`layers` from the outside in; `payload`: the bytes that no layer takes, from `begin` on."""

    layers: tuple[Layer, ...]
    payload: bytes
    begin: int = 0


_PORTS = ("sport", "dport")
_UNDISSECTED = ("Raw", "Padding", "NoPayload")


def dissect(data: bytes, link: int) -> Dissection:
    """The layers of a frame of this link type (LINKTYPE_*)."""
    logging.getLogger("scapy").setLevel(logging.CRITICAL)
    from scapy.config import conf
    from scapy.layers import inet, inet6, l2, ppp, vxlan  # noqa: F401 - each registers its layers
    from scapy.packet import Raw

    kind = conf.l2types.num2layer.get(link, Raw)
    try:
        packet = kind(data)
    except Exception:  # noqa: BLE001 - scapy's own layers raise at some bytes
        packet = Raw(data)
    layers: list[Layer] = []
    end = 0
    while type(packet).__name__ not in _UNDISSECTED:
        begin, end = end, end + len(packet.raw_packet_cache or b"")
        layers.append(Layer(str(packet.name), tuple(_fields(packet)), begin, end))
        packet = packet.payload
    return Dissection(tuple(layers), _bytes(packet), end)


def _fields(packet: Any) -> list[tuple[str, str]]:
    return [
        (field.name, _shown(packet, field))
        for field in packet.fields_desc
        if field.name in packet.fields
    ]


def _shown(packet: Any, field: Any) -> str:
    value = packet.getfieldval(field.name)
    if field.name in _PORTS:
        return str(value)  # a number, not the name that some service has for it
    try:
        return str(field.i2repr(packet, value))
    except Exception:  # noqa: BLE001 - fields of any protocol, with values of any sender
        return repr(value)


def _bytes(packet: Any) -> bytes:
    """The bytes of an undissected layer; padding is no payload."""
    return bytes(packet.load) if type(packet).__name__ == "Raw" else b""
