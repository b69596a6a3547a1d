"""What passes the one door in, what is passed over, and what a restart reads back.

What must not pass is in the attack table; each of its attacks leaves the reader as it was.
"""

from dataclasses import replace
from pathlib import Path

import pytest
from attacks.case import Attack
from attacks.door import fork, next_bundle
from attacks.envelopes import by_a_stranger
from attacks.log import witnessed_head
from attacks.membership import request_of, under_an_expired_membership
from attacks.stages import DoorStage
from attacks.table import TABLE
from support.federation import DAY_MS, Federation, Reader, document_digest, signing_key
from support.runs import Run, training_run

from federation.acceptance import Acceptance, Accepted, Limits, read_kept, restore_trust
from federation.acceptance.table import PROOF_STEPS, ROWS, STEPS, steps_of
from federation.crypto.keys import digest
from federation.documents.charter import Charter
from federation.documents.membership import Membership
from federation.documents.types import DOCUMENT_OF, LOGGED, PayloadType
from federation.errors import (
    LaborfedError,
    Malformed,
    Reason,
    Stale,
    StorageFault,
    TooLarge,
    Untrusted,
)
from federation.log.checkpoint import Checkpoint, sign_checkpoint

STRANGER = signing_key("stranger")
AT_DOOR = [a for group in TABLE.values() for a in group if a.stage is DoorStage]


@pytest.fixture
def federation(tmp_path: Path) -> Federation:
    return Federation(tmp_path)


def test_every_step_has_an_attack() -> None:
    assert {attack.step for attack in AT_DOOR} == set(STEPS)


def test_step_1_refuses_what_is_too_large_before_decoding_it(federation: Federation) -> None:
    reader = Reader(federation, Limits(max_envelope_bytes=100))
    with pytest.raises(TooLarge, match=r"step 1 \(size\)"):
        reader.take(reader.bundle())


def test_step_1_reads_as_much_as_is_allowed(federation: Federation) -> None:
    bundle = federation.publisher.bundle_for(0, 0)
    reader = Reader(federation, Limits(max_envelope_bytes=len(bundle.envelope)))
    reader.take(bundle)
    assert reader.door.next_index == 1


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


def test_the_logs_writer_is_believed_of_what_was_judged_alone(federation: Federation) -> None:
    door = federation.publisher.acceptance
    judged = door.unlogged(federation.by_administrators(federation.charter()), federation.clock())
    logged = federation.publish_charter(purpose="Another")
    bundle = federation.publisher.bundle_for(logged.leaf_index or 0, 1)
    for one, other in ((judged, bundle), (logged, bundle)):
        with pytest.raises(TypeError):
            door.appended(one, other, federation.clock())


def test_only_the_door_holds_the_doors_key() -> None:
    root = Path(__file__).parents[2]
    files = [p for name in ("federation", "node", "deploy") for p in (root / name).rglob("*.py")]
    holders = [p.relative_to(root).as_posix() for p in files if "_DOOR" in p.read_text("utf-8")]
    assert holders == ["federation/acceptance/door.py"]


def test_enough_witnesses_are_believed(federation: Federation) -> None:
    reader = federation.reader()
    bundle = witnessed_head(federation, reader)
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


def test_a_clock_may_be_behind_by_as_much_as_is_allowed(federation: Federation) -> None:
    run = Run(federation, federation.publish_charter())
    reader = federation.reader()
    latest = federation.clock() + Limits().max_clock_skew_ms
    closure = run.closure("stopped", closed_ms=latest)
    federation.log_unchecked(federation.by_coordinator(closure))
    assert reader.catch_up()[-1].document == closure


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


def test_a_membership_is_out_of_force_from_the_moment_it_names(federation: Federation) -> None:
    left_ms = federation.membership.expires_ms - federation.clock()
    federation.clock.pass_((left_ms - 1) / 1000)
    door = federation.reader().door
    door.in_run(request_of(federation), PayloadType.CONSENT_REQUEST, federation.clock())
    with pytest.raises(Stale) as raised:
        door.in_run(request_of(federation), PayloadType.CONSENT_REQUEST, federation.clock() + 1)
    assert raised.value.reason is Reason.MEMBERSHIP_EXPIRED


def test_a_store_that_keeps_another_document_as_membership_is_noticed(
    federation: Federation,
) -> None:
    charter = federation.by_administrators(federation.charter())
    with pytest.raises(StorageFault) as raised:
        restore_trust(federation.pin, [(federation.log.entry(0).envelope, 0), (charter, 1)])
    assert raised.value.reason is Reason.STORAGE


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
    [a for a in AT_DOOR if a.step in PROOF_STEPS and a.reason is not Reason.NOT_WITNESSED],
    ids=str,
)
def test_what_is_not_proven_is_not_passed_over(federation: Federation, attack: Attack) -> None:
    reader = federation.reader()
    bundle = attack.act.__wrapped__(federation, reader)  # type: ignore[attr-defined]
    before = reader.state
    with pytest.raises(LaborfedError) as caught:
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


def test_a_first_head_is_taken_by_who_kept_none(federation: Federation) -> None:
    reader = federation.reader(caught_up=False)
    head = federation.publisher.checkpoint(0)
    reader.door.head(head.checkpoint, head.consistency_path, federation.clock())
    assert reader.door.kept is not None
    assert reader.door.kept.size == 1


def test_a_head_of_a_fork_is_refused(federation: Federation) -> None:
    federation.publish_charter()
    reader = federation.reader()
    other = fork(federation)
    other.publish_charter(nonce=b"another charter.")
    other.publish_charter(nonce=b"and one further.")
    head, before = other.publisher.checkpoint(2), reader.state
    with pytest.raises(Untrusted, match="step 8"):
        reader.door.head(head.checkpoint, head.consistency_path, federation.clock())
    assert reader.state == before


# --- inside a run ----------------------------------------------------------------------------


def suspend(federation: Federation, division: str) -> None:
    cities = tuple(
        replace(c, status="suspended") if c.division == division else c
        for c in federation.membership.cities
    )
    federation.publish_membership(cities=cities)


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
    raw = request_of(federation)
    door, now_ms = reader.door, federation.clock()
    reader.held.keep(door.in_run(raw, PayloadType.CONSENT_REQUEST, now_ms))
    with pytest.raises(Stale, match=r"step 10 \(novelty\)"):
        door.in_run(raw, PayloadType.CONSENT_REQUEST, now_ms)


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
