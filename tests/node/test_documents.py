"""A node believes its log entry by entry, survives restarts, and stops when the log forks."""

import shutil
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path

import pytest
from sqlalchemy import Connection
from support.federation import Federation, document_digest
from support.runs import Run, training_run

from federation.acceptance import Accepted, Limits
from federation.documents.charter import Charter
from federation.documents.membership import Membership
from federation.documents.runs import DropRecord
from federation.documents.types import Document, PayloadType
from federation.errors import (
    CallerError,
    LocalError,
    Misconfigured,
    PeerError,
    Reason,
    StorageFault,
    Untrusted,
)
from federation.trust import Pin, Trust
from node import distrust
from node.documents import AcceptedDocuments, Lookup
from node.store import documents as stored
from node.store import feed, runs
from node.store.engine import Store, open_store


def nothing(
    _connection: Connection, _accepted: Accepted[Document], _find: Lookup, _: Trust
) -> None:
    """No consequence at all."""


class Following:
    """A node's documents and the coordinator whose log they follow."""

    def __init__(self, federation: Federation, store: Store, pin: Pin | None = None) -> None:
        self.federation = federation
        self.store = store
        self.documents = AcceptedDocuments(
            store, pin or federation.pin, Limits(), nothing, federation.clock
        )

    def restarted(self) -> "Following":
        return Following(self.federation, self.store, self.federation.pin)

    def step(self, source: Federation | None = None) -> Accepted[Document] | None:
        documents = self.documents
        publisher = (source or self.federation).publisher
        return documents.absorb(publisher.bundle_for(documents.next_index, documents.kept_size))

    def catch_up(self) -> None:
        while self.documents.next_index < self.federation.publisher.size:
            self.step()


@pytest.fixture
def federation(tmp_path: Path) -> Federation:
    folder = tmp_path / "log"
    folder.mkdir()
    return Federation(folder)


@pytest.fixture
def following(federation: Federation, store: Store) -> Following:
    return Following(federation, store)


def log_below_threshold(federation: Federation) -> None:
    """Log a charter that one administrator signed, as a hostile coordinator would."""
    federation.log_unchecked(federation.by_administrators(federation.charter(), "admin-a"))
    federation.publisher = federation.open_publisher()


def alarms(store: Store) -> list[str]:
    with store.read() as connection:
        return [alarm.sentence for alarm in runs.alarms_raised(connection)]


def refused(store: Store) -> dict[int, str]:
    with store.read() as connection:
        return {entry.leaf_index: entry.reason for entry in feed.refused(connection)}


def test_a_whole_run_is_absorbed_in_order_and_found_by_digest(following: Following) -> None:
    run = training_run(following.federation)
    seen: list[int | None] = []
    following.documents.subscribe(lambda accepted: seen.append(accepted.leaf_index))
    following.catch_up()
    assert seen == list(range(following.federation.publisher.size))
    assert following.documents.kept_size == following.federation.publisher.size
    assert following.documents.get(run.charter.digest) == run.charter
    assert following.documents.get(bytes(32)) is None
    assert [record.digest for record in run.records] == [
        record.digest for record in following.documents.of_type(type(run.records[0].document))
    ]


def test_a_restart_restores_trust_place_and_documents(following: Following) -> None:
    federation = following.federation
    federation.publish_membership(collusion_bound=2)
    charter = federation.publish_charter(collusion_bound=2, min_roster=4)
    following.catch_up()
    again = following.restarted().documents
    assert again.trust.current.version == 2
    assert (again.next_index, again.kept_size) == (3, 3)
    assert again.get(charter.digest) == charter
    assert [m.document.version for m in again.of_type(Membership)] == [1, 2]


def test_after_a_restart_the_feed_goes_on_where_it_stopped(following: Following) -> None:
    following.catch_up()
    charter = following.federation.publish_charter()
    again = following.restarted()
    accepted = again.step()
    assert accepted is not None
    assert accepted.digest == charter.digest


def test_another_founding_membership_is_not_believed_whatever_the_log_says(
    federation: Federation, store: Store
) -> None:
    pin = replace(federation.pin, membership_digest=bytes(32))
    following = Following(federation, store, pin)
    assert following.step() is None
    assert refused(store) == {0: Reason.WRONG_PREVIOUS}
    assert not following.documents.trust.founded


