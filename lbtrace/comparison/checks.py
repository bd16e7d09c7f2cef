"""Which exchanges and connections of the backend side are health checks, as columns."""

from __future__ import annotations

from functools import cached_property

import numpy as np

from lbtrace.comparison.sides import Sides
from lbtrace.tables.columns import Column


class Checks(Sides):
    """Two sides, and what on the backend side is a health check."""

    @cached_property
    def check_exchanges(self) -> Column:
        """Per backend exchange, whether it is a health check."""
        backend = self.sides[1]
        checks = np.zeros(len(backend), bool)
        for check in self.correlation.health_checks:
            checks[np.array(check.exchanges, np.int64) + backend.first_of[check.point]] = True
        return checks

    @cached_property
    def check_connections(self) -> Column:
        """Per backend connection, whether it carried health checks and nothing else."""
        backend = self.sides[1]
        checks = np.zeros(len(backend.client_address), bool)
        for check in self.correlation.health_checks:
            checks[
                np.array(check.connections, np.int64) + backend.first_connection[check.point]
            ] = True
        checks[backend.connection[backend.requests.there & ~self.check_exchanges]] = False
        return checks
