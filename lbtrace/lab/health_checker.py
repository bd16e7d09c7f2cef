"""A load balancer's health checks, sent from the balancer's own namespace.

    python -m lbtrace.lab.health_checker KIND TARGET_ADDRESS TARGET_PORT PERIOD_SECONDS SOURCE LOG

KIND `http` sends `GET /health` with the target's own address as Host and AWS's User-Agent, on a
connection of its own that it closes afterwards, as Elastic Load Balancing documents. KIND `tcp`
connects and closes without a byte of payload. SOURCE is the address to connect from. LOG gets the
connection of each check.
"""

from __future__ import annotations

import json
import socket
import sys
import time

from lbtrace.model.net import Endpoint

HEAD = (
    "GET /health HTTP/1.1\r\n"
    "Host: {host}\r\n"
    "Connection: close\r\n"
    "User-Agent: ELB-HealthChecker/2.0\r\n"
    "Accept-Encoding: gzip, compressed\r\n"
    "\r\n"
)


def check(kind: str, target: tuple[str, int], source: str) -> dict[str, object]:
    """Make one health check; return its line for the log."""
    began = time.time_ns()
    with socket.create_connection(target, timeout=5, source_address=(source, 0)) as connection:
        local = Endpoint(*connection.getsockname()[:2])
        answer = b""
        if kind == "http":
            connection.sendall(HEAD.format(host=Endpoint(*target)).encode())
            while piece := connection.recv(65536):
                answer += piece
        ended = time.time_ns()
    status = int(answer.split()[1]) if answer else None
    return {
        "time_ns": began,
        "end_ns": ended,
        "kind": kind,
        "local": str(local),
        "peer": str(Endpoint(*target)),
        "status": status,
    }


def main() -> None:
    """Check until the process is ended."""
    kind, address, port, period, source, path = sys.argv[1:7]
    due = time.monotonic()
    with open(path, "a", encoding="utf-8") as log:
        while True:
            log.write(json.dumps(check(kind, (address, int(port)), source)) + "\n")
            log.flush()
            due += float(period)
            time.sleep(max(due - time.monotonic(), 0))


if __name__ == "__main__":
    main()
