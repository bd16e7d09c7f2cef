"""A certificate (DER) → the names that it is for (RFC 5280 §4.2.1.6, RFC 6125)."""

from __future__ import annotations

from functools import lru_cache
from typing import Final

_NAMES: Final = 10  # of one certificate


@lru_cache(maxsize=256)
def names_of(certificate: bytes) -> tuple[str, ...]:
    """The DNS names, else the common name of its subject; empty when it cannot be read."""
    if not certificate:
        return ()
    from cryptography import x509
    from cryptography.x509.oid import NameOID

    try:
        read = x509.load_der_x509_certificate(certificate)
        try:
            alternatives = read.extensions.get_extension_for_class(x509.SubjectAlternativeName)
            names = alternatives.value.get_values_for_type(x509.DNSName)
        except x509.ExtensionNotFound:
            names = []
        if not names:
            names = [str(a.value) for a in read.subject.get_attributes_for_oid(NameOID.COMMON_NAME)]
    except Exception:  # noqa: BLE001 - bytes of any sender: what is no certificate has no names
        return ()
    return tuple(names[:_NAMES])
