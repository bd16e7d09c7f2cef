"""Every case the pairing must handle, as a simulation: the scenarios of docs/accuracy.md and of
tests/correlate, one file per idea.
"""

from tests.simulator.scenarios import changes, clocks, crowds, identity, kinds, tries, windows
from tests.simulator.scenarios.base import LEAST, SCENARIOS

__all__ = [
    "LEAST",
    "SCENARIOS",
    "changes",
    "clocks",
    "crowds",
    "identity",
    "kinds",
    "tries",
    "windows",
]
