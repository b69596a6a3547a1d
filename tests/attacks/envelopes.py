"""Attacks on envelopes: their bytes, types and signatures.

Lives here: this group's lines and what they forge. Must not know: how a case is judged.
"""

from collections.abc import Callable
from dataclasses import replace

from support.federation import Federation, Reader, envelope
from support.runs import Run

from attacks.case import Attack, By, Guard
from attacks.door import (
    STRANGER,
    at_door,
    charter_bundle,
    closure_bundle,
    heard,
    next_bundle,
    with_envelope,
)
from attacks.stages import DoorStage
from federation.acceptance import Limits
from federation.crypto.envelope import sign, with_signature
from federation.documents.types import Document, PayloadType
from federation.errors import Reason
from federation.log.bundle import Bundle
from federation.wire.codec import (
    decode_body,
    decode_document,
    decode_envelope,
    encode_document,
    encode_envelope,
)

STEPS = "federation/acceptance/steps.py"
DOOR = "federation/acceptance/door.py"
CODEC = "federation/wire/codec.py"
SIGNERS = "federation/signers.py"
ENVELOPE = "federation/crypto/envelope.py"
UNKNOWN_FIELD = b"\xf8\x07\x01"  # field 127, a varint

FROM_THE_FUTURE = (
    "a field that this version does not read, in a closure",
    "a field that this version does not read, inside a charter's privacy terms",
    "a field beside the signed ones, in the envelope",
)
NO_STRANGER = Guard(
    SIGNERS,
    "if unknown and not strangers:",
    "if False:",
    stops_too=("a charter back-dated to when a retired administrator could sign",),
)
ENOUGH = Guard(
    SIGNERS,
    "if len(names) < self.needed:",
    "if False:",
    stops_too=(
        "strangers make themselves administrators, with one administrator's help",
        "a membership that lacks its own threshold",
        "two keys of one administrator pass for two people",
        "a charter signed by one administrator with two keys",
    ),
)
VERIFIED = Guard(
    STEPS,
    "        signatories(ROWS[payload_type].role, known.membership).verify(envelope)\n",
    "        pass\n",
    stops_too=("a closure's signature on a drop record",),
)
EXPECTED = Guard(STEPS, "if payload_type not in expected:", "if False:")
PARSED = Guard(
    CODEC,
    'raise Malformed(reason, f"bytes are no {cls.DESCRIPTOR.name}") from None',
    "return cls()",
    backed_by=(
        Guard(ENVELOPE, "if not (printable and 1 <= len(text) <= MAX_TYPE_BYTES):", "if False:"),
    ),
)
KNOWN_FIELDS = Guard(
    CODEC, "if len(UnknownFieldSet(message)):", "if False:", stops_too=FROM_THE_FUTURE[1:2]
)
DATED_INSIDE = Guard(
    DOOR, "        steps.made_before(accepted.document, kind, now_ms, self.limits)  # 9\n", ""
)
INCLUDED = Guard(STEPS, "    merkle.verify_inclusion(\n", "    _ = (\n")


def empty(federation: Federation, reader: Reader) -> Bundle:
    return next_bundle(federation, reader, b"")


def too_large(federation: Federation, reader: Reader) -> Bundle:
    bundle = charter_bundle(federation, reader)
    return replace(bundle, envelope=bundle.envelope + bytes(Limits().max_envelope_bytes))


def noise(federation: Federation, reader: Reader) -> Bundle:
    return next_bundle(federation, reader, b"\x0a\xff noise")


def cut_short(federation: Federation, reader: Reader) -> Bundle:
    raw = federation.by_administrators(federation.charter())
    return next_bundle(federation, reader, raw[:-7])


def unknown_type(federation: Federation, reader: Reader) -> Bundle:
    made = sign("laborfed/decree/v1", b"", federation.coordinator)
    return next_bundle(federation, reader, encode_envelope(made))


def belongs_inside_a_run(federation: Federation, reader: Reader) -> Bundle:
    run = Run(federation, federation.publish_charter())
    reader.catch_up()
    return next_bundle(federation, reader, run.consent("310000"))


def by_nobody(federation: Federation, reader: Reader) -> Bundle:
    return next_bundle(federation, reader, envelope(federation.charter()))


def by_a_stranger(federation: Federation, reader: Reader) -> Bundle:
    return next_bundle(federation, reader, envelope(federation.charter(), STRANGER))


