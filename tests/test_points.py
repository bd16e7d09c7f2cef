"""Rotated files are one capture point; files written at the same time are several."""

from __future__ import annotations

from itertools import pairwise
from pathlib import Path
from random import Random
from tempfile import TemporaryDirectory

import pytest
from hypothesis import given
from hypothesis import strategies as st
from scapy.layers.inet import IP, TCP
from scapy.layers.l2 import Ether

import lbtrace
from lbtrace.errors import InputError
from lbtrace.model.net import Side
from lbtrace.options import quiet
from lbtrace.points import SEAM_NS, points, points_of_any_side
from tests.capture.files import pcap
from tests.laws import examples

SECOND = 1_000_000_000


def written(folder: Path, **windows: tuple[int, int]) -> list[str]:
    """One file per name, with a packet at its first and its last second."""
    for name, (first, last) in windows.items():
        (folder / name).write_bytes(pcap([(first * SECOND, b"x" * 60), (last * SECOND, b"y" * 60)]))
    return [str(folder / name) for name in windows]


def test_a_rotated_capture_is_one_point_in_order_of_time(tmp_path: Path) -> None:
    ten, one, two = written(tmp_path, ten=(300, 400), one=(100, 200), two=(200, 300))
    assert points([ten, one, two], quiet) == [[one, two, ten]]


def test_files_written_at_the_same_time_are_two_points(tmp_path: Path) -> None:
    a, b = written(tmp_path, a=(100, 200), b=(150, 160))
    assert points([a, b], quiet) == [[a], [b]]


def test_two_machines_that_both_rotate_are_two_points(tmp_path: Path) -> None:
    files = written(tmp_path, a1=(100, 200), b1=(120, 220), a2=(201, 300), b2=(221, 310))
    a1, b1, a2, b2 = files
    assert points(files, quiet) == [[a1, a2], [b1, b2]]


def test_a_file_goes_with_the_machine_whose_connections_or_address_it_shows(tmp_path: Path) -> None:
    """Two backends rotate at the same moments: 10.0.0.1 keeps one connection, 10.0.0.2 gets a new
    one for each request.
    """
    files = []
    for part in range(3):
        for host, port in (("10.0.0.1", 40000), ("10.0.0.2", 50000 + part)):
            packet = bytes(
                Ether() / IP(src="10.0.0.9", dst=host) / TCP(sport=port, dport=80, flags="A")
            )
            path = tmp_path / f"{part}-{host}"
            path.write_bytes(pcap([(at * SECOND, packet) for at in (100 * part, 100 * part + 99)]))
            files.append(str(path))
    one, other = files[0::2], files[1::2]
    assert points([*one, *other], quiet) == [one, other]
    assert points([*reversed(files)], quiet) == [one, other]


def connecting(path: Path, server: str, at: int, flags: str = "S") -> str:
    """A file with a handshake with a server, at a second."""
    there = Ether() / IP(src="10.0.0.9", dst=server) / TCP(sport=40000 + at, dport=80, flags="S")
    back = Ether() / IP(src=server, dst="10.0.0.9") / TCP(sport=80, dport=40000 + at, flags="SA")
    packets = [bytes(there), bytes(back)] if "S" in flags else [bytes(there)[:-1]]
    path.write_bytes(pcap([((at + i) * SECOND, packet) for i, packet in enumerate(packets)]))
    return str(path)


def test_backend_captures_of_other_servers_are_other_machines(tmp_path: Path) -> None:
    """Their clocks are hours apart, so their times do not overlap."""
    one = [connecting(tmp_path / f"a{i}", "10.0.0.1", 100 * i) for i in range(2)]
    other = [connecting(tmp_path / f"b{i}", "10.0.0.2", 7000 + 100 * i) for i in range(2)]
    assert points([*one, *other], quiet, Side.BACKEND) == [one, other]
    assert points([*reversed(other), *one], quiet, Side.BACKEND) == [one, other]


def test_a_client_may_go_to_other_servers_in_each_file(tmp_path: Path) -> None:
    files = [connecting(tmp_path / f"{i}", f"10.0.0.{i}", 100 * i) for i in (1, 2)]
    assert points(files, quiet) == [files]


def test_a_backend_capture_without_a_handshake_is_of_the_machine_before_it(tmp_path: Path) -> None:
    """Nothing shows that it is another one."""
    files = [
        connecting(tmp_path / "one", "10.0.0.1", 100),
        connecting(tmp_path / "none", "10.0.0.2", 200, flags="A"),
    ]
    assert points(files, quiet, Side.BACKEND) == [files]


def test_both_sides_of_a_balancer_are_two_points_whenever_they_were_taken(tmp_path: Path) -> None:
    """Nobody says which side they are from. They go to other servers."""
    client = connecting(tmp_path / "client", "10.0.0.1", 100)
    backend = connecting(tmp_path / "backend", "10.0.1.2", 7000)
    assert points_of_any_side([client, backend], quiet) == [[client], [backend]]
    assert points_of_any_side([backend, client], quiet) == [[backend], [client]]


