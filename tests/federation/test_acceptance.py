"""Attacks on the one door in, one line each; every one of them must leave the reader as it was."""

from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path

import pytest
from support.federation import DAY_MS, Federation, Reader, document_digest, envelope, signing_key
from support.runs import CANDIDATE, Run, training_run

from federation.acceptance import Acceptance, Accepted, Limits, read_kept
from federation.acceptance.table import PROOF_STEPS, ROWS, STEPS, steps_of
from federation.crypto.envelope import Envelope, sign, with_signature
from federation.crypto.keys import digest
from federation.documents.charter import Charter
from federation.documents.exchanged import ConsentRequest
from federation.documents.membership import Membership
from federation.documents.types import DOCUMENT_OF, LOGGED, Document, PayloadType
from federation.errors import LaborfedError, Malformed, Reason, Stale, TooLarge, Untrusted
from federation.log.bundle import Bundle
from federation.log.checkpoint import Checkpoint, sign_checkpoint, sign_note
from federation.wire.codec import decode_document, decode_envelope, encode_document, encode_envelope

STRANGER = signing_key("stranger")


@pytest.fixture
def federation(tmp_path: Path) -> Federation:
    return Federation(tmp_path)


def next_bundle(federation: Federation, reader: Reader, raw: bytes) -> Bundle:
    """The bundle of bytes that a hostile coordinator logged."""
    return reader.bundle(federation.log_unchecked(raw))


def charter_bundle(federation: Federation, reader: Reader) -> Bundle:
    """A bundle that would be accepted as it is."""
    federation.publish_charter()
    return reader.bundle()


def with_envelope(bundle: Bundle, change: Callable[[Envelope], Envelope]) -> Bundle:
    """The bundle with its envelope changed on the way."""
    return replace(bundle, envelope=encode_envelope(change(decode_envelope(bundle.envelope))))


def resigned(federation: Federation, bundle: Bundle, **changes: object) -> Bundle:
    """The bundle under another head, signed by the log's own key."""
    head = federation.log.head()
    fields = {"origin": head.origin, "size": head.size, "root": head.root}
    checkpoint = Checkpoint(**{**fields, "unix_ms": federation.clock(), **changes})  # type: ignore[arg-type]
    return replace(bundle, checkpoint=sign_checkpoint(checkpoint, federation.log_key))


def fork(federation: Federation, tmp_path: Path) -> Federation:
    """Another log begun with the same membership and keys, so that only its tree differs."""
    folder = tmp_path / "fork"
    folder.mkdir()
    other = Federation(folder)
    assert other.pin == federation.pin
    return other


# --- steps 1 to 5: the envelope --------------------------------------------------------------


def empty(federation: Federation, reader: Reader) -> Bundle:
    return next_bundle(federation, reader, b"")


def noise(federation: Federation, reader: Reader) -> Bundle:
    return next_bundle(federation, reader, b"\x0a\xff noise")


def unknown_type(federation: Federation, reader: Reader) -> Bundle:
    made = sign("laborfed/decree/v1", b"", federation.coordinator)
    return next_bundle(federation, reader, encode_envelope(made))


def belongs_inside_a_run(federation: Federation, reader: Reader) -> Bundle:
    run = Run(federation, federation.publish_charter())
    reader.catch_up()
    return next_bundle(federation, reader, run.consent("310000"))


def by_a_stranger(federation: Federation, reader: Reader) -> Bundle:
    return next_bundle(federation, reader, envelope(federation.charter(), STRANGER))


def by_nobody(federation: Federation, reader: Reader) -> Bundle:
    return next_bundle(federation, reader, envelope(federation.charter()))


def by_one_administrator(federation: Federation, reader: Reader) -> Bundle:
    raw = federation.by_administrators(federation.charter(), "admin-a")
    return next_bundle(federation, reader, raw)


def by_one_administrator_with_two_keys(federation: Federation, reader: Reader) -> Bundle:
    second = signing_key("second key of admin-a")
    first, *others = federation.membership.administrators
    both = replace(first, signing_keys=(*first.signing_keys, second.public.raw))
    federation.publish_membership(administrators=(both, *others))
    reader.catch_up()
    raw = envelope(federation.charter(), federation.administrators["admin-a"], second)
    return next_bundle(federation, reader, raw)