def closure_by_administrators(federation: Federation, reader: Reader) -> Bundle:
    closure = Run(federation, federation.publish_charter()).closure("stopped")
    reader.catch_up()
    return next_bundle(federation, reader, federation.by_administrators(closure))


def enough_and_a_stranger(federation: Federation, reader: Reader) -> Bundle:
    raw = federation.by_administrators(federation.charter())
    added = encode_envelope(with_signature(decode_envelope(raw), STRANGER))
    return next_bundle(federation, reader, added)


def altered_payload(federation: Federation, reader: Reader) -> Bundle:
    signed = decode_envelope(federation.by_administrators(federation.charter()))
    _, other = encode_document(federation.charter(rounds=3))
    return next_bundle(federation, reader, encode_envelope(replace(signed, payload=other)))


def reencoded_payload(federation: Federation, reader: Reader) -> Bundle:
    signed = decode_envelope(federation.by_administrators(federation.charter()))
    # protobuf lets the last of two equal fields win: the same charter in other bytes
    again = b"\x0a\x07yangtze" + signed.payload
    assert decode_document(signed.payload_type, again) == federation.charter()
    return next_bundle(federation, reader, encode_envelope(replace(signed, payload=again)))


def signature_of_another_type(federation: Federation, reader: Reader) -> Bundle:
    run = Run(federation, federation.publish_charter())
    reader.catch_up()
    closure = decode_envelope(federation.by_coordinator(run.closure("stopped")))
    confused = replace(closure, payload_type=PayloadType.DROP_RECORD.value)
    return next_bundle(federation, reader, encode_envelope(confused))


def payload_of_another_type(federation: Federation, reader: Reader) -> Bundle:
    _, payload = encode_document(federation.membership)
    made = sign(PayloadType.CLOSURE, payload, federation.coordinator)
    return next_bundle(federation, reader, encode_envelope(made))


def field_from_the_future(federation: Federation, reader: Reader) -> Bundle:
    _, payload = encode_document(Run(federation, federation.publish_charter()).closure("stopped"))
    reader.catch_up()
    made = sign(PayloadType.CLOSURE, payload + UNKNOWN_FIELD, federation.coordinator)
    return next_bundle(federation, reader, encode_envelope(made))


def nested_field_from_the_future(federation: Federation, reader: Reader) -> Bundle:
    """A field that nobody reads inside the charter's privacy terms, which it might weaken."""
    kind, payload = encode_document(federation.charter())
    # protobuf merges what comes again of a nested message into it
    privacy = bytes([14 << 3 | 2, len(UNKNOWN_FIELD)]) + UNKNOWN_FIELD
    people = [federation.administrators[name] for name in ("admin-a", "admin-b")]
    made = sign(kind, payload + privacy, *people)
    return next_bundle(federation, reader, encode_envelope(made))


def field_beside_the_envelope(federation: Federation, reader: Reader) -> Bundle:
    raw = federation.by_administrators(federation.charter())
    return next_bundle(federation, reader, raw + UNKNOWN_FIELD)


def one_key_twice(federation: Federation, reader: Reader) -> Bundle:
    raw = federation.by_administrators(federation.charter(), "admin-a", "admin-b")
    # the last signature's field: tag, length, 34 and 66 bytes
    return next_bundle(federation, reader, raw + raw[-102:])


def signature_stripped(federation: Federation, reader: Reader) -> Bundle:
    raw = federation.by_administrators(federation.charter(), "admin-a", "admin-b", "admin-c")
    federation.publish(raw)
    return with_envelope(reader.bundle(), lambda e: replace(e, signatures=e.signatures[:2]))


def signature_added(federation: Federation, reader: Reader) -> Bundle:
    bundle = charter_bundle(federation, reader)
    third = federation.administrators["admin-c"]
    return with_envelope(bundle, lambda e: with_signature(e, third))


def envelope_reencoded(federation: Federation, reader: Reader) -> Bundle:
    bundle = charter_bundle(federation, reader)
    kind = PayloadType.CHARTER.encode()
    again = b"\x0a" + bytes([len(kind)]) + kind + bundle.envelope
    return replace(bundle, envelope=again)


def document_of(raw: bytes) -> Document:
    found = decode_envelope(decode_body(raw).envelope)
    return decode_document(found.payload_type, found.payload)


