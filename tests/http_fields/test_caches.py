"""Which fields say that an answer was taken from a cache, in what vendors write."""

from __future__ import annotations

import pytest

from lbtrace.http_fields.caches import age_of_fresh, age_s, is_cache_hit, lifetime


@pytest.mark.parametrize(
    ("name", "value", "kept"),
    [
        # RFC 9211 §2 and §4: only the parameter `hit` says so
        ("cache-status", "ExampleCache; hit", True),
        ("cache-status", "ExampleCache;hit=?1; ttl=376", True),
        ("cache-status", "ExampleCache; hit=?0", False),
        ("cache-status", "ExampleCache; fwd=uri-miss; stored", False),
        ("cache-status", "ExampleCache; fwd=stale; fwd-status=304", False),
        ("cache-status", '"hit; hit"; fwd=miss; detail="; hit"', False),
        ("cache-status", 'OriginCache; hit; ttl=1100, "CDN Co, here"; fwd=uri-miss', True),
        ("cache-status", "hit", False),
        # Squid, CloudFront, Akamai, Azure Front Door, Fastly
        ("x-cache", "HIT from squid.example", True),
        ("x-cache", "MISS from squid.example", False),
        ("x-cache", "MISS from hit.example", False),
        ("x-cache", "Hit from cloudfront", True),
        ("x-cache", "RefreshHit from cloudfront", True),
        ("x-cache", "Miss from cloudfront", False),
        ("x-cache", "Error from cloudfront", False),
        (
            "x-cache",
            "TCP_HIT from a1-2-3-4.deploy.akamaitechnologies.com (AkamaiGHost/9) (-)",
            True,
        ),
        ("x-cache", "TCP_MEM_HIT from a1-2-3-4.deploy (AkamaiGHost/9.3) (-)", True),
        ("x-cache", "TCP_REFRESH_HIT", True),
        ("x-cache", "TCP_MISS from a1-2-3-4.deploy", False),
        ("x-cache", "TCP_REMOTE_HIT", True),
        ("x-cache", "CONFIG_NOCACHE", False),
        ("x-cache", "HIT, MISS", True),  # of the shield: some cache had it
        ("x-cache", "MISS, MISS", False),
        ("x-cache-hits", "0, 3", True),
        ("x-cache-hits", "0, 0", False),
        ("x-cache-hits", "²", False),
        # nginx and Cloudflare
        ("x-cache-status", "HIT", True),
        ("x-cache-status", "STALE", True),
        ("x-cache-status", "UPDATING", True),
        ("x-cache-status", "EXPIRED", False),
        ("x-cache-status", "BYPASS", False),
        ("x-proxy-cache", "HIT", True),
        ("cf-cache-status", "HIT", True),
        ("cf-cache-status", "REVALIDATED", True),
        ("cf-cache-status", "DYNAMIC", False),
        ("cdn-cache", "HIT", True),
        ("cdn-cache", "MISS", False),
        # Varnish: the number of this request, and of the one that fetched the content
        ("x-varnish", "98310", False),
        ("x-varnish", "98310 3", True),
        ("x-varnish", "98310, 32771", False),  # two Varnishes, and neither had it
        # fields the registry does not know
        ("x-litespeed-cache", "hit,private", True),
        ("x-drupal-dynamic-cache", "MISS", False),
        ("x-vercel-cache", "REVALIDATED", False),  # fetched again from the origin
        ("x-true-cache-key", "/L/hit/hit", False),
        # fields that speak of a cache and of something else
        ("x-cache-lookup", "HIT from squid.example:3128", False),
        ("cache-control", "hit", False),
        ("x-request-id", "98310 3", False),
        ("x-status", "HIT", False),
    ],
)
def test_a_cache_says_that_it_kept_the_answer(name: str, value: str, kept: bool) -> None:
    assert is_cache_hit(name, value) is kept


@pytest.mark.parametrize(
    ("age", "took_ms", "kept"),
    [("0", 2, False), ("1", 2, False), ("2", 2, True), ("1", 900, False), ("3", 1900, True)],
)
def test_an_answer_that_is_older_than_its_exchange_was_kept(
    age: str, took_ms: int, kept: bool
) -> None:
    """A cache that asks the origin counts the time it took, so a slow answer that was never kept
    has an Age (RFC 9111 §4.2.3).
    """
    assert (age_s(age) > age_of_fresh(took_ms * 1_000_000)) is kept


@pytest.mark.parametrize(("took_ns", "age"), [(0, 1), (1_999_999_999, 2), (2_000_000_000, 3)])
def test_the_age_of_a_fresh_answer_is_the_time_it_took(took_ns: int, age: int) -> None:
    assert age_of_fresh(took_ns) == age


@pytest.mark.parametrize("value", ["", "-1", "two", "²", "1.5", "9" * 5000])
def test_an_age_that_is_no_number_says_nothing_terrible(value: str) -> None:
    assert age_s(value) == (10**12 - 1 if value.startswith("9") else 0)


@pytest.mark.parametrize(
    ("control", "found"),
    [
        ("max-age=60", (60, "max-age=60")),
        ("public, S-MAXAGE=5, max-age=60", (5, "s-maxage=5")),
        ('max-age="7"', (7, "max-age=7")),
        ("max-age=0", (0, "")),
        ("no-store, max-age=60", (0, "")),
        ('private="x-id", max-age=60', (0, "")),
        ("no-cache", (0, "")),
        ("stale-max-age=9", (0, "")),
        ("max-age=99999999999999999999", (0, "")),
        ("", (0, "")),
    ],
)
def test_how_long_a_shared_cache_may_use_an_answer(control: str, found: tuple[int, str]) -> None:
    assert lifetime(control) == found
