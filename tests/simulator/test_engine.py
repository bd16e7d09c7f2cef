"""What the simulated balancer never does, because no balancer does."""

import random
from dataclasses import replace

from tests.simulator.random_simulations import random_simulation
from tests.simulator.roles import Recording


def test_a_connection_with_a_proxy_header_carries_the_requests_of_the_client_it_names() -> None:
    """Also when requests race with the FIN of an idle backend connection."""
    named = 0
    for seed in random.Random(7).sample(range(10_000), 60):
        simulation = random_simulation(seed, most=60)
        balancer = replace(
            simulation.balancer, kind="l7", proxy=2, race=0.3, keep_alive=True, mirror=""
        )
        simulation.balancer = balancer
        simulation.uncaptured_clients = 0
        seen_as = {client.address: client.seen_as for client in simulation.clients}
        recorded = simulation.run()
        for client, behind in recorded.carried.items():
            asked = recorded.clients[client.point].connections[client.id].client
            for ref in behind:
                headers = recorded.backends[ref.point].applications[ref.id].proxy
                expected = str(asked._replace(address=seen_as[asked.address]))
                assert [header.source for header in headers] == [expected]
                named += 1
    assert named > 500


def test_requests_that_race_share_connections_where_no_header_names_a_client() -> None:
    assert any(len(_askers(random_simulation(seed, most=60).run())) for seed in range(20))


def _askers(recorded: Recording) -> list[int]:
    """The backend connections that several client connections used."""
    used: dict[int, int] = {}
    for behind in recorded.carried.values():
        for ref in behind:
            used[ref.id] = used.get(ref.id, 0) + 1
    return [number for number, times in used.items() if times > 1]
