"""Ed25519 signing keys, X25519 agreement and sealing keys.

Knows raw bytes; must not know who owns a key, what is signed, or how a key file is made safe.
"""

import hashlib
from dataclasses import dataclass
from functools import cached_property, lru_cache
from pathlib import Path

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey
from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PrivateKey, X25519PublicKey

from federation.crypto import keyfile
from federation.errors import Malformed, Misconfigured, Reason, Untrusted

KEY_BYTES = 32  # raw Ed25519 and X25519 keys, RFC 8032 §5.1.5, RFC 7748 §5
SIGNATURE_BYTES = 64  # RFC 8032 §5.1.6
DIGEST_BYTES = 32  # SHA-256, FIPS 180-4
KEPT_KEYS = 1024  # public keys kept as OpenSSL reads them: those of the largest federation


def digest(data: bytes | memoryview) -> bytes:
    """Return the 32-byte SHA-256 of ``data`` (FIPS 180-4), a memoryview being contiguous."""
    return hashlib.sha256(data).digest()


@lru_cache(KEPT_KEYS)
def _loaded(raw: bytes) -> Ed25519PublicKey:
    return Ed25519PublicKey.from_public_bytes(raw)


@dataclass(frozen=True)
class VerifyingKey:
    """An Ed25519 public key (RFC 8032), ``raw`` 32 bytes; equal by value.

    Raises Malformed in construction when ``raw`` is not 32 bytes.
    """

    raw: bytes

    def __post_init__(self) -> None:
        _require_length("verifying key", self.raw, KEY_BYTES)

    @cached_property
    def key_id(self) -> bytes:
        """SHA-256 of the raw key, 32 bytes: the name a signature carries."""
        return digest(self.raw)

    def verify(self, signature: bytes, message: bytes) -> None:
        """Raise Untrusted(BAD_SIGNATURE) unless ``signature`` is this key's over ``message``."""
        try:
            _loaded(self.raw).verify(signature, message)
        except InvalidSignature:
            raise Untrusted(
                Reason.BAD_SIGNATURE,
                f"the signature does not verify under key {self.key_id.hex()[:16]}",
            ) from None


@dataclass(frozen=True, eq=False)
class SigningKey:
    """An Ed25519 private key (RFC 8032). Its representation shows the public key id only."""

    private: Ed25519PrivateKey

    @classmethod
    def generate(cls) -> "SigningKey":
        """Return a fresh key from the operating system's randomness."""
        return cls(Ed25519PrivateKey.generate())

    @classmethod
    def from_seed(cls, seed: bytes) -> "SigningKey":
        """Return the key of a 32-byte seed (RFC 8032 §5.1.5); Malformed on another length."""
        return cls(Ed25519PrivateKey.from_private_bytes(_require_length("seed", seed, KEY_BYTES)))

    @classmethod
    def load(cls, path: Path, passphrase: bytes | None = None) -> "SigningKey":
        """Read a key file written by :meth:`save`; Misconfigured names what is wrong with it."""
        key = keyfile.read(path, passphrase)
        if not isinstance(key, Ed25519PrivateKey):
            raise Misconfigured(Reason.CONFIGURATION, f"{path} holds no Ed25519 signing key")
        return cls(key)

    def save(self, path: Path, passphrase: bytes | None = None) -> None:
        """Write PKCS#8 PEM with mode 0600, never over an existing file (Misconfigured)."""
        keyfile.write(path, self.private, passphrase)

    @cached_property
    def public(self) -> VerifyingKey:
        """The public half."""
        return VerifyingKey(self.private.public_key().public_bytes_raw())

    def sign(self, message: bytes) -> bytes:
        """Return the 64-byte signature over ``message`` (RFC 8032 §5.1.6)."""
        return self.private.sign(message)

    def __repr__(self) -> str:
        return f"SigningKey(key_id={self.public.key_id.hex()[:16]})"


@dataclass(frozen=True, eq=False)
class AgreementKey:
    """An ephemeral X25519 key of one attempt (RFC 7748): memory only, so it has no file format."""

    private: X25519PrivateKey

    @classmethod
    def generate(cls) -> "AgreementKey":
        """Return a fresh key from the operating system's randomness."""
        return cls(X25519PrivateKey.generate())

    @classmethod
    def from_seed(cls, seed: bytes) -> "AgreementKey":
        """Return the key of a 32-byte scalar (RFC 7748 §5); Malformed on another length."""
        return cls(X25519PrivateKey.from_private_bytes(_require_length("seed", seed, KEY_BYTES)))

    @property
    def public(self) -> bytes:
        """The raw 32-byte public key."""
        return self.private.public_key().public_bytes_raw()

    def exchange(self, peer: bytes) -> bytes:
        """Return the 32-byte shared secret with ``peer``'s raw public key (RFC 7748 §6.1).

        Raises Malformed when the secret would be all zero: such a peer key has small order and the
        result would be known to everybody.
        """
        point = X25519PublicKey.from_public_bytes(
            _require_length("peer agreement key", peer, KEY_BYTES)
        )
        try:
            return self.private.exchange(point)
        except ValueError:
            raise Malformed(
                Reason.INVALID_DOCUMENT, "peer agreement key has small order: no secret comes of it"
            ) from None

    def __repr__(self) -> str:
        return f"AgreementKey(public={self.public.hex()[:16]})"


def check_agreement_key(raw: bytes) -> None:
    """Raise Malformed unless secrets come of this raw X25519 key with whatever key it meets.

    Private keys are multiples of the cofactor (RFC 7748 §5), so one that meets it tells for all.
    """
    AgreementKey.generate().exchange(raw)


@dataclass(frozen=True, eq=False)
class SealingKey:
    """A city's static X25519 key that opens what was sealed to it (RFC 9180)."""

    private: X25519PrivateKey

    @classmethod
    def generate(cls) -> "SealingKey":
        """Return a fresh key from the operating system's randomness."""
        return cls(X25519PrivateKey.generate())

    @classmethod
    def from_seed(cls, seed: bytes) -> "SealingKey":
        """Return the key of a 32-byte scalar (RFC 7748 §5); Malformed on another length."""
        return cls(X25519PrivateKey.from_private_bytes(_require_length("seed", seed, KEY_BYTES)))

    @classmethod
    def load(cls, path: Path, passphrase: bytes | None = None) -> "SealingKey":
        """Read a key file written by :meth:`save`; Misconfigured names what is wrong with it."""
        key = keyfile.read(path, passphrase)
        if not isinstance(key, X25519PrivateKey):
            raise Misconfigured(Reason.CONFIGURATION, f"{path} holds no X25519 sealing key")
        return cls(key)

    def save(self, path: Path, passphrase: bytes | None = None) -> None:
        """Write PKCS#8 PEM with mode 0600, never over an existing file (Misconfigured)."""
        keyfile.write(path, self.private, passphrase)

    @property
    def public(self) -> bytes:
        """The raw 32-byte public key."""
        return self.private.public_key().public_bytes_raw()

    def __repr__(self) -> str:
        return f"SealingKey(public={self.public.hex()[:16]})"


def _require_length(name: str, data: bytes, length: int) -> bytes:
    if len(data) != length:
        raise Malformed(Reason.INVALID_DOCUMENT, f"{name} has {len(data)} bytes, not {length}")
    return data
