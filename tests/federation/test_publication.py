"""The one door out: checked, logged, proven, and every fault of the log noticed by the log."""

import sqlite3
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from support.federation import DAY_MS, Federation, document_digest, signing_key
from support.runs import Run, training_run

from federation.acceptance import Limits
from federation.crypto.envelope import with_signature
from federation.crypto.keys import VerifyingKey, digest
from federation.documents.charter import Charter
from federation.errors import LaborfedError, Misconfigured, Reason, StorageFault
from federation.log import merkle
from federation.log.checkpoint import verify_checkpoint
from federation.publication import Publisher
from federation.wire.codec import decode_envelope, encode_envelope


@pytest.fixture
def federation(tmp_path: Path) -> Federation:
    return Federation(tmp_path)


def sql(federation: Federation, statement: str) -> None:
    connection = sqlite3.connect(federation.path)
    connection.execute(statement)
    connection.commit()
    connection.close()


def refused(federation: Federation, raw: bytes, publisher: Publisher | None = None) -> Reason:
    """The reason why an envelope is not logged; the log is as it was."""
    before = federation.log.head()
    with pytest.raises(LaborfedError) as raised:
        (publisher or federation.publisher).publish(raw)
    assert federation.log.head() == before
    return raised.value.reason


# --- what is given away -----------------------------------------------------------------------


def test_a_bundle_proves_its_entry_from_nothing(federation: Federation) -> None:
    raw = federation.by_administrators(federation.charter())
    bundle = federation.publisher.publish(raw)
    assert (bundle.envelope, bundle.leaf_index, bundle.consistency_from) == (raw, 1, 0)
    head = verify_checkpoint(bundle.checkpoint, "log.example", federation.log_key.public)
    assert (head.size, head.unix_ms) == (2, federation.clock())
    merkle.verify_inclusion(
        merkle.leaf_hash(digest(raw)), 1, head.size, bundle.inclusion_path, head.root
    )


def test_a_head_extends_every_head_before_it(federation: Federation) -> None:
    training_run(federation)
    size = federation.publisher.size
    for kept in range(1, size + 1):
        proven = federation.publisher.checkpoint(kept)
        head = verify_checkpoint(proven.checkpoint, "log.example", federation.log_key.public)
        old = federation.log.root(kept)
        merkle.verify_consistency(kept, old, size, head.root, proven.consistency_path)


@pytest.mark.parametrize(("index", "kept"), [(1, 0), (-1, 0), (0, 2), (0, -1)])
def test_what_the_log_has_not_is_not_proven(federation: Federation, index: int, kept: int) -> None:
    with pytest.raises(LaborfedError) as raised:
        federation.publisher.bundle_for(index, kept)
    assert raised.value.reason is Reason.NOT_FOUND


def test_a_logged_document_is_found_by_its_digest(federation: Federation) -> None:
    charter = federation.publish_charter()
    found = federation.publisher.find(charter.digest).of(Charter)
    assert (found.leaf_index, found.document) == (1, federation.charter())
    with pytest.raises(LaborfedError) as raised:
        federation.publisher.find(bytes(32))
    assert raised.value.reason is Reason.NOT_FOUND


# --- what is logged ---------------------------------------------------------------------------


def test_the_same_bytes_again_are_the_same_entry(federation: Federation) -> None:
    raw = federation.by_administrators(federation.charter())
    first, again = (federation.publisher.publish(raw) for _ in range(2))
    assert first.leaf_index == again.leaf_index == 1
    assert federation.publisher.size == 2


def test_the_same_statement_signed_otherwise_is_a_replay(federation: Federation) -> None:
    raw = federation.by_administrators(federation.charter())
    federation.publisher.publish(raw)
    third = federation.administrators["admin-c"]
    more = encode_envelope(with_signature(decode_envelope(raw), third))
    assert refused(federation, more) is Reason.REPLAYED


@pytest.mark.parametrize(
    ("raw", "reason"), [(b"", Reason.NOT_DECODABLE), (b"\x0a\xff", Reason.NOT_DECODABLE)]
)
def test_what_acceptance_refuses_is_not_logged(
    federation: Federation, raw: bytes, reason: Reason
) -> None:
    assert refused(federation, raw) is reason


def test_what_is_too_large_is_not_even_decoded(federation: Federation) -> None:
    small = Publisher(
        federation.log,
        federation.log_key,
        federation.pin,
        federation.clock,
        limits=Limits(max_envelope_bytes=1_000),
    )
    assert refused(federation, b"\xff" * 1_001, small) is Reason.TOO_LARGE


def test_what_belongs_inside_a_run_is_not_logged(federation: Federation) -> None:
    run = Run(federation, federation.publish_charter())
    assert refused(federation, run.consent("310000")) is Reason.UNEXPECTED_TYPE


def test_nothing_is_logged_under_an_expired_membership(federation: Federation) -> None:
    federation.clock.pass_(366 * DAY_MS / 1000)
    late = federation.by_administrators(federation.charter())
    assert refused(federation, late) is Reason.MEMBERSHIP_EXPIRED
    federation.publish_membership()
    assert federation.publish_charter().leaf_index == 2