def a_consent(_federation: Federation, run: Run) -> bytes:
    """A consent, as it should be."""
    return run.consent("310000")


def consent_for_another_city(_federation: Federation, run: Run) -> bytes:
    return run.consent("310000", city="330100")


def consent_by_two_cities(federation: Federation, run: Run) -> bytes:
    signed = decode_envelope(run.consent("310000"))
    return encode_envelope(with_signature(signed, federation.cities["330100"].signing))


def consent_by_the_coordinator(federation: Federation, run: Run) -> bytes:
    return envelope(document_of(run.consent("310000")), federation.coordinator)


def consent_unsigned(_federation: Federation, run: Run) -> bytes:
    return envelope(document_of(run.consent("310000")))


def vote_for_a_consent(_federation: Federation, run: Run) -> bytes:
    return run.vote(run.publish_roster(), "310000", bytes(48))


def consent_of_tomorrow(federation: Federation, run: Run) -> bytes:
    return run.consent("310000", consented_ms=federation.clock() + 86_400_000)


def in_run(
    name: str,
    by: By,
    make: Callable[[Federation, Run], bytes],
    reason: Reason,
    step: int,
    guard: Guard,
) -> Attack:
    """Return an attack on the door inside a run, by what should have been a consent."""
    kind = PayloadType.CONSENT
    act, twin = heard(make, kind), heard(a_consent, kind)
    return Attack(name, by, act, reason, guard, DoorStage, twin, step)


