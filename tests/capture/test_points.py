"""Rotated files are one capture point; files written at the same time are several."""

from __future__ import annotations

from pathlib import Path

from lbtrace.capture.points import points
from tests.capture.files import pcap

SECOND = 1_000_000_000


def quiet(_what: str, _part: float) -> None:
    pass


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


def test_a_single_file_is_not_opened() -> None:
    assert points(["-"], quiet) == [["-"]]


def test_an_empty_file_of_a_rotation_goes_along(tmp_path: Path) -> None:
    (one,) = written(tmp_path, one=(100, 200))
    empty = tmp_path / "empty"
    empty.write_bytes(pcap([]))
    assert points([str(empty), one], quiet) == [[one, str(empty)]]
