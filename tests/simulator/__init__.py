"""A simulator of clients, a balancer and backends: what both captures would show, and the truth of
which client request caused which backend request. See `tests.simulator.roles`.
"""

from tests.simulator.packets import pcap
from tests.simulator.roles import (
    CURL,
    FRONT,
    MS,
    SERVED,
    Ask,
    Balancer,
    Client,
    Recording,
    Simulation,
)
from tests.simulator.wire import EPOCH_NS, Clockwork, Line, Message, Turn, trace

__all__ = [
    "CURL",
    "EPOCH_NS",
    "FRONT",
    "MS",
    "SERVED",
    "Ask",
    "Balancer",
    "Client",
    "Clockwork",
    "Line",
    "Message",
    "Recording",
    "Simulation",
    "Turn",
    "pcap",
    "trace",
]
