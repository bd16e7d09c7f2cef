"""Which fields hold credentials, by the registry and by the words of an unknown name."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lbtrace.http_fields import Meaning, field, fields_of
from lbtrace.http_fields.masking import secret_name
from lbtrace.http_fields.secrets import is_secret, may_be_secret


@pytest.mark.parametrize(
    "name",
    [
        *("Authorization", "Proxy-Authorization", "Cookie", "Set-Cookie", "COOKIE"),
        *("X-Api-Key", "X-Amz-Security-Token", "x-amzn-oidc-data", "X-Goog-IAP-JWT-Assertion"),
        # unknown ones, by their words
        *("X-Auth-Token", "X-Acme-Secret", "apikey", "X_Session_Id", "PHP-Auth-User"),
        *("X-Hub-Signature", "X-Password", "X-User-Credential", "Private-Token"),
        *("X-Authorization", "Authentication", "X-Original-Cookie", "X-JWT", "X-Bearer"),
        *("X-GitHub-OTP", "X-CSRF", "X-Passwd", "Proxy-Authentication-Info", "Set-Cookie2"),
    ],
)
def test_credentials_and_sessions_are_secret(name: str) -> None:
    assert is_secret(name)


@pytest.mark.parametrize(
    "name",
    [
        *("traceparent", "X-Amzn-Trace-Id", "X-Request-ID", "ETag", ":authority"),
        *("Sec-WebSocket-Key", "Idempotency-Key", "Surrogate-Key", "Host", "WWW-Authenticate"),
        # a part of a word is no word
        *("X-Author", "X-Keyboard", "X-Tokenizer", "X-Monkey", ""),
    ],
)
def test_ids_and_the_rest_are_not(name: str) -> None:
    assert not is_secret(name)


def test_no_id_is_secret() -> None:
    assert not fields_of(Meaning.IDENTITY) & fields_of(Meaning.SECRET)


@given(
    st.lists(
        st.sampled_from(
            (
                *("x", "Key", "key", "KEY", "tok", "en", "API", "api", "auth", "or", "pass"),
                *("word", "session", "ses", "-", "_", "Secret", "cred", "ential", "sign"),
                *("ature", "\u212aey"),
            )
        )
    ).map("".join)
)
def test_a_name_without_any_of_the_words_is_not_secret_wherever_it_is_split(name: str) -> None:
    if field(name.lower()) or may_be_secret(name):
        return
    everywhere = ["-".join((name[:k], name[k:])) for k in range(len(name) + 1)]
    assert not any(map(is_secret, (name, name.lower(), *everywhere)))
    assert not secret_name(name)


def test_a_name_with_one_may_be_secret() -> None:
    assert may_be_secret("donkeys")
    assert not is_secret("donkeys")
    assert not may_be_secret("x-request-id")
