"""`lbtrace lab`: what it lists, and how it says no."""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest

from lbtrace.cli import run
from lbtrace.errors import LabError
from lbtrace.lab.registry import balancers, traffics
from tests.cli.captures import SAMPLES


def said(capsys: pytest.CaptureFixture[str], *arguments: str) -> tuple[int, str, str]:
    code = run(["lab", *arguments])
    out = capsys.readouterr()
    return code, out.out, out.err


def test_list_names_every_balancer_and_traffic_on_one_screen_without_being_root(
    capsys: pytest.CaptureFixture[str],
) -> None:
    code, out, _ = said(capsys, "list")
    assert code == 0
    above, _, below = out.partition("\nTraffic\n")
    listed = [line.lstrip(" -").split()[0] for line in above.splitlines() if line[0] == " "]
    assert sorted(listed) == sorted(balancers())
    assert sorted(below.partition("\n\n")[0].split()) == sorted(traffics())
    assert len(out.splitlines()) <= 45
    assert all(len(line) <= 80 for line in out.splitlines())


def test_list_says_which_balancer_plays_what(capsys: pytest.CaptureFixture[str]) -> None:
    _, out, _ = said(capsys, "list")
    kinds = out.partition("\nTraffic\n")[0].split("\nL4 ")
    assert "alb-like" in kinds[0]
    assert "Application Load Balancer" in kinds[0]
    assert kinds[2].startswith("load balancer, packets passed through\n")
    assert "Network Load Balancer" in kinds[2]


@pytest.mark.parametrize("name", [*balancers(), *traffics()])
def test_list_says_what_one_is_and_what_it_runs_with(
    name: str, capsys: pytest.CaptureFixture[str]
) -> None:
    code, out, _ = said(capsys, "list", name)
    assert code == 0
    known = balancers().get(name) or traffics()[name]
    assert out.startswith(f"{name}: {known.summary}")
    assert "  runs" in out


def test_what_one_runs_with_is_what_can_be_run(capsys: pytest.CaptureFixture[str]) -> None:
    _, out, _ = said(capsys, "list", "mirror")
    able = out.partition("runs through: ")[2].replace("\n", "").replace("    ", " ").split(", ")
    needs = traffics()["mirror"].needs
    assert [a.strip() for a in able] == [
        b.name for b in balancers().values() if needs <= b.features
    ]


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["run", "f5"], "There is no balancer 'f5'. There are: alb-like, "),
        (["run", "nginx", "--traffic", "ftp"], "There is no traffic 'ftp'. There are: "),
        (["run", "nat", "--traffic", "gzip"], "nat cannot run 'gzip', which needs 'gzip'."),
        (["list", "nosuch"], "There is no balancer and no traffic 'nosuch' in the lab."),
        (["record", "nosuch"], "There is no sample 'nosuch'."),
    ],
)
def test_what_cannot_be_meant_is_one_line(
    arguments: list[str], message: str, capsys: pytest.CaptureFixture[str]
) -> None:
    code, out, err = said(capsys, *arguments)
    assert (code, out) == (2, "")
    assert err.startswith(f"lbtrace: {message}")
    assert err.count("\n") == 1


def test_keep_where_nothing_can_be_made_is_one_line(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "file").write_text("mine")
    code, out, err = said(capsys, "run", "nginx", "--keep", str(tmp_path / "file" / "kept"))
    assert (code, out) == (2, "")
    assert "Traceback" not in err


def test_what_cannot_run_leaves_no_directory_behind(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert said(capsys, "run", "nat", "--traffic", "gzip", "--keep", str(tmp_path / "kept"))[0] == 2
    assert not (tmp_path / "kept").exists()


def test_keep_does_not_write_over_anything(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "precious").write_text("mine")
    code, _, err = said(capsys, "run", "nginx", "--keep", str(tmp_path))
    assert code == 2
    assert "it exists and is not an empty directory" in err
    assert [p.name for p in tmp_path.iterdir()] == ["precious"]


@pytest.fixture
def recorder(monkeypatch: pytest.MonkeyPatch) -> Callable[[], list[Path]]:
    """Experiments that are copies of a sample: nobody needs to be root. Returns where they ran."""
    ran = list[Path]()

    def copied(balancer: str, traffic: str, directory: Path, *_options: object) -> None:
        ran.append(directory)
        if balancer == "nginx" and len(ran) == 1:
            raise LabError("lab-failed", "The experiment failed.")
        for path in (SAMPLES / ("haproxy-tcp-tls" if traffic == "tls" else "nlb-like")).iterdir():
            shutil.copyfile(path, directory / path.name)

    monkeypatch.setattr("lbtrace.lab.run.require_experiment", lambda *_: None)
    monkeypatch.setattr("lbtrace.lab.run.run", copied)
    return lambda: ran


def test_keys_open_what_was_recorded_and_it_says_where_they_are(
    recorder: Callable[[], list[Path]], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    kept = tmp_path / "kept"
    code, out, err = said(capsys, "run", "haproxy-tcp", "--traffic", "tls", "--keep", str(kept))
    assert code == 0
    assert "TLS passes through to the backend" in out
    assert "agree with this report (4 of 4 requests" in err
    assert "Keys that open the TLS there, readable by you alone: client.keys." in err


def test_without_tls_nothing_is_said_of_keys(
    recorder: Callable[[], list[Path]], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert "Keys" not in said(capsys, "run", "nat", "--keep", str(tmp_path / "kept"))[2]


@pytest.mark.parametrize("name", ["kept", "a b/c d", "./kept", "käpt"])
def test_a_recording_is_kept_wherever_it_is_wanted(
    name: str,
    recorder: Callable[[], list[Path]],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.chdir(tmp_path)
    code, out, _ = said(capsys, "run", "nat", "--keep", name)
    assert code == 0
    assert "L4 load balancer" in out
    assert {"client.pcap", "backend.pcap", "truth.json"} <= set(os.listdir(tmp_path / name))
    assert " " not in str(recorder()[0].name)  # no program is told the name
    assert not recorder()[0].exists()


def test_what_failed_can_be_tried_again(
    recorder: Callable[[], list[Path]], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    arguments = ("run", "nginx", "--keep", str(tmp_path / "kept"))
    assert said(capsys, *arguments)[0] == 2
    assert said(capsys, *arguments)[0] == 0
    assert (tmp_path / "kept" / "client.pcap").exists()


def test_the_lesson_about_several_keeps_each_in_a_directory_of_its_name(
    recorder: Callable[[], list[Path]], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    kept = tmp_path / "kept"
    code, out, _ = said(capsys, "run", "nat", "snat", "--explain", "--keep", str(kept))
    assert code == 0
    assert "\nAct 2 of 2   snat\n" in out
    assert sorted(os.listdir(kept)) == ["nat", "snat"]
    assert (kept / "snat" / "backend.pcap").exists()


def test_a_configuration_of_your_own_is_run_over_ipv4(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """The addresses of its upstream servers become the lab's IPv4 ones."""
    path = tmp_path / "nginx.conf"
    path.write_text("http { server { listen 80; } }\n")
    code, out, err = said(capsys, "run", "nginx", "--ipv6", "--config", str(path))
    assert (code, out) == (2, "")
    assert "--config and --ipv6 do not go together" in err
