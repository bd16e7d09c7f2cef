"""Comparison → observations: independent witnesses, each of which looks at one thing only.

A witness that has nothing to look at says nothing. Interchangeable pairs never testify about who is
whose.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator

from lbtrace.comparison import Comparison
from lbtrace.verdict.weigh import Observation
from lbtrace.verdict.witnesses.heads import head_differences
from lbtrace.verdict.witnesses.lifetimes import lifetimes
from lbtrace.verdict.witnesses.packets import addresses, direct_return, isn, syn_options
from lbtrace.verdict.witnesses.requests import attempts, connection_mapping, own_answers
from lbtrace.verdict.witnesses.settings import settings
from lbtrace.verdict.witnesses.streams import byte_streams, proxy_header, server_name, tls

WITNESSES: tuple[Callable[[Comparison], Iterator[Observation]], ...] = (
    isn,
    syn_options,
    addresses,
    direct_return,
    connection_mapping,
    head_differences,
    settings,
    proxy_header,
    byte_streams,
    tls,
    server_name,
    lifetimes,
    own_answers,
    attempts,
)


def observe(comparison: Comparison) -> tuple[Observation, ...]:
    """What every witness has to say, in the order of `WITNESSES`."""
    return tuple(o for witness in WITNESSES for o in witness(comparison))
