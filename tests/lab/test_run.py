"""The lab for real: every balancer is run, its logs agree with lbtrace's report, and nothing is
left behind.
"""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

import lbtrace
from lbtrace.cli import run as cli
from lbtrace.errors import LabError
from lbtrace.lab.addresses import APP_PORT, IPV6, LINKS
from lbtrace.lab.agree import agree
from lbtrace.lab.confine import stop_without_caller
from lbtrace.lab.ground_truth import GroundTruth
from lbtrace.lab.registry import balancers, find_balancer
from lbtrace.lab.run import require_runnable, run
from lbtrace.model.net import Endpoint
from lbtrace.model.pairing import AttemptOutcome, ChangeKind, Confidence, Tier
from lbtrace.model.report import Report

pytestmark = pytest.mark.lab

IPV6_CLIENT = IPV6.links[0][0].partition("/")[0]
ANSWERS = {"/divide/25": 200, "/divide/50": 200, "/divide/10": 200, "/divide/4": 200}


def footprint() -> dict[str, object]:
    """What an experiment could leave outside of itself; others may be at work on this machine, so
    nothing but that is looked at.
    """
    hosts = {end for link in LINKS for end in (link[0], link[2])}
    links = {end for link in LINKS for end in (link[1], link[3])} - {"eth0"}
    can_ask = os.geteuid() == 0 and shutil.which("nft")
    tables = (
        subprocess.run(
            ["nft", "list", "tables"], capture_output=True, text=True, check=False
        ).stdout
        if can_ask
        else ""
    )
    return {
        "namespaces": hosts & set(os.listdir("/run/netns"))
        if os.path.isdir("/run/netns")
        else set(),
        "links": links & set(os.listdir("/sys/class/net")),
        "rules": {
            f"table {family} {name}"
            for family in ("ip", "ip6")
            for name in ("balancer", "source", "lose")
        }
        & set(tables.splitlines()),
        "mounts": [
            line
            for line in Path("/proc/self/mounts").read_text().splitlines()
            if "lbtrace-lab" in line
        ],
        "forwarding": Path("/proc/sys/net/ipv4/ip_forward").read_text(),
        "shared memory": sorted(
            name for name in os.listdir("/dev/shm") if name.startswith("squid-")
        ),
    }


BEFORE = footprint()


@pytest.fixture(autouse=True)
def _nothing_is_left_behind() -> Iterator[None]:
    yield
    assert footprint() == BEFORE


def must_run(name: str) -> None:
    """Skip, with the reason, where this balancer cannot be run."""
    try:
        require_runnable(find_balancer(name))
    except LabError as error:
        pytest.skip(str(error))


def running(directory: Path) -> list[str]:
    """Processes of the experiment in this directory: their command lines name it."""
    found = []
    for entry in Path("/proc").iterdir():
        try:
            command = (entry / "cmdline").read_bytes() if entry.name.isdigit() else b""
        except OSError:
            continue
        if str(directory).encode() in command and int(entry.name) != os.getpid():
            found.append(command.replace(b"\0", b" ").decode())
    return found


RENEWED = {"tls-terminating", "tls-reencrypting"}
ENCRYPTING = ("nginx", "haproxy", "envoy")
EXPERIMENTS = [
    *((name, "four") for name in balancers() if name != "ipvs"),
    ("nginx", "timeout"),
    ("haproxy", "checks"),
    ("nginx", "two-backends"),
    ("nat", "tls"),
    ("haproxy-tcp", "tls"),
    *((name, "tls") for name in ENCRYPTING),
    *((name, "tls-reencrypted") for name in ENCRYPTING),
    ("nginx", "mirror"),
    ("nginx", "retried-post"),
    ("nginx", "four-http2"),
    ("nginx", "monitor"),
    ("nginx", "onward"),
    ("nginx", "two-clients"),
    ("nginx", "drift"),
    ("nginx", "upload"),
    ("nginx", "event-stream"),
    ("nginx", "session"),
    ("nginx", "big-head"),
    ("nginx", "upgrade"),
    ("nginx", "slow-syn"),
    ("nginx", "mtu"),
    ("nat", "idle-reset"),
    ("nginx", "loop"),
    ("haproxy-proxy-v2", "proxy-unaware"),
    ("nginx", "proxy-demanded"),
    ("haproxy", "sni"),
]
OVER_IPV6 = [
    *((name, "four", "--ipv6") for name in balancers() if name != "ipvs"),
    ("nginx", "two-backends", "--ipv6"),
    ("nat", "two-backends", "--ipv6"),
    ("snat", "two-backends", "--ipv6"),
    ("haproxy", "checks", "--ipv6"),
    ("nginx", "mirror", "--ipv6"),
    ("nginx", "onward", "--ipv6"),
    ("nginx", "slow-syn", "--ipv6"),
    ("nginx", "mtu", "--ipv6"),
    ("nat", "idle-reset", "--ipv6"),
    ("haproxy", "tls", "--ipv6"),
]
EVERY = [*EXPERIMENTS, *OVER_IPV6]
Recorded = Mapping[tuple[str, ...], Path | LabError]
# what the report must tell of what the traffic makes
TOLD = {
    "upload": "held-back.request",
    "event-stream": "held-back.response",
    "session": "sessions.another-backend",
    "slow-syn": "lost-syn.client",
    "mtu": "large-segments.from-server-backend",
    "idle-reset": "idle-limits.reset-client",
    "loop": "redirects.loop",
    "proxy-unaware": "protocol-mismatch.proxy-header-backend",
    "proxy-demanded": "protocol-mismatch.unanswered-backend",
    "sni": "tls-alerts.by-server-client",
}
# nothing shows what kind of balancer it is: no request reaches a backend, none is answered, or none
# can be read on either side (without the keys)
NO_VERDICT = {"proxy-demanded", "proxy-unaware", "tls-reencrypted"}


