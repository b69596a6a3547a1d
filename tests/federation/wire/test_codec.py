"""The codec: nothing lost, nothing read that is not known, and no error but our own."""

import dataclasses
import math
from collections.abc import Callable
from functools import partial
from typing import Any

import pytest
from google.protobuf.message import Message
from hypothesis import example, given, settings
from hypothesis import strategies as st
from support.documents import CHARTER, CLOSURE, DOCUMENTS, MEMBERSHIP, VOTE
from support.federation import signing_key
from support.strategies import documents

from federation.crypto.envelope import (
    Body,
    Envelope,
    Signature,
    pae,
    replay_identity,
    sign,
    verified_key_ids,
    with_signature,
)
from federation.crypto.keys import VerifyingKey, digest
from federation.documents.charter import Charter, PrivacyTerms, StatisticsTerms, TrainingTerms
from federation.documents.membership import Administrator, City
from federation.documents.notices import KindNotice
from federation.documents.releases import Cell, ModelCard
from federation.documents.runs import RecordedContribution
from federation.documents.types import DOCUMENT_OF, TYPE_OF, Document, PayloadType
from federation.errors import Malformed, Reason
from federation.log.bundle import Bundle
from federation.log.witnessing import MOST_PROOFS, WitnessReply, WitnessRequest
from federation.wire.codec import (
    bundle_from_message,
    bundle_to_message,
    decode_body,
    decode_document,
    decode_envelope,
    decode_witness_reply,
    decode_witness_request,
    encode_body,
    encode_document,
    encode_envelope,
    encode_witness_reply,
    encode_witness_request,
)
from federation.wire.v1 import documents_pb2, envelope_pb2, log_pb2, rounds_pb2

NESTED: list[type] = [
    Administrator,
    City,
    PrivacyTerms,
    TrainingTerms,
    StatisticsTerms,
    RecordedContribution,
    ModelCard,
    Cell,
    KindNotice,
]
KEY = signing_key("somebody")
UNKNOWN_FIELD = b"\xf8\x07\x01"  # number 127, varint 1


def message_of(cls: type) -> type[Message]:
    """The one message of either file that has the dataclass's name."""
    found = [getattr(m, cls.__name__, None) for m in (documents_pb2, rounds_pb2)]
    message: type[Message]
    (message,) = [one for one in found if one is not None]
    return message


# --- fields ----------------------------------------------------------------------------------


@pytest.mark.parametrize("cls", [*DOCUMENT_OF.values(), *NESTED], ids=lambda cls: cls.__name__)
def test_a_documents_fields_are_its_messages_fields_in_order(cls: type) -> None:
    written: list[Any] = sorted(message_of(cls).DESCRIPTOR.fields, key=lambda field: field.number)
    names = [field.name for field in dataclasses.fields(cls)]
    assert names == [field.name for field in written]


def test_every_message_of_the_run_and_the_log_is_a_documents() -> None:
    messages = {
        name
        for module in (documents_pb2, rounds_pb2)
        for name in module.DESCRIPTOR.message_types_by_name
    }
    assert messages == {cls.__name__ for cls in [*DOCUMENT_OF.values(), *NESTED]}


def test_every_payload_type_has_one_document() -> None:
    assert set(DOCUMENT_OF) == set(PayloadType)
    assert {kind: TYPE_OF[cls] for kind, cls in DOCUMENT_OF.items()} == {k: k for k in PayloadType}


# --- round trips -----------------------------------------------------------------------------


def test_there_is_a_builder_for_every_document() -> None:
    assert set(documents) == set(DOCUMENT_OF.values())


@pytest.mark.parametrize("cls", documents, ids=lambda cls: cls.__name__)
@settings(max_examples=40)
@given(data=st.data())
def test_a_document_comes_back_equal(cls: type[Document], data: st.DataObject) -> None:
    document = data.draw(documents[cls])
    kind, payload = encode_document(document)
    assert kind is TYPE_OF[cls]
    assert decode_document(kind, payload) == document
    assert encode_document(document) == (kind, payload)


@given(
    st.lists(st.sampled_from(range(4)), unique=True),
    st.sampled_from(DOCUMENTS),
)
def test_an_envelope_comes_back_equal(signers: list[int], document: Document) -> None:
    envelope = sign(*encode_document(document), *(signing_key(f"{n}") for n in signers))
    assert decode_envelope(encode_envelope(envelope)) == envelope


def test_a_bundle_comes_back_equal_over_the_wire() -> None:
    bundle = Bundle(
        envelope=b"envelope",
        leaf_index=2**40,
        checkpoint=b"note",
        inclusion_path=(bytes(32), b"\x01" * 32),
        consistency_from=7,
        consistency_path=(b"\x02" * 32,),
    )
    sent = bundle_to_message(bundle).SerializeToString()
    assert bundle_from_message(log_pb2.Bundle.FromString(sent)) == bundle
    assert {field.name for field in dataclasses.fields(Bundle)} == {
        field.name for field in log_pb2.Bundle.DESCRIPTOR.fields
    }