# --- the log's key ----------------------------------------------------------------------------

NEW_LOG_KEY = signing_key("new log")


def test_a_membership_that_names_a_log_key_we_lack_is_not_logged(federation: Federation) -> None:
    change = federation.next_membership(log_key=NEW_LOG_KEY.public.raw)
    assert refused(federation, federation.by_administrators(change)) is Reason.CONFIGURATION


def test_a_log_key_that_membership_does_not_name_signs_nothing(federation: Federation) -> None:
    wrong = Publisher(federation.log, NEW_LOG_KEY, federation.pin, federation.clock)
    raw = federation.by_administrators(federation.charter())
    with pytest.raises(Misconfigured, match="signing key"):
        wrong.publish(raw)
    assert federation.log.head().size == 1


def test_a_reader_walks_past_a_change_of_the_logs_key(federation: Federation) -> None:
    reader = federation.reader()
    publisher = Publisher(
        federation.log,
        NEW_LOG_KEY,
        federation.pin,
        federation.clock,
        former_log_keys=[federation.log_key],
    )
    federation.publisher = publisher
    change = federation.next_membership(log_key=NEW_LOG_KEY.public.raw)
    publisher.publish(federation.by_administrators(change))
    federation.publish_charter()
    reader.catch_up()
    assert reader.door.trust.log_key == VerifyingKey(NEW_LOG_KEY.public.raw)
    assert reader.door.next_index == 3


# --- restarts, other writers, damage ----------------------------------------------------------


def test_a_restarted_publisher_goes_on_where_it_was(federation: Federation) -> None:
    run = training_run(federation)
    federation.publish_membership()
    again = federation.open_publisher()
    assert again.trust.current_digest == federation.trust.current_digest
    assert again.find(run.charter.digest).leaf_index == 1
    release = next(
        entry.envelope
        for entry in federation.log.entries(0, 100)
        if entry.payload_type.endswith("model-release/v1")
    )
    again.publish(release)
    assert again.size == federation.publisher.size
    # it remembers which release is the latest
    first: Any = again.find(document_digest(release)).document
    same_version = replace(first, released_ms=federation.clock() + 1)
    assert refused(federation, federation.by_coordinator(same_version), again) is Reason.ROLLED_BACK


def test_a_second_writer_is_noticed(federation: Federation) -> None:
    other = federation.open_publisher()
    other.publish(federation.by_administrators(federation.charter(purpose="Elsewhere")))
    raw = federation.by_administrators(federation.charter())
    assert refused(federation, raw) is Reason.HEAD_MOVED


def test_nothing_is_logged_on_a_history_that_was_replaced(federation: Federation) -> None:
    federation.publish_charter()
    leaves = [merkle.leaf_hash(digest) for digest in (federation.log.entry(0).digest, bytes(32))]
    root = merkle.node_hash(*leaves).hex()
    sql(federation, 'UPDATE entries SET digest = zeroblob(32) WHERE "index" = 1')
    sql(federation, f"UPDATE nodes SET hash = x'{root}'")  # noqa: S608 a hash of ours
    sql(federation, f"UPDATE head SET root = x'{root}'")  # noqa: S608 a hash of ours
    raw = federation.by_administrators(federation.next_membership())
    assert refused(federation, raw) is Reason.HEAD_MOVED
    assert [head.size for head in federation.log.signed_heads()] == [1, 2]


@pytest.mark.parametrize(
    "statement",
    [
        "UPDATE nodes SET hash = zeroblob(32)",
        "UPDATE head SET root = zeroblob(32)",
        'UPDATE entries SET digest = zeroblob(32) WHERE "index" = 0',
        "UPDATE entries SET envelope = x'00' WHERE \"index\" = 0",
    ],
)
def test_a_damaged_log_gives_no_proof_away(federation: Federation, statement: str) -> None:
    training_run(federation)
    sql(federation, statement)
    with pytest.raises(StorageFault) as raised:
        federation.publisher.bundle_for(0, 1)
    assert raised.value.reason is Reason.LOG_CORRUPT


# --- who is told ------------------------------------------------------------------------------


def test_subscribers_are_told_each_new_entry_once(federation: Federation) -> None:
    told: list[int] = []
    leave = federation.publisher.subscribe(told.append)
    raw = federation.by_administrators(federation.charter())
    federation.publisher.publish(raw)
    federation.publisher.publish(raw)
    refused(federation, b"\x0a\xff")
    assert told == [1]
    leave()
    federation.publish_membership()
    assert told == [1]


def test_a_subscriber_finds_what_it_is_told(federation: Federation) -> None:
    seen: list[bytes] = []
    publisher = federation.publisher
    publisher.subscribe(lambda index: seen.append(publisher.bundle_for(index, 0).envelope))
    raw = federation.by_administrators(federation.charter())
    publisher.publish(raw)
    assert seen == [raw]
