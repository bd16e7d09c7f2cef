"""The kernel's own account of a NAT."""

from __future__ import annotations

from lbtrace.lab.conntrack import Translation, parse

TABLE = """\
ipv4     2 tcp      6 117 TIME_WAIT src=192.168.0.5 dst=3.35.166.21 sport=50266 dport=80 src=3.35.166.21 dst=1.240.235.98 sport=80 dport=50266 [ASSURED] mark=0 use=1
ipv4     2 tcp      6 119 TIME_WAIT src=1.240.235.98 dst=3.35.166.21 sport=5 dport=80 src=172.31.11.95 dst=172.31.42.119 sport=8080 dport=6 [ASSURED] mark=0 use=1
ipv4     2 udp      17 29 src=10.0.0.1 dst=10.0.0.2 sport=53 dport=53 [UNREPLIED] src=10.0.0.2 dst=10.0.0.1 sport=53 dport=53 mark=0 use=1
ipv4     2 icmp     1 29 src=10.0.0.1 dst=10.0.0.2 type=8 code=0 id=1 src=10.0.0.2 dst=10.0.0.1 type=0 code=0 id=1 mark=0 use=1
"""  # noqa: E501


def test_the_reply_tuple_says_who_became_whom() -> None:
    assert parse(TABLE) == [
        Translation(
            "192.168.0.5:50266", "3.35.166.21:80", "1.240.235.98:50266", "3.35.166.21:80"
        ),  # masquerade: the source
        Translation(
            "1.240.235.98:5", "3.35.166.21:80", "172.31.42.119:6", "172.31.11.95:8080"
        ),  # DNAT and SNAT: both
    ]


def test_addresses_of_ipv6_lose_the_zeros_that_the_kernel_writes() -> None:
    client, front, node, app = (
        f"2001:0db8:{rest}"
        for rest in (
            "0005:0000:0000:0000:0000:0005",
            "0003:0000:0000:0000:0000:0021",
            "0172:0042:0000:0000:0000:0119",
            "0172:0011:0000:0000:0000:0095",
        )
    )
    line = (
        f"ipv6     10 tcp      6 119 TIME_WAIT src={client} dst={front} sport=5 dport=80 "
        f"src={app} dst={node} sport=8080 dport=6 [ASSURED] mark=0 use=1\n"
    )
    assert parse(line) == [
        Translation(
            "[2001:db8:5::5]:5",
            "[2001:db8:3::21]:80",
            "[2001:db8:172:42::119]:6",
            "[2001:db8:172:11::95]:8080",
        )
    ]


def test_an_empty_table_has_nobody() -> None:
    assert parse("") == []
