"""Documents and bytes: the one place where protobuf meets the frozen types.

Lives here: a field-by-field mapping driven by the dataclasses themselves, so that a document's
fields are its message's fields. Must not know: signatures, trust or transport.
"""

import dataclasses
import types
import typing
from functools import cache
from typing import Any

from google.protobuf.message import DecodeError, Message
from google.protobuf.unknown_fields import UnknownFieldSet

from federation.crypto.envelope import Envelope, Signature
from federation.documents.types import DOCUMENT_OF, TYPE_OF, Document, PayloadType
from federation.errors import Malformed, Reason
from federation.log.bundle import Bundle
from federation.wire.v1 import documents_pb2, envelope_pb2, log_pb2, rounds_pb2


def encode_document(document: Document) -> tuple[PayloadType, bytes]:
    """Return the document's payload type and payload bytes (deterministic protobuf)."""
    return TYPE_OF[type(document)], _to_message(document).SerializeToString(deterministic=True)


def decode_document(payload_type: str, payload: bytes) -> Document:
    """Return the document; Malformed when the type is unknown, the bytes or any field are wrong."""
    try:
        cls = DOCUMENT_OF[PayloadType(payload_type)]
    except ValueError:
        raise Malformed(Reason.UNKNOWN_TYPE, f"payload type {payload_type!r} is unknown") from None
    message = _parse(_message_class(cls), payload, Reason.INVALID_DOCUMENT)
    return typing.cast(Document, _from_message(cls, message))


def encode_envelope(envelope: Envelope) -> bytes:
    """Return the bytes that travel and whose SHA-256 is logged."""
    return envelope_pb2.Envelope(
        payload_type=envelope.payload_type,
        payload=envelope.payload,
        signatures=[
            envelope_pb2.Signature(key_id=s.key_id, signature=s.signature)
            for s in envelope.signatures
        ],
    ).SerializeToString(deterministic=True)


def decode_envelope(raw: bytes) -> Envelope:
    """Return the envelope; Malformed(NOT_DECODABLE) when bytes or any field are wrong."""
    message = _parse(envelope_pb2.Envelope, raw, Reason.NOT_DECODABLE)
    signatures = tuple(Signature(s.key_id, s.signature) for s in message.signatures)
    return Envelope(message.payload_type, message.payload, signatures)


def bundle_to_message(bundle: Bundle) -> log_pb2.Bundle:
    """Return the bundle as its gRPC message."""
    return log_pb2.Bundle(
        envelope=bundle.envelope,
        leaf_index=bundle.leaf_index,
        checkpoint=bundle.checkpoint,
        inclusion_path=bundle.inclusion_path,
        consistency_from=bundle.consistency_from,
        consistency_path=bundle.consistency_path,
    )


def bundle_from_message(message: log_pb2.Bundle) -> Bundle:
    """Return the frozen bundle of a gRPC message."""
    return Bundle(
        envelope=message.envelope,
        leaf_index=message.leaf_index,
        checkpoint=message.checkpoint,
        inclusion_path=tuple(message.inclusion_path),
        consistency_from=message.consistency_from,
        consistency_path=tuple(message.consistency_path),
    )


_M = typing.TypeVar("_M", bound=Message)


def _parse(cls: type[_M], raw: bytes, reason: Reason) -> _M:
    message = cls()
    try:
        message.ParseFromString(raw)
    except DecodeError:
        raise Malformed(reason, f"bytes are no {cls.DESCRIPTOR.name}") from None
    _refuse_unknown(message, reason)
    return message


def _refuse_unknown(message: Message, reason: Reason) -> None:
    # A signed field that this version does not read could change a document's meaning.
    if len(UnknownFieldSet(message)):
        raise Malformed(reason, f"{message.DESCRIPTOR.name} has a field this version does not know")
    for field, value in message.ListFields():
        if field.message_type is not None:
            for nested in value if field.is_repeated else (value,):
                _refuse_unknown(nested, reason)


@cache
def _message_class(cls: type[Any]) -> type[Message]:
    for module in (documents_pb2, rounds_pb2):
        if hasattr(module, cls.__name__):
            return typing.cast(type[Message], getattr(module, cls.__name__))
    raise LookupError(cls.__name__)


@cache
def _fields(cls: type[Any]) -> tuple[tuple[str, type[Any] | None, bool], ...]:
    """(name, nested dataclass or None, repeated) of every field."""
    hints = typing.get_type_hints(cls)
    return tuple(
        (field.name, *_shape(hints[field.name]))
        for field in dataclasses.fields(typing.cast(Any, cls))
    )


def _shape(hint: Any) -> tuple[type[Any] | None, bool]:
    origin, arguments = typing.get_origin(hint), typing.get_args(hint)
    if origin is tuple:
        return _shape(arguments[0])[0], True
    if origin in (types.UnionType, typing.Union):
        return _shape(arguments[0])
    return (hint if dataclasses.is_dataclass(hint) else None), False


def _to_message(document: object) -> Message:
    cls: type[Any] = type(document)
    values: dict[str, Any] = {}
    for name, nested, repeated in _fields(cls):
        value = getattr(document, name)
        if nested is None or value is None:
            values[name] = value
        else:
            values[name] = [_to_message(v) for v in value] if repeated else _to_message(value)
    return _message_class(cls)(**values)


def _from_message(cls: type[Any], message: Message) -> object:
    values: dict[str, Any] = {}
    for name, nested, repeated in _fields(cls):
        value = getattr(message, name)
        if repeated:
            values[name] = (
                tuple(_from_message(nested, v) for v in value) if nested else tuple(value)
            )
        elif nested:
            values[name] = _from_message(nested, value) if message.HasField(name) else None
        else:
            values[name] = value
    return _construct(cls, values)


def _construct(cls: type[Any], values: dict[str, Any]) -> object:
    missing = [
        name
        for name, nested, repeated in _fields(cls)
        if nested and not repeated and values[name] is None and not _optional(cls, name)
    ]
    if missing:
        raise Malformed(Reason.INVALID_DOCUMENT, f"{cls.__name__}: {missing[0]} is missing")
    return cls(**values)


def _optional(cls: type[Any], name: str) -> bool:
    return type(None) in typing.get_args(typing.get_type_hints(cls)[name])
