"""What may be read is what stands below a root, whatever leads out of it."""

from __future__ import annotations

import os
import shutil
from pathlib import Path

import pytest

from lbtrace.cli.assistants.roots import Roots
from lbtrace.errors import InputError, OptionError

SAMPLE = Path(__file__).resolve().parents[3] / "samples/nginx/client.pcap"


@pytest.fixture
def tree(tmp_path: Path) -> Path:
    """root/{in.pcap,text,sub/deep.pcap,link.pcap → ../secret.pcap,out → ..}, secret.pcap"""
    (tmp_path / "root/sub").mkdir(parents=True)
    (tmp_path / "rootbeside").mkdir()
    for place in ("root/in.pcap", "root/sub/deep.pcap", "secret.pcap", "rootbeside/x.pcap"):
        shutil.copy(SAMPLE, tmp_path / place)
    (tmp_path / "root/text").write_text("no capture")
    (tmp_path / "root/link.pcap").symlink_to(tmp_path / "secret.pcap")
    (tmp_path / "root/inner.pcap").symlink_to("sub/deep.pcap")
    (tmp_path / "root/out").symlink_to(tmp_path)
    os.mkfifo(tmp_path / "root/fifo")
    return tmp_path


def test_below_a_root(tree: Path) -> None:
    roots, root = Roots([str(tree / "root")]), tree / "root"
    assert roots.file("in.pcap") == str(root / "in.pcap")
    assert roots.file(str(root / "in.pcap")) == str(root / "in.pcap")
    assert roots.file("sub/../in.pcap") == str(root / "in.pcap")
    assert roots.file("inner.pcap") == str(root / "sub/deep.pcap")
    assert roots.is_folder("sub")


OUTSIDE = [
    "link.pcap",
    "out/secret.pcap",
    "../secret.pcap",
    "../rootbeside/x.pcap",
    "sub/../../secret.pcap",
    "/etc/passwd",
    "/etc/shadow",
    "nowhere.pcap",
    "fifo",
    "sub",
    "-",
    "",
    "a\0b",
    "/dev/stdin",
    "file://in.pcap",
]


@pytest.mark.parametrize("given", OUTSIDE)
def test_everything_else_is_one_error_that_names_the_root(given: str, tree: Path) -> None:
    with pytest.raises(InputError) as found:
        Roots([str(tree / "root")]).file(given)
    assert found.value.message == f"{given}: there is no such file below {tree / 'root'}."
    assert "secret" not in found.value.message.replace(given, "")


def test_a_folder_stands_for_the_captures_in_it_that_are_below_a_root(tree: Path) -> None:
    roots = Roots([str(tree / "root")])
    deep = str(tree / "root/sub/deep.pcap")
    assert roots.captures(["."]) == [str(tree / "root/in.pcap"), deep]
    size = SAMPLE.stat().st_size
    assert list(roots.listed(100)) == [(str(tree / "root/in.pcap"), size), (deep, size)]
    with pytest.raises(InputError, match="no such file"):
        roots.captures(["out/root/../secret.pcap"])
    with pytest.raises(InputError, match="no such directory"):
        roots.folder_files("out")


def test_a_list_ends_somewhere(tree: Path) -> None:
    assert list(Roots([str(tree / "root")]).listed(0)) == []


def test_several_roots(tree: Path) -> None:
    roots = Roots([str(tree / "root"), str(tree / "rootbeside")])
    assert roots.file("x.pcap") == str(tree / "rootbeside/x.pcap")
    assert roots.file("../rootbeside/x.pcap") == str(tree / "rootbeside/x.pcap")


def test_a_root_is_a_directory(tree: Path) -> None:
    with pytest.raises(OptionError, match="this is no directory"):
        Roots([str(tree / "secret.pcap")])
    linked = Roots([str(tree / "root/out")])
    assert linked.folders == (str(tree),)  # whoever starts it may name a link


def test_a_folder_that_cannot_be_read_is_none(tree: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def refused(_folder: str) -> list[str]:
        raise PermissionError

    monkeypatch.setattr(os, "listdir", refused)
    with pytest.raises(InputError, match="there is no such directory below"):
        Roots([str(tree / "root")]).folder_files("sub")


def test_a_capture_that_goes_while_they_are_listed_is_left_out(
    tree: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def gone(path: str) -> int:
        raise FileNotFoundError(path)

    monkeypatch.setattr(os.path, "getsize", gone)
    assert list(Roots([str(tree / "root")]).listed(100)) == []
