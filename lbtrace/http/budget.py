"""How many exchanges of a capture become objects: a promise like that of decompression.

A minimal HTTP/2 request has 12 bytes and becomes about 700, so a small capture could cost any time
and memory. Each connection may have one exchange for BYTES_EACH of its bytes, which real traffic
hardly exceeds; beyond that, all connections of a capture share SPARE more. What a connection has
beyond its budget is not read, and how many bytes that are is said. Exchanges read in bulk do not
count: each has packets of its own, so they cannot be many in few bytes.

Control frames of HTTP/2 are kept, too, and have 9 bytes and more: FRAMES_EACH of them may be for
each exchange that may be. One byte of a header block can stand for a field of thousands: for each
exchange that may be, header blocks may unfold to UNFOLDED_EACH bytes.

Measured: 1.5 million HTTP/2 streams in 18 MB took 31 s and 2.1 GB; 4 million SETTINGS in 36 MB 19 s
and 1.9 GB; 10 000 header blocks in 2.7 MB, each 1 MiB unfolded, would be 12 GB of JSON.
"""

from __future__ import annotations

BYTES_EACH = 256
LEAST_MESSAGE = 16  # bytes of the shortest HTTP/1 message
SPARE = 100_000
FRAMES_EACH = 4
UNFOLDED_EACH = 4096


def beyond(size: int, made: int) -> int:
    """How many of the exchanges of a connection of `size` bytes are beyond its own."""
    return max(0, made - size // BYTES_EACH)


class ExchangeBudget:
    """The budget of a capture, connection by connection. `limit`: how many messages of each
    direction of the present connection may be made.
    """

    def __init__(self) -> None:
        self._spare = SPARE
        self._own = 0
        self._frames = self._unfolded = 0
        self.limit = SPARE

    @property
    def spent(self) -> int:
        """How many exchanges connections had beyond their own."""
        return SPARE - self._spare

    def begin(self, size: int) -> None:
        """A connection of `size` bytes is read next."""
        self._own = size // BYTES_EACH
        self._frames = self._unfolded = 0
        self.limit = self._own + self._spare

    def allows(self, size: int, open_: int) -> bool:
        """A connection of HTTP/1 of `size` bytes cannot reach its limit, even if `open_` more were
        spent.
        """
        return size // LEAST_MESSAGE < size // BYTES_EACH + self._spare - open_

    def keep(self, frames: int, unfolded: int) -> None:
        """So many of its control frames are kept, and its header blocks unfolded to so many
        bytes.
        """
        self._frames += frames
        self._unfolded += unfolded

    def spend(self, made: int) -> None:
        """It had so many exchanges."""
        made = max(made, self._frames // FRAMES_EACH, self._unfolded // UNFOLDED_EACH)
        self._spare -= min(self._spare, max(0, made - self._own))

    def spend_late(self, size: int, made: int) -> None:
        """An earlier connection of `size` bytes had so many exchanges more."""
        self._spare -= min(self._spare, beyond(size, made))
