"""More than one backend exchange for one request, or none: retries, hedges, copies, what the
balancer answers by itself.
"""

from __future__ import annotations

from tests.simulator.roles import Balancer, Simulation
from tests.simulator.scenarios.base import MIRROR, TWO, XFF, curls, mixed, scenario
from tests.simulator.wire import Clockwork


@scenario(0.95)
def retry_reset() -> Simulation:
    """15 % of requests reset by the first backend and tried again"""
    return mixed(Balancer(retry=0.15, fail="reset", add=[XFF]), backends=TWO)


@scenario(0.95)
def retry_500() -> Simulation:
    """15 % of requests answered 500 and tried again"""
    return mixed(Balancer(retry=0.15, fail="500"), backends=TWO)


@scenario(0.95)
def retry_across_captures() -> Simulation:
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
def retry_identical() -> Simulation:
    """Identical GETs one after another, 20 % tried twice"""
    simulation = Simulation(seed=6, balancer=Balancer(retry=0.2, fail="closed"), backends=TWO)
    curls(simulation.client("192.168.0.5"), ["/"] * 60, 100)
    return simulation


@scenario(0.9)
def bad_gateway() -> Simulation:
    """10 % fail for good: the balancer answers 502"""
    return mixed(Balancer(give_up=0.1, add=[XFF]))


@scenario(0.9)
def hedged() -> Simulation:
    """5 % of requests are sent twice and both are answered"""
    return mixed(Balancer(hedge=0.05), backends=TWO)


@scenario()
def posted_twice() -> Simulation:
    """A tenth of POSTs with bodies of their own reach two backends, and both answer"""
    simulation = Simulation(seed=21, balancer=Balancer(hedge=0.1, add=[XFF]), backends=TWO)
    client = simulation.client("192.168.0.5", "198.51.100.5")
    for i in range(60):
        client.asks(
            "POST",
            "/orders",
            body=b'{"order": "%08d", "sum": %d}' % (i * 7919, i),
            at_ms=150 * i + (i * 31) % 17,
            answer=b"stored",
        )
    return simulation


@scenario()
def cache() -> Simulation:
    """A third of the repeated requests are answered from the cache"""
    simulation = Simulation(seed=8, balancer=Balancer(cache=0.4, add=[XFF]))
    curls(
        simulation.client("192.168.0.5"),
        [f"/page/{i % 6}" for i in range(60)],
        80,
        [b"one", b"two", b"three"],
    )
    return simulation


@scenario()
def refusals() -> Simulation:
    """10 % of requests are answered 503 by the balancer itself"""
    return mixed(Balancer(refuse=0.1))


@scenario()
def redirects() -> Simulation:
    """A fifth of requests are redirected by the balancer"""
    return mixed(Balancer(redirect=0.2, add=[XFF]))


@scenario()
def redirects_unnamed() -> Simulation:
    """The same, and the balancer's own answers bear the backends' Server name: nothing shows whose
    they are
    """
    return mixed(Balancer(redirect=0.2, server="gunicorn", add=[XFF]))


@scenario()
def fixed_answers() -> Simulation:
    """A fifth of requests get a fixed answer, 200, of the balancer's"""
    return mixed(Balancer(fixed=0.2, add=[XFF]))


@scenario()
def fixed_answers_unnamed() -> Simulation:
    """The same under the backends' Server name"""
    return mixed(Balancer(fixed=0.2, server="gunicorn"))


@scenario()
def keep_alive_race() -> Simulation:
    """Requests meet the FIN of an idle backend connection: GETs are tried again, POSTs answered
    502
    """
    simulation = Simulation(seed=30, balancer=Balancer(race=0.2, add=[XFF]), backends=TWO)
    client = simulation.client("192.168.0.5", "198.51.100.7")
    for i in range(80):
        post = i % 4 == 0
        client.asks(
            "POST" if post else "GET",
            f"/item/{i}",
            body=b"n=%d" % i if post else b"",
            at_ms=1500 * i + (i * 31) % 17,
        )
    return simulation


def _mirrored(answers: str, same: bool = False) -> Simulation:
    simulation = Simulation(
        seed=31, balancer=Balancer(mirror=answers, add=[XFF]), backends=(*TWO, MIRROR)
    )
    client = simulation.client("192.168.0.5", "198.51.100.7")
    for i in range(60):
        client.asks(
            "GET",
            "/" if same else f"/item/{i}",
            at_ms=100 * i + (i * 31) % 17,
            connection=f"c{i % 3}",
            answer=b"" if same else b"item %d" % i,
        )
    return simulation


@scenario()
def mirrored() -> Simulation:
    """Every request is copied to a shadow backend, which answers something else"""
    return _mirrored("other")


@scenario()
def mirrored_alike() -> Simulation:
    """Every request is copied to a shadow backend, which answers the same"""
    return _mirrored("same")


@scenario()
def mirrored_identical() -> Simulation:
    """Every request is copied to a shadow backend, and all requests are identical"""
    return _mirrored("other", same=True)


@scenario()
def mirrored_all_alike() -> Simulation:
    """Every request is copied to a shadow backend which answers the same, and all requests are
    identical
    """
    return _mirrored("same", same=True)