def charter_by_the_coordinator(federation: Federation, reader: Reader) -> Bundle:
    return next_bundle(federation, reader, federation.by_coordinator(federation.charter()))


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
    made = sign(PayloadType.CLOSURE, payload + b"\xf8\x07\x01", federation.coordinator)
    return next_bundle(federation, reader, encode_envelope(made))


def another_federation(federation: Federation, reader: Reader) -> Bundle:
    raw = federation.by_administrators(federation.charter(federation="pearl"))
    return next_bundle(federation, reader, raw)


def roster_of_an_older_membership(federation: Federation, reader: Reader) -> Bundle:
    run = Run(federation, federation.publish_charter())
    roster = run.roster()
    federation.publish_membership()
    reader.catch_up()
    return next_bundle(federation, reader, federation.by_coordinator(roster))


# --- step 6: the checkpoint ------------------------------------------------------------------


def head_by_another_key(federation: Federation, reader: Reader) -> Bundle:
    bundle = charter_bundle(federation, reader)
    head = federation.log.head()
    checkpoint = Checkpoint(head.origin, head.size, head.root, federation.clock())
    return replace(bundle, checkpoint=sign_checkpoint(checkpoint, STRANGER))


def head_of_another_log(federation: Federation, reader: Reader) -> Bundle:
    bundle = charter_bundle(federation, reader)
    return resigned(federation, bundle, origin="other.example")


def head_speaking_for_another_log(federation: Federation, reader: Reader) -> Bundle:
    bundle = charter_bundle(federation, reader)
    head = federation.log.head()
    text = Checkpoint("other.example", head.size, head.root, federation.clock()).text
    return replace(bundle, checkpoint=sign_note(text, head.origin, federation.log_key))


def damaged_head(federation: Federation, reader: Reader) -> Bundle:
    bundle = charter_bundle(federation, reader)
    forged = bundle.checkpoint.replace(b"\ntime 1", b"\ntime 2", 1)
    return replace(bundle, checkpoint=forged)


def old_head(federation: Federation, reader: Reader) -> Bundle:
    bundle = charter_bundle(federation, reader)
    federation.clock.pass_(601)
    return bundle


def head_from_the_future(federation: Federation, reader: Reader) -> Bundle:
    bundle = charter_bundle(federation, reader)
    federation.clock.pass_(-121)
    return bundle


def unwitnessed_head(federation: Federation, reader: Reader) -> Bundle:
    federation.publish_membership(witnesses=federation.membership.active_cities, witness_quorum=3)
    reader.catch_up()
    federation.log_unchecked(federation.by_administrators(federation.charter()))
    return witnessed(federation, reader.bundle(), "310000", "330100")


def witnessed(federation: Federation, bundle: Bundle, *divisions: str) -> Bundle:
    """The bundle with its head co-signed by cities."""
    text = bundle.checkpoint.decode().rpartition("\n\n")[0] + "\n"
    lines = b"".join(
        sign_note(text, city, federation.cities[city].signing).rpartition(b"\n\n")[2]
        for city in divisions
    )
    return replace(bundle, checkpoint=bundle.checkpoint + lines)


def head_witnessed_by_one_city_only(federation: Federation, reader: Reader) -> Bundle:
    bundle = unwitnessed_head(federation, reader)
    return witnessed(federation, bundle, "330100", "330100")


def head_witnessed_by_a_stranger(federation: Federation, reader: Reader) -> Bundle:
    bundle = unwitnessed_head(federation, reader)
    text = bundle.checkpoint.decode().rpartition("\n\n")[0] + "\n"
    line = sign_note(text, "340100", STRANGER).rpartition(b"\n\n")[2]
    return replace(bundle, checkpoint=bundle.checkpoint + line)


# --- step 7: inclusion -----------------------------------------------------------------------


def proof_of_another_entry(federation: Federation, reader: Reader) -> Bundle:
    bundle = charter_bundle(federation, reader)
    federation.publish_charter(nonce=b"another charter.")
    other = reader.bundle(bundle.leaf_index + 1)
    return replace(other, envelope=bundle.envelope, leaf_index=bundle.leaf_index)