# --- bodies: an envelope, with or without a vector -------------------------------------------

envelopes = st.builds(
    Envelope,
    st.sampled_from([kind.value for kind in PayloadType]),
    st.binary(max_size=64),
    st.lists(st.sampled_from(range(4)), unique=True).map(
        lambda keys: tuple(Signature(digest(bytes([key])), bytes(64)) for key in keys)
    ),
).map(encode_envelope)


@given(envelopes, st.binary(max_size=64))
@example(encode_envelope(Envelope("t", b"")), b"\0")
def test_a_body_comes_back_equal(envelope: bytes, vector: bytes) -> None:
    raw = encode_body(Body(envelope, vector))
    assert decode_body(raw) == Body(envelope, vector)
    assert (raw == envelope) == (vector == b"")
    assert raw.endswith(vector)  # not a byte of it is written otherwise


@given(envelopes, st.binary(min_size=1, max_size=64))
def test_no_bytes_are_an_envelope_and_an_envelope_with_its_vector(
    envelope: bytes, vector: bytes
) -> None:
    attached = encode_body(Body(envelope, vector))
    with pytest.raises(Malformed) as caught:
        decode_envelope(attached)
    assert caught.value.reason is Reason.NOT_DECODABLE
    assert decode_body(envelope) == Body(envelope)
    numbers = [
        {field.number for field in message.DESCRIPTOR.fields}
        for message in (envelope_pb2.Envelope, envelope_pb2.Attached)
    ]
    assert set.isdisjoint(*numbers)


@given(envelopes, st.binary(min_size=1, max_size=64))
def test_what_is_attached_is_opened_once(envelope: bytes, vector: bytes) -> None:
    once = encode_body(Body(envelope, vector))
    outer = decode_body(encode_body(Body(once, vector)))
    assert outer == Body(once, vector)
    with pytest.raises(Malformed):
        decode_envelope(outer.envelope)


@given(envelopes, st.binary(min_size=1, max_size=64), st.data())
def test_a_body_cut_short_is_none(envelope: bytes, vector: bytes, data: st.DataObject) -> None:
    raw = encode_body(Body(envelope, vector))
    # between the two fields there is an envelope alone, which names a vector that did not come
    whole = envelope_pb2.Attached(envelope=envelope).SerializeToString()
    length = data.draw(st.integers(1, len(raw) - 1).filter(lambda size: size != len(whole)))
    with pytest.raises(Malformed) as caught:
        decode_body(raw[:length])
    assert caught.value.reason is Reason.NOT_DECODABLE
    assert decode_body(whole) == Body(envelope)


@pytest.mark.parametrize(
    "raw",
    [
        pytest.param(b"\x7a\x01e" + UNKNOWN_FIELD, id="a field more"),
        pytest.param(b"\x7a\x01e\x82\x01\x01v" + UNKNOWN_FIELD, id="a field more after the vector"),
        pytest.param(b"\x7a\x01e\x0a\x01t", id="a field of the envelope beside it"),
        pytest.param(b"\x7a\x01e\x82\x01\x02v", id="a vector shorter than it says"),
        pytest.param(b"\x7a\x01e\x80\x01\x07", id="a number as vector"),
    ],
)
def test_other_bytes_are_no_body(raw: bytes) -> None:
    with pytest.raises(Malformed) as caught:
        decode_body(raw)
    assert caught.value.reason is Reason.NOT_DECODABLE


def test_a_vector_before_its_envelope_is_neither() -> None:
    """The first byte tells the two apart, so the envelope comes first."""
    raw = b"\x82\x01\x01v" + b"\x7a\x01e"
    assert envelope_pb2.Attached.FromString(raw).envelope == b"e"
    with pytest.raises(Malformed):
        decode_envelope(decode_body(raw).envelope)


# --- the signed bytes are the bytes that travel ---------------------------------------------


def as_written(document: Document) -> bytes:
    return encode_document(document)[1]


def with_a_field_twice(document: Document) -> bytes:
    # the last of two equal fields wins (protobuf encoding, "Last One Wins")
    return as_written(document) + b"\x0a\x20" + digest(b"other") + as_written(document)[:34]


def backwards(document: Document) -> bytes:
    payload = as_written(document)
    rest = payload[34:]
    return rest + payload[:34]


@pytest.mark.parametrize("written", [as_written, with_a_field_twice, backwards])
def test_what_was_signed_stays_as_it_was_written(written: Callable[[Document], bytes]) -> None:
    payload = written(VOTE)
    kind = PayloadType.VOTE
    assert decode_document(kind, payload) == VOTE
    raw = encode_envelope(sign(kind, payload, KEY))
    read = decode_envelope(raw)
    assert read.payload == payload
    assert read.signatures[0].signature == KEY.sign(pae(kind, payload))
    assert verified_key_ids(read, {KEY.public.key_id: KEY.public}) == {KEY.public.key_id}


