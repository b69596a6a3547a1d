"""What travels between conductor and city: envelopes alone, and with a vector attached.

Lives here: one round's contributions at either width, the next round's request with their sum, a
consent, and damaged twins of each. Must not know: how masks and sums are made (``rounds``).
"""

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from support import documents
from support.federation import signing_key

from federation.crypto.envelope import Body, replay_identity, sign
from federation.crypto.keys import digest
from federation.crypto.masking import MaskContext, encode
from federation.documents.exchanged import Contribution
from federation.documents.runs import RecordedContribution
from federation.documents.types import Document
from federation.errors import Reason
from federation.rounds.aggregate import State, next_state, parameters_digest, sum_to_bytes, to_bytes
from federation.wire.codec import encode_body, encode_document, encode_envelope
from federation.wire.v1 import envelope_pb2
from vectors.making.documents import STRANGE_FIELD
from vectors.making.rounds import CITIES, CONTEXT, LENGTH, TERMS, masked_by_all, summed

SIGNER = "coordinator"
CONSENT = b"laborfed/consent/v1"


@dataclass(frozen=True)
class Twin:
    """A damaged body and the reason it is refused for."""

    name: str
    body: bytes
    reason: Reason

    @property
    def plain(self) -> dict[str, str]:
        return {"name": self.name, "body": self.body.hex(), "reason": self.reason.value}


def vectors() -> dict[str, Any]:
    """Return the file's content."""
    public = signing_key(SIGNER).public
    return {
        "about": "Bodies of Request and Answer: an Envelope, or Attached with its vector. All are "
        "signed by one key, whoever would sign them in a federation.",
        "key": {"public": public.raw.hex(), "key_id": public.key_id.hex()},
        "contributions": [_contributions(bits) for bits in (32, 64)],
        "request": _request(),
        "bare": [_bare(documents.CONSENT), _bare(documents.CONSENT_REQUEST)],
    }


def _signed(document: Document) -> bytes:
    return encode_envelope(sign(*encode_document(document), signing_key(SIGNER)))


def _written(body: Body) -> dict[str, str]:
    return {
        "envelope": body.envelope.hex(),
        "vector": body.vector.hex(),
        "body": encode_body(body).hex(),
    }


def _contributions(bits: int) -> dict[str, Any]:
    context = replace(CONTEXT, modulus_bits=bits)
    masked = {city: encode(values) for city, values in masked_by_all(context).items()}
    sent = {city: _contribution(context, city, vector) for city, vector in masked.items()}
    first, other = (sent[city] for city in CITIES[:2])
    short = first.vector[: -bits // 8]
    wrong = Reason.WRONG_BINDING
    twins = [
        *_misshapen(first),
        Twin("one bit of the vector flipped", _with(first, _flipped), wrong),
        Twin("the vector of another city", encode_body(Body(first.envelope, other.vector)), wrong),
        Twin("a value less", _with(first, lambda _: short), wrong),
        Twin("a value more", _with(first, lambda v: v + bytes(bits // 8)), wrong),
        Twin("no vector", first.envelope, wrong),
        Twin(
            "fewer values than the length that was signed, under their own digest",
            encode_body(_contribution(context, CITIES[0], short)),
            wrong,
        ),
    ]
    return {
        "modulus_bits": bits,
        "sent": {city: _written(body) for city, body in sent.items()},
        "sum": sum_to_bytes(summed(context), bits).hex(),
        "damaged": [twin.plain for twin in twins],
    }


def _contribution(context: MaskContext, city: str, vector: bytes) -> Body:
    document = Contribution(**vars(context), city=city, masked_digest=digest(vector))
    return Body(_signed(document), vector)


def _request() -> dict[str, Any]:
    """The round after the contributions of 32 bits, on the parameters that their sum makes."""
    before = State(np.arange(LENGTH), np.zeros(LENGTH, dtype=np.int64))
    total = summed(CONTEXT)
    after = next_state(before, total, TERMS)
    raw = sum_to_bytes(total, CONTEXT.modulus_bits)
    record = replace(
        documents.ROUND_RECORD,
        kind="training",
        parameters_digest=parameters_digest(before.parameters),
        contributions=tuple(
            RecordedContribution(city=city, digest=digest(city.encode())) for city in CITIES
        ),
        sum_digest=digest(raw),
        next_parameters_digest=parameters_digest(after.parameters),
    )
    signed = sign(*encode_document(record), signing_key(SIGNER))
    request = replace(
        documents.ROUND_REQUEST,
        round=record.round + 1,
        parameters_digest=record.next_parameters_digest,
        previous_record_digest=_statement(record),
    )
    sent = Body(_signed(request), raw)
    first = replace(request, round=1, previous_record_digest=b"")
    twins = [
        *_misshapen(sent),
        Twin("one bit of the sum flipped", _with(sent, _flipped), Reason.WRONG_SUM),
        Twin("an integer less", _with(sent, lambda v: v[:-4]), Reason.WRONG_SUM),
        Twin("an integer more", _with(sent, lambda v: v + bytes(4)), Reason.WRONG_SUM),
        Twin(
            "the sum in 8 bytes a value", _with(sent, lambda _: to_bytes(total)), Reason.WRONG_SUM
        ),
        Twin(
            "a sum attached to a first round",
            encode_body(Body(_signed(first), raw)),
            Reason.NOT_DECODABLE,
        ),
    ]
    return {
        "length": LENGTH,
        "modulus_bits": CONTEXT.modulus_bits,
        "parameters": before.parameters.tolist(),
        "sum": total.tolist(),
        "next_parameters": after.parameters.tolist(),
        "record": encode_envelope(signed).hex(),
        **_written(sent),
        "without_sum": sent.envelope.hex(),
        "damaged": [twin.plain for twin in twins],
    }


def _statement(document: Document) -> bytes:
    return replay_identity(sign(*encode_document(document)))


def _bare(document: Document) -> dict[str, Any]:
    sent = Body(_signed(document))
    attached = encode_body(Body(sent.envelope, bytes(4)))
    twin = Twin("a vector attached", attached, Reason.NOT_DECODABLE)
    return {**_written(sent), "damaged": [twin.plain]}


def _misshapen(sent: Body) -> list[Twin]:
    """Bytes that are neither an envelope nor one with a vector."""
    whole = encode_body(sent)
    vector_first = (
        envelope_pb2.Attached(vector=sent.vector).SerializeToString()
        + envelope_pb2.Attached(envelope=sent.envelope).SerializeToString()
    )
    shapes = {
        "a vector attached to what has one attached": encode_body(Body(whole, sent.vector)),
        "a field this version does not know, beside envelope and vector": whole + STRANGE_FIELD,
        "a field of the envelope beside it": whole + b"\x0a" + bytes([len(CONSENT)]) + CONSENT,
        "the vector before the envelope": vector_first,
        "the vector alone": envelope_pb2.Attached(vector=sent.vector).SerializeToString(),
        "the last byte missing": whole[:-1],
    }
    return [Twin(name, raw, Reason.NOT_DECODABLE) for name, raw in shapes.items()]


def _with(sent: Body, change: Callable[[bytes], bytes]) -> bytes:
    return encode_body(Body(sent.envelope, change(sent.vector)))


def _flipped(vector: bytes) -> bytes:
    return bytes([vector[0] ^ 1]) + vector[1:]