def entry_under_another_index(federation: Federation, reader: Reader) -> Bundle:
    federation.publish_charter()
    federation.publish_charter(nonce=b"another charter.")
    return replace(reader.bundle(2), leaf_index=1)


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


def never_logged(federation: Federation, reader: Reader) -> Bundle:
    bundle = charter_bundle(federation, reader)
    other = federation.by_administrators(federation.charter(nonce=b"another charter."))
    return replace(bundle, envelope=other)


def entry_left_out(federation: Federation, reader: Reader) -> Bundle:
    federation.publish_membership()
    federation.publish_charter()
    return reader.bundle(2)


# --- step 8: consistency ---------------------------------------------------------------------


def proof_from_another_size(federation: Federation, reader: Reader) -> Bundle:
    federation.publish_charter()
    return federation.publisher.bundle_for(1, 0)


def shrunken_tree(federation: Federation, reader: Reader) -> Bundle:
    bundle = charter_bundle(federation, reader)
    federation.publish_charter(nonce=b"another charter.")
    head = federation.publisher.checkpoint(1)
    reader.door.head(head.checkpoint, head.consistency_path, federation.clock())
    return bundle


def forked_tree(federation: Federation, reader: Reader) -> Bundle:
    federation.publish_charter()
    head = federation.publisher.checkpoint(1)
    reader.door.head(head.checkpoint, head.consistency_path, federation.clock())
    other = fork(federation, federation.path.parent)
    other.publish_charter(nonce=b"another charter.")
    other.publish_charter(nonce=b"and one further.")
    return other.publisher.bundle_for(1, 2)


def another_tree_of_the_same_size(federation: Federation, reader: Reader) -> Bundle:
    federation.publish_charter()
    head = federation.publisher.checkpoint(1)
    reader.door.head(head.checkpoint, head.consistency_path, federation.clock())
    other = fork(federation, federation.path.parent)
    other.publish_charter(nonce=b"another charter.")
    return other.publisher.bundle_for(1, 2)


# --- steps 9 and 10: validity and novelty ----------------------------------------------------


def made_in_the_future(federation: Federation, reader: Reader) -> Bundle:
    run = Run(federation, federation.publish_charter())
    reader.catch_up()
    closure = run.closure("stopped", closed_ms=federation.clock() + 121_000)
    return next_bundle(federation, reader, federation.by_coordinator(closure))


def expired_charter(federation: Federation, reader: Reader) -> Bundle:
    raw = federation.by_administrators(federation.charter())
    federation.clock.pass_(31 * 86_400)
    return next_bundle(federation, reader, raw)


def under_an_expired_membership(federation: Federation, reader: Reader) -> Bundle:
    run = Run(federation, federation.publish_charter())
    reader.catch_up()
    federation.clock.pass_(366 * 86_400)
    return next_bundle(federation, reader, federation.by_coordinator(run.closure("stopped")))


def entry_accepted_before(federation: Federation, reader: Reader) -> Bundle:
    federation.publish_charter()
    reader.catch_up()
    return reader.bundle(1)


def statement_signed_otherwise(federation: Federation, reader: Reader) -> Bundle:
    federation.publish_charter()
    reader.catch_up()
    again = federation.by_administrators(federation.charter(), "admin-b", "admin-c")
    return next_bundle(federation, reader, again)


def older_release(federation: Federation, reader: Reader) -> Bundle:
    run = training_run(federation)
    reader.catch_up()
    votes = [run.vote(run.rosters[0], city, CANDIDATE) for city in federation.cities]
    again = run.model_release(run.records[-1], CANDIDATE, votes, released_ms=federation.clock())
    again = replace(again, card=replace(again.card, method="another"))
    return next_bundle(federation, reader, federation.by_coordinator(again))


@dataclass(frozen=True)
class Attack:
    name: str
    make: Callable[[Federation, Reader], Bundle]
    fault: type[LaborfedError]
    reason: Reason
    step: int