def test_a_stored_membership_that_was_changed_is_noticed_at_the_start(
    following: Following,
) -> None:
    following.catch_up()
    with following.store.write() as connection:
        connection.exec_driver_sql(
            "UPDATE documents SET envelope = substr(envelope, 1, length(envelope) - 1)"
        )
    with pytest.raises(StorageFault, match="no longer verifies"):
        following.restarted()


def test_an_entry_below_threshold_is_recorded_at_its_place_and_read_past(
    following: Following,
) -> None:
    federation = following.federation
    log_below_threshold(federation)
    good = federation.publish_charter(purpose="another")
    following.catch_up()
    assert refused(following.store) == {1: Reason.TOO_FEW_SIGNERS}
    assert following.documents.get(good.digest) == good
    with following.store.read() as connection:
        assert stored.refusals_by_reason(connection) == {Reason.TOO_FEW_SIGNERS: 1}
    assert following.documents.distrust is None
    again = following.restarted().documents
    assert again.next_index == 3


def test_a_refused_last_entry_is_not_asked_for_again_after_a_restart(following: Following) -> None:
    federation = following.federation
    log_below_threshold(federation)
    following.catch_up()
    again = following.restarted()
    assert (again.documents.next_index, again.documents.kept_size) == (2, 2)
    federation.publish_charter(purpose="another")
    assert again.step() is not None


def test_an_entry_read_before_is_passed_without_a_word(following: Following) -> None:
    following.catch_up()
    assert following.documents.absorb(following.federation.publisher.bundle_for(0, 1)) is None


def test_a_feed_that_leaves_an_entry_out_is_a_broken_protocol(following: Following) -> None:
    following.federation.publish_charter()
    with pytest.raises(PeerError, match="0 is next"):
        following.documents.absorb(following.federation.publisher.bundle_for(1, 0))


def test_a_forked_log_raises_one_alarm_and_nothing_is_believed_any_more(
    following: Following, tmp_path: Path
) -> None:
    federation = following.federation
    charter = federation.publish_charter(purpose="what city A was shown")
    following.catch_up()
    folder = tmp_path / "fork"
    folder.mkdir()
    fork = Federation(folder)
    fork.publish_charter(purpose="what city B was shown")
    fork.publish_charter(purpose="and more", nonce=b"2" * 16)
    with pytest.raises(Untrusted) as caught:
        following.step(fork)
    assert caught.value.reason is Reason.INCONSISTENT
    assert following.documents.distrust is not None
    federation.publish_charter(purpose="the true history", nonce=b"3" * 16)
    with pytest.raises(Untrusted):
        following.step()
    with pytest.raises(Untrusted):
        following.documents.in_run(b"", PayloadType.CONSENT_REQUEST)
    assert len(alarms(following.store)) == 1
    assert following.documents.get(charter.digest) == charter
    # a restart does not forget; once a person has had it believed again, the kept head still is
    # the true history's, which is followed on
    with pytest.raises(Untrusted):
        following.restarted().step()
    with following.store.write() as connection:
        distrust.lift(connection)
    assert following.restarted().step() is not None


def test_a_damaged_inclusion_proof_stops_believing(following: Following) -> None:
    following.federation.publish_charter()
    bundle = following.federation.publisher.bundle_for(0, 0)
    with pytest.raises(Untrusted) as caught:
        following.documents.absorb(replace(bundle, inclusion_path=(bytes(32),)))
    assert caught.value.reason is Reason.NOT_INCLUDED
    assert alarms(following.store)


@pytest.mark.parametrize(
    ("kept_size", "seconds", "reason"),
    [
        pytest.param(0, 0, Reason.CONSISTENCY_MISSING, id="a proof from another head"),
        pytest.param(1, 3_600, Reason.STALE_CHECKPOINT, id="a head an hour old"),
    ],
)
def test_a_feed_that_cannot_be_judged_is_asked_again_without_an_alarm(
    following: Following, kept_size: int, seconds: int, reason: Reason
) -> None:
    following.catch_up()
    following.federation.publish_charter()
    bundle = following.federation.publisher.bundle_for(1, kept_size)
    following.federation.clock.pass_(seconds)
    with pytest.raises(CallerError) as caught:
        following.documents.absorb(bundle)
    assert caught.value.reason is reason
    assert alarms(following.store) == []
    assert following.step() is not None


