"""What is let go between the tasks of a fleet is looked for among what the test itself made.

A process that ran thousands of tests before holds millions of objects, and looking through all of
them after each task takes longer than the tasks.
"""

from __future__ import annotations

import gc
from collections.abc import Iterator

import pytest


@pytest.fixture(autouse=True)
def only_new_objects() -> Iterator[None]:
    """What is there before a test is not looked at while it runs."""
    gc.freeze()
    yield
    gc.unfreeze()
