"""The key schedule, against published vectors: RFC 8448 §3 for TLS 1.3, and one exchange of the
"TLS 1.2 PRF" vectors that the working group's list keeps for TLS 1.2.
"""

from __future__ import annotations

import hmac
from hashlib import md5, sha1

import pytest

from lbtrace.tls.schedule import expand_label, of_secret, prf, updated
from lbtrace.tls.suites import SUITES

AES_128_GCM = SUITES[0x1301]
# RFC 8448 §3: (traffic secret, key, iv)
VECTORS = {
    "client handshake": (
        "b3eddb126e067f35a780b3abf45e2d8f3b1a950738f52e9600746a0e27a55a21",
        "dbfaa693d1762c5b666af5d950258d01",
        "5bd3c71b836e0b76bb73265f",
    ),
    "server handshake": (
        "b67b7d690cc16c4e75e54213cb2d37b4e9c912bcded9105d42befd59d391ad38",
        "3fce516009c21727d0f2e4e86ee403bc",
        "5d313eb2671276ee13000b30",
    ),
    "client application": (
        "9e40646ce79a7f9dc05af8889bce6552875afa0b06df0087f792ebb7c17504a5",
        "17422dda596ed5d9acd890e3c63f5051",
        "5b78923dee08579033e523d9",
    ),
    "server application": (
        "a11af9f05531f856ad47116b45a950328204b4f44bfb6b3a4b4f1f3fcb631643",
        "9f02283b6c9c07efc26bb9f2ac92e356",
        "cf782b88dd83549aadf1e984",
    ),
}
# RFC 8448 §3: the client's application data, as a record
RECORD = bytes.fromhex(
    "1703030043a23f7054b62c94d0affafe8228ba55cbefacea42f914aa66bcab3f2b9819a8a5b46b395bd54a9a20441e"
    "2b62974e1f5a6292a2977014bd1e3deae63aeebb21694915e4"
)


@pytest.mark.parametrize("name", VECTORS)
def test_keys_of_rfc_8448(name: str) -> None:
    secret, key, iv = map(bytes.fromhex, VECTORS[name])
    assert expand_label(secret, b"key", 16, "sha256") == key
    assert expand_label(secret, b"iv", 12, "sha256") == iv


def test_a_record_of_rfc_8448() -> None:
    protection = of_secret(bytes.fromhex(VECTORS["client application"][0]), AES_128_GCM)
    opened = protection.open(0, RECORD[:5], RECORD[5:])
    assert opened is not None
    assert (opened.kind, opened.text) == (23, bytes(range(50)))
    assert protection.open(1, RECORD[:5], RECORD[5:]) is None


def test_a_secret_behind_a_key_update_is_another_one_of_the_same_size() -> None:
    secret = bytes.fromhex(VECTORS["client application"][0])
    assert len(updated(secret, AES_128_GCM)) == len(secret)
    assert updated(secret, AES_128_GCM) == expand_label(secret, b"traffic upd", 32, "sha256")


def test_the_prf_of_tls_1_2() -> None:
    found = prf(
        bytes.fromhex("9bbe436ba940f017b17652849a71db35"),
        b"test label",
        bytes.fromhex("a0ba9f936cda311827a6f796ffd5198c"),
        100,
        "sha256",
    )
    assert found.hex().startswith(
        "e3f229ba727be17b8d122620557cd453c2aab21d07c3d495329b52d4e61edb5a"
    )


def test_the_prf_before_tls_1_2_is_two_hashes_in_one() -> None:
    secret, seed = bytes(range(48)), b"seed"

    def first(half: bytes, hash_: str) -> bytes:
        a = hmac.digest(half, b"label" + seed, hash_)
        return hmac.digest(half, a + b"label" + seed, hash_)

    one, other = first(secret[:24], "md5"), first(secret[24:], "sha1")
    size = md5(b"").digest_size
    assert sha1(b"").digest_size > size
    expected = bytes(a ^ b for a, b in zip(one, other, strict=False))
    assert prf(secret, b"label", seed, size, "") == expected
