"""More than one backend exchange for one request, or none: retries, hedges, copies, what the
balancer answers by itself.
"""

from __future__ import annotations

from tests.play.cast import Balancer, Play
from tests.play.scenarios.base import MIRROR, TWO, XFF, curls, mixed, scenario
from tests.play.wire import Clockwork


@scenario(0.95)
def retry_reset() -> Play:
    """15 % of requests reset by the first backend and tried again"""
    return mixed(Balancer(retry=0.15, fail="reset", add=[XFF]), backends=TWO)


@scenario(0.95)
def retry_500() -> Play:
    """15 % of requests answered 500 and tried again"""
    return mixed(Balancer(retry=0.15, fail="500"), backends=TWO)


@scenario(0.95)
def retry_across_captures() -> Play:
    """Every request is answered 500 by one backend and tried again, mostly on the other; both are
    captured apart, clocks 40 ms apart
    """
    return mixed(
        Balancer(retry=1.0, fail="500", wander=False),
        backends=TWO,
        separate_points=True,
        client_clock=Clockwork(40_000_000),
    )


@scenario(0.9)
def retry_identical() -> Play:
    """Identical GETs one after another, 20 % tried twice"""
    play = Play(seed=6, balancer=Balancer(retry=0.2, fail="closed"), backends=TWO)
    curls(play.client("192.168.0.5"), ["/"] * 60, 100)
    return play


@scenario(0.9)
def bad_gateway() -> Play:
    """10 % fail for good: the balancer answers 502"""
    return mixed(Balancer(give_up=0.1, add=[XFF]))


@scenario(0.9)
def hedged() -> Play:
    """5 % of requests are sent twice and both are answered"""
    return mixed(Balancer(hedge=0.05), backends=TWO)


@scenario()
def posted_twice() -> Play:
    """A tenth of POSTs with bodies of their own reach two backends, and both answer"""
    play = Play(seed=21, balancer=Balancer(hedge=0.1, add=[XFF]), backends=TWO)
    client = play.client("192.168.0.5", "198.51.100.5")
    for i in range(60):
        client.asks(
            "POST",
            "/orders",
            body=b'{"order": "%08d", "sum": %d}' % (i * 7919, i),
            at_ms=150 * i + (i * 31) % 17,
            answer=b"stored",
        )
    return play


@scenario()
def cache() -> Play:
    """A third of the repeated requests are answered from the cache"""
    play = Play(seed=8, balancer=Balancer(cache=0.4, add=[XFF]))
    curls(
        play.client("192.168.0.5"),
        [f"/page/{i % 6}" for i in range(60)],
        80,
        [b"one", b"two", b"three"],
    )
    return play


@scenario()
def refusals() -> Play:
    """10 % of requests are answered 503 by the balancer itself"""
    return mixed(Balancer(refuse=0.1))


@scenario()
def redirects() -> Play:
    """A fifth of requests are redirected by the balancer"""
    return mixed(Balancer(redirect=0.2, add=[XFF]))


@scenario()
def redirects_unnamed() -> Play:
    """The same, and the balancer's own answers bear the backends' Server name: nothing shows whose
    they are
    """
    return mixed(Balancer(redirect=0.2, server="gunicorn", add=[XFF]))


@scenario()
def fixed_answers() -> Play:
    """A fifth of requests get a fixed answer, 200, of the balancer's"""
    return mixed(Balancer(fixed=0.2, add=[XFF]))


@scenario()
def fixed_answers_unnamed() -> Play:
    """The same under the backends' Server name"""
    return mixed(Balancer(fixed=0.2, server="gunicorn"))


@scenario()
def keep_alive_race() -> Play:
    """Requests meet the FIN of an idle backend connection: GETs are tried again, POSTs answered
    502
    """
    play = Play(seed=30, balancer=Balancer(race=0.2, add=[XFF]), backends=TWO)
    client = play.client("192.168.0.5", "198.51.100.7")
    for i in range(80):
        post = i % 4 == 0
        client.asks(
            "POST" if post else "GET",
            f"/item/{i}",
            body=b"n=%d" % i if post else b"",
            at_ms=1500 * i + (i * 31) % 17,
        )
    return play


def _mirrored(answers: str, same: bool = False) -> Play:
    play = Play(seed=31, balancer=Balancer(mirror=answers, add=[XFF]), backends=(*TWO, MIRROR))
    client = play.client("192.168.0.5", "198.51.100.7")
    for i in range(60):
        client.asks(
            "GET",
            "/" if same else f"/item/{i}",
            at_ms=100 * i + (i * 31) % 17,
            connection=f"c{i % 3}",
            answer=b"" if same else b"item %d" % i,
        )
    return play


@scenario()
def mirrored() -> Play:
    """Every request is copied to a shadow backend, which answers something else"""
    return _mirrored("other")


@scenario()
def mirrored_alike() -> Play:
    """Every request is copied to a shadow backend, which answers the same"""
    return _mirrored("same")


@scenario()
def mirrored_identical() -> Play:
    """Every request is copied to a shadow backend, and all requests are identical"""
    return _mirrored("other", same=True)


@scenario()
def mirrored_all_alike() -> Play:
    """Every request is copied to a shadow backend which answers the same, and all requests are
    identical
    """
    return _mirrored("same", same=True)
