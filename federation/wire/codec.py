"""Documents and bytes: the one place where protobuf meets the frozen types.

Lives here: a field-by-field mapping driven by the dataclasses themselves, so that a document's
fields are its message's fields. Must not know: signatures, trust or transport.
"""

import dataclasses
import functools
import itertools
import operator
import typing
from collections.abc import Callable, Iterable, Iterator
from typing import Any

from google.protobuf.message import DecodeError, Message
from google.protobuf.unknown_fields import UnknownFieldSet

from federation.crypto.envelope import Body, Envelope, Signature
from federation.documents.types import DOCUMENT_OF, TYPE_OF, Document, PayloadType
from federation.errors import Malformed, Reason
from federation.log.bundle import Bundle
from federation.log.witnessing import MOST_PROOFS, WitnessReply, WitnessRequest
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
    message = _parse(_LAYOUTS[cls].message, payload, Reason.INVALID_DOCUMENT)
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


def encode_body(body: Body) -> bytes:
    """Return what a carrier takes: the envelope's bytes, with a vector both as ``Attached``."""
    if not body.vector:
        return body.envelope
    return envelope_pb2.Attached(envelope=body.envelope, vector=body.vector).SerializeToString(
        deterministic=True
    )


def decode_body(raw: bytes) -> Body:
    """Return the envelope's bytes and the vector; Malformed(NOT_DECODABLE) when they are none.

    An envelope is not looked into: bytes that are no ``Attached`` are taken for one.
    """
    if not raw.startswith(_ATTACHED):
        return Body(raw)
    message = _parse(envelope_pb2.Attached, raw, Reason.NOT_DECODABLE)
    return Body(message.envelope, message.vector)


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


def encode_witness_request(request: WitnessRequest) -> bytes:
    """Return the request's bytes."""
    proofs = [
        log_pb2.ConsistencyProof(from_size=size, path=path) for size, path in request.proofs.items()
    ]
    return log_pb2.WitnessRequest(checkpoint=request.checkpoint, proofs=proofs).SerializeToString()


def decode_witness_request(raw: bytes) -> WitnessRequest:
    """Return the request; Malformed(NOT_DECODABLE) when it is none or has too many proofs."""
    message = _parse(log_pb2.WitnessRequest, raw, Reason.NOT_DECODABLE)
    if len(message.proofs) > MOST_PROOFS:
        raise Malformed(Reason.NOT_DECODABLE, f"WitnessRequest: more than {MOST_PROOFS} proofs")
    proofs = {proof.from_size: tuple(proof.path) for proof in message.proofs}
    return WitnessRequest(message.checkpoint, proofs)


def encode_witness_reply(reply: WitnessReply) -> bytes:
    """Return the reply's bytes."""
    return log_pb2.WitnessReply(**dataclasses.asdict(reply)).SerializeToString()


def decode_witness_reply(raw: bytes) -> WitnessReply:
    """Return the reply; Malformed(NOT_DECODABLE) when it is none or says too much at once."""
    message = _parse(log_pb2.WitnessReply, raw, Reason.NOT_DECODABLE)
    said = [bool(message.cosignature), bool(message.proofs_from), bool(message.reason)]
    if said.count(True) != 1 or len(message.proofs_from) > MOST_PROOFS:
        raise Malformed(Reason.NOT_DECODABLE, "WitnessReply: not one answer")
    return WitnessReply(
        cosignature=message.cosignature,
        proofs_from=tuple(message.proofs_from),
        reason=message.reason,
        message=message.message,
    )


# how the key of Attached's first field is written, and of none of Envelope's
_ATTACHED = bytes([15 << 3 | 2])
_M = typing.TypeVar("_M", bound=Message)


def _parse(cls: type[_M], raw: bytes, reason: Reason) -> _M:
    message = cls()
    try:
        message.ParseFromString(raw)
    except DecodeError:
        raise Malformed(reason, f"bytes are no {cls.DESCRIPTOR.name}") from None
    # A signed field that this version does not read could change a document's meaning.
    size = message.ByteSize()
    message.DiscardUnknownFields()
    if message.ByteSize() != size:
        _refuse_unknown(cls.FromString(raw), reason)
    return message


