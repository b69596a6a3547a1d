"""Sealing bytes to one receiver: HPKE single-shot base mode (RFC 9180 §6.1).

Knows one fixed suite; must not know referrals, nor what binds a message (the caller's ``info``).
"""

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PublicKey
from cryptography.hazmat.primitives.hpke import AEAD, KDF, KEM, Suite

from federation.crypto.keys import KEY_BYTES, SealingKey
from federation.errors import Malformed, Reason, Untrusted

SUITE_NAME = "DHKEM(X25519, HKDF-SHA256), HKDF-SHA256, ChaCha20Poly1305"  # RFC 9180 §7
_SUITE = Suite(KEM.X25519, KDF.HKDF_SHA256, AEAD.CHACHA20_POLY1305)


def seal(public: bytes, info: bytes, plaintext: bytes) -> bytes:
    """Return encapsulated key (32 bytes) ‖ ciphertext (len(plaintext) + 16 bytes).

    ``info`` must bind everything the receiver relies on: the suite carries no other context.
    Raises Malformed when ``public`` is not a usable raw X25519 key.
    """
    if len(public) != KEY_BYTES:
        raise Malformed(Reason.INVALID_DOCUMENT, f"sealing key has {len(public)} bytes, not 32")
    try:
        return _SUITE.encrypt(plaintext, X25519PublicKey.from_public_bytes(public), info=info)
    except ValueError:
        raise Malformed(Reason.INVALID_DOCUMENT, "sealing key has small order") from None


def open_(key: SealingKey, info: bytes, sealed: bytes) -> bytes:
    """Return the plaintext, or raise Untrusted(NOT_OPENABLE): wrong key, info or damaged bytes."""
    try:
        return _SUITE.decrypt(sealed, key.private, info=info)
    except (InvalidTag, ValueError):
        raise Untrusted(
            Reason.NOT_OPENABLE, "the sealed bytes do not open under this key and context"
        ) from None
