"""The signed envelope: payload type, payload bytes and signatures over both (DSSE v1).

Knows keys and bytes; must not know protobuf, documents, who may sign or how many must.
"""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import NamedTuple

from federation.crypto.keys import (
    DIGEST_BYTES,
    SIGNATURE_BYTES,
    SigningKey,
    VerifyingKey,
    digest,
)
from federation.errors import Malformed, Reason

MAX_TYPE_BYTES = 255  # RFC 6838 §4.2: 127 each side of a media type's slash


@dataclass(frozen=True)
class Signature:
    """One signature: ``key_id`` (SHA-256 of the raw public key, 32 bytes) and 64 bytes."""

    key_id: bytes
    signature: bytes

    def __post_init__(self) -> None:
        for name, data, length in (
            ("key_id", self.key_id, DIGEST_BYTES),
            ("signature", self.signature, SIGNATURE_BYTES),
        ):
            if len(data) != length:
                raise Malformed(
                    Reason.NOT_DECODABLE, f"signature field {name} has {len(data)} bytes"
                )


@dataclass(frozen=True)
class Envelope:
    """What is signed and sent. ``payload`` stays the bytes that travelled: never re-encoded.

    Raises Malformed when the type is not 1–255 printable ASCII characters or a key signed twice.
    """

    payload_type: str
    payload: bytes
    signatures: tuple[Signature, ...] = ()

    def __post_init__(self) -> None:
        text = self.payload_type
        printable = text.isascii() and text.isprintable() and " " not in text
        if not (printable and 1 <= len(text) <= MAX_TYPE_BYTES):
            raise Malformed(
                Reason.NOT_DECODABLE,
                f"payload_type must be 1–{MAX_TYPE_BYTES} printable ASCII characters",
            )
        if len(self.key_ids) != len(self.signatures):
            raise Malformed(Reason.NOT_DECODABLE, "signatures name the same key twice")

    @property
    def key_ids(self) -> frozenset[bytes]:
        """The ids of all keys that claim to have signed."""
        return frozenset(signature.key_id for signature in self.signatures)


class Body(NamedTuple):
    """What passes between conductor and city: an envelope's bytes, and a vector, empty for none.

    The envelope, or a logged document that it names, holds the vector's SHA-256.
    """

    envelope: bytes
    vector: bytes = b""


def pae(payload_type: str, payload: bytes) -> bytes:
    """Return the DSSE v1 pre-authentication encoding, the only bytes that are ever signed.

    Source: DSSE protocol 1.0.0, "Signature Definition".
    """
    kind = payload_type.encode()
    return b"DSSEv1 %d %b %d %b" % (len(kind), kind, len(payload), payload)


def sign(payload_type: str, payload: bytes, *keys: SigningKey) -> Envelope:
    """Return an envelope signed by each key in turn; Malformed when a key is given twice."""
    envelope = Envelope(payload_type, payload)
    for key in keys:
        envelope = with_signature(envelope, key)
    return envelope


def with_signature(envelope: Envelope, key: SigningKey) -> Envelope:
    """Return the envelope with ``key``'s signature added; Malformed when it already signed."""
    signature = key.sign(pae(envelope.payload_type, envelope.payload))
    added = Signature(key.public.key_id, signature)
    return replace(envelope, signatures=(*envelope.signatures, added))


def replay_identity(envelope: Envelope) -> bytes:
    """Return SHA-256 of the PAE, 32 bytes: the same statement however and by whomever signed."""
    return digest(pae(envelope.payload_type, envelope.payload))


def verified_key_ids(envelope: Envelope, keys: Mapping[bytes, VerifyingKey]) -> frozenset[bytes]:
    """Return the ids of the known keys that signed; ``keys`` is keyed by key id.

    One bad signature by a known key spoils the envelope: Untrusted(BAD_SIGNATURE). Unknown keys
    count for nothing and are reported by :func:`unknown_key_ids`.
    """
    message = pae(envelope.payload_type, envelope.payload)
    known = [signature for signature in envelope.signatures if signature.key_id in keys]
    for signature in known:
        keys[signature.key_id].verify(signature.signature, message)
    return frozenset(signature.key_id for signature in known)


def unknown_key_ids(envelope: Envelope, keys: Mapping[bytes, VerifyingKey]) -> frozenset[bytes]:
    """Return the ids of signing keys that are not in ``keys``."""
    return envelope.key_ids - keys.keys()
