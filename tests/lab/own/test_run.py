"""Configurations of somebody's own in the lab: they start, and requests reach the backends."""

from __future__ import annotations

from pathlib import Path

import pytest

from lbtrace.cli import run
from lbtrace.errors import LabError
from lbtrace.lab.registry import find_balancer
from lbtrace.lab.run import require_runnable
from tests.lab.own.files import FILES, SHOP


def _needs(balancer: str) -> None:
    try:
        require_runnable(find_balancer(balancer))
    except LabError as error:
        pytest.skip(str(error))


@pytest.mark.lab
@pytest.mark.parametrize(
    ("balancer", "file", "kind"),
    [
        ("nginx", str(SHOP), "l7-proxy"),
        ("nginx", "nginx/nginx.conf", "l7-proxy"),
        ("nginx", "compose.conf", "l7-proxy"),
        ("nginx", "gunicorn.conf", "l7-proxy"),
        ("nginx", "stream.conf", "l4-proxy"),
        ("haproxy", "haproxy.cfg", "l7-proxy"),
        ("haproxy", "hosts.cfg", "l7-proxy"),
        ("haproxy", "tcp.cfg", "l4-proxy"),
        ("envoy", "envoy.yaml", "l7-proxy"),
    ],
)
def test_it_behaves_as_its_kind_and_makes_no_error(
    balancer: str, file: str, kind: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    _needs(balancer)
    expect = tmp_path / "lb.toml"
    expect.write_text(
        f'[balancer]\nkind = "{kind}"\n[errors]\nmade_by_balancer = 0\nmade_by_backend = 0\n'
    )
    code = run(
        ["lab", "run", balancer, "--config", str(FILES / file), "--check", str(expect), "--traffic",
         "keep-alive"]
    )  # fmt: skip
    err = capsys.readouterr().err
    assert code == 0, err
    assert "3 expectations on 13 exchanges: 3 hold" in err
    assert "Changed for the lab" in err


@pytest.mark.lab
def test_tls_on_both_sides_is_opened_with_the_keys_of_the_lab(
    capsys: pytest.CaptureFixture[str],
) -> None:
    _needs("nginx")
    file = str(FILES / "tls-behind.conf")
    assert run(["lab", "run", "nginx", "--config", file, "--traffic", "tls-reencrypted"]) == 0
    out, err = capsys.readouterr()
    assert "certificates of the servers" in err
    assert "in 4 requests" in out
    assert "TLS ends at the balancer; the balancer speaks TLS" in " ".join(out.split())


@pytest.mark.lab
def test_what_the_product_refuses_is_one_line(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    _needs("nginx")
    _needs("haproxy")
    for balancer, text, says in (
        ("nginx", "server { location / { proxy_pass http://a; frob on; } }", '"frob"'),
        ("haproxy", "listen a\n bind :80\n frob on\n server s a:1\n", "frob"),
    ):
        file = tmp_path / f"{balancer}.conf"
        file.write_text(text)
        assert run(["lab", "run", balancer, "--config", str(file)]) == 2
        last = capsys.readouterr().err.splitlines()[-1]
        assert last.startswith(f"lbtrace: {balancer}.conf does not start in the lab:")
        assert says in last
        assert str(tmp_path) not in last
        assert "/tmp/" not in last


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (["nat", "--config", str(SHOP)], "nat takes no configuration of your own"),
        (["nginx", "--host", "a.test"], "--host and --below need --config"),
        (["nginx", "--config", "nothing.conf"], "there is no such file"),
        (["nginx", "--config", str(SHOP), "--below", "api"], "begins with /"),
    ],
)
def test_what_cannot_be_meant_is_one_line(
    arguments: list[str], says: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run(["lab", "run", *arguments]) == 2
    err = capsys.readouterr().err
    assert says in err
    assert len(err.splitlines()) == 1
