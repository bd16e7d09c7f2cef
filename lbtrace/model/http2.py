"""What HTTP/2 says beside requests and responses: frames that steer a connection or a stream (RFC
9113 §6), and how long flow control let nothing through (§5.2).
"""

from __future__ import annotations

from enum import IntEnum
from typing import Final, NamedTuple


class ControlKind(IntEnum):
    """The type of a control frame, by its number in RFC 9113 §6."""

    RST_STREAM = 3
    SETTINGS = 4
    PING = 6
    GOAWAY = 7
    WINDOW_UPDATE = 8


class Http2Error(IntEnum):
    """RFC 9113 §7."""

    NO_ERROR = 0
    PROTOCOL_ERROR = 1
    INTERNAL_ERROR = 2
    FLOW_CONTROL_ERROR = 3
    SETTINGS_TIMEOUT = 4
    STREAM_CLOSED = 5
    FRAME_SIZE_ERROR = 6
    REFUSED_STREAM = 7
    CANCEL = 8
    COMPRESSION_ERROR = 9
    CONNECT_ERROR = 10
    ENHANCE_YOUR_CALM = 11
    INADEQUATE_SECURITY = 12
    HTTP_1_1_REQUIRED = 13


class Setting(IntEnum):
    """RFC 9113 §6.5.2; RFC 8441 §3; RFC 9218 §2.1."""

    HEADER_TABLE_SIZE = 1
    ENABLE_PUSH = 2
    MAX_CONCURRENT_STREAMS = 3
    INITIAL_WINDOW_SIZE = 4
    MAX_FRAME_SIZE = 5
    MAX_HEADER_LIST_SIZE = 6
    ENABLE_CONNECT_PROTOCOL = 8
    NO_RFC7540_PRIORITIES = 9


DEFAULT_WINDOW: Final = 65535  # bytes of a flow-control window that nobody changed (§6.9.2)
LAST_OF_ALL: Final = (1 << 31) - 1  # last stream of a GOAWAY that only announces another (§6.8)


class ControlFrame(NamedTuple):
    """A control frame. Of SETTINGS there is one for each setting it holds, or one without code if
    it holds none.

    `code` is the error code of RST_STREAM and GOAWAY, or the number of a setting. `value` is the
    last stream of GOAWAY, the value of a setting, or the increment of WINDOW_UPDATE. `text` is what
    GOAWAY adds for people to read.
    """

    frame: int
    time_ns: int
    connection: int
    from_client: bool
    kind: int
    stream: int
    ack: bool
    code: int | None
    value: int | None
    text: str = ""


class WindowStall(NamedTuple):
    """A time for which an end had no flow-control window left: from the frame that used up the last
    byte of it until the frame that gave more, upon which it went on sending. `stream` is 0 for the
    window of the connection.
    """

    connection: int
    from_client: bool  # who had to wait
    stream: int
    frame: int
    begin_ns: int
    end_frame: int
    end_ns: int


class StreamParts(NamedTuple):
    """In how many parts the request and the response on a stream came, told apart by pauses of a
    tenth of a second; 0 where there is none.
    """

    exchange: int
    request: int
    response: int


def error_name(code: int) -> str:
    """The name of an error code; its number where it has none."""
    return Http2Error(code).name if code in _ERRORS else f"0x{code:x}"


def setting_name(number: int) -> str:
    """The name of a setting; its number where it has none."""
    return Setting(number).name if number in _SETTINGS else f"0x{number:x}"


_ERRORS: Final = frozenset(map(int, Http2Error))
_SETTINGS: Final = frozenset(map(int, Setting))