def talking(path: Path, client: str, server: str, at: int) -> str:
    """A file in the middle of a connection."""
    packet = bytes(Ether() / IP(src=client, dst=server) / TCP(sport=40000, dport=80, flags="A"))
    path.write_bytes(pcap([(at * SECOND, packet), ((at + 1) * SECOND, packet)]))
    return str(path)


def test_files_without_a_common_address_are_of_several_machines(tmp_path: Path) -> None:
    one = talking(tmp_path / "one", "10.0.0.9", "10.0.0.1", 100)
    other = talking(tmp_path / "other", "10.0.1.8", "10.0.1.2", 200)
    same = talking(tmp_path / "same", "10.0.0.7", "10.0.0.1", 300)
    assert points_of_any_side([one, other, same], quiet) == [[one, same], [other]]
    assert points([one, other], quiet) == [[one, other]]  # of the client side, as somebody said


def test_of_any_side_the_points_are_in_the_order_given(tmp_path: Path) -> None:
    a1, a2 = (
        talking(tmp_path / name, "10.0.0.9", "10.0.0.1", at)
        for name, at in (("a1", 300), ("a2", 310))
    )
    early, late = (
        connecting(tmp_path / host, host, at) for host, at in (("10.0.2.1", 10), ("10.0.3.1", 90))
    )
    assert points_of_any_side([late, early], quiet) == [[late], [early]]
    assert points_of_any_side([late, "-", early], quiet) == [[late], ["-"], [early]]
    assert points_of_any_side(["-"], quiet) == [["-"]]
    assert points_of_any_side([a2, a1], quiet) == [[a1, a2]]
    assert points_of_any_side([a2, a1, "-"], quiet) == [[a1, a2], ["-"]]


def test_without_any_other_sign_a_file_follows_the_one_given_before_it(tmp_path: Path) -> None:
    a1, b1, b2, a2 = written(tmp_path, a1=(100, 199), b1=(101, 199), b2=(200, 299), a2=(201, 299))
    assert points([a1, a2, b1, b2], quiet) == [[a1, a2], [b1, b2]]


def test_a_single_file_is_not_opened() -> None:
    assert points(["-"], quiet) == [["-"]]


def test_an_empty_file_of_a_rotation_goes_along(tmp_path: Path) -> None:
    (one,) = written(tmp_path, one=(100, 200))
    empty = tmp_path / "empty"
    empty.write_bytes(pcap([]))
    assert points([str(empty), one], quiet) == [[one, str(empty)]]


windows = st.lists(
    st.tuples(st.integers(0, 60), st.integers(1, 20)).map(lambda w: (w[0], w[0] + w[1])),
    min_size=2,
    max_size=6,
)


@examples(40)
@given(windows, st.randoms(use_true_random=False))
def test_files_of_a_point_follow_each_other_and_none_is_lost(
    taken: list[tuple[int, int]], chance: Random
) -> None:
    with TemporaryDirectory() as folder:
        window = dict(
            zip(
                written(Path(folder), **{f"f{n}": w for n, w in enumerate(taken)}),
                taken,
                strict=True,
            )
        )
        files = list(window)
        chance.shuffle(files)
        found = points(files, quiet)
    assert sorted(path for point in found for path in point) == sorted(window)
    for point in found:
        for before, after in pairwise(point):
            assert window[before][1] <= window[after][0]
    # a machine writes one file at a time: as many points as files that cover one moment
    moments = [sum(a <= at < b for a, b in taken) for at in range(100)]
    assert len(found) == max(moments)


@pytest.mark.parametrize(("overlap_ns", "count"), [(SEAM_NS, 1), (SEAM_NS + 1, 2), (-SECOND, 1)])
def test_a_rotation_may_step_back_a_little(tmp_path: Path, overlap_ns: int, count: int) -> None:
    times = ((100 * SECOND, 200 * SECOND), (200 * SECOND - overlap_ns, 300 * SECOND))
    files = [tmp_path / name for name in ("one", "two")]
    for path, (first_ns, last_ns) in zip(files, times, strict=True):
        packets = [(first_ns, b"x" * 60), (last_ns, b"y" * 60)]
        path.write_bytes(pcap(packets, magic=0xA1B23C4D, unit_ns=1))
    assert len(points([str(path) for path in files], quiet)) == count


def test_files_without_any_frame_are_one_point(tmp_path: Path) -> None:
    files = [tmp_path / name for name in ("one", "two")]
    for path in files:
        path.write_bytes(pcap([]))
    assert points(list(map(str, files)), quiet) == [list(map(str, files))]


def test_no_file_is_no_capture() -> None:
    with pytest.raises(InputError, match="no capture was named"):
        lbtrace.show()
