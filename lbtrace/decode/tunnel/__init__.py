"""Tunnels and tags: one file each, found by what announces them.

A file states `NAME` (how `PacketCounts.peeled` counts it), any of `ETHERTYPES`, `IP_PROTOCOLS`,
`UDP_PORTS`, and `peel`, the step that takes the header off and appends to `packet.networks` what
tells one tunnel from another. What does not look like the tunnel after all is answered with a Skip.
A common one also has `locate`, which does the same for many packets at once.
"""

from __future__ import annotations

import importlib
import pkgutil
from dataclasses import dataclass, field
from functools import cache
from types import ModuleType
from typing import Protocol, cast

from lbtrace.decode.packet import Outcome, Packet, Step
from lbtrace.decode.views import Views
from lbtrace.tables.packets import Column

ETHERNET = 0x6558  # the EtherType of a whole Ethernet frame


class FastTunnel(Protocol):
    """A tunnel with a vectorised `locate`."""

    NAME: str

    @staticmethod
    def locate(views: Views, at: Column) -> tuple[Column, Column, Column, Column]:
        """Header positions (12 bytes are captured) → (position inside, EtherType there, identifier
        or -1, whether the rest holds).
        """


@dataclass(slots=True)
class FastTunnels:
    """The tunnels with a vectorised `locate`, by what announces them."""

    ip_protocols: dict[int, FastTunnel] = field(default_factory=dict)
    udp_ports: dict[int, FastTunnel] = field(default_factory=dict)


@dataclass(slots=True)
class Tunnels:
    """Every tunnel lbtrace peels, by what announces it."""

    ethertypes: dict[int, Step] = field(default_factory=dict)
    ip_protocols: dict[int, Step] = field(default_factory=dict)
    udp_ports: dict[int, Step] = field(default_factory=dict)
    fast: FastTunnels = field(default_factory=FastTunnels)


def modules() -> list[ModuleType]:
    """The files of this folder."""
    return [
        importlib.import_module(f"{__name__}.{module.name}")
        for module in pkgutil.iter_modules(__path__)
    ]


@cache
def registry() -> Tunnels:
    """The registry, filled from the files."""
    found = Tunnels()
    for module in modules():
        step = _counted(module.NAME, module.peel)
        for number in getattr(module, "ETHERTYPES", ()):
            found.ethertypes[number] = step
        for number in getattr(module, "IP_PROTOCOLS", ()):
            found.ip_protocols[number] = step
        for number in getattr(module, "UDP_PORTS", ()):
            found.udp_ports[number] = step
        if hasattr(module, "locate"):
            fast = cast(FastTunnel, module)
            found.fast.ip_protocols.update(dict.fromkeys(getattr(module, "IP_PROTOCOLS", ()), fast))
            found.fast.udp_ports.update(dict.fromkeys(getattr(module, "UDP_PORTS", ()), fast))
    return found


def _counted(name: str, peel: Step) -> Step:
    def step(packet: Packet) -> Outcome:
        packet.peeled.append(name)
        return peel(packet)

    return step
