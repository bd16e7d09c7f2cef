"""Which end of a connection is the client: its HTTP shows it more surely than its ports.

Without a SYN, and without a first payload that shows it, the TCP stage takes the end with the lower
port for the server. That is a guess (`RoleSource.PORT`). In HTTP the client sends the requests.
"""

from __future__ import annotations

import numpy as np

from lbtrace.model.http import Application
from lbtrace.model.stream import RoleSource
from lbtrace.tables.connections import SOURCES, ConnectionTable
from lbtrace.tables.packets import Column


def guessed(connections: ConnectionTable) -> Column:
    """Per connection: whether only its ports say who is the client (bool)."""
    by_port: Column = connections.role_source == SOURCES.index(RoleSource.PORT)
    return by_port


def settled(
    connections: ConnectionTable, applications: list[Application]
) -> tuple[ConnectionTable, list[Application]]:
    """Connections whose client was a guess that turned out wrong get their ends exchanged; their
    applications are no longer reversed.
    """
    wrong = [i for i in np.flatnonzero(guessed(connections)).tolist() if applications[i].reversed]
    if not wrong:
        return connections, applications
    which = np.zeros(len(connections), bool)
    which[wrong] = True
    right = list(applications)
    for i in wrong:
        right[i] = right[i]._replace(reversed=False)
    return connections.turned(which), right
