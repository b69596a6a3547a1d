"""One signed document of every type, its encodings and digests, and damaged twins.

The values are each valid by themselves; they do not fit one another (``log`` has documents that
do).
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

from support import documents
from support.federation import signing_key

from federation.crypto.envelope import pae, replay_identity, sign
from federation.crypto.keys import digest
from federation.documents.types import TYPE_OF, Document, PayloadType
from federation.errors import Reason
from federation.wire.codec import encode_document, encode_envelope
from federation.wire.v1 import envelope_pb2
from vectors.making import plain

SIGNER = "coordinator"
# field 2000, varint 1: what a later version might add
STRANGE_FIELD = bytes((0x80, 0x7D, 0x01))


def vectors() -> dict[str, Any]:
    """Return the file's content."""
    return {
        "about": "Encodings of documents. Bytes are hexadecimal. Every envelope is signed by one "
        "key, whether or not a federation would let it sign that type.",
        "key": {"seed": digest(b"signing " + SIGNER.encode()).hex(), **_public()},
        "documents": [_entry(value) for value in _values()],
    }


def _public() -> dict[str, str]:
    public = signing_key(SIGNER).public
    return {"public": public.raw.hex(), "key_id": public.key_id.hex()}


def _values() -> list[Document]:
    """One of each type, in the order of the table of types; both kinds of charter."""
    return [v for kind in PayloadType for v in documents.DOCUMENTS if TYPE_OF[type(v)] is kind]


def _entry(document: Document) -> dict[str, Any]:
    kind, payload = encode_document(document)
    signed = sign(kind, payload, signing_key(SIGNER))
    raw = encode_envelope(signed)
    return {
        "payload_type": kind.value,
        "fields": plain(document),
        "payload": payload.hex(),
        "pae_sha256": digest(pae(kind, payload)).hex(),
        "document_digest": replay_identity(signed).hex(),
        "envelope": raw.hex(),
        "envelope_sha256": digest(raw).hex(),
        "damaged": [_twin(damage, raw) for damage in DAMAGES],
    }


@dataclass(frozen=True)
class Damage:
    """What is done to an envelope and the reason it is refused for."""

    name: str
    change: Callable[[envelope_pb2.Envelope], None]
    reason: Reason


def _twin(damage: Damage, raw: bytes) -> dict[str, str]:
    message = envelope_pb2.Envelope.FromString(raw)
    damage.change(message)
    damaged = message.SerializeToString(deterministic=True)
    return {"name": damage.name, "envelope": damaged.hex(), "reason": damage.reason.value}


def _strange_in_payload(message: envelope_pb2.Envelope) -> None:
    # signed anew, so that only the field itself is wrong
    payload = message.payload + STRANGE_FIELD
    again = sign(message.payload_type, payload, signing_key(SIGNER))
    message.ParseFromString(encode_envelope(again))


def _truncated(message: envelope_pb2.Envelope) -> None:
    again = sign(message.payload_type, message.payload[:-1], signing_key(SIGNER))
    message.ParseFromString(encode_envelope(again))


def _emptied(message: envelope_pb2.Envelope) -> None:
    again = sign(message.payload_type, b"", signing_key(SIGNER))
    message.ParseFromString(encode_envelope(again))


def _flipped(message: envelope_pb2.Envelope) -> None:
    signature = bytearray(message.signatures[0].signature)
    signature[0] ^= 1
    message.signatures[0].signature = bytes(signature)


def _other_type(message: envelope_pb2.Envelope) -> None:
    message.payload_type = next(t for t in _types() if t != message.payload_type)


def _types() -> Iterator[str]:
    yield from (kind.value for kind in PayloadType)


def _unknown_type(message: envelope_pb2.Envelope) -> None:
    message.payload_type = "laborfed/unheard-of/v1"


def _strange_in_envelope(message: envelope_pb2.Envelope) -> None:
    message.MergeFromString(STRANGE_FIELD)


def _signed_twice(message: envelope_pb2.Envelope) -> None:
    message.signatures.add().CopyFrom(message.signatures[0])


def _short_signature(message: envelope_pb2.Envelope) -> None:
    message.signatures[0].signature = message.signatures[0].signature[:-1]


DAMAGES = (
    Damage(
        "a field this version does not know, in the envelope",
        _strange_in_envelope,
        Reason.NOT_DECODABLE,
    ),
    Damage("one key signed twice", _signed_twice, Reason.NOT_DECODABLE),
    Damage("a signature of 63 bytes", _short_signature, Reason.NOT_DECODABLE),
    Damage("a type nobody knows", _unknown_type, Reason.UNKNOWN_TYPE),
    Damage("another type over the same payload", _other_type, Reason.BAD_SIGNATURE),
    Damage("one bit of the signature flipped", _flipped, Reason.BAD_SIGNATURE),
    Damage(
        "a field this version does not know, in the payload",
        _strange_in_payload,
        Reason.INVALID_DOCUMENT,
    ),
    Damage("the payload's last byte missing", _truncated, Reason.INVALID_DOCUMENT),
    Damage("an empty payload", _emptied, Reason.INVALID_DOCUMENT),
)
