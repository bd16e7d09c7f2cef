"""Conversations in the manner of a play, with the truth of who caused whom: see
`tests.play.cast`.
"""

from tests.play.cast import CURL, FRONT, MS, SERVED, Ask, Balancer, Client, Play, Shown
from tests.play.packets import pcap
from tests.play.wire import EPOCH_NS, Clockwork, Line, Message, Turn, trace

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
    "Play",
    "Shown",
    "Turn",
    "pcap",
    "trace",
]
