"""What the C files offer. Columns are contiguous; an error in one of them is a ValueError or an
IndexError, and nothing was read outside it.
"""

from collections.abc import Callable
from typing import Any

from numpy.typing import NDArray

Column = NDArray[Any]
Buffer = bytes | memoryview
StreamsEnd = tuple[
    bytes,
    list[tuple[int, bytes]],
    int,
    int,
    int,
    int,
    int,
    bool,
    list[tuple[int, bytes | None]],
]

INTERFACE: int
SOURCES: str
StreamsTold = tuple[
    int,
    bytes,
    list[bytes],
    list[tuple[int, int]],
    dict[int, tuple[bytes, bytes]],
    StreamsEnd,
    StreamsEnd,
]

def gathered(
    views: tuple[memoryview, ...], view: Column, begin: Column, end: Column, /
) -> bytes: ...
def numbered(known: dict[Any, int], texts: list[Any], /) -> bytes: ...
def names(lines: list[bytes], /) -> tuple[list[bytes], bytes]: ...
def values(lines: list[bytes], /) -> tuple[dict[str, int], bytes]: ...
def request_parts(
    lines: list[bytes], /
) -> tuple[tuple[list[str], bytes], list[str], tuple[list[str], bytes]]: ...
def ranges(column: Column, begin: Column, size: Column, out: Column, item: int, /) -> None: ...
def cookies(
    lines: list[bytes],
    which: Column,
    key: bytes,
    hidden: dict[str, str],
    values: dict[str, str],
    known: dict[bytes, bytes],
    /,
) -> list[bytes]: ...
def like_urls(lines: list[bytes], /) -> bytes: ...
def parameters(lines: list[bytes], /) -> set[str]: ...
def nested(
    a: Column, p: Column, x: Column, y: Column, clients: Column, backends: Column, /
) -> bytes: ...
def components(
    a: Column, p: Column, x: Column, y: Column, clients: Column, backends: Column, /
) -> list[tuple[list[int], list[int]]]: ...
def lengths(texts: list[str], /) -> bytes: ...
def traits(texts: list[str], /) -> bytes: ...
def target_pieces(
    targets: list[str],
    ends: dict[str, int],
    segments: dict[str, int],
    queries: dict[str, int],
    /,
) -> tuple[bytes, bytes, bytes]: ...
def value_parts(
    values: list[str],
    least: int,
    most: int,
    numbers: dict[str, int],
    otherwise: Callable[[str], list[str]],
    /,
) -> tuple[bytes, bytes]: ...
def records(
    data: memoryview,
    at: int,
    header: int,
    length_at: int,
    big: bool,
    largest: int,
    positions: Column,
    /,
) -> tuple[int, int]: ...
def record_fields(
    data: memoryview,
    positions: Column,
    length_at: int,
    big: bool,
    unit_ns: int,
    time_ns: Column,
    captured: Column,
    wire: Column,
    /,
) -> None: ...
def flows(
    given: tuple[Column, ...],
    words: Column,
    slots: Column,
    seed: Column,
    count: int,
    flow: Column,
    forward: Column,
    /,
) -> int: ...
def reassembled(
    given: tuple[Column, ...], streams: tuple[Column, ...], pieces: tuple[Column, ...], /
) -> int: ...
def acknowledged(
    given: tuple[Column, ...],
    streams: tuple[Column, ...],
    pieces: tuple[Column, ...],
    window: int,
    /,
) -> None: ...
def seen(given: tuple[Column, ...], streams: tuple[Column, ...], /) -> None: ...
def options(
    views: tuple[bytes | memoryview, ...],
    given: tuple[Column, ...],
    kinds: Column,
    found: tuple[Column, ...],
    /,
) -> None: ...
def ack_waits(
    given: tuple[Column, ...],
    late_ns: int,
    latest_ns: int,
    at_once_ns: int,
    small: int,
    found: tuple[Column, ...],
    /,
) -> None: ...
def bursts(
    views: tuple[memoryview, ...],
    given: tuple[Column, ...],
    found: tuple[Column, ...],
    least: int,
    answer: bytes,
    methods: bytes,
    /,
) -> tuple[int, int]: ...
def segments(
    data: memoryview,
    offset: Column,
    captured: Column,
    wire: Column,
    header: int,
    kind_at: int,
    columns: tuple[Column, ...],
    /,
) -> int: ...

class Beginnings:
    def __init__(self, secrets: list[str], /) -> None: ...
    def found_in(self, texts: list[str], /) -> bytes: ...

class Heads:
    def __init__(
        self,
        watched: tuple[bytes, ...],
        examine: Callable[[bytes, int], tuple[int, int]],
        classify: Callable[[int, bytes], int],
        seed: int,
        /,
    ) -> None: ...
    def cut(
        self,
        side: int,
        longest: int,
        large: int,
        beginning: int,
        views: tuple[memoryview, ...],
        given: tuple[Column, ...],
        found: tuple[Column, ...],
        /,
    ) -> list[bytes]: ...
    def block(self, number: int, /) -> list[int]: ...
    def columns(self) -> tuple[bytes, bytes, bytes]: ...
    def text(self, kind: int, number: int, /) -> bytes: ...
    def texts(self) -> tuple[list[bytes], list[bytes], list[bytes]]: ...
    def distinct(self) -> bool: ...

class Lines:
    def __init__(self, count: int, /) -> None: ...
    def common(self, text: str, /) -> None: ...
    def numbers(self, column: Column, missing: int | None = None, /) -> None: ...
    def named(self, texts: list[str], column: Column, /) -> None: ...
    def requests(self, texts: list[bytes], column: Column, /) -> None: ...
    def blocks(
        self, texts: list[bytes], loose: Column, first: Column, line: Column, column: Column, /
    ) -> None: ...
    def bodies(
        self, kind: Column, size: Column, digest: Column, texts: list[str], which: Column, /
    ) -> None: ...
    def joined(
        self, between: str, before: list[str] | None = None, low: int = 0, high: int = ..., /
    ) -> str: ...
    def ended(
        self, end: str, before: list[str] | None = None, low: int = 0, high: int = ..., /
    ) -> bytes: ...

class Streams:
    def __init__(
        self,
        pieces: tuple[memoryview, ...],
        buffers: tuple[Buffer, ...],
        pause: int,
        fixed: list[tuple[bytes, bytes]],
        lengths: bytes,
        watched: tuple[bytes, ...],
        examine: Callable[[int, bytes], int],
        seed: int,
        /,
    ) -> None: ...
    def read(
        self,
        connection: int,
        ends: tuple[tuple[int, int, int, bool], tuple[int, int, int, bool]],
        messages: int,
        frames: int,
        unfolded: int,
        /,
    ) -> StreamsTold | None: ...
    def columns(self) -> tuple[bytes, bytes, bytes, bytes, bytes]: ...
    def texts(self) -> tuple[list[bytes], list[bytes], list[bytes]]: ...