ATTACKS = [
    Attack("nothing at all", empty, Malformed, Reason.NOT_DECODABLE, 1),
    Attack("bytes that are no envelope", noise, Malformed, Reason.NOT_DECODABLE, 2),
    Attack("an unknown type", unknown_type, Malformed, Reason.UNKNOWN_TYPE, 2),
    Attack(
        "a consent, which is never logged",
        belongs_inside_a_run,
        Malformed,
        Reason.UNEXPECTED_TYPE,
        2,
    ),
    Attack("signed by a stranger", by_a_stranger, Untrusted, Reason.UNKNOWN_SIGNER, 3),
    Attack("signed by nobody", by_nobody, Untrusted, Reason.TOO_FEW_SIGNERS, 3),
    Attack("signed by one of two", by_one_administrator, Untrusted, Reason.TOO_FEW_SIGNERS, 3),
    Attack(
        "signed by one administrator with two keys",
        by_one_administrator_with_two_keys,
        Untrusted,
        Reason.TOO_FEW_SIGNERS,
        3,
    ),
    Attack(
        "a charter by the coordinator",
        charter_by_the_coordinator,
        Untrusted,
        Reason.UNKNOWN_SIGNER,
        3,
    ),
    Attack(
        "a closure by administrators",
        closure_by_administrators,
        Untrusted,
        Reason.UNKNOWN_SIGNER,
        3,
    ),
    Attack(
        "signed by enough and by a stranger",
        enough_and_a_stranger,
        Untrusted,
        Reason.UNKNOWN_SIGNER,
        3,
    ),
    Attack(
        "another payload under the signatures",
        altered_payload,
        Untrusted,
        Reason.BAD_SIGNATURE,
        4,
    ),
    Attack("the payload re-encoded", reencoded_payload, Untrusted, Reason.BAD_SIGNATURE, 4),
    Attack(
        "a closure's signature on a drop record",
        signature_of_another_type,
        Untrusted,
        Reason.BAD_SIGNATURE,
        4,
    ),
    Attack(
        "a membership's payload signed as a closure",
        payload_of_another_type,
        Malformed,
        Reason.INVALID_DOCUMENT,
        5,
    ),
    Attack(
        "a field this version does not know",
        field_from_the_future,
        Malformed,
        Reason.INVALID_DOCUMENT,
        5,
    ),
    Attack(
        "a charter of another federation",
        another_federation,
        Untrusted,
        Reason.WRONG_FEDERATION,
        5,
    ),
    Attack(
        "a roster of an older membership",
        roster_of_an_older_membership,
        Untrusted,
        Reason.WRONG_BINDING,
        5,
    ),
    Attack("a head by another key", head_by_another_key, Untrusted, Reason.BAD_CHECKPOINT, 6),
    Attack("a head of another log", head_of_another_log, Untrusted, Reason.BAD_CHECKPOINT, 6),
    Attack(
        "a head signed by this log that speaks for another",
        head_speaking_for_another_log,
        Untrusted,
        Reason.BAD_CHECKPOINT,
        6,
    ),
    Attack("a head changed after signing", damaged_head, Untrusted, Reason.BAD_SIGNATURE, 6),
    Attack("a head that is too old", old_head, Stale, Reason.STALE_CHECKPOINT, 6),
    Attack("a head from the future", head_from_the_future, Stale, Reason.STALE_CHECKPOINT, 6),
    Attack(
        "a head below the witness quorum",
        unwitnessed_head,
        Untrusted,
        Reason.NOT_WITNESSED,
        6,
    ),
    Attack(
        "a head witnessed by one city again and again",
        head_witnessed_by_one_city_only,
        Untrusted,
        Reason.NOT_WITNESSED,
        6,
    ),
    Attack(
        "a head witnessed by a stranger under a city's name",
        head_witnessed_by_a_stranger,
        Untrusted,
        Reason.NOT_WITNESSED,
        6,
    ),
    Attack("another entry's proof", proof_of_another_entry, Untrusted, Reason.NOT_INCLUDED, 7),
    Attack(
        "an entry under another's index",
        entry_under_another_index,
        Untrusted,
        Reason.NOT_INCLUDED,
        7,
    ),
    Attack("a spare signature stripped", signature_stripped, Untrusted, Reason.NOT_INCLUDED, 7),
    Attack("a good signature added", signature_added, Untrusted, Reason.NOT_INCLUDED, 7),
    Attack("the envelope re-encoded", envelope_reencoded, Untrusted, Reason.NOT_INCLUDED, 7),
    Attack("a charter that was never logged", never_logged, Untrusted, Reason.NOT_INCLUDED, 7),
    Attack("a membership left out", entry_left_out, Untrusted, Reason.GAP, 7),
    Attack(
        "a proof from another size than is kept",
        proof_from_another_size,
        Untrusted,
        Reason.CONSISTENCY_MISSING,
        8,
    ),
    Attack("a tree that shrank", shrunken_tree, Stale, Reason.ROLLED_BACK, 8),
    Attack("a tree that forked", forked_tree, Untrusted, Reason.INCONSISTENT, 8),
    Attack(
        "another tree of the same size",
        another_tree_of_the_same_size,
        Untrusted,
        Reason.INCONSISTENT,
        8,
    ),
    Attack("a document made tomorrow", made_in_the_future, Stale, Reason.NOT_YET_VALID, 9),
    Attack("a charter whose window is over", expired_charter, Stale, Reason.EXPIRED, 9),
    Attack(
        "a document under an expired membership",
        under_an_expired_membership,
        Stale,
        Reason.MEMBERSHIP_EXPIRED,
        9,
    ),
    Attack("an entry accepted before", entry_accepted_before, Stale, Reason.REPLAYED, 10),
    Attack(
        "a statement accepted before, signed otherwise",
        statement_signed_otherwise,
        Stale,
        Reason.REPLAYED,
        10,
    ),
    Attack("a release that is not newer", older_release, Stale, Reason.ROLLED_BACK, 10),
]


