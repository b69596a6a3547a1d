"""A document told to the person who is about to sign it: every field, and nothing interpreted away.

Must not know: keys, files, or what becomes of the document.
"""

from collections.abc import Iterator
from dataclasses import fields, is_dataclass

from federation.crypto.envelope import Envelope, replay_identity
from federation.crypto.keys import digest
from federation.documents.membership import City
from federation.exchange.enrolment import fingerprint
from federation.terminal import time_text
from federation.wire.codec import decode_document

SHOWN_WHOLE = 64  # bytes; longer values are shown by their digest


def lines_of(envelope: Envelope) -> Iterator[str]:
    """Yield the envelope's type, digest, signers and all fields, one line each."""
    yield f"type: {envelope.payload_type}"
    yield f"digest: {replay_identity(envelope).hex()}"
    yield f"signatures: {len(envelope.signatures)}"
    for signature in envelope.signatures:
        yield f"  by key {signature.key_id.hex()[:16]}"
    yield from _fields(decode_document(envelope.payload_type, envelope.payload), 0)


def _fields(value: object, depth: int) -> Iterator[str]:
    if isinstance(value, City):
        yield f"{'  ' * depth}fingerprint: {fingerprint(value)}"
    # every dataclass here is a document, so its fields are its content
    for field in fields(value):  # type: ignore[arg-type]
        yield from _value(field.name, getattr(value, field.name), depth)


def _value(name: str, value: object, depth: int) -> Iterator[str]:
    margin = "  " * depth
    if is_dataclass(value):
        yield f"{margin}{name}:"
        yield from _fields(value, depth + 1)
    elif isinstance(value, tuple):
        yield f"{margin}{name}: {len(value)}"
        for number, item in enumerate(value, start=1):
            yield from _value(f"{number}", item, depth + 1)
    else:
        yield f"{margin}{name}: {_scalar(name, value)}"


def _scalar(name: str, value: object) -> str:
    if isinstance(value, bytes):
        return _bytes(value)
    if name.endswith("_ms") and isinstance(value, int):
        return f"{time_text(value)} ({value})"
    return "—" if value is None or value == "" else str(value)


def _bytes(value: bytes) -> str:
    if len(value) <= SHOWN_WHOLE:
        return value.hex() or "—"
    return f"{len(value)} bytes, SHA-256 {digest(value).hex()}"
