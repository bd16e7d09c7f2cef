"""What WebSockets carried, as JSON."""

from __future__ import annotations

from pathlib import Path

from tests.findings.protocols.test_web_sockets import chat
from tests.render.json.test_http2 import written


def test_messages_and_the_close(tmp_path: Path) -> None:
    (connection,) = written(tmp_path, chat(0, 1001))
    (held,) = connection["web_sockets"]
    assert (held["stream_id"], held["deflate"]) == (None, False)
    server = held["server"]
    assert (server["messages"], server["bytes"], server["whole"]) == (1, 5, True)
    assert (server["close_code"], server["close_frame"], server["close_ns"]) == (1001, 6, 5_000_000)
    assert (held["client"]["last_frame"], held["client"]["close_code"]) == (None, None)
