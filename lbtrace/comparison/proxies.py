"""A side → which of its messages came through a proxy, by the fields that only proxies write.

It shows where one capture alone was taken: requests that came through a proxy were captured behind
it, responses that did were captured in front of it. A client may write such a field itself, and a
backend may pass one on; so a side is only named where the messages for most targets say the same.
"""

from __future__ import annotations

from functools import cached_property
from typing import Final

from lbtrace.comparison.passed_on import PassedOnSides
from lbtrace.http_fields import ADDED_BY_PROXIES, Meaning, fields_of, is_forwarding
from lbtrace.model.net import Side
from lbtrace.model.report import NotCaptured
from lbtrace.tables.columns import Column, distinct
from lbtrace.tables.side_table import SideTable

_OF_PROXIES: Final = fields_of(Meaning.PROXY, Meaning.BALANCER)
_OF_PROXIES_AND_CACHES: Final = fields_of(Meaning.PROXY, Meaning.CACHE)


def only_of_proxies(name: str) -> bool:
    """Whether a field, its name in lower case, is what proxies write into requests and clients do
    not.
    """
    return name in _OF_PROXIES


def added_to_requests(name: str) -> bool:
    """Whether a field, its name in lower case, is what proxies add to requests."""
    return name in ADDED_BY_PROXIES or is_forwarding(name)


def added_to_responses(name: str) -> bool:
    """Whether a field, its name in lower case, is what proxies and caches add to responses."""
    return name in _OF_PROXIES_AND_CACHES


class Proxies(PassedOnSides):
    """Two sides, and what on each came through a proxy."""

    def proxied_requests(self, side: Side) -> Column:
        """Per exchange, whether its request has a field that only proxies write, or its connection
        begins with a PROXY header. X-Forwarded-For and its kin do not tell: clients make them up.
        """
        table = self.table(side)
        wanted = table.words.fields_named(only_of_proxies)
        found: Column = table.requests.heads.having(wanted) | (table.proxied[table.connection] > 0)
        return found & table.requests.there

    def stating_requests(self, side: Side) -> Column:
        """Per exchange, whether its request states the client or a proxy, whoever wrote that."""
        table = self.table(side)
        wanted = table.words.fields_named(added_to_requests)
        found: Column = table.requests.heads.having(wanted) & table.requests.there
        return found

    def proxied_responses(self, side: Side) -> Column:
        """Per exchange, whether its response has a field that proxies or their caches write."""
        table = self.table(side)
        wanted = table.words.fields_named(added_to_responses)
        found: Column = table.responses.heads.having(wanted) & table.responses.there
        return found

    @cached_property
    def not_captured(self) -> NotCaptured:
        """Which side of a balancer is not in the only capture, if its messages tell."""
        (side,) = self.captured
        if self.passed_on is not None:
            return NotCaptured.NOTHING
        if self.takes_and_opens:
            return NotCaptured.PERHAPS_NOTHING
        table = self.table(side)
        asked = _mostly(table, self.proxied_requests(side))
        answered = _mostly(table, self.proxied_responses(side))
        if asked == answered:
            return NotCaptured.OTHER_SIDE
        return NotCaptured.IN_FRONT if asked else NotCaptured.BEHIND


def _mostly(table: SideTable, proxied: Column) -> bool:
    """Whether more than half of the targets were proxied: health checks, which a balancer sends
    itself, are many requests for one target.
    """
    targets, asked = table.requests.start, table.requests.there
    return 2 * len(distinct(targets[proxied & asked])) > len(distinct(targets[asked]))
