"""HPKE against RFC 9180, and everything that must keep a sealed message shut."""

import json
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.ciphers.aead import ChaCha20Poly1305
from hypothesis import given
from hypothesis import strategies as st

from federation.crypto.keys import SealingKey
from federation.crypto.sealing import open_, seal
from federation.errors import Malformed, Reason, Untrusted

RFC = json.loads((Path(__file__).parents[2] / "vectors" / "hpke.json").read_text())
KEY = SealingKey.from_seed(bytes([7]) * 32)


def field(name: str) -> bytes:
    return bytes.fromhex(RFC[name])


def test_a_message_under_the_published_key_schedule_opens() -> None:
    """The RFC's ciphertext carries associated data, which single-shot sealing here never does.

    So its published key and nonce are first shown to give its ciphertext, then seal the same
    plaintext without associated data: opening that needs the RFC's KEM, key schedule and AEAD.
    """
    aead = ChaCha20Poly1305(field("key"))
    nonce, plaintext = field("base_nonce"), field("plaintext")
    assert aead.encrypt(nonce, plaintext, field("aad")) == field("ciphertext")
    key = SealingKey.from_seed(field("recipient_private"))
    assert key.public == field("recipient_public")
    sealed = field("encapsulated") + aead.encrypt(nonce, plaintext, None)
    assert open_(key, field("info"), sealed) == plaintext


@given(st.binary(max_size=200), st.binary(max_size=100))
def test_what_is_sealed_opens_for_the_receiver(plaintext: bytes, info: bytes) -> None:
    sealed = seal(KEY.public, info, plaintext)
    assert len(sealed) == 32 + len(plaintext) + 16
    assert open_(KEY, info, sealed) == plaintext


def test_sealing_twice_gives_unlike_bytes() -> None:
    assert seal(KEY.public, b"", b"same") != seal(KEY.public, b"", b"same")


SEALED = seal(KEY.public, b"case 1", b"plaintext")


@pytest.mark.parametrize(
    ("key", "info", "sealed"),
    [
        pytest.param(
            SealingKey.from_seed(bytes([8]) * 32), b"case 1", SEALED, id="another receiver"
        ),
        pytest.param(KEY, b"case 2", SEALED, id="another context"),
        pytest.param(KEY, b"", SEALED, id="no context"),
        pytest.param(KEY, b"case 1", SEALED[:-1], id="cut short"),
        pytest.param(KEY, b"case 1", SEALED + b"\0", id="one byte more"),
        pytest.param(
            KEY, b"case 1", bytes([SEALED[0] ^ 1]) + SEALED[1:], id="encapsulated key bit"
        ),
        pytest.param(
            KEY, b"case 1", SEALED[:40] + bytes([SEALED[40] ^ 1]) + SEALED[41:], id="text bit"
        ),
        pytest.param(KEY, b"case 1", bytes(32) + SEALED[32:], id="small-order encapsulated key"),
        pytest.param(KEY, b"case 1", SEALED[:20], id="shorter than a key"),
        pytest.param(KEY, b"case 1", b"", id="nothing"),
    ],
)
def test_sealed_bytes_stay_shut_for(key: SealingKey, info: bytes, sealed: bytes) -> None:
    with pytest.raises(Untrusted) as refusal:
        open_(key, info, sealed)
    assert refusal.value.reason is Reason.NOT_OPENABLE


@pytest.mark.parametrize(
    "public", [b"", bytes(31), bytes(32)], ids=["none", "short", "small order"]
)
def test_nothing_is_sealed_to_an_unusable_key(public: bytes) -> None:
    with pytest.raises(Malformed):
        seal(public, b"", b"plaintext")