ENVELOPES = [
    at_door(
        "nothing at all",
        By.OUTSIDER,
        empty,
        Reason.NOT_DECODABLE,
        1,
        Guard(STEPS, "if not raw:", "if False:"),
        twin=charter_bundle,
    ),
    at_door(
        "more bytes than are read",
        By.OUTSIDER,
        too_large,
        Reason.TOO_LARGE,
        1,
        Guard(STEPS, "if len(raw) > limits.max_envelope_bytes:", "if False:"),
        twin=charter_bundle,
    ),
    at_door(
        "bytes that are no envelope",
        By.OUTSIDER,
        noise,
        Reason.NOT_DECODABLE,
        2,
        PARSED,
        twin=charter_bundle,
    ),
    at_door(
        "an envelope cut short",
        By.OUTSIDER,
        cut_short,
        Reason.NOT_DECODABLE,
        2,
        PARSED,
        twin=charter_bundle,
    ),
    at_door(
        "an unknown type",
        By.COORDINATOR,
        unknown_type,
        Reason.UNKNOWN_TYPE,
        2,
        Guard(
            STEPS,
            'raise Malformed(Reason.UNKNOWN_TYPE, f"unknown type {envelope.payload_type!r}")'
            " from None",
            "payload_type = PayloadType.CHARTER",
        ),
        twin=charter_bundle,
    ),
    at_door(
        "a consent in the log, where none belongs",
        By.COORDINATOR,
        belongs_inside_a_run,
        Reason.UNEXPECTED_TYPE,
        2,
        EXPECTED,
        twin=closure_bundle,
    ),
    at_door(
        "a charter that nobody signed",
        By.COORDINATOR,
        by_nobody,
        Reason.TOO_FEW_SIGNERS,
        3,
        ENOUGH,
        twin=charter_bundle,
    ),
    at_door(
        "a charter that a stranger signed",
        By.OUTSIDER,
        by_a_stranger,
        Reason.UNKNOWN_SIGNER,
        3,
        NO_STRANGER,
        twin=charter_bundle,
    ),
    at_door(
        "a closure that administrators signed in the coordinator's place",
        By.MINORITY,
        closure_by_administrators,
        Reason.UNKNOWN_SIGNER,
        3,
        NO_STRANGER,
        twin=closure_bundle,
    ),
    at_door(
        "a stranger's signature added to a charter signed by enough",
        By.OUTSIDER,
        enough_and_a_stranger,
        Reason.UNKNOWN_SIGNER,
        3,
        NO_STRANGER,
        twin=charter_bundle,
    ),
    at_door(
        "one administrator's signature counted twice",
        By.MINORITY,
        one_key_twice,
        Reason.NOT_DECODABLE,
        2,
        Guard(ENVELOPE, "if len(self.key_ids) != len(self.signatures):", "if False:"),
        twin=charter_bundle,
    ),
    at_door(
        "another charter under the signatures of the first",
        By.COORDINATOR,
        altered_payload,
        Reason.BAD_SIGNATURE,
        4,
        VERIFIED,
        twin=charter_bundle,
    ),
    at_door(
        "the same charter in other bytes under the same signatures",
        By.COORDINATOR,
        reencoded_payload,
        Reason.BAD_SIGNATURE,
        4,
        VERIFIED,
        twin=charter_bundle,
    ),
    at_door(
        "a closure's signature on a drop record",
        By.COORDINATOR,
        signature_of_another_type,
        Reason.BAD_SIGNATURE,
        4,
        Guard(
            ENVELOPE,
            'b"DSSEv1 %d %b %d %b" % (len(kind), kind, len(payload), payload)',
            'b"DSSEv1 %d %b" % (len(payload), payload)',
        ),
        twin=closure_bundle,
    ),
    at_door(
        "a membership's payload signed as a closure",
        By.COORDINATOR,
        payload_of_another_type,
        Reason.INVALID_DOCUMENT,
        5,
        Guard(
            CODEC,
            "if len(UnknownFieldSet(message)):",
            "if False:",
            backed_by=(
                Guard(
                    "federation/documents/rules.py",
                    "    if not holds:\n        raise invalid",
                    "    if False:\n        raise invalid",
                ),
                Guard(
                    "federation/documents/rules.py",
                    "if len(value) != DIGEST_BYTES:",
                    "if False:",
                ),
            ),
            stops_too=FROM_THE_FUTURE,
        ),
        twin=closure_bundle,
    ),
    at_door(
        "a field that this version does not read, in a closure",
        By.COORDINATOR,
        field_from_the_future,
        Reason.INVALID_DOCUMENT,
        5,
        KNOWN_FIELDS,
        twin=closure_bundle,
    ),
    at_door(
        "a field that this version does not read, inside a charter's privacy terms",
        By.MINORITY,
        nested_field_from_the_future,
        Reason.INVALID_DOCUMENT,
        5,
        Guard(CODEC, "                _refuse_unknown(nested, reason)", "                pass"),
        twin=charter_bundle,
    ),
    at_door(
        "a field beside the signed ones, in the envelope",
        By.COORDINATOR,
        field_beside_the_envelope,
        Reason.NOT_DECODABLE,
        2,
        KNOWN_FIELDS,
        twin=charter_bundle,
    ),
    at_door(
        "a spare signature is stripped from a logged charter",
        By.COORDINATOR,
        signature_stripped,
        Reason.NOT_INCLUDED,
        7,
        INCLUDED,
        twin=charter_bundle,
    ),
    at_door(
        "a good signature is added to a logged charter",
        By.MINORITY,
        signature_added,
        Reason.NOT_INCLUDED,
        7,
        INCLUDED,
        twin=charter_bundle,
    ),
    at_door(
        "a logged envelope comes in another encoding",
        By.COORDINATOR,
        envelope_reencoded,
        Reason.NOT_INCLUDED,
        7,
        INCLUDED,
        twin=charter_bundle,
    ),
    in_run(
        "a city consents in another city's name",
        By.CITY,
        consent_for_another_city,
        Reason.UNKNOWN_SIGNER,
        5,
        Guard(STEPS, "if city is not None and names != {city}:", "if False:"),
    ),
    in_run(
        "two cities sign one consent",
        By.CITY,
        consent_by_two_cities,
        Reason.UNKNOWN_SIGNER,
        3,
        Guard(
            SIGNERS,
            "if len(names) > self.at_most:",
            "if False:",
        ),
    ),
    in_run(
        "the coordinator consents for a city",
        By.COORDINATOR,
        consent_by_the_coordinator,
        Reason.UNKNOWN_SIGNER,
        3,
        NO_STRANGER,
    ),
    in_run(
        "a consent with its signature stripped",
        By.COORDINATOR,
        consent_unsigned,
        Reason.TOO_FEW_SIGNERS,
        3,
        ENOUGH,
    ),
    in_run(
        "a vote where a consent is expected",
        By.CITY,
        vote_for_a_consent,
        Reason.UNEXPECTED_TYPE,
        2,
        EXPECTED,
    ),
    in_run(
        "a consent given tomorrow",
        By.CITY,
        consent_of_tomorrow,
        Reason.NOT_YET_VALID,
        9,
        DATED_INSIDE,
    ),
]
