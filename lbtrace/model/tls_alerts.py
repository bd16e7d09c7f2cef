"""TLS alerts in the clear, with the names that RFC 8446 §6 and its predecessors give them.

An alert after the keys are agreed on is encrypted: in TLS 1.3 it looks like application data.
"""

from __future__ import annotations

from typing import Final, NamedTuple

WARNING, FATAL = 1, 2  # the levels
CLOSE_NOTIFY: Final = 0
USER_CANCELED: Final = 90
UNRECOGNIZED_NAME: Final = 112
NAMES: Final = {
    CLOSE_NOTIFY: "close_notify",
    10: "unexpected_message",
    20: "bad_record_mac",
    21: "decryption_failed",
    22: "record_overflow",
    30: "decompression_failure",
    40: "handshake_failure",
    41: "no_certificate",
    42: "bad_certificate",
    43: "unsupported_certificate",
    44: "certificate_revoked",
    45: "certificate_expired",
    46: "certificate_unknown",
    47: "illegal_parameter",
    48: "unknown_ca",
    49: "access_denied",
    50: "decode_error",
    51: "decrypt_error",
    60: "export_restriction",
    70: "protocol_version",
    71: "insufficient_security",
    80: "internal_error",
    86: "inappropriate_fallback",
    USER_CANCELED: "user_canceled",
    100: "no_renegotiation",
    109: "missing_extension",
    110: "unsupported_extension",
    111: "certificate_unobtainable",
    UNRECOGNIZED_NAME: "unrecognized_name",
    113: "bad_certificate_status_response",
    114: "bad_certificate_hash_value",
    115: "unknown_psk_identity",
    116: "certificate_required",
    120: "no_application_protocol",
}


class TlsAlert(NamedTuple):
    """One alert: who sent it, its level, its description, and where it begins."""

    from_client: bool
    level: int
    description: int
    frame: int
    time_ns: int

    @property
    def name(self) -> str:
        """Its name, or its number where it has none."""
        return NAMES.get(self.description, f"alert {self.description}")

    @property
    def fatal(self) -> bool:
        """Whether it ends the connection because of an error."""
        return self.level == FATAL and self.description not in (CLOSE_NOTIFY, USER_CANCELED)
