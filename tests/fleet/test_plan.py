"""A plan: what it says, and one line for each way in which it cannot be meant."""

from __future__ import annotations

from pathlib import Path

import pytest

from lbtrace.errors import OptionError
from lbtrace.fleet.plan import SHARD_BYTES, SLICE_EXCHANGES, Plan, read_plan
from lbtrace.model.net import Side

TWO_SIDES = """
[[client]]
files = ["c*.pcap"]

[[backend]]
name = "app"
files = "b.pcap"
"""


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    for name in ("c2.pcap", "c1.pcap", "b.pcap", "lb.pcap", "keys.txt"):
        (tmp_path / name).write_bytes(b"")
    return tmp_path


def plan(folder: Path, text: str) -> Plan:
    path = folder / "plan.toml"
    path.write_text(text)
    return read_plan(str(path))


def test_points_have_the_files_of_their_patterns_by_name(folder: Path) -> None:
    read = plan(folder, TWO_SIDES)
    (client,), (backend,) = read.clients, read.backends
    assert client.name == "client 1"
    assert client.files == (str(folder / "c1.pcap"), str(folder / "c2.pcap"))
    assert (backend.name, backend.side) == ("app", Side.BACKEND)
    assert read.output == str(folder / "found")
    assert (read.slice_exchanges, read.shard_bytes) == (SLICE_EXCHANGES, SHARD_BYTES)


def test_only_the_pattern_is_one_not_the_folder_of_the_plan(tmp_path: Path) -> None:
    folder = tmp_path / "run[1]"
    folder.mkdir()
    for name in ("c1.pcap", "b.pcap"):
        (folder / name).write_bytes(b"")
    (client,) = plan(folder, TWO_SIDES).clients
    assert client.files == (str(folder / "c1.pcap"),)


def test_a_pattern_may_be_a_whole_path(
    folder: Path, tmp_path_factory: pytest.TempPathFactory
) -> None:
    (elsewhere := tmp_path_factory.mktemp("in") / "c7.pcap").write_bytes(b"")
    (client,) = plan(folder, TWO_SIDES.replace("c*", f"{elsewhere.parent}/c*")).clients
    assert client.files == (str(elsewhere),)


def test_options(folder: Path) -> None:
    head = 'output = "o"\nkeylogs = ["key*"]\nclock_offset = "-250ms"\nslice_exchanges = 7\n'
    read = plan(folder, head + 'shard_bytes = "2MB"\n' + TWO_SIDES)
    assert read.keylogs == (str(folder / "keys.txt"),)
    assert read.clock_offset_ns == -250_000_000
    assert (read.slice_exchanges, read.shard_bytes) == (7, 2_000_000)


def test_a_capture_of_the_balancer_is_a_point_of_both_sides(folder: Path) -> None:
    read = plan(folder, '[[balancer]]\nname = "lb"\nfiles = ["lb.pcap"]\nlb_ports = [443]\n')
    (client,), (backend,) = read.clients, read.backends
    assert client.files == backend.files
    assert client.on_balancer
    assert backend.ports == (443,)


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("slice_exchange = 5", r":1: there is no key 'slice_exchange'. Did you mean"),
        ('clock_offset = "soon"', r":1: clock_offset is a time"),
        ("clock_offset = 3", r":1: clock_offset is a time"),
        ("slice_exchanges = 0", r":1: slice_exchanges is a number of at least 1"),
        ('shard_bytes = "much"', r":1: shard_bytes is a size"),
        ('keylogs = "k"', r":1: keylogs is a list"),
        ('keylogs = ["none*"]', r":1: no file is there for 'none\*'"),
        ("output = 3", r":1: output is a text"),
        ("client = 3", r":1: write \[\[client\]\]"),
    ],
)
def test_a_value_that_makes_no_sense_is_named_with_its_line(
    folder: Path, text: str, said: str
) -> None:
    with pytest.raises(OptionError, match=said):
        plan(folder, text + "\n" + ("" if text.startswith("client") else TWO_SIDES))


@pytest.mark.parametrize(
    ("text", "said"),
    [
        (TWO_SIDES.replace("files", "file"), r":3: \[\[client\]\] has no key 'file'. Did you"),
        (TWO_SIDES.replace("c*.pcap", "x*.pcap"), r":3: no file is there for 'x\*.pcap'"),
        (TWO_SIDES.replace('["c*.pcap"]', "[]"), r":3: \[\[client\]\] needs files"),
        (TWO_SIDES.replace('"app"', '""'), r":6: a name is a text"),
        (TWO_SIDES.replace("[[backend]]", "[[client]]"), r"no capture of the backend side"),
        (TWO_SIDES + TWO_SIDES.replace('"app"', '"b"'), "is in two capture points of a side"),
        ('[[balancer]]\nfiles = "lb.pcap"', r":1: \[\[balancer\]\] needs lb_addresses or"),
        ('[[balancer]]\nfiles = "lb.pcap"\nlb_ports = [0]', r":3: lb_ports is a list"),
        ('[[balancer]]\nfiles = "lb.pcap"\nlb_addresses = ["x"]', r":3: lb_addresses is a list"),
        ("x = [", "is not TOML"),
    ],
)
def test_a_point_that_makes_no_sense_is_one_line(folder: Path, text: str, said: str) -> None:
    with pytest.raises(OptionError, match=said) as found:
        plan(folder, text)
    assert "\n" not in str(found.value)


def test_two_points_of_a_side_have_different_names(folder: Path) -> None:
    more = '[[backend]]\nname = "app"\nfiles = "lb.pcap"\n'
    with pytest.raises(OptionError, match="have the name 'app'"):
        plan(folder, TWO_SIDES + more)


def test_a_plan_that_is_not_there(tmp_path: Path) -> None:
    with pytest.raises(OptionError, match="there is no such file"):
        read_plan(str(tmp_path / "none.toml"))