@pytest.mark.parametrize("attack", ATTACKS, ids=lambda attack: attack.name)
def test_refused_at_its_step_and_nothing_changed(federation: Federation, attack: Attack) -> None:
    reader = federation.reader()
    bundle = attack.make(federation, reader)
    before = reader.state
    with pytest.raises(attack.fault) as caught:
        reader.take(bundle)
    assert caught.value.reason is attack.reason
    assert caught.value.message.startswith(f"step {attack.step} ({STEPS[attack.step]}): ")
    assert reader.state == before


def test_every_step_has_an_attack() -> None:
    assert {attack.step for attack in ATTACKS} == set(STEPS)


def test_step_1_refuses_what_is_too_large_before_decoding_it(federation: Federation) -> None:
    reader = Reader(federation, Limits(max_envelope_bytes=100))
    with pytest.raises(TooLarge, match=r"step 1 \(size\)"):
        reader.take(reader.bundle())


def test_before_the_first_membership_nothing_else_is_believed(federation: Federation) -> None:
    federation.publish_charter()
    reader = federation.reader(caught_up=False)
    before = reader.state
    with pytest.raises(Untrusted) as caught:
        reader.take(federation.publisher.bundle_for(1, 0))
    assert caught.value.reason is Reason.NO_MEMBERSHIP
    assert reader.state == before


def digest_of_charter(federation: Federation) -> bytes:
    return document_digest(federation.by_administrators(federation.charter()))


# --- what is believed ------------------------------------------------------------------------


def test_a_whole_run_is_believed_in_order(federation: Federation) -> None:
    training_run(federation)
    reader = federation.reader(caught_up=False)
    kinds = [accepted.payload_type for accepted in reader.catch_up()]
    assert kinds == [
        PayloadType.MEMBERSHIP,
        PayloadType.CHARTER,
        PayloadType.ROSTER,
        *[PayloadType.ROUND_RECORD] * 3,
        PayloadType.MODEL_RELEASE,
        PayloadType.CLOSURE,
    ]
    assert reader.door.next_index == reader.door.kept.size == 8  # type: ignore[union-attr]


