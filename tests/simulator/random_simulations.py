"""Any traffic × any balancer × clocks × loss, from one number: the simulations of the randomised
property.

Everything is drawn from `random.Random(seed)`, so a failing seed is a whole reproducer.
"""

from __future__ import annotations

import random

from lbtrace.model.net import Endpoint
from tests.simulator.roles import FRONT, MS, Balancer, Simulation
from tests.simulator.scenarios.base import TLVS
from tests.simulator.wire import EPOCH_NS, Clockwork

_ADDED: list[list[tuple[str, str]]] = [
    [],
    [("X-Forwarded-For", "{client}")],
    [("X-Forwarded-For", "{old}, {client}")],
    [("X-Forwarded-For", "{client}:{clientport}")],
    [("X-Forwarded-For", "{client}"), ("X-Amzn-Trace-Id", "Root=1-{fresh}")],
]


def any_balancer(dice: random.Random) -> Balancer:
    """A balancer whose settings are drawn at random."""
    return Balancer(
        kind=dice.choice(["l7"] * 6 + ["dnat", "snat", "dsr", "l4-proxy", "direct"]),
        add=dice.choice(_ADDED),
        second_line=dice.random() < 0.3,
        host=dice.choice([None, "be:8080"]),
        strip=dice.choice(["", "/api"]),
        recase=dice.random() < 0.3,
        drop=dice.choice([[], ["User-Agent"], ["Accept"]]),
        reorder=dice.random() < 0.3,
        gzip=dice.random() < 0.2,
        chunk=dice.random() < 0.2,
        respond=dice.choice([[], [("Server", "nginx")], [("X-Id", "{fresh}")]]),
        keep_alive=dice.random() < 0.7,
        cache=dice.choice([0, 0, 0.2]),
        refuse=dice.choice([0, 0, 0.1]),
        retry=dice.choice([0, 0, 0.15]),
        fail=dice.choice(["reset", "closed", "500"]),
        give_up=dice.choice([0, 0, 0.1]),
        hedge=dice.choice([0, 0, 0, 0.1]),
        preserve_source=dice.random() < 0.1,
        check_ms=dice.choice([0, 300, 1000]),
        check=dice.choice(["GET /health", "GET /", ""]),
        check_agent=dice.choice(["ELB-HealthChecker/2.0", "", "curl/7.64.1"]),
    )


def _more_rewriting(balancer: Balancer, dice: random.Random, backends: int) -> None:
    """What balancers do more seldom."""
    balancer.normalise = dice.random() < 0.2
    balancer.merge = dice.random() < 0.2
    balancer.gunzip = dice.random() < 0.1 and not balancer.gzip
    balancer.redirect = dice.choice([0, 0, 0, 0.1])
    balancer.fixed = dice.choice([0, 0, 0, 0.1])
    balancer.server = dice.choice(["awselb/2.0", "nginx", "gunicorn", ""])
    balancer.race = dice.choice([0, 0, 0.1])
    balancer.mirror = dice.choice(["", "", "", "same", "other"]) if backends > 1 else ""
    if dice.random() < 0.2:
        balancer.nodes = (FRONT, Endpoint("13.124.50.9", 80))
        balancer.backs = ("172.31.42.119", "172.31.7.20")
    if dice.random() < 0.2:
        balancer.proxy, balancer.tlvs = 2, TLVS


def random_simulation(seed: int, most: int = 200) -> Simulation:
    """A simulation drawn from a seed, of at most `most` requests."""
    dice = random.Random(seed)
    balancer = any_balancer(dice)
    requests = dice.choice([n for n in (4, 10, 60, 200) if n <= most])
    loss = dice.choice([0, 0, 0.02, 0.1])
    span = requests * dice.choice([1, 10, 100])
    offset = dice.choice([0, 1, -1, 1000, -3_600_000, 40]) * MS + dice.randint(-MS, MS)

    def window() -> tuple[int, int] | None:
        return dice.choice([None, None, None, (span // 4, span * 2), (-9999, span // 2)])

    simulation = Simulation(
        seed=seed,
        balancer=balancer,
        backends=[Endpoint(f"172.31.11.{95 + i}", 8080) for i in range(dice.choice([1, 1, 2, 3]))],
        separate_points=dice.random() < 0.3,
        client_clock=Clockwork(offset, dice.choice([0, 0, 100_000])),
        client_loss=loss,
        backend_loss=loss,
        client_window=window(),
        backend_window=window(),
        fresh_answers=dice.random() < 0.3,
    )
    if len(simulation.backends) > 1 and dice.random() < 0.2:
        simulation.uncaptured = 1
    clients = [
        simulation.client(f"192.168.0.{5 + i}", dice.choice(["1.240.235.98", ""]))
        for i in range(dice.choice([1, 1, 2, 5]))
    ]
    if len(clients) > 1 and dice.random() < 0.3:
        simulation.uncaptured_clients = len(clients) // 2
    seldom = random.Random(seed + 1_000_000)
    _more_rewriting(balancer, seldom, len(simulation.backends) - simulation.uncaptured)
    if (
        len(clients) > 1 and seldom.random() < 0.3
    ):  # every host captured on itself, by its own clock
        for point, client in enumerate(clients):
            client.point = point
        simulation.other_clocks = [
            Clockwork(offset + seldom.randint(-MS, MS) * 1000) for _ in clients[1:]
        ]
    if seldom.random() < 0.05:
        simulation.backend_clock = Clockwork(
            0, 0, EPOCH_NS + span * MS // 2, seldom.choice([-90, 2000, 3_600_000]) * MS
        )
    style = dice.choice(["same", "distinct", "few", "ids", "sessions"])
    connections = dice.choice([0, 1, 8, 32])
    for i in range(requests):
        odd = "/x/..//%7E" if seldom.random() < 0.05 else ""
        target = {"distinct": f"/api/x/{i}", "few": f"/api/x/{i % 3}"}.get(style, "/api/x")
        headers = [("X-Request-Id", f"{dice.getrandbits(64):016x}")] if style == "ids" else []
        headers += [("Cookie", f"session=abcdefghijkl{i % 5}")] if style == "sessions" else []
        headers += [("X-Forwarded-For", "6.6.6.6")] if dice.random() < 0.05 else []
        post = dice.random() < 0.1
        dice.choice(clients).asks(
            "POST" if post else "GET",
            target.replace("/api/", f"/api{odd}/") if odd else target,
            at_ms=dice.random() * span,
            headers=headers,
            body=b"a=%d" % i if post else b"",
            answer=b"ok" if dice.random() < 0.7 else b"item %d" % i,
            connection=f"k{i % connections}" if connections else "",
            think_ms=dice.random() * 20,
            abandon=dice.random() < 0.01,
            waits=post and seldom.random() < 0.3,
        )
    return simulation
