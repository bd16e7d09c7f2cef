"""A response field → whether it says that the answer was taken from a cache, or how long it may be.

An answer is a hit when its content was kept from an earlier one, also where the cache asked the
origin first and heard that nothing had changed (RFC 9111 §4.3): the content is not what the origin
sent this time. Where several caches write into one field, a hit of any of them makes the answer a
kept one (RFC 9211 §2, and Fastly's page on X-Cache says so).
"""

from __future__ import annotations

import re
from typing import Final, TypeVar

from numpy import int64
from numpy.typing import NDArray

from lbtrace.http_fields import CACHE_STATUS, X_CACHE_HITS, X_VARNISH, Meaning, field

Time = TypeVar("Time", int, NDArray[int64])
MOST_DIGITS: Final = 12
# What nginx and Cloudflare write of content they kept: past its time, or found unchanged
_KEPT: Final = frozenset({"hit", "stale", "updating", "revalidated"})
# One word, perhaps of several parts: HIT, TCP_MEM_HIT, RefreshHit
_STATE: Final = re.compile(r"\s*([A-Za-z]+(?:[_-][A-Za-z]+)*)(?=[\s,;(]|$)")
_PART: Final = re.compile(r"[A-Z]+(?![a-z])|[A-Z]?[a-z]+")
_HIT_PARAMETER: Final = re.compile(r";\s*hit\s*(?:=\s*\?1\s*)?(?=;|$)")
_QUOTED: Final = re.compile(r'"(?:[^"\\]|\\.)*"?')
_LIFETIME: Final = re.compile(r"(?:^|[\s,])(s-maxage|max-age)\s*=\s*\"?([0-9]{1,9})\b")
_NOT_STORED: Final = re.compile(r"(?:^|[\s,])(?:no-store|no-cache|private)\b")


def marks_cache(name: str) -> bool:
    """Whether a field (its name in lower case) says if a cache answered: one that the registry
    does not know may, when its name has "cache" in it.
    """
    row = field(name)
    return "cache" in name if row is None else Meaning.CACHE in row.meaning


def is_cache_hit(name: str, value: str) -> bool:
    """Whether a field (its name in lower case) says that the answer was taken from a cache."""
    if not marks_cache(name):
        return False
    read = _READ.get(name, _state_of_unknown if field(name) is None else _state)
    return any(map(read, _QUOTED.sub('""', value).split(",")))


def _state(member: str) -> bool:
    """The state a cache writes in front: "HIT from proxy", "TCP_MEM_HIT from a1-2-3-4"."""
    return not _parts(member).isdisjoint(_KEPT)


def _state_of_unknown(member: str) -> bool:
    """As above; other words than hit may mean something else."""
    return "hit" in _parts(member)


def _parts(member: str) -> set[str]:
    state = _STATE.match(member)
    return {part.lower() for part in _PART.findall(state[1])} if state else set()


def _hit_parameter(member: str) -> bool:
    """The parameter `hit` of a cache (RFC 9211 §2.1), a Boolean (RFC 8941 §3.3.6)."""
    return _HIT_PARAMETER.search(member) is not None


def _two_numbers(member: str) -> bool:
    """The number of this request, and of the one that fetched the content."""
    return len(member.split()) > 1


def _count(member: str) -> bool:
    """How often this copy was used."""
    return member.strip().isdecimal() and member.strip(" \t0") != ""


_READ: Final = {CACHE_STATUS: _hit_parameter, X_VARNISH: _two_numbers, X_CACHE_HITS: _count}


def lifetime(cache_control: str) -> tuple[int, str]:
    """For how many seconds a shared cache may use an answer again by its Cache-Control (RFC 9111
    §4.2.1), and the directive that says it; (0, "") where it may not, or nothing says it.
    """
    text = cache_control.lower()
    if _NOT_STORED.search(text):
        return 0, ""
    said = {name: int(seconds) for name, seconds in _LIFETIME.findall(text)}
    name = "s-maxage" if "s-maxage" in said else "max-age"
    return (said[name], f"{name}={said[name]}") if said.get(name) else (0, "")


def age_s(value: str) -> int:
    """What Age says, in seconds; 0 when it says nothing (RFC 9111 §5.1)."""
    return int(value[:MOST_DIGITS]) if value.isascii() and value.isdecimal() else 0


def age_of_fresh(took_ns: Time) -> Time:
    """The Age, in seconds, that an answer may have which was not kept: the time that the origin
    took counts as Age too, and parts of a second up or down (RFC 9111 §4.2.3).
    """
    return took_ns // 1_000_000_000 + 1