def test_an_accepted_document_tells_digest_bytes_place_and_signers(
    federation: Federation,
) -> None:
    raw = federation.by_administrators(federation.charter(), "admin-b", "admin-c")
    federation.publish(raw)
    accepted = federation.reader(caught_up=False).catch_up()[1].of(Charter)
    assert accepted.document == federation.charter()
    assert accepted.digest == digest_of_charter(federation)
    assert accepted.envelope == raw
    assert accepted.entry_digest == digest(raw)
    assert accepted.leaf_index == 1
    assert accepted.signers == {"admin-b", "admin-c"}


def test_an_accepted_document_is_not_another_kind(federation: Federation) -> None:
    accepted = federation.publish_charter()
    with pytest.raises(Malformed) as caught:
        accepted.of(Membership)
    assert caught.value.reason is Reason.UNEXPECTED_TYPE


def test_nobody_else_can_make_an_accepted_value(federation: Federation) -> None:
    accepted = federation.publish_charter()
    values = {
        name: getattr(accepted, name) for name in accepted.__dataclass_fields__ if name != "door"
    }
    with pytest.raises(TypeError, match="come out of federation"):
        Accepted(**values, door=object())
    with pytest.raises(TypeError):
        replace(accepted, document=federation.charter(rounds=900), door=object())


def test_only_the_door_holds_the_doors_key() -> None:
    root = Path(__file__).parents[2]
    files = [p for name in ("federation", "node", "deploy") for p in (root / name).rglob("*.py")]
    holders = [p.relative_to(root).as_posix() for p in files if "_DOOR" in p.read_text("utf-8")]
    assert holders == ["federation/acceptance/door.py"]


def test_enough_witnesses_are_believed(federation: Federation) -> None:
    reader = federation.reader()
    bundle = witnessed(federation, unwitnessed_head(federation, reader), "440300")
    assert reader.take(bundle).payload_type is PayloadType.CHARTER


def test_round_records_need_no_witness(federation: Federation) -> None:
    run = Run(federation, federation.publish_charter())
    federation.publish_membership(witnesses=federation.membership.active_cities, witness_quorum=3)
    reader = federation.reader()
    raw = federation.by_coordinator(run.closure("stopped"))
    assert reader.take(next_bundle(federation, reader, raw)).document == run.closure("stopped")


def test_a_charter_whose_window_has_not_begun_is_believed(federation: Federation) -> None:
    later = federation.clock() + DAY_MS
    federation.publish_charter(not_before_ms=later)
    charter = federation.reader(caught_up=False).catch_up()[1].of(Charter)
    assert charter.document.not_before_ms == later


def test_a_late_reader_walks_past_what_expired_since(federation: Federation) -> None:
    federation.publish_charter()
    federation.clock.pass_(366 * 86_400)
    federation.publish_membership()
    reader = federation.reader()
    assert reader.door.next_index == 3
    assert reader.door.trust.current.version == 2


def test_after_expiry_only_a_newer_membership_is_taken(federation: Federation) -> None:
    reader = federation.reader()
    bundle = under_an_expired_membership(federation, reader)
    with pytest.raises(Stale):
        reader.take(bundle)
    with pytest.raises(Stale) as caught:
        reader.door.pass_over(bundle, federation.clock())
    assert caught.value.reason is Reason.MEMBERSHIP_EXPIRED
    federation.publish_membership()
    assert [a.payload_type for a in reader.catch_up()] == [
        PayloadType.CLOSURE,
        PayloadType.MEMBERSHIP,
    ]


# --- passing over ----------------------------------------------------------------------------


def test_a_refused_entry_is_passed_over_and_the_next_is_read(federation: Federation) -> None:
    reader = federation.reader()
    bundle = by_a_stranger(federation, reader)
    with pytest.raises(Untrusted):
        reader.take(bundle)
    reader.door.pass_over(bundle, federation.clock())
    federation.publish_charter()
    assert reader.catch_up()[0].leaf_index == 2


@pytest.mark.parametrize(
    "attack",
    [a for a in ATTACKS if a.step in PROOF_STEPS and a.reason is not Reason.NOT_WITNESSED],
    ids=lambda attack: attack.name,
)
def test_what_is_not_proven_is_not_passed_over(federation: Federation, attack: Attack) -> None:
    reader = federation.reader()
    bundle = attack.make(federation, reader)
    before = reader.state
    with pytest.raises(attack.fault) as caught:
        reader.door.pass_over(bundle, federation.clock())
    assert caught.value.reason is attack.reason
    assert reader.state == before


