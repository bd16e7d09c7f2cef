"""The founding experiment as Terraform: it parses, and all that it refers to is there. Nobody has
applied it, and it says so.
"""

from __future__ import annotations

import re
import textwrap
from functools import cache
from pathlib import Path
from typing import Any

import hcl2
import pytest

ROOT = Path(__file__).resolve().parents[2]
SOURCE = (ROOT / "docs/aws/main.tf").read_text("utf-8")
TCPDUMP = "sudo tcpdump -i any --immediate-mode -U -s 0 -w"


def plain(node: Any) -> Any:
    """The parsed file without the quotes that some versions of the parser keep."""
    if isinstance(node, dict):
        return {str(key).strip('"'): plain(value) for key, value in node.items()}
    if isinstance(node, list):
        return [plain(each) for each in node]
    return node.strip('"') if isinstance(node, str) else node


@cache
def blocks(kind: str) -> dict[str, Any]:
    """What is declared: "type.name" or "name" → its body."""
    found: dict[str, Any] = {}
    for block in plain(hcl2.loads(SOURCE))[kind]:
        for name, body in block.items():
            if kind in ("resource", "data"):
                found |= {
                    f"{name}.{each}": inner for each, inner in body.items() if each[:2] != "__"
                }
            elif name[:2] != "__":
                found[name] = body
    return found


def test_it_says_that_nobody_has_applied_it() -> None:
    assert "NOT APPLIED" in SOURCE
    assert "has not been applied" in (ROOT / "docs/aws.md").read_text("utf-8")


def test_all_that_is_referred_to_is_declared() -> None:
    code = "\n".join(line.partition("#")[0] for line in SOURCE.splitlines())
    for kind, declared in (("var", blocks("variable")), ("local", blocks("locals"))):
        assert set(re.findall(rf"\b{kind}\.(\w+)", code)) == set(declared)
    data = set(re.findall(r"\bdata\.(aws_\w+\.\w+)", code))
    assert data == set(blocks("data"))
    assert set(re.findall(r"(?<!data\.)\b(aws_\w+\.\w+)\.\w+", code)) <= set(blocks("resource"))


@pytest.mark.parametrize(
    ("name", "kind", "protocol"), [("alb", "application", "HTTP"), ("nlb", "network", "TCP")]
)
def test_each_balancer_has_its_listener_its_targets_and_the_instance(
    name: str, kind: str, protocol: str
) -> None:
    resource = blocks("resource")
    assert resource[f"aws_lb.{name}"]["load_balancer_type"] == kind
    assert resource[f"aws_lb_listener.{name}"]["protocol"] == protocol
    assert resource[f"aws_lb_target_group.{name}"]["protocol"] == protocol
    assert f"aws_lb.{name}.arn" in resource[f"aws_lb_listener.{name}"]["load_balancer_arn"]
    target = resource[f"aws_lb_target_group_attachment.{name}"]
    assert f"aws_lb_target_group.{name}.arn" in target["target_group_arn"]
    assert "aws_instance.divide.id" in target["target_id"]


def test_nobody_but_the_reader_and_the_balancers_may_come_in() -> None:
    groups = [blocks("resource")[f"aws_security_group.{n}"] for n in ("balancers", "instance")]
    admitted = [rule["cidr_blocks"] for group in groups for rule in group["ingress"]]
    assert len(admitted) == 3
    assert all("local.me" in str(sources) for sources in admitted)
    assert "0.0.0.0/0" not in str(admitted)


def test_the_two_captures_are_those_of_the_readme() -> None:
    readme = (ROOT / "README.md").read_text("utf-8")
    for name, file in (("instance", "- "), ("laptop", "client.pcap")):
        command = blocks("output")[f"capture_on_the_{name}"]["value"]
        assert f"{TCPDUMP} {file}" in command
    assert readme.count(TCPDUMP) == 2


def test_the_application_is_python_that_divides() -> None:
    script = re.search(r"<<'PYTHON'\n(.+?)\n *PYTHON\n", SOURCE, re.DOTALL)
    assert script is not None
    source = textwrap.dedent(script[1]).replace("ThreadingHTTPServer((", "print((")
    application: dict[str, Any] = {}
    exec(compile(source.rpartition("\n")[0], "main.tf", "exec"), application)
    assert application["Divide"].protocol_version == "HTTP/1.1"
    assert application["Divide"].timeout > 60
