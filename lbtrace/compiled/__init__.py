"""The optional compiled core: what is slow in Python and hot in most captures, written in C.

`core` is the module that was compiled when lbtrace was installed, or None: then there was no C
compiler, or LBTRACE_COMPILED=0 turned it off. Whoever asks looks at `compiled.core` each time, so
that a test can run both roads.

    Heads      heads cut off, start lines and header blocks numbered    (http/bulk)
    Lines      lines of JSON from columns                               (render/json)
    Streams    frames of HTTP/2, HPACK, and rows of plain streams       (http/h2)
    bursts     bursts found among the pieces of streams                 (http/bulk)
    gathered   pieces of several buffers joined                         (http/bulk)
    numbered   texts numbered, and likewise names and values
               of field lines, parts of request lines                   (tables)
    ranges     spans of a column joined                                 (tables)
    cookies    cookies masked; parameters: names of parameters; like_urls:
               lines found that may hold a URL with a credential        (http_fields, render)
    Beginnings texts found that may hold one of many credentials        (render)
    nested, components   intervals that lie inside others               (match)
    lengths    lengths of texts; traits: values found that may have parts,
               or may be dates; target_pieces, value_parts: pieces of
               targets and values numbered                              (match)
    records    where the records of a pcap file begin; record_fields:
               their times and sizes                                    (capture)
    segments   rows of plain packets; flows: the numbers of their flows (decode)
    reassembled  pieces of streams without damage; acknowledged: ACK
               numbers as offsets; seen: segments of each kind counted;
               options: those of SYNs;
               ack_waits: what was held back until an acknowledgement
               came                                                     (tcp)

Invariant, and a law in the tests: with and without the core, every output is equal byte for byte.
The Python road is the reference: it is the one to read, and the one that decides.
"""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Any, Final, Protocol, cast

if TYPE_CHECKING:
    from collections.abc import Callable

    from lbtrace.compiled import _core

SWITCH: Final = "LBTRACE_COMPILED"  # "0" turns the core off
INTERFACE: Final = 10  # what this Python code expects; as in core.h


class Core(Protocol):
    """What the C files offer: lbtrace/compiled/_core.pyi."""

    INTERFACE: int
    SOURCES: str
    Heads: type[_core.Heads]
    Lines: type[_core.Lines]
    Streams: type[_core.Streams]
    Beginnings: type[_core.Beginnings]
    gathered: Callable[..., bytes]
    numbered: Callable[[dict[Any, int], list[Any]], bytes]
    names: Callable[[list[bytes]], tuple[list[bytes], bytes]]
    values: Callable[[list[bytes]], tuple[dict[str, int], bytes]]
    request_parts: Callable[
        [list[bytes]], tuple[tuple[list[str], bytes], list[str], tuple[list[str], bytes]]
    ]
    ranges: Callable[..., None]
    cookies: Callable[..., list[bytes]]
    like_urls: Callable[[list[bytes]], bytes]
    parameters: Callable[[list[bytes]], set[str]]
    nested: Callable[..., bytes]
    components: Callable[..., list[tuple[list[int], list[int]]]]
    lengths: Callable[[list[str]], bytes]
    traits: Callable[[list[str]], bytes]
    target_pieces: Callable[..., tuple[bytes, bytes, bytes]]
    value_parts: Callable[..., tuple[bytes, bytes]]
    records: Callable[..., tuple[int, int]]
    record_fields: Callable[..., None]
    flows: Callable[..., int]
    reassembled: Callable[..., int]
    acknowledged: Callable[..., None]
    seen: Callable[..., None]
    options: Callable[..., None]
    ack_waits: Callable[..., None]
    bursts: Callable[..., tuple[int, int]]
    segments: Callable[..., int]


def load(wanted: str = "") -> Core | None:
    """The compiled core, None without one that fits this code. `wanted`: the value of SWITCH."""
    if wanted == "0":
        return None
    try:
        from lbtrace.compiled import _core
    except ImportError:
        return None
    return cast(Core, _core) if _core.INTERFACE == INTERFACE else None


core = load(os.environ.get(SWITCH, ""))


def kind() -> str:
    """How lbtrace runs, for `--version`."""
    return "pure Python" if core is None else "compiled"
