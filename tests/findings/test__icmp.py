"""What ICMP messages say, in words."""

from __future__ import annotations

import pytest

from lbtrace.findings._icmp import called
from lbtrace.model.net import Endpoint, IcmpError, IcmpKind


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