def test_three_writings_of_one_document_are_three_statements() -> None:
    writings = [as_written(VOTE), with_a_field_twice(VOTE), backwards(VOTE)]
    assert len({replay_identity(Envelope(PayloadType.VOTE, one)) for one in writings}) == 3


def test_a_signature_added_later_leaves_the_others_valid() -> None:
    first = decode_envelope(encode_envelope(sign(*encode_document(CHARTER), KEY)))
    other = signing_key("another")
    both = decode_envelope(encode_envelope(with_signature(first, other)))
    keys: dict[bytes, VerifyingKey] = {k.public.key_id: k.public for k in (KEY, other)}
    assert verified_key_ids(both, keys) == set(keys)
    assert replay_identity(both) == replay_identity(first)


# --- what is not ours is refused ------------------------------------------------------------


@pytest.mark.parametrize("document", DOCUMENTS, ids=lambda one: type(one).__name__)
def test_an_unknown_field_is_refused(document: Document) -> None:
    kind, payload = encode_document(document)
    with pytest.raises(Malformed, match="does not know") as raised:
        decode_document(kind, payload + UNKNOWN_FIELD)
    assert raised.value.reason is Reason.INVALID_DOCUMENT


def nested_unknown_fields() -> list[tuple[str, Message]]:
    charter = documents_pb2.Charter.FromString(as_written(CHARTER))
    charter.privacy.MergeFromString(UNKNOWN_FIELD)
    membership = documents_pb2.Membership.FromString(as_written(MEMBERSHIP))
    membership.cities[1].MergeFromString(UNKNOWN_FIELD)
    return [(PayloadType.CHARTER, charter), (PayloadType.MEMBERSHIP, membership)]


@pytest.mark.parametrize(("kind", "message"), nested_unknown_fields())
def test_an_unknown_field_deep_inside_is_refused(kind: str, message: Message) -> None:
    with pytest.raises(Malformed, match="does not know"):
        decode_document(kind, message.SerializeToString())


@pytest.mark.parametrize("place", ["envelope", "signature"])
def test_an_unknown_field_around_the_payload_is_refused(place: str) -> None:
    message = envelope_pb2.Envelope.FromString(
        encode_envelope(sign(*encode_document(CLOSURE), KEY))
    )
    target: Message = message if place == "envelope" else message.signatures[0]
    target.MergeFromString(UNKNOWN_FIELD)
    with pytest.raises(Malformed, match="does not know") as raised:
        decode_envelope(message.SerializeToString())
    assert raised.value.reason is Reason.NOT_DECODABLE


@pytest.mark.parametrize("kind", ["", "laborfed/charter/v2", "laborfed/Charter/v1", "charter"])
def test_an_unknown_type_is_refused(kind: str) -> None:
    with pytest.raises(Malformed) as raised:
        decode_document(kind, as_written(CHARTER))
    assert raised.value.reason is Reason.UNKNOWN_TYPE


def charter_bytes(change: Callable[[documents_pb2.Charter], object]) -> bytes:
    message = documents_pb2.Charter.FromString(as_written(CHARTER))
    change(message)
    return message.SerializeToString()


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (lambda m: m.ClearField("privacy"), "privacy is missing"),
        (lambda m: m.ClearField("training"), "training: "),
        (lambda m: setattr(m.privacy, "epsilon", math.nan), "epsilon: "),
        (lambda m: setattr(m, "nonce", b""), "nonce: "),
        (lambda m: setattr(m, "not_after_ms", -1), "not_after_ms: "),
    ],
)
def test_a_message_that_breaks_a_rule_is_refused_naming_the_field(
    change: Callable[[documents_pb2.Charter], object], said: str
) -> None:
    with pytest.raises(Malformed, match=said) as raised:
        decode_document(PayloadType.CHARTER, charter_bytes(change))
    assert raised.value.reason is Reason.INVALID_DOCUMENT


def test_a_charter_without_statistics_has_none_and_not_an_empty_one() -> None:
    decoded = decode_document(PayloadType.CHARTER, as_written(CHARTER))
    assert isinstance(decoded, Charter)
    assert decoded.statistics is None


# --- arbitrary bytes ------------------------------------------------------------------------


def refusal(decode: Callable[[], object]) -> Reason | None:
    """The reason of a Malformed, None when it decodes; whatever else it raises is a fault."""
    try:
        decode()
    except Malformed as error:
        return error.reason
    return None


