"""An incident with five problems at once: a shop behind a balancer that repeats requests on closed
connections and gives up on backends that fail. Its two captures are simulated, so that no sample
needs to hold so many faults.
"""

from __future__ import annotations

from pathlib import Path

from lbtrace.model.net import Endpoint
from tests.simulator import Balancer, Client, Simulation

NAME = "incident"
_BACKENDS = [Endpoint("172.31.11.95", 8080), Endpoint("172.31.11.96", 8080)]
_PLACES = ("/pay", "/cart", "/cart/items", "/products?page=2", "/products/1138", "/login")


def _ask(client: Client, n: int, k: int) -> None:
    """What each client asks, at its own pace; some of it is slow, or wrong."""
    target = _PLACES[(n + k) % len(_PLACES)]
    pays = target == "/pay"
    client.asks(
        "POST" if pays else "GET",
        target,
        at_ms=n * 70 + k * 900,
        connection=f"{n}.{k // 6}",
        body=b'{"order": %d}' % (n * 100 + k) if pays else b"",
        answer=b'{"n": %d}' % (n * 100 + k),
        status="500 Internal Server Error" if (n * 30 + k) % 23 == 7 else "200 OK",
        think_ms=4000 if (n * 30 + k) % 41 == 11 else 20,
    )


def recorded(folder: Path) -> tuple[str, str]:
    """The captures of both sides, written into a folder."""
    simulation = Simulation(
        seed=14,
        backends=_BACKENDS,
        balancer=Balancer(
            add=[("X-Forwarded-For", "{client}"), ("X-Forwarded-Proto", "http")],
            server="nginx/1.24.0",
            retry=0.06,
            give_up=0.05,
            race=0.05,
            check_ms=2000,
        ),
    )
    for n in range(8):
        client = simulation.client(f"192.168.0.{n + 5}", seen_as="1.240.235.98")
        for k in range(30):
            _ask(client, n, k)
    run = simulation.run(pcaps=True)
    paths = folder / "client.pcap", folder / "backend.pcap"
    for path, data in zip(paths, (run.client_pcaps[0], run.backend_pcaps[0]), strict=True):
        path.write_bytes(data)
    return str(paths[0]), str(paths[1])
