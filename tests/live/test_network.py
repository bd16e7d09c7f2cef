"""`lbtrace capture` with packets: in network namespaces, and through a real sshd in one."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from lbtrace.errors import LabError
from lbtrace.lab.addresses import IPV4
from lbtrace.lab.confine import find_program
from lbtrace.lab.registry import find_balancer
from lbtrace.lab.run import require_runnable

pytestmark = pytest.mark.lab

ROOT = Path(__file__).resolve().parents[2]
CLIENT = ("--client", "netns:laptop:eth0")
REQUEST = ("--", "ip", "netns", "exec", "laptop", "curl", "-sS", f"http://{IPV4.front}/divide/25")
needs_sshd = pytest.mark.skipif(
    find_program("sshd") is None or shutil.which("ssh-keygen") is None,
    reason="no sshd here (openssh-server)",
)


def captured(folder: Path, *words: str) -> Any:
    """The exit code, what lbtrace wrote, and what was left running."""
    try:
        require_runnable(find_balancer("nginx"))
    except LabError as error:
        pytest.skip(str(error))
    confined = "setpriv --pdeathsig KILL unshare --net --pid --mount --ipc --mount-proc --fork"
    done = subprocess.run(
        [*confined.split(), "--kill-child", sys.executable, "-m", "tests.live.confined",
         str(folder), *words],
        cwd=ROOT,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        stdin=subprocess.DEVNULL,
        capture_output=True,
        encoding="utf-8",
        check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    return json.loads((folder / "result.json").read_text())


def test_both_sides_of_one_request(tmp_path: Path) -> None:
    words = (*CLIENT, "--backend", "netns:instance", "--filter", "tcp", "-o", "cap", *REQUEST)
    result = captured(tmp_path, *words)
    assert result["code"] == 0, result["err"]
    answer, _, page = result["out"].partition("\n")
    assert answer.strip() == "4"
    assert "1 : 1 client side, 1 : 1 backend side" in page
    assert result["err"].count("packets, none dropped → cap/") == 2
    assert result["left"] == []
    assert sorted(file.name for file in (tmp_path / "cap").iterdir()) == [
        "backend.pcapng",
        "client.pcapng",
    ]


def test_no_such_namespace_and_no_such_interface(tmp_path: Path) -> None:
    words = (*CLIENT, "--backend", "netns:nowhere", "--filter", "tcp", *REQUEST)
    result = captured(tmp_path, *words)
    assert (result["code"], result["out"], result["left"]) == (2, "", [])
    assert 'netns:nowhere: Cannot open network namespace "nowhere"' in result["err"]
    assert result["err"].endswith("There are: ip netns list\n")


def test_no_such_interface_and_no_such_filter(tmp_path: Path) -> None:
    words = ("--client", "netns:laptop:eth7", "--backend", "netns:instance:eth0")
    result = captured(tmp_path, *words, "--filter", "tcp", *REQUEST)
    assert (result["code"], result["out"], result["left"]) == (2, "", [])
    assert result["err"].startswith("lbtrace: netns:laptop:eth7: tcpdump: eth7: ")
    assert result["err"].endswith("Its interfaces are listed there by: tcpdump -D\n")


def test_a_filter_that_is_none(tmp_path: Path) -> None:
    words = (*CLIENT, "--backend", "netns:instance:eth0", "--filter", "tcp prot 80", *REQUEST)
    result = captured(tmp_path, *words)
    assert (result["code"], result["left"]) == (2, [])
    assert "syntax error" in result["err"]
    assert 'Write --filter as for tcpdump: "tcp port 80".' in result["err"]


@needs_sshd
def test_over_ssh(tmp_path: Path) -> None:
    backend = f"ssh://root@{IPV4.instance}/eth0"
    words = (*CLIENT, "--backend", backend, "--filter", "tcp", "--format", "json", "-o", "cap")
    result = captured(tmp_path, *words, *REQUEST)
    assert result["code"] == 0, result["err"]
    report = json.loads(result["out"].partition("\n")[2])
    assert len(report["pairs"]) == 1
    (behind,) = [each for each in report["captures"] if each["side"] == "backend"]
    assert behind["files"][0]["dropped"] == 0
    # "tcp" alone: were ssh's own connection captured, each packet of it would cause the next one
    assert behind["packets"]["read"] < 30
    assert {each["server"] for each in behind["connections"]} == {f"{IPV4.instance}:8080"}
    assert result["left"] == []


@needs_sshd
def test_a_host_key_that_is_another(tmp_path: Path) -> None:
    backend = f"ssh://root@{IPV4.instance}/eth0"
    words = (*CLIENT, "--backend", backend, "--filter", "tcp", *REQUEST, "wrong-key")
    result = captured(tmp_path, *words)
    assert (result["code"], result["out"], result["left"]) == (2, "", [])
    assert result["err"].count("\n") == 1
    assert f"lbtrace: {backend}: " in result["err"]
    assert "key" in result["err"]
