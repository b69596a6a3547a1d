"""Pairwise masks that vanish only in the sum over a whole roster (design §7).

X25519 → HKDF-SHA256 → ChaCha20 keystream, added towards higher city codes and subtracted towards
lower ones. Must not know noise, charters as documents, or why a city is on a roster.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, TypeAlias

import numpy as np
from cryptography.hazmat.primitives.ciphers import Cipher, algorithms
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF
from numpy.typing import NDArray

from federation.crypto.keys import DIGEST_BYTES, AgreementKey
from federation.errors import Malformed, Reason, Refused

Masked: TypeAlias = NDArray[np.uint32] | NDArray[np.uint64]

LABEL = b"laborfed/mask/v1"
# Values in one vector: 128 MiB at 64 bits, far below the 256 GiB after which the 32-bit block
# counter of ChaCha20 would repeat the stream (RFC 8439 §2.3).
MAX_LENGTH = 2**24
MIN_NONCE_BYTES = 16  # 128 bits: attempts never collide by chance
_UNSIGNED: dict[int, np.dtype[Any]] = {
    32: np.dtype(np.uint32).newbyteorder("<"),
    64: np.dtype(np.uint64).newbyteorder("<"),
}
_SIGNED: dict[int, np.dtype[Any]] = {
    32: np.dtype(np.int32).newbyteorder("<"),
    64: np.dtype(np.int64).newbyteorder("<"),
}


@dataclass(frozen=True)
class MaskContext:
    """Everything a mask is bound to: with one field changed, the mask is an unrelated stream.

    Digests are 32 bytes, the nonce 16–64; ``round`` counts from 0; ``kind`` names the sum (such as
    "training"); values are integers modulo 2^modulus_bits. Malformed(WRONG_BINDING) otherwise.
    """

    charter_digest: bytes
    attempt_nonce: bytes
    membership_digest: bytes
    roster_digest: bytes
    round: int
    parameters_digest: bytes
    kind: str
    modulus_bits: int
    length: int

    def __post_init__(self) -> None:
        digests = (
            self.charter_digest,
            self.membership_digest,
            self.roster_digest,
            self.parameters_digest,
        )
        for rule, holds in (
            ("digests have 32 bytes", all(len(d) == DIGEST_BYTES for d in digests)),
            ("attempt_nonce has 16–64 bytes", MIN_NONCE_BYTES <= len(self.attempt_nonce) <= 64),
            ("round fits 63 bits", 0 <= self.round < 2**63),
            ("kind has 1–64 ASCII characters", self.kind.isascii() and 1 <= len(self.kind) <= 64),
            ("modulus_bits is 32 or 64", self.modulus_bits in _UNSIGNED),
            (f"length is 1–{MAX_LENGTH}", 1 <= self.length <= MAX_LENGTH),
        ):
            if not holds:
                raise Malformed(Reason.WRONG_BINDING, f"mask context: {rule}")

    def info(self, lower: str, higher: str) -> bytes:
        """Return the HKDF info of one pair: every field with its 4-byte length before it.

        Length prefixes make the encoding injective, so no two contexts share a mask.
        Malformed(WRONG_BINDING) unless ``lower`` sorts before ``higher``.
        """
        if not lower < higher:
            raise Malformed(Reason.WRONG_BINDING, f"mask pair {lower!r}, {higher!r} is not ordered")
        fields = (
            LABEL,
            self.charter_digest,
            self.attempt_nonce,
            self.membership_digest,
            self.roster_digest,
            self.round.to_bytes(8, "big"),
            self.parameters_digest,
            self.kind.encode(),
            self.modulus_bits.to_bytes(2, "big"),
            self.length.to_bytes(4, "big"),
            lower.encode(),
            higher.encode(),
        )
        return b"".join(len(field).to_bytes(4, "big") + field for field in fields)


def mask_key(shared_secret: bytes, info: bytes) -> bytes:
    """Return the 32-byte stream key: HKDF-SHA256 without salt (RFC 5869)."""
    return HKDF(SHA256(), length=32, salt=None, info=info).derive(shared_secret)


def keystream(key: bytes, size: int) -> bytes:
    """Return ``size`` bytes of ChaCha20 stream from block 0 (RFC 8439 §2.4).

    The nonce is zero: a key is derived for one context and makes one stream only.
    """
    zero_counter_and_nonce = bytes(16)
    cipher = Cipher(algorithms.ChaCha20(key, zero_counter_and_nonce), mode=None)
    return cipher.encryptor().update(bytes(size))


def mask_stream(shared_secret: bytes, context: MaskContext, lower: str, higher: str) -> Masked:
    """Return the pair's mask, uint32 or uint64 [context.length], the same on both sides."""
    key = mask_key(shared_secret, context.info(lower, higher))
    return decode(keystream(key, context.length * context.modulus_bits // 8), context)


def apply_masks(
    values: NDArray[np.int64],
    own_city: str,
    own_key: AgreementKey,
    peers: Mapping[str, bytes],
    context: MaskContext,
) -> Masked:
    """Return ``values`` (int64 [context.length]) masked modulo 2^modulus_bits.

    ``peers`` maps every *other* city of the roster to its raw agreement key. Raises Refused when
    there is none (nothing would be hidden), Malformed when the city is its own peer, the shape is
    wrong, a value does not fit the modulus or a peer's key has small order.
    """
    if not peers:
        raise Refused(Reason.ROSTER_TOO_SMALL, "a roster of one city hides nothing")
    masked = _to_modulus(values, context)
    for city, public in peers.items():
        secret = own_key.exchange(public)
        if own_city < city:
            masked += mask_stream(secret, context, own_city, city)
        else:
            masked -= mask_stream(secret, context, city, own_city)
    return masked


def unmask_sum(contributions: Sequence[Masked], modulus_bits: int) -> NDArray[np.int64]:
    """Return the sum of all of a roster's contributions as signed int64 [length].

    Right only if every city of the roster is there and the true sum fits modulus_bits as a signed
    number; otherwise the result is noise. Malformed when types or lengths differ.
    """
    kinds = {(contribution.dtype, contribution.shape) for contribution in contributions}
    if len(kinds) != 1 or next(iter(kinds))[0] != _UNSIGNED[modulus_bits]:
        raise Malformed(
            Reason.WRONG_BINDING, f"contributions to one sum must all be uint{modulus_bits} alike"
        )
    total = np.zeros_like(contributions[0])
    for contribution in contributions:
        total += contribution
    signed: NDArray[np.int32] | NDArray[np.int64] = total.view(_SIGNED[modulus_bits])
    return signed.astype(np.int64)


def encode(masked: Masked) -> bytes:
    """Return little-endian bytes, 4 or 8 to a value."""
    return masked.astype(masked.dtype.newbyteorder("<"), copy=False).tobytes()


def decode(data: bytes, context: MaskContext) -> Masked:
    """Return the array [context.length] of little-endian ``data``; Malformed on another size."""
    expected = context.length * context.modulus_bits // 8
    if len(data) != expected:
        raise Malformed(
            Reason.WRONG_BINDING, f"masked values take {expected} bytes here, not {len(data)}"
        )
    array: Masked = np.frombuffer(data, dtype=_UNSIGNED[context.modulus_bits])
    return array


def _to_modulus(values: NDArray[np.int64], context: MaskContext) -> Masked:
    if values.dtype != np.int64 or values.shape != (context.length,):
        raise Malformed(
            Reason.WRONG_BINDING, f"values must be int64 [{context.length}], not {values.shape}"
        )
    signed: NDArray[np.int32] | NDArray[np.int64] = values.astype(_SIGNED[context.modulus_bits])
    if not np.array_equal(signed, values):
        raise Malformed(
            Reason.OUT_OF_BOUND, f"a value does not fit {context.modulus_bits} signed bits"
        )
    # astype copied, so the caller's values stay as they were
    masked: Masked = signed.view(_UNSIGNED[context.modulus_bits])
    return masked