@pytest.fixture(scope="module")
def recorded(tmp_path_factory: pytest.TempPathFactory) -> Recorded:
    """All experiments that can be run here, four at a time: where each left its captures, or why it
    could not.
    """

    def record(experiment: tuple[str, ...]) -> Path | LabError:
        directory = tmp_path_factory.mktemp("-".join(experiment))
        balancer, traffic, *options = experiment
        try:
            run(balancer, traffic, directory, options)
        except LabError as error:
            return error
        return directory

    with ThreadPoolExecutor(4) as pool:
        return dict(zip(EVERY, pool.map(record, EVERY), strict=True))


@pytest.mark.parametrize("experiment", EVERY, ids="-".join)
def test_every_balancer_agrees_with_the_logs(
    experiment: tuple[str, ...], recorded: Recorded
) -> None:
    name, traffic = experiment[:2]
    must_run(name)
    directory = recorded[experiment]
    assert isinstance(directory, Path), directory

    truth = GroundTruth.read(directory / "truth.json")
    if traffic == "four":
        assert {r.target: r.status for r in truth.requests} == ANSWERS
        assert [len(r.attempts) for r in truth.requests] == [1, 1, 1, 1]
    assert truth.requests
    assert traffic != "checks" or len(truth.checks) >= 3
    report = lbtrace.compare(directory / "client.pcap", *sorted(directory.glob("backend*.pcap")))
    disagreements = [d.what for d in agree(report, truth).disagreements]
    assert disagreements == ["verdict-unsure"] * (traffic in NO_VERDICT)
    assert traffic not in TOLD or TOLD[traffic] in {f.slug for f in report.findings}
    assert running(directory) == []


@pytest.mark.parametrize("name", [name for name in balancers() if name != "ipvs"])
def test_over_ipv6_the_report_names_the_addresses_that_the_hosts_have(
    name: str, recorded: Recorded
) -> None:
    """Whatever the balancer writes: no address in X-Forwarded-For, a PROXY header or a translation
    is taken for another one.
    """
    must_run(name)
    report = compared(recorded[name, "four", "--ipv6"])
    found = report.correlation.topology
    instance = Endpoint(IPV6.instance, APP_PORT)
    straight = find_balancer(name).front == "instance"
    assert found.clients == (IPV6_CLIENT,)
    assert found.fronts == (instance if straight else Endpoint(IPV6.front, 80),)
    assert found.sources == (IPV6_CLIENT if name in ("nat", "direct") else IPV6.node,)
    assert found.backends == (instance,)


@pytest.mark.parametrize("name", ["haproxy-proxy", "haproxy-proxy-v2", "nginx-stream-proxy"])
def test_a_proxy_header_names_an_ipv6_client_and_its_port(name: str, recorded: Recorded) -> None:
    """TCP6 of both versions; the backend's own reading of it is in its log."""
    must_run(name)
    report = compared(recorded[name, "four", "--ipv6"])
    pairs = report.correlation.pairs
    assert {pair.tier for pair in pairs} == {Tier.STATED_ADDRESS}
    assert {pair.confidence for pair in pairs} == {Confidence.CERTAIN}


