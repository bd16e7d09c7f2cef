"""What ICMP messages say, in words."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

from lbtrace.findings._icmp import called, of_connections
from lbtrace.model.net import Endpoint, IcmpError, IcmpKind, Side
from lbtrace.model.pairing import Ref


def error(kind: IcmpKind, code: int, sender: str) -> IcmpError:
    ends = Endpoint("10.0.0.9", 40000), Endpoint("10.0.0.80", 80)
    return IcmpError(kind, code, 0, sender, "TCP", *ends, 1, 0)


@pytest.mark.parametrize(
    ("kind", "code", "v4", "v6"),
    [
        (IcmpKind.TOO_BIG, 0, "fragmentation needed", "packet too big"),
        (IcmpKind.EXPIRED, 0, "time exceeded", "time exceeded"),
        (IcmpKind.UNREACHABLE, 3, "port unreachable", "address unreachable"),
        (IcmpKind.UNREACHABLE, 99, "unreachable, code 99", "unreachable, code 99"),
    ],
)
def test_codes_of_both_versions_have_names(kind: IcmpKind, code: int, v4: str, v6: str) -> None:
    for sender, name in (("10.0.0.1", v4), ("2001:db8::1", v6)):
        assert called([error(kind, code, sender)]).startswith(f"{name} from {sender}")


def test_a_message_about_two_ports_is_told_once_however_often_they_were_used() -> None:
    """It does not say which attempt it is about; 3000 attempts would be nine million messages."""
    errors = [error(IcmpKind.UNREACHABLE, code, "10.0.0.1") for code in (1, 3)]
    ends = SimpleNamespace(client=errors[0].source, server=errors[0].target)
    trace = SimpleNamespace(point=0, icmp=errors)
    comparison: Any = SimpleNamespace(
        traces=lambda _side: [trace],
        table=lambda _side: SimpleNamespace(connection_ref=lambda row: Ref(0, row)),
        connection=lambda _side, _ref: ends,
    )
    found = of_connections(comparison, Side.CLIENT, np.arange(3), False, [IcmpKind.UNREACHABLE])
    assert [message for _, message in found] == errors