def _refuse_unknown(message: Message, reason: Reason) -> None:
    """Raise, naming the message that has a field this version does not know."""
    if len(UnknownFieldSet(message)):
        raise Malformed(reason, f"{message.DESCRIPTOR.name} has a field this version does not know")
    for field, value in message.ListFields():
        if field.message_type is not None:
            for nested in value if field.is_repeated else (value,):
                _refuse_unknown(nested, reason)


@dataclasses.dataclass(frozen=True)
class _Field:
    """How one field is written: ``nested`` names the dataclass of a message field."""

    name: str
    nested: type[Any] | None
    repeated: bool
    optional: bool


@dataclasses.dataclass(frozen=True)
class _Layout:
    """The message class of a dataclass, and its fields.

    ``positional``: the dataclass takes them in order, which is faster than by name.
    """

    message: type[Message]
    fields: tuple[_Field, ...]
    positional: bool

    @functools.cached_property
    def names(self) -> tuple[str, ...]:
        """Names of the fields, in order."""
        return tuple(field.name for field in self.fields)

    @functools.cached_property
    def read(self) -> Callable[[Message], tuple[Any, ...]] | None:
        """Reads all fields at once where none is a message or repeated, None elsewhere.

        A record names hundreds of contributions: field by field, they cost more than a signature.
        """
        if len(self.fields) < 2 or any(field.nested or field.repeated for field in self.fields):
            return None
        return operator.attrgetter(*self.names)


def _field(name: str, hint: Any) -> _Field:
    optional = type(None) in typing.get_args(hint)
    repeated = typing.get_origin(hint) is tuple
    inner: Any = typing.get_args(hint)[0] if optional or repeated else hint
    nested = inner if isinstance(inner, type) and dataclasses.is_dataclass(inner) else None
    return _Field(name, nested, repeated, optional)


def _layout(cls: type[Any]) -> _Layout:
    hints = typing.get_type_hints(cls)
    module = next(m for m in (documents_pb2, rounds_pb2) if hasattr(m, cls.__name__))
    described = dataclasses.fields(cls)
    return _Layout(
        getattr(module, cls.__name__),
        tuple(_field(field.name, hints[field.name]) for field in described),
        positional=not any(field.kw_only for field in described),
    )


def _layouts(classes: Iterable[type[Any]]) -> Iterator[tuple[type[Any], _Layout]]:
    for cls in classes:
        layout = _layout(cls)
        yield cls, layout
        yield from _layouts(field.nested for field in layout.fields if field.nested)


# read once: a document without its message is found at import, not at its first use
_LAYOUTS: dict[type[Any], _Layout] = dict(_layouts(DOCUMENT_OF.values()))


def _to_message(document: object) -> Message:
    layout = _LAYOUTS[type(document)]
    values: dict[str, Any] = {}
    for field in layout.fields:
        value = getattr(document, field.name)
        if field.nested is None or value is None:
            values[field.name] = value
        else:
            values[field.name] = (
                [_to_message(v) for v in value] if field.repeated else _to_message(value)
            )
    return layout.message(**values)


def _from_message(cls: type[Any], message: Message) -> object:
    return cls(**{field.name: _value(cls, field, message) for field in _LAYOUTS[cls].fields})


def _all_from_messages(cls: type[Any], messages: Iterable[Message]) -> Iterable[object]:
    names, read = _LAYOUTS[cls].names, _LAYOUTS[cls].read
    if read is None:
        return [_from_message(cls, message) for message in messages]
    if _LAYOUTS[cls].positional:
        return itertools.starmap(cls, map(read, messages))
    # as many values as names: asking for that again would take a tenth of the time
    return [cls(**dict(zip(names, read(message)))) for message in messages]  # noqa: B905


def _value(cls: type[Any], field: _Field, message: Message) -> object:
    value = getattr(message, field.name)
    if field.nested is None:
        return tuple(value) if field.repeated else value
    if field.repeated:
        return tuple(_all_from_messages(field.nested, value))
    if message.HasField(field.name):
        return _from_message(field.nested, value)
    if field.optional:
        return None
    raise Malformed(Reason.INVALID_DOCUMENT, f"{cls.__name__}: {field.name} is missing")
