"""What goes wrong on the way: a first SYN that is lost, packets too large for the path, a flow that
is forgotten.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from threading import Thread

from lbtrace.lab.addresses import INTERNET, VPC
from lbtrace.lab.clients import Clients
from lbtrace.lab.plan import Traffic

RULES = """
table {family} lose {{
  chain forward {{
    type filter hook forward priority 0;
    {rule}
  }}
}}
"""
LOSE_SYNS = "{family} daddr {front} tcp flags & (syn | ack) == syn drop"
LOSE_LARGE = "{family} saddr {instance} meta length > 1400 drop"
FORGET = "{family} daddr {front} meta l4proto tcp reject with tcp reset"
IDLE_S = 1.5


@contextmanager
def dropping(clients: Clients, host: str, rule: str) -> Iterator[None]:
    """A rule of nftables on what a host forwards, for a while."""
    addresses = clients.network.addresses
    named = {"family": addresses.family, "front": addresses.front, "instance": addresses.instance}
    clients.network.nft(host, RULES.format(rule=rule.format(**named), **named))
    try:
        yield
    finally:
        clients.network.run(host, ["nft", "delete", "table", addresses.family, "lose"])


def slow_syn(clients: Clients) -> None:
    """The first SYN of a connection is lost; the one a second later arrives."""
    clients.get("/divide/25")
    late = Thread(target=clients.get, args=("/divide/50",))
    with dropping(clients, INTERNET, LOSE_SYNS):
        late.start()
        clients.pause(0.4)
    late.join()
    clients.get("/divide/10")


def mtu(clients: Clients) -> None:
    """The path behind the balancer carries no packet of more than 1,400 bytes, and says nothing."""
    clients.get("/divide/25")
    with dropping(clients, VPC, LOSE_LARGE):
        with clients.connect() as connection:
            connection.send("GET", "/large?bytes=20000")
            clients.pause(2.5)
        clients.get("/divide/50")


def idle_reset(clients: Clients) -> None:
    """A middlebox forgets a connection that was idle, and answers what comes next by RST."""
    clients.get("/divide/25")
    with clients.connect() as connection:
        connection.ask("GET", "/divide/50")
        clients.pause(IDLE_S)
        with dropping(clients, INTERNET, FORGET):
            connection.send("GET", "/divide/10")
            clients.pause(0.2)
    clients.get("/divide/4")


TRAFFICS = (
    Traffic("slow-syn", "the first SYN of a connection is lost", slow_syn),
    Traffic("mtu", "only full-size segments are lost, behind the balancer", mtu),
    Traffic("idle-reset", "an idle connection is forgotten on the way, and reset", idle_reset),
)
