"""The made vectors are what the makers make, and what the program takes and refuses."""

import json
from typing import Any

import pytest
from support.federation import MemoryHeld

from federation.acceptance import Acceptance, Limits
from federation.acceptance.table import STEPS
from federation.crypto.envelope import replay_identity, verified_key_ids
from federation.crypto.keys import VerifyingKey, digest
from federation.documents.types import DOCUMENT_OF, PayloadType
from federation.errors import LaborfedError
from federation.log.bundle import Bundle
from federation.trust import Pin, Trust
from federation.wire.codec import decode_document, decode_envelope, encode_document
from vectors.making import FOLDER, plain, text_of
from vectors.making.files import MADE

DOCUMENTS = json.loads((FOLDER / "documents.json").read_text())
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
