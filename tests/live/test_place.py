"""Places as typed: what each is, what is none, and that typed text stays one word everywhere."""

from __future__ import annotations

import shlex
import subprocess
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from lbtrace.errors import OptionError
from lbtrace.live.place import kinds, place
from tests.live.programs import Programs


@pytest.fixture(scope="module")
def programs() -> Iterator[Programs]:
    with tempfile.TemporaryDirectory() as folder, pytest.MonkeyPatch.context() as patch:
        made = Programs(Path(folder))
        (made.notes / "eth0.fails").write_text("enough\n")
        patch.setenv("PATH", made.path)
        patch.delenv("SSH_CONNECTION", raising=False)
        yield made


@pytest.mark.parametrize(
    ("text", "interface", "before"),
    [
        ("local:", "any", []),
        ("local:eth0", "eth0", []),
        ("netns:web", "any", ["ip", "netns", "exec", "web"]),
        ("netns:web:veth-1", "veth-1", ["ip", "netns", "exec", "web"]),
        ("docker:shop_web.1", "any", ["docker", "exec", "-i", "shop_web.1"]),
        ("docker:web:eth0", "eth0", ["docker", "exec", "-i", "web"]),
        ("kubectl:web-0", "any", ["kubectl", "exec", "-i", "web-0", "--"]),
        ("kubectl:shop/web-0", "any", ["kubectl", "exec", "-i", "-n", "shop", "web-0", "--"]),
        (
            "kubectl:shop/web-0/tap:eth0",
            "eth0",
            ["kubectl", "exec", "-i", "-n", "shop", "web-0", "-c", "tap", "--"],
        ),
    ],
)
def test_what_is_run_around_tcpdump(text: str, interface: str, before: list[str]) -> None:
    found = place(text)
    argv = found.argv("tcp", sudo=False)
    assert found.interface == interface
    assert argv[: len(before) + 2] == [*before, "sh", "-c"]
    assert argv[-2:] == [interface, "--"]


@pytest.mark.parametrize(
    ("text", "interface", "before"),
    [
        ("ssh://web", "any", ["--", "web"]),
        ("ssh://root@10.0.0.7:2222/eth0", "eth0", ["-p", "2222", "--", "root@10.0.0.7"]),
        ("ssh://me@[2001:db8::7]/", "any", ["--", "me@2001:db8::7"]),
        ("ssh://[fe80::1%eth0]:22", "any", ["-p", "22", "--", "fe80::1%eth0"]),
    ],
)
def test_ssh(text: str, interface: str, before: list[str]) -> None:
    found = place(text)
    argv = found.argv("tcp", sudo=False)
    assert found.interface == interface
    assert argv[0] == "ssh"
    assert argv[-1 - len(before) : -1] == before
    assert "BatchMode=yes" in argv


@pytest.mark.parametrize(
    "text",
    [
        "eth0",
        "netns:",
        "netns:-n",
        "netns:a/b",
        "netns:web:",
        "local:-w",
        "local:a b",
        "docker:$(id)",
        "docker:web:eth0;id",
        "kubectl:/web",
        "kubectl:a/b/c/d",
        "kubectl:--token=x/web",
        "ssh:web",
        "ssh://",
        "ssh://-oProxyCommand=id",
        "ssh://-l@web",
        "ssh://web:0",
        "ssh://web:99999",
        "ssh://web/a/b",
        "ssh://web/;id",
        "ssh://web;id",
        "ssh://we\nb",
    ],
)
def test_no_place(text: str) -> None:
    with pytest.raises(OptionError, match="not a place to capture") as found:
        place(text)
    assert found.value.slug == "bad-place"
    assert found.value.hint


def test_an_unknown_kind_is_answered_with_the_nearest() -> None:
    with pytest.raises(OptionError, match='Did you mean "docker"'):
        place("doker:web")


def test_sudo_is_in_front_of_all_that_needs_root() -> None:
    assert place("local:").argv("tcp", sudo=True)[:3] == ["sudo", "-n", "sh"]
    assert place("netns:a").argv("tcp", sudo=True)[:4] == ["sudo", "-n", "ip", "netns"]
    assert place("docker:a").argv("tcp", sudo=True)[:3] == ["sudo", "-n", "docker"]
    assert place("ssh://a").argv("tcp", sudo=True)[-1].startswith("sudo -n sh -c ")
    assert place("kubectl:a").argv("tcp", sudo=True)[0] == "kubectl"


@pytest.mark.parametrize("kind", sorted(set(kinds()) - {"netns"}))
def test_what_a_user_typed_reaches_tcpdump_as_one_word(kind: str, programs: Programs) -> None:
    name = {"local": "local:eth0", "ssh": "ssh://web/eth0"}.get(kind, f"{kind}:web:eth0")

    @settings(max_examples=15, deadline=None)  # each starts six processes
    @given(st.text(st.characters(exclude_characters="\0", exclude_categories=["Cs"]), max_size=20))
    def law(filter_: str) -> None:
        argv = place(name).argv(filter_, sudo=False)
        pipe = subprocess.PIPE
        with subprocess.Popen(argv, stdin=pipe, stdout=pipe, stderr=pipe) as process:
            assert process.wait(10) == 1
        assert programs.words("eth0")[-2:] == ["--", filter_]

    law()


def test_ssh_leaves_nothing_to_the_shell_but_its_variable() -> None:
    line = place("ssh://web/eth0").argv("port 80; $(id)", sudo=False)[-1]
    words = shlex.split(line)
    assert words[:2] == ["sh", "-c"]
    assert words[4:6] == ["$SSH_CONNECTION", "port 80; $(id)"]


@pytest.mark.parametrize("name", kinds())
def test_a_spelling_begins_as_the_place_does(name: str) -> None:
    kind = kinds()[name]
    assert kind.begins.rstrip("/") == f"{name}:"
    assert kind.summary
