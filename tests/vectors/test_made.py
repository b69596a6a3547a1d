"""The made vectors are what the makers make, and what the program takes and refuses."""

import json
from typing import Any

import numpy as np
import pytest
from support.federation import MemoryHeld

from federation.acceptance import Acceptance, Limits
from federation.acceptance.table import STEPS
from federation.crypto.envelope import Body, replay_identity, verified_key_ids
from federation.crypto.keys import VerifyingKey, digest
from federation.documents.exchanged import Contribution, RoundRequest
from federation.documents.types import DOCUMENT_OF, PayloadType
from federation.errors import LaborfedError, Reason
from federation.log.bundle import Bundle
from federation.rounds.aggregate import State, next_state, parameters_digest, sum_from_bytes
from federation.rounds.terms import check_bare, check_vector
from federation.trust import Pin, Trust
from federation.wire.codec import (
    decode_body,
    decode_document,
    decode_envelope,
    encode_body,
    encode_document,
)
from vectors.making import FOLDER, plain, text_of
from vectors.making.files import MADE
from vectors.making.rounds import TERMS

DOCUMENTS = json.loads((FOLDER / "documents.json").read_text())
BODIES = json.loads((FOLDER / "bodies.json").read_text())
LOG = json.loads((FOLDER / "log.json").read_text())
KEY = VerifyingKey(bytes.fromhex(DOCUMENTS["key"]["public"]))


@pytest.mark.parametrize("name", MADE)
def test_files_are_what_the_makers_make(name):
    assert (FOLDER / name).read_text() == text_of(MADE[name]())


def opened(raw: bytes) -> Any:
    """Decode, verify and read an envelope of the one key."""
    envelope = decode_envelope(raw)
    PayloadType(envelope.payload_type)
    verified_key_ids(envelope, {KEY.key_id: KEY})
    return decode_document(envelope.payload_type, envelope.payload)


def test_every_type_has_a_vector():
    assert {entry["payload_type"] for entry in DOCUMENTS["documents"]} == set(DOCUMENT_OF)


@pytest.mark.parametrize("entry", DOCUMENTS["documents"], ids=lambda e: e["payload_type"])
def test_document_decodes_to_its_fields_and_encodes_to_its_bytes(entry):
    raw = bytes.fromhex(entry["envelope"])
    document = opened(raw)
    assert plain(document) == entry["fields"]
    assert encode_document(document)[1].hex() == entry["payload"]
    assert replay_identity(decode_envelope(raw)).hex() == entry["document_digest"]
    assert digest(raw).hex() == entry["envelope_sha256"]


DAMAGED = [(e["payload_type"], twin) for e in DOCUMENTS["documents"] for twin in e["damaged"]]


@pytest.mark.parametrize(("kind", "twin"), DAMAGED, ids=[f"{k}: {t['name']}" for k, t in DAMAGED])
def test_damaged_document_is_refused(kind, twin):
    with pytest.raises((LaborfedError, ValueError)) as caught:
        opened(bytes.fromhex(twin["envelope"]))
    reason = getattr(caught.value, "reason", "envelope.unknown_type")
    assert reason == twin["reason"]


def taken(raw: bytes) -> tuple[Any, bytes]:
    """Take a body apart as conductor and city do; return its document and its vector."""
    body = decode_body(raw)
    document = opened(body.envelope)
    if isinstance(document, Contribution):
        check_vector(document, body.vector)
    elif not (isinstance(document, RoundRequest) and document.previous_record_digest):
        check_bare(body)
    return document, body.vector


GOOD = [
    *(body for case in BODIES["contributions"] for body in case["sent"].values()),
    BODIES["request"],
    *BODIES["bare"],
]


@pytest.mark.parametrize("good", GOOD, ids=range(len(GOOD)))
def test_body_is_its_envelope_and_its_vector(good):
    body = Body(bytes.fromhex(good["envelope"]), bytes.fromhex(good["vector"]))
    raw = bytes.fromhex(good["body"])
    assert encode_body(body) == raw
    assert taken(raw) == (opened(body.envelope), body.vector)


TWINS = [
    twin
    for case in (*BODIES["contributions"], BODIES["request"], *BODIES["bare"])
    for twin in case["damaged"]
]


@pytest.mark.parametrize("twin", TWINS, ids=lambda t: t["name"])
def test_damaged_body_is_refused(twin):
    raw = bytes.fromhex(twin["body"])
    if twin["reason"] == Reason.WRONG_SUM:
        # a city compares with the record that the request names: tests/node/test_replay.py
        record = opened(bytes.fromhex(BODIES["request"]["record"]))
        assert digest(taken(raw)[1]) != record.sum_digest
        return
    with pytest.raises(LaborfedError) as caught:
        taken(raw)
    assert caught.value.reason == twin["reason"]


def test_the_sum_is_the_recorded_one_and_leads_to_the_request_s_parameters():
    case = BODIES["request"]
    record = opened(bytes.fromhex(case["record"]))
    request, raw = taken(bytes.fromhex(case["body"]))
    assert digest(raw) == record.sum_digest
    total = sum_from_bytes(raw, case["length"], case["modulus_bits"])
    before = State(np.array(case["parameters"]), np.zeros(case["length"], dtype=np.int64))
    after = next_state(before, total, TERMS)
    assert parameters_digest(after.parameters) == request.parameters_digest
    assert request.parameters_digest == record.next_parameters_digest


def bundle_of(entry: dict[str, Any]) -> Bundle:
    return Bundle(
        envelope=bytes.fromhex(entry["envelope"]),
        leaf_index=entry["leaf_index"],
        checkpoint=entry["checkpoint"].encode(),
        inclusion_path=tuple(map(bytes.fromhex, entry["inclusion_path"])),
        consistency_from=entry["consistency_from"],
        consistency_path=tuple(map(bytes.fromhex, entry["consistency_path"])),
    )


def door() -> tuple[Acceptance, MemoryHeld]:
    pin = LOG["pin"]
    held = MemoryHeld()
    trust = Trust(
        Pin(
            membership_digest=bytes.fromhex(pin["membership_digest"]),
            log_origin=pin["log_origin"],
            log_key=bytes.fromhex(pin["log_key"]),
        )
    )
    return Acceptance(trust, None, Limits(**LOG["limits"]), held), held


def read(entries: list[dict[str, Any]]) -> tuple[Acceptance, MemoryHeld]:
    reader, held = door()
    for entry in entries:
        accepted = reader.logged(bundle_of(entry), entry["now_ms"])
        assert accepted.digest.hex() == entry["document_digest"]
        assert accepted.payload_type == entry["payload_type"]
        held.keep(accepted)
    return reader, held


def test_log_is_accepted_from_its_founding_on():
    reader, _ = read(LOG["entries"])
    assert reader.next_index == len(LOG["entries"])


@pytest.mark.parametrize("twin", LOG["damaged"], ids=lambda t: t["name"])
def test_damaged_bundle_is_refused_at_its_step(twin):
    target = LOG["target"]
    reader, held = read(LOG["entries"][:target])
    before = reader.kept, reader.next_index
    with pytest.raises(LaborfedError) as caught:
        reader.logged(bundle_of(twin), twin["now_ms"])
    name = STEPS[twin["step"]]
    assert caught.value.message.startswith(f"step {twin['step']} ({name}): ")
    assert caught.value.reason == twin["reason"]
    assert (reader.kept, reader.next_index) == before
    accepted = reader.logged(bundle_of(LOG["entries"][target]), LOG["entries"][target]["now_ms"])
    assert accepted.digest not in held.identities