@pytest.mark.parametrize(
    "fault",
    [
        pytest.param(StorageFault(Reason.STORAGE, "the disk is full"), id="the disk"),
        pytest.param(Misconfigured(Reason.CODE_TABLE, "a table is damaged"), id="the program"),
    ],
)
def test_what_could_not_be_stored_was_not_believed_and_comes_again(
    federation: Federation, store: Store, fault: LocalError
) -> None:
    failures = [fault]

    def once_full(*_: object) -> None:
        if failures:
            raise failures.pop()

    documents = AcceptedDocuments(store, federation.pin, Limits(), once_full, federation.clock)
    with pytest.raises(type(fault), match=fault.message):
        documents.absorb(federation.publisher.bundle_for(0, 0))
    assert not documents.trust.founded
    assert (documents.next_index, documents.kept_size) == (0, 0)
    assert documents.absorb(federation.publisher.bundle_for(0, 0)) is not None
    assert documents.trust.current.version == 1


def test_waiting_ends_when_the_feed_brings_the_document(following: Following) -> None:
    charter = following.federation.publish_charter()
    with ThreadPoolExecutor(1) as pool:
        waiting = pool.submit(following.documents.wait_for, charter.digest, 30.0)
        following.catch_up()
        assert waiting.result(30) == charter


def test_the_first_membership_is_waited_for(following: Following) -> None:
    assert not following.documents.wait_founded(0.0)
    with ThreadPoolExecutor(1) as pool:
        waiting = pool.submit(following.documents.wait_founded, 30.0)
        following.catch_up()
        assert waiting.result(30)
    assert following.documents.wait_founded(0.0)


def test_nobody_waits_for_a_membership_when_nothing_more_comes(following: Following) -> None:
    following.documents.close()
    assert following.documents.wait_founded(30.0)
    assert not following.documents.trust.founded


@pytest.mark.parametrize(
    "end",
    [
        pytest.param(lambda documents: None, id="the time is over"),
        pytest.param(AcceptedDocuments.close, id="the node stops"),
    ],
)
def test_waiting_ends_with_a_deadline(
    following: Following, end: Callable[[AcceptedDocuments], None]
) -> None:
    end(following.documents)
    with pytest.raises(PeerError) as caught:
        following.documents.wait_for(bytes(32), 0.01)
    assert caught.value.reason is Reason.DEADLINE


def test_what_lives_in_a_run_is_judged_by_the_membership_in_force(following: Following) -> None:
    run = Run(following.federation, following.federation.publish_charter())
    following.catch_up()
    consent = run.consent("310000")
    accepted = following.documents.in_run(consent, PayloadType.CONSENT)
    assert accepted.signers == {"310000"}
    assert accepted.leaf_index is None
    assert following.documents.get(document_digest(consent)) is None


def test_the_store_of_a_killed_node_reads_as_it_was_committed(
    following: Following, tmp_path: Path
) -> None:
    """A copy of the files as they lie on the disk mid-run is what kill −9 leaves behind."""
    training_run(following.federation)
    following.catch_up()
    folder = tmp_path / "copy"
    folder.mkdir(mode=0o700)
    for file in (tmp_path / "store").iterdir():
        shutil.copy(file, folder / file.name)
    survivor = open_store(folder / "node.db")
    again = AcceptedDocuments(
        survivor, following.federation.pin, Limits(), nothing, following.federation.clock
    )
    assert again.next_index == following.federation.publisher.size
    assert len(again.of_type(Charter)) == 1
    survivor.close()


def test_a_suspicion_is_one_alarm(following: Following) -> None:
    following.documents.suspect("the coordinator's log is behind")
    following.documents.suspect("the coordinator's log is behind")
    assert alarms(following.store) == ["the coordinator's log is behind"]


def test_no_document_type_is_lost_on_the_way(following: Following) -> None:
    run = training_run(following.federation)
    drop = DropRecord(
        charter_digest=run.charter.digest,
        attempt_nonce=run.nonce,
        roster_digest=b"",
        round=1,
        cities=("310000",),
        reason="round.late",
        recorded_ms=following.federation.clock(),
    )
    following.federation.publish(following.federation.by_coordinator(drop))
    following.catch_up()
    with following.store.read() as connection:
        kinds = [d.payload_type for d in feed.logged_documents(connection)]
    assert len(kinds) == following.federation.publisher.size
    assert refused(following.store) == {}