def compared(directory: Path | LabError, *keys: str) -> Report:
    """The report on what an experiment recorded, with some of its key logs."""
    assert isinstance(directory, Path), directory
    return lbtrace.compare(
        directory / "client.pcap",
        *sorted(directory.glob("backend*.pcap")),
        keylog=[directory / name for name in keys],
    )


@pytest.mark.parametrize(
    ("name", "traffic", "keys", "modifiers"),
    [
        ("nginx", "tls", ["client.keys"], {"tls-terminating"}),
        ("haproxy", "tls", ["client.keys"], {"tls-terminating"}),
        ("haproxy", "tls", ["balancer.keys"], {"tls-terminating"}),
        ("envoy", "tls", ["balancer.keys"], {"tls-terminating"}),
        ("nginx", "tls-reencrypted", ["client.keys", "backend.keys"], RENEWED),
        ("haproxy", "tls-reencrypted", ["balancer.keys", "backend.keys"], RENEWED),
        ("envoy", "tls-reencrypted", ["balancer.keys"], RENEWED),
        ("envoy", "tls-reencrypted", ["client.keys", "backend.keys"], RENEWED),
        ("haproxy-tcp", "tls", ["client.keys"], {"tls-passthrough"}),
        ("haproxy-tcp", "tls", ["backend.keys"], {"tls-passthrough"}),
        ("nat", "tls", ["client.keys"], {"tls-passthrough"}),
    ],
)
def test_the_keys_that_were_logged_open_what_was_recorded(
    name: str,
    traffic: str,
    keys: list[str],
    modifiers: set[str],
    recorded: Recorded,
) -> None:
    must_run(name)
    directory = recorded[name, traffic]
    assert isinstance(directory, Path), directory
    report = compared(directory, *keys)
    told = agree(report, GroundTruth.read(directory / "truth.json"))
    assert (told.right, told.unsure, told.disagreements) == (4, 0, [])
    assert {word for word in report.verdict.modifiers if word.startswith("tls")} == modifiers


def test_keys_are_for_nobody_else_and_stand_in_no_log(
    recorded: Recorded,
) -> None:
    for directory in recorded.values():
        if not isinstance(directory, Path):
            continue
        assert (directory / "logs").stat().st_mode & 0o077 == 0
        for path in directory.glob("*.keys"):
            assert path.stat().st_mode & 0o077 == 0
            assert path.stat().st_size
        for log in (directory / "logs").glob("*.log"):
            assert b"TRAFFIC_SECRET" not in log.read_bytes()


def test_envoy_reads_its_files_wherever_a_scratch_directory_lies(
    capsys: pytest.CaptureFixture[str],
) -> None:
    """It reads nothing below /proc, where the file system in memory is."""
    must_run("envoy")
    assert cli(["lab", "run", "envoy", "--traffic", "tls-reencrypted"]) == 0
    out, err = capsys.readouterr()
    assert "agree with this report (4 of 4 requests" in err
    assert "TLS ends at the balancer; the balancer speaks TLS" in out


def test_copies_of_a_mirror_are_no_retries(
    recorded: Recorded,
) -> None:
    """Both backends answer the same, so the report may not say whose answer the client got."""
    must_run("nginx")
    report = compared(recorded["nginx", "mirror"])
    assert {len(p.attempts) for p in report.correlation.pairs} == {2}
    slugs = {f.slug for f in report.findings}
    assert "retries.mirrored" in slugs
    assert not slugs & {"retries.not-idempotent", "retries.repeated"}


def test_a_post_that_was_sent_again_is_told(
    recorded: Recorded,
) -> None:
    must_run("nginx")
    report = compared(recorded["nginx", "retried-post"])
    assert "retries.not-idempotent" in {f.slug for f in report.findings}
    ends = [[a.outcome for a in p.attempts] for p in report.correlation.pairs]
    assert [AttemptOutcome.CLOSED, AttemptOutcome.ANSWERED] in ends


def test_the_authority_of_http2_is_the_host_of_http1(
    recorded: Recorded,
) -> None:
    """nginx sends it on in small letters: a change, and neither a removal nor an addition."""
    must_run("nginx")
    report = compared(recorded["nginx", "four-http2"])
    assert {e.request.version for e in report.clients[0].exchanges if e.request} == {"HTTP/2"}
    changed = [c for c in report.correlation.changes if c.name in (":authority", "Host")]
    assert [c.kind for c in changed] == [ChangeKind.CHANGED]
    assert changed[0].before.lower().removeprefix(":authority: ") in changed[0].after