@given(st.binary(max_size=200))
@example(b"")
@example(b"\x0a\xff")  # a length beyond the end
@example(b"\x0b" * 200)  # groups within groups
@example(b"\x0c")  # the end of a group that never began
@example(b"\x0a\x02\xc3\x28")  # a type that is no UTF-8
@example(b"\x08\x01")  # a number where the type belongs
def test_any_bytes_are_an_envelope_or_malformed(raw: bytes) -> None:
    assert refusal(lambda: decode_envelope(raw)) in {None, Reason.NOT_DECODABLE}


@given(st.sampled_from(PayloadType), st.binary(max_size=200))
def test_any_bytes_are_a_document_or_malformed(kind: PayloadType, payload: bytes) -> None:
    assert refusal(lambda: decode_document(kind, payload)) in {None, Reason.INVALID_DOCUMENT}


@given(st.sampled_from(DOCUMENTS), st.data())
def test_a_damaged_document_is_a_document_or_malformed(
    document: Document, data: st.DataObject
) -> None:
    kind, payload = encode_document(document)
    damaged = bytearray(payload)
    for at in data.draw(st.lists(st.integers(0, len(payload) - 1), min_size=1, max_size=4)):
        damaged[at] = data.draw(st.integers(0, 255))
    end = data.draw(st.integers(0, len(payload)))
    for candidate in (bytes(damaged), payload[:end], payload[end:]):
        reason = refusal(partial(decode_document, kind, candidate))
        assert reason in {None, Reason.INVALID_DOCUMENT}


@pytest.mark.parametrize("document", DOCUMENTS, ids=lambda one: type(one).__name__)
def test_a_document_cut_short_anywhere_is_never_the_document(document: Document) -> None:
    kind, payload = encode_document(document)
    for end in range(len(payload)):
        try:
            assert decode_document(kind, payload[:end]) != document
        except Malformed:
            continue


@pytest.mark.parametrize(
    "signatures",
    [
        [(b"short", bytes(64))],
        [(bytes(32), b"short")],
        [(bytes(32), bytes(64)), (bytes(32), b"\x01" * 64)],
    ],
    ids=["short key id", "short signature", "a key twice"],
)
def test_an_envelope_with_broken_signatures_is_not_decodable(
    signatures: list[tuple[bytes, bytes]],
) -> None:
    raw = envelope_pb2.Envelope(
        payload_type=PayloadType.CLOSURE,
        payload=as_written(CLOSURE),
        signatures=[
            envelope_pb2.Signature(key_id=key_id, signature=signature)
            for key_id, signature in signatures
        ],
    ).SerializeToString()
    with pytest.raises(Malformed) as raised:
        decode_envelope(raw)
    assert raised.value.reason is Reason.NOT_DECODABLE


def test_signatures_keep_their_order() -> None:
    made = Envelope(
        PayloadType.CLOSURE,
        b"",
        (Signature(b"\x02" * 32, bytes(64)), Signature(bytes(32), bytes(64))),
    )
    assert decode_envelope(encode_envelope(made)).signatures == made.signatures


# --- what witnesses are asked and say ---------------------------------------------------------

HASHES = st.lists(st.binary(min_size=32, max_size=32), max_size=4).map(tuple)


@given(st.binary(max_size=200), st.dictionaries(st.integers(0, 2**63), HASHES, max_size=8))
def test_a_witness_request_comes_back_as_it_was(note: bytes, proofs: dict[int, Any]) -> None:
    request = WitnessRequest(note, proofs)
    assert decode_witness_request(encode_witness_request(request)) == request


@pytest.mark.parametrize(
    "reply",
    [
        WitnessReply(cosignature=b"line\n"),
        WitnessReply(proofs_from=(1, 2**40)),
        WitnessReply(reason="log.inconsistent", message="两棵树"),
    ],
)
def test_a_witness_reply_comes_back_as_it_was(reply: WitnessReply) -> None:
    assert decode_witness_reply(encode_witness_reply(reply)) == reply


@pytest.mark.parametrize(
    "reply",
    [
        WitnessReply(),
        WitnessReply(message="words alone"),
        WitnessReply(cosignature=b"line\n", reason="log.inconsistent"),
        WitnessReply(cosignature=b"line\n", proofs_from=(1,)),
        WitnessReply(proofs_from=tuple(range(1, MOST_PROOFS + 2))),
    ],
)
def test_a_witness_says_one_thing(reply: WitnessReply) -> None:
    with pytest.raises(Malformed) as raised:
        decode_witness_reply(encode_witness_reply(reply))
    assert raised.value.reason is Reason.NOT_DECODABLE


def test_more_proofs_than_a_witness_could_need_are_not_read() -> None:
    proofs = dict.fromkeys(range(MOST_PROOFS + 1), ())
    with pytest.raises(Malformed) as raised:
        decode_witness_request(encode_witness_request(WitnessRequest(b"note", proofs)))
    assert raised.value.reason is Reason.NOT_DECODABLE
