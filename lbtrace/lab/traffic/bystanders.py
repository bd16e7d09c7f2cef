"""What is no user's request: copies, monitors, what a backend asks itself."""

from __future__ import annotations

from lbtrace.lab.addresses import APP_PORT, OFFICE
from lbtrace.lab.clients import Clients
from lbtrace.lab.plan import Traffic
from lbtrace.model.net import Endpoint

MONITOR = ("User-Agent", "UptimeRobot/2.0")


def mirrored(clients: Clients) -> None:
    """Requests of several kinds, each of which is copied."""
    for number in (25, 50, 10, 4):
        clients.get(f"/divide/{number}")
        clients.pause(0.05)
    with clients.connect() as connection:
        for number in range(4):
            connection.ask("POST", "/echo", body=b"order=%d" % number * 30)
            clients.pause(0.05)


def monitored(clients: Clients) -> None:
    """A monitor in the office asks for the home page every half second; so does a user now and
    then.
    """
    for number in range(12):
        clients.get("/divide/1", MONITOR, host=OFFICE)
        if number % 3 == 0:
            clients.pause(0.1)
            clients.get("/divide/1")
            clients.get(f"/divide/{number + 2}")
        clients.pause(0.4)


def onward(clients: Clients) -> None:
    """The backend asks another service before it answers."""
    service = Endpoint(clients.network.addresses.second, APP_PORT)
    for number in (25, 50, 10, 4):
        clients.get(f"/onward/divide/{number}?to={service}")
        clients.pause(0.05)
        clients.get(f"/divide/{number}")
        clients.pause(0.05)


TRAFFICS = (
    Traffic(
        "mirror",
        "the balancer copies each request to a second backend, whose answers nobody gets",
        mirrored,
        needs=frozenset({"http", "mirror"}),
        backends=2,
    ),
    Traffic("monitor", "a monitor on the internet, through the balancer", monitored),
    Traffic(
        "onward",
        "the backend asks another service before it answers",
        onward,
        service=True,
    ),
)