def test_a_monitor_on_the_internet_is_no_health_check(
    recorded: Recorded,
) -> None:
    must_run("nginx")
    report = compared(recorded["nginx", "monitor"])
    assert not report.correlation.health_checks


def test_what_a_backend_asks_itself_is_no_attempt(
    recorded: Recorded,
) -> None:
    must_run("nginx")
    report = compared(recorded["nginx", "onward"])
    assert [d.slug for d in report.backends[0].diagnostics] == ["onward-calls"]
    assert {len(p.attempts) for p in report.correlation.pairs} == {1}


def test_the_drift_of_a_clock_is_measured(
    recorded: Recorded,
) -> None:
    """200 ppm, in the times of the backend capture, which were rewritten."""
    must_run("nginx")
    report = compared(recorded["nginx", "drift"])
    (clock,) = report.correlation.clocks
    assert clock.refused is None
    assert abs(clock.drift_ppb + 200_000) < 50_000


@pytest.mark.parametrize(
    ("traffic", "slugs"),
    [
        ("big-head", {"refused-messages.response-head", "refused-messages.request-size-client"}),
        ("upgrade", {"upgrades.not-passed-on"}),
    ],
)
def test_what_nginx_refuses_or_drops_is_told(
    traffic: str, slugs: set[str], recorded: Recorded
) -> None:
    must_run("nginx")
    assert slugs <= {f.slug for f in compared(recorded["nginx", traffic]).findings}


def test_two_runs_at_once_do_not_collide(tmp_path: Path) -> None:
    must_run("nginx")
    runs = []
    for name in ("one", "two"):
        (tmp_path / name).mkdir()
        code = (
            "from pathlib import Path; from lbtrace.lab.run import run; run('nginx', 'four', "
            f"Path({str(tmp_path / name)!r}))"
        )
        runs.append(subprocess.Popen([sys.executable, "-c", code]))
    assert [process.wait(60) for process in runs] == [0, 0]
    for name in ("one", "two"):
        assert {r.status for r in GroundTruth.read(tmp_path / name / "truth.json").requests} == {
            200
        }


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGKILL])
def test_whatever_ends_it_nothing_stays(number: signal.Signals, tmp_path: Path) -> None:
    must_run("nginx")
    # a suite in the background has it ignored
    hears = "import signal; signal.signal(signal.SIGINT, signal.default_int_handler)"
    code = (
        f"{hears}; from pathlib import Path; from lbtrace.lab.run import run; run('nginx', "
        f"'four-checked', Path({str(tmp_path)!r}))"
    )
    with subprocess.Popen([sys.executable, "-c", code], stderr=subprocess.DEVNULL) as process:
        try:
            wait_for(
                lambda: (tmp_path / "client.pcap").exists()
            )  # everything has been started by then
            assert running(tmp_path)
            process.send_signal(number)
            assert process.wait(10) != 0
        finally:
            process.kill()
    if number is signal.SIGKILL:  # nobody was left to wait for the kernel
        wait_for(lambda: not running(tmp_path))
    assert running(tmp_path) == []


def test_an_experiment_whose_caller_is_gone_does_not_begin() -> None:
    """A pipe tells, whose other end died with the caller; while it is held, nothing is said."""
    kept = os.dup(0)
    reading, writing = os.pipe()
    try:
        os.dup2(reading, 0)
        stop_without_caller()
        assert os.fstat(0).st_rdev == os.stat(os.devnull).st_rdev
        os.dup2(reading, 0)
        os.close(writing)
        with pytest.raises(LabError, match="caller of the experiment is gone"):
            stop_without_caller()
    finally:
        os.dup2(kept, 0)
        for number in (kept, reading):
            os.close(number)


def test_a_balancer_that_does_not_start_is_one_line(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    must_run("nginx")
    broken = tmp_path / "bin"
    broken.mkdir()
    (broken / "nginx").write_text("#!/bin/sh\necho 'nginx: [emerg] no such luck' >&2\nexit 1\n")
    (broken / "nginx").chmod(0o755)
    monkeypatch.setenv("PATH", f"{broken}:{os.environ['PATH']}")
    with pytest.raises(
        LabError, match=r"Waited in vain for port 80 on balancer.*no such luck"
    ) as caught:
        run("nginx", "four", tmp_path / "bin")
    assert caught.value.slug == "lab-did-not-start"
    assert running(broken) == []


def wait_for(condition: object, seconds: float = 10.0) -> None:
    assert callable(condition)
    end = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < end, "waited in vain"
        time.sleep(0.02)