def test_an_entry_read_before_is_not_passed_over_again(federation: Federation) -> None:
    reader = federation.reader()
    before = reader.state
    with pytest.raises(Stale) as caught:
        reader.door.pass_over(reader.bundle(0), federation.clock())
    assert caught.value.reason is Reason.REPLAYED
    assert reader.state == before


# --- heads alone -----------------------------------------------------------------------------


def test_a_head_alone_moves_the_kept_one(federation: Federation) -> None:
    reader = federation.reader()
    federation.publish_charter()
    head = federation.publisher.checkpoint(1)
    reader.door.head(head.checkpoint, head.consistency_path, federation.clock())
    assert reader.door.kept is not None
    assert (reader.door.kept.size, reader.door.next_index) == (2, 1)


def test_a_head_of_a_fork_is_refused(federation: Federation, tmp_path: Path) -> None:
    federation.publish_charter()
    reader = federation.reader()
    other = fork(federation, tmp_path)
    other.publish_charter(nonce=b"another charter.")
    other.publish_charter(nonce=b"and one further.")
    head, before = other.publisher.checkpoint(2), reader.state
    with pytest.raises(Untrusted, match="step 8"):
        reader.door.head(head.checkpoint, head.consistency_path, federation.clock())
    assert reader.state == before


# --- inside a run ----------------------------------------------------------------------------


def request_of(federation: Federation) -> ConsentRequest:
    return ConsentRequest(
        charter_digest=bytes(32),
        attempt=1,
        attempt_nonce=bytes(32),
        membership_digest=federation.trust.current_digest,
        issued_ms=federation.clock(),
    )


def suspend(federation: Federation, division: str) -> None:
    cities = tuple(
        replace(c, status="suspended") if c.division == division else c
        for c in federation.membership.cities
    )
    federation.publish_membership(cities=cities)


def document_of(raw: bytes) -> Document:
    found = decode_envelope(raw)
    return decode_document(found.payload_type, found.payload)


@dataclass(frozen=True)
class InRun:
    name: str
    make: Callable[[Federation, Run], bytes]
    reason: Reason
    step: int


IN_RUN = [
    InRun(
        "a consent by another city",
        lambda f, r: r.consent("310000", city="330100"),
        Reason.UNKNOWN_SIGNER,
        5,
    ),
    InRun(
        "a consent by two cities",
        lambda f, r: encode_envelope(
            with_signature(decode_envelope(r.consent("310000")), f.cities["330100"].signing)
        ),
        Reason.UNKNOWN_SIGNER,
        3,
    ),
    InRun(
        "a consent by the coordinator",
        lambda f, r: envelope(document_of(r.consent("310000")), f.coordinator),
        Reason.UNKNOWN_SIGNER,
        3,
    ),
    InRun(
        "a consent with its signature stripped",
        lambda f, r: envelope(document_of(r.consent("310000"))),
        Reason.TOO_FEW_SIGNERS,
        3,
    ),
    InRun(
        "a request where a consent is expected",
        lambda f, r: f.by_coordinator(request_of(f)),
        Reason.UNEXPECTED_TYPE,
        2,
    ),
    InRun(
        "a consent given tomorrow",
        lambda f, r: r.consent("310000", consented_ms=f.clock() + DAY_MS),
        Reason.NOT_YET_VALID,
        9,
    ),
]


@pytest.mark.parametrize("case", IN_RUN, ids=lambda case: case.name)
def test_refused_inside_a_run(federation: Federation, case: InRun) -> None:
    run = Run(federation, federation.publish_charter())
    reader = federation.reader()
    before = reader.state
    with pytest.raises(LaborfedError) as caught:
        reader.door.in_run(case.make(federation, run), PayloadType.CONSENT, federation.clock())
    assert caught.value.reason is case.reason
    assert caught.value.message.startswith(f"step {case.step} ")
    assert reader.state == before


