"""What a response says of itself."""

import pytest

from lbtrace.correlate.facts import from_cache
from lbtrace.model.http import HeaderLine


@pytest.mark.parametrize(
    ("name", "value", "kept"),
    [
        ("Age", "0", False),
        ("Age", "12", True),
        ("X-Cache", "MISS from sq", False),
        ("X-Cache", "HIT from sq", True),
        ("X-Varnish", "98310", False),  # the number of the request alone
        ("X-Varnish", "98310 3", True),  # and that of the one the answer was kept from
        ("X-Request-Id", "98310 3", False),
    ],
)
def test_a_cache_says_that_it_kept_the_answer(name: str, value: str, kept: bool) -> None:
    assert from_cache(HeaderLine(name, value, f"{name}: {value}")) is kept
