"""Why TLS connections were not opened, counted."""

from __future__ import annotations

from lbtrace.findings.tls._not_opened import no_secrets_help, reasons
from lbtrace.model.tls_session import NotOpened, TlsSession


def session(suite: str, why: NotOpened | None) -> TlsSession:
    return TlsSession("TLS 1.2", suite, not_opened=why)


def test_a_suite_that_is_not_opened_is_named() -> None:
    aria = session("0xc060", NotOpened.UNKNOWN_SUITE)
    lost = session("TLS_RSA_WITH_AES_128_GCM_SHA256", NotOpened.LOST)
    assert no_secrets_help([aria])
    assert not no_secrets_help([aria, lost])
    assert reasons([aria, lost, aria]) == (
        "a version or cipher suite that lbtrace does not open (TLS 1.2, 0xc060): 2; "
        "too much is missing from the capture: 1"
    )


def test_all_opened_needs_no_reason() -> None:
    assert reasons([session("TLS_RSA_WITH_AES_128_GCM_SHA256", None)]) is None
    assert reasons([]) is None