def test_a_consent_is_believed_inside_a_run(federation: Federation) -> None:
    run = Run(federation, federation.publish_charter())
    raw = run.consent("310000")
    accepted = federation.reader().door.in_run(raw, PayloadType.CONSENT, federation.clock())
    assert accepted.signers == {"310000"}
    assert accepted.leaf_index is None


def test_a_suspended_city_is_heard_no_more(federation: Federation) -> None:
    run = Run(federation, federation.publish_charter())
    raw = run.consent("310000")
    suspend(federation, "310000")
    with pytest.raises(Untrusted) as caught:
        federation.reader().door.in_run(raw, PayloadType.CONSENT, federation.clock())
    assert caught.value.reason is Reason.UNKNOWN_SIGNER


def test_a_statement_held_already_is_a_replay_inside_a_run_too(federation: Federation) -> None:
    reader = federation.reader()
    raw = federation.by_coordinator(request_of(federation))
    door, now_ms = reader.door, federation.clock()
    reader.held.keep(door.in_run(raw, PayloadType.CONSENT_REQUEST, now_ms))
    with pytest.raises(Stale, match=r"step 10 \(novelty\)"):
        door.in_run(raw, PayloadType.CONSENT_REQUEST, now_ms)


def test_nothing_runs_under_an_expired_membership(federation: Federation) -> None:
    reader = federation.reader()
    federation.clock.pass_(366 * 86_400)
    raw = federation.by_coordinator(request_of(federation))
    with pytest.raises(Stale) as caught:
        reader.door.in_run(raw, PayloadType.CONSENT_REQUEST, federation.clock())
    assert caught.value.reason is Reason.MEMBERSHIP_EXPIRED


# --- restart ---------------------------------------------------------------------------------


def test_a_restarted_reader_goes_on_where_it_was(federation: Federation) -> None:
    federation.publish_charter()
    before = federation.reader()
    note = federation.publisher.checkpoint(2).checkpoint
    kept = read_kept(note, before.door.trust)
    door = Acceptance(before.door.trust, kept, Limits(), before.held, next_index=2)
    federation.publish_charter(nonce=b"another charter.")
    accepted = door.logged(federation.publisher.bundle_for(2, 2), federation.clock())
    assert accepted.leaf_index == 2


def test_a_stored_head_of_a_stranger_is_not_read_back(federation: Federation) -> None:
    head = federation.log.head()
    note = sign_checkpoint(Checkpoint(head.origin, head.size, head.root, 1), STRANGER)
    with pytest.raises(Untrusted) as caught:
        read_kept(note, federation.trust)
    assert caught.value.reason is Reason.BAD_CHECKPOINT


def test_a_stored_entry_is_judged_by_the_membership_of_its_time(federation: Federation) -> None:
    raw = federation.by_administrators(federation.charter())
    federation.publish(raw)
    first, *others = federation.membership.administrators
    replaced = replace(first, signing_keys=(STRANGER.public.raw,))
    following = federation.next_membership(administrators=(replaced, *others))
    federation.publish(federation.by_administrators(following, "admin-b", "admin-c"))
    reader = federation.reader()
    assert reader.door.restored(raw, 1).of(Charter).document == federation.charter()
    with pytest.raises(Untrusted) as caught:
        reader.door.restored(raw, 3)
    assert caught.value.reason is Reason.UNKNOWN_SIGNER


# --- the table -------------------------------------------------------------------------------


def test_the_table_has_a_row_for_every_payload_type() -> None:
    assert set(ROWS) == set(PayloadType) == set(DOCUMENT_OF)


@pytest.mark.parametrize("kind", PayloadType)
def test_the_tables_fields_are_fields_of_the_document(kind: PayloadType) -> None:
    row, fields = ROWS[kind], DOCUMENT_OF[kind].__dataclass_fields__
    assert {row.stamp, row.deadline} - {None} <= set(fields)


@pytest.mark.parametrize("kind", PayloadType)
def test_what_is_logged_is_proven(kind: PayloadType) -> None:
    assert steps_of(kind) >= {1, 2, 3, 4, 5, 9, 10}
    assert (steps_of(kind) >= PROOF_STEPS) == (kind in LOGGED)
