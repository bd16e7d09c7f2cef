"""What a connection says of itself."""

from __future__ import annotations

import pytest

from lbtrace.model.net import Endpoint
from lbtrace.model.stream import Connection
from tests.render import founding

CONNECTION = founding.connection(0, Endpoint("10.0.0.1", 1), Endpoint("10.0.0.2", 80), 1, 0)


def closed(
    client: tuple[int | None, int | None], server: tuple[int | None, int | None]
) -> Connection:
    """(time of the FIN, time of the RST) of each end."""
    ends = (
        end._replace(fin_ns=fin, rst_ns=rst)
        for end, (fin, rst) in (
            (CONNECTION.from_client, client),
            (CONNECTION.from_server, server),
        )
    )
    from_client, from_server = ends
    return CONNECTION._replace(from_client=from_client, from_server=from_server)


@pytest.mark.parametrize(
    ("client", "server", "by"),
    [
        ((None, None), (None, None), None),
        ((5, None), (6, None), ("client", "FIN")),
        ((5, 9), (4, None), ("server", "FIN")),
        ((5, 4), (6, 7), ("client", "RST")),
        ((None, None), (None, 0), ("server", "RST")),
    ],
)
def test_who_closed_first_and_how(
    client: tuple[int | None, int | None],
    server: tuple[int | None, int | None],
    by: tuple[str, str] | None,
) -> None:
    assert closed(client, server).closed_by == by


def test_what_acknowledges_the_fin_of_the_other_end_came_second() -> None:
    both = closed((5, 7), (6, None))
    second = both.from_client._replace(answers_fin=True)
    assert both._replace(from_client=second).closed_by == ("server", "FIN")


def test_a_client_is_whole_from_its_syn_on() -> None:
    assert CONNECTION.client_is_whole
    assert not CONNECTION.already_open
    unopened = CONNECTION._replace(syns=0)
    assert unopened.already_open
    assert not unopened.client_is_whole
    lost = CONNECTION._replace(from_client=CONNECTION.from_client._replace(missing=1))
    assert not lost.client_is_whole
