"""The witness of TLS: what it reads of hellos and key logs, and that it can say no."""

from __future__ import annotations

from pathlib import Path
from shutil import copytree

import pytest

from tests.sentences.alone import Alone, names_of_a_certificate_are_in_it
from tests.sentences.handshakes import handshake, keys_beside
from tests.sentences.laws import Recording, Told, what_is_called_opened_has_its_secrets
from tests.sentences.test_alone import heard
from tests.sentences.test_laws import told

SAMPLES = Path(__file__).parents[2] / "samples"
NAMES = ("alb-like-tls", "envoy-tls", "haproxy-tcp-tls")
OLD = "TLS 1.2, TLS_ECDHE_ECDSA_WITH_AES_256_GCM_SHA384"


def complaints(about: Told | Alone) -> list[str]:
    return list(what_is_called_opened_has_its_secrets(about))


def test_both_hellos_are_read_and_the_secrets_are_found() -> None:
    path = SAMPLES / "envoy-tls" / "backend.pcap"
    (found,) = map(handshake, Recording([path]).talks)
    assert found is not None
    assert found.agreed == OLD
    assert found.is_known(keys_beside([path]))
    assert not found.is_known({})


@pytest.mark.parametrize("name", NAMES)
def test_the_truth_is_not_contradicted(name: str) -> None:
    about = told(SAMPLES / name)
    assert list(about.findings("opened-tls"))
    assert complaints(about) == []


@pytest.mark.parametrize(
    "lie",
    [
        {"count": 2},
        {"of": 5},
        {"versions": "TLS 1.3, TLS_AES_256_GCM_SHA384: 5"},
        {"versions": f"{OLD}: 5", "of": 5, "count": 5},
        {"count": 3, "versions": "TLS 1.3, TLS_AES_256_GCM_SHA384: 3"},
        {"count": 3, "reasons": "no secrets for their client random: 1"},
    ],
)
def test_a_false_count_is(lie: dict[str, object]) -> None:
    about = told(SAMPLES / "alb-like-tls")
    (finding,) = about.findings("opened-tls")
    before = {v["name"]: v["value"] for v in finding["values"]}
    assert (before["count"], before["of"]) == (4, 4)
    finding["values"] = [{"name": k, "value": v} for k, v in (before | lie).items()]
    assert complaints(about)


def test_a_key_log_without_one_of_them_leaves_a_reason(tmp_path: Path) -> None:
    folder = copytree(SAMPLES / "alb-like-tls", tmp_path / "sample")
    keys = folder / "client.keys"
    lines = keys.read_text().splitlines()
    last = lines[-1].split()[1]
    keys.write_text("\n".join(line for line in lines if last not in line) + "\n")
    about = told(folder)
    (finding,) = about.findings("opened-tls")
    assert "3 of 4 TLS connections" in finding["text"]
    assert "Not opened: no secrets for their client random: 1." in finding["text"]
    assert complaints(about) == []


def test_a_name_that_no_certificate_has_is_contradicted() -> None:
    about = heard(SAMPLES / "envoy-tls" / "backend.pcap")
    assert list(names_of_a_certificate_are_in_it(about)) == []
    (connection,) = about.document["capture"]["connections"]
    session = connection["application"]["tls"]["session"]
    assert len(session["names"]) == 1
    session["names"] = ["other.test"]
    assert len(list(names_of_a_certificate_are_in_it(about))) == 1
