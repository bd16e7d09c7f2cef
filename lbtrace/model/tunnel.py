"""Tunnels: what each end sent behind a CONNECT that was granted, or behind an upgrade to a protocol
that is not read (RFC 9110 §9.3.6, §7.8).
"""

from __future__ import annotations

from typing import NamedTuple


class TunnelEnd(NamedTuple):
    """What one end sent. `digest` is the XXH3-128 of it, or of the first `DIGESTED` bytes
    (`model.http`); None where bytes of that are missing. `bytes` is how many were digested.
    """

    digest: str | None
    bytes: int


class Tunnel(NamedTuple):
    """The tunnel that a connection of HTTP/1 became."""

    connection: int
    client: TunnelEnd
    server: TunnelEnd
