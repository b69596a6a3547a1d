"""Heads: signed once and kept, co-signed where it counts, given away only with the quorum."""

import sqlite3
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest
from support.federation import Federation, Reader
from support.runs import Run
from support.witnesses import Streams, co_signs_anything, streams

from federation.cosigning import cosigners
from federation.documents.runs import Closure
from federation.errors import LaborfedError, PeerError, Reason, StorageFault, Untrusted
from federation.heads import PRECISE_MS, REUSE_MS, Asking, Gathered
from federation.log.checkpoint import split_note, verify_checkpoint

CITIES = ("310000", "330100", "340100", "440300")


@pytest.fixture
def attending() -> Iterator[Streams]:
    with streams() as opened:
        yield opened


@pytest.fixture
def federation(tmp_path: Path, attending: Streams) -> Federation:
    """Four cities, all witnesses; none attends yet."""
    made = Federation(tmp_path, co_signers=attending.witnesses)
    made.list_witnesses()
    return made


def attend(federation: Federation, attending: Streams, *divisions: str) -> None:
    for division in divisions:
        attending.attend(division, co_signs_anything(federation, division))


def charter(federation: Federation) -> bytes:
    return federation.by_administrators(federation.charter())


def closure(federation: Federation) -> bytes:
    told = Closure(
        charter_digest=bytes(32),
        outcome="failed",
        reason="nobody came",
        rounds_completed=0,
        attempts=0,
        last_record_digest=b"",
        closed_ms=federation.clock(),
    )
    return federation.by_coordinator(told)


def sql(federation: Federation, statement: str) -> None:
    connection = sqlite3.connect(federation.path)
    connection.execute(statement)
    connection.commit()
    connection.close()


# --- signed once, kept before it is given away ------------------------------------------------


def test_every_head_is_kept_with_the_entry_that_made_it(tmp_path: Path) -> None:
    federation = Federation(tmp_path)
    federation.publish_charter()
    federation.publish_membership()
    kept = list(federation.log.signed_heads())
    assert [(head.size, head.root) for head in kept] == [
        (size, federation.log.root(size)) for size in (1, 2, 3)
    ]
    for head in kept:
        verify_checkpoint(head.note, "log.example", federation.log_key.public)


def test_a_head_is_signed_again_only_when_it_grows_old(tmp_path: Path) -> None:
    federation = Federation(tmp_path)
    first = federation.publisher.bundle_for(0, 0).checkpoint
    federation.clock.pass_(REUSE_MS / 1000)
    assert federation.publisher.bundle_for(0, 0).checkpoint == first
    federation.clock.pass_(0.001)
    again = federation.publisher.bundle_for(0, 0).checkpoint
    assert split_note(again)[0] != split_note(first)[0]
    assert [head.note for head in federation.log.signed_heads()] == [again]


def test_who_asks_for_a_head_alone_may_set_a_clock_by_it(tmp_path: Path) -> None:
    federation = Federation(tmp_path)
    first = federation.publisher.checkpoint(0).checkpoint
    federation.clock.pass_(PRECISE_MS / 1000)
    assert federation.publisher.checkpoint(1).checkpoint == first
    federation.clock.pass_(0.001)
    again = federation.publisher.checkpoint(1).checkpoint
    assert split_note(again)[0] != split_note(first)[0]
    assert [head.note for head in federation.log.signed_heads()] == [again]


def test_a_clock_that_was_set_back_makes_no_head_young(tmp_path: Path) -> None:
    federation = Federation(tmp_path)
    first = federation.publisher.checkpoint(0).checkpoint
    federation.clock.pass_(-3600)
    assert federation.publisher.checkpoint(0).checkpoint != first


@pytest.mark.parametrize("later_s", [0, 3600])
def test_a_head_that_cannot_be_kept_is_not_given_away(tmp_path: Path, later_s: int) -> None:
    federation = Federation(tmp_path)
    sql(
        federation,
        "CREATE TRIGGER full BEFORE INSERT ON signed_heads "
        "BEGIN SELECT RAISE(ABORT, 'disk full'); END",
    )
    federation.clock.pass_(later_s)
    with pytest.raises(StorageFault):
        federation.publisher.publish(charter(federation))
    assert federation.log.head().size == 1
    if later_s:
        with pytest.raises(StorageFault):
            federation.publisher.bundle_for(0, 0)


# --- co-signed where it counts ----------------------------------------------------------------


def test_what_too_few_co_signed_is_logged_and_not_given_away(
    federation: Federation, attending: Streams
) -> None:
    attend(federation, attending, *CITIES[:2])
    raw = charter(federation)
    with pytest.raises(PeerError, match=r"once 3 witnesses .*: 2 did, missing are") as raised:
        federation.publisher.publish(raw)
    assert raised.value.reason is Reason.NOT_WITNESSED
    assert "340100 (does not attend), 440300 (does not attend)" in raised.value.message
    assert federation.publisher.size == 3
    for _ in range(2):
        with pytest.raises(PeerError, match="2 did"):
            federation.publisher.bundle_for(2, 0)


def test_the_same_bytes_are_given_away_once_the_quorum_is_there(
    federation: Federation, attending: Streams
) -> None:
    told: list[int] = []
    federation.publisher.subscribe(told.append)
    attend(federation, attending, *CITIES[:2])
    raw, reader = charter(federation), federation.reader(caught_up=False)
    with pytest.raises(PeerError):
        federation.publisher.publish(raw)
    attend(federation, attending, CITIES[2])
    bundle = federation.publisher.publish(raw)
    assert (bundle.leaf_index, bundle.envelope, told) == (2, raw, [2, 2])
    assert cosigners(bundle.checkpoint, federation.membership) == set(CITIES[:3])
    # who had signed this very head was not asked for it again
    assert sorted(attending.asked) == sorted(CITIES[:3])
    assert [accepted.leaf_index for accepted in reader.catch_up()] == [0, 1, 2]


def test_a_reader_is_the_judge_of_the_quorum(federation: Federation, attending: Streams) -> None:
    reader = federation.reader()
    attend(federation, attending, *CITIES)
    federation.publisher.publish(charter(federation))
    bundle = reader.bundle()
    text, lines = bundle.checkpoint.split(b"\n\n")
    shortened = text + b"\n\n" + b"".join(line + b"\n" for line in lines.split(b"\n")[:3])
    with pytest.raises(Untrusted) as raised:
        reader.take(replace(bundle, checkpoint=shortened))
    assert raised.value.reason is Reason.NOT_WITNESSED
    assert reader.take(bundle).leaf_index == 2


def test_unwitnessed_types_never_wait(federation: Federation, attending: Streams) -> None:
    bundle = federation.publisher.publish(closure(federation))
    assert bundle.leaf_index == 2
    assert attending.asked == []


def test_a_late_reader_gets_a_fresh_head_that_was_witnessed_again(
    federation: Federation, attending: Streams
) -> None:
    attend(federation, attending, *CITIES)
    federation.publisher.publish(charter(federation))
    before = len(attending.asked)
    federation.reader()
    federation.reader()
    assert len(attending.asked) == before
    federation.clock.pass_(3600)
    late = federation.reader()
    assert late.door.next_index == 3
    assert len(attending.asked) > before


def test_what_came_after_the_co_signed_head_does_not_hold_a_late_reader_up(
    federation: Federation, attending: Streams
) -> None:
    attend(federation, attending, *CITIES)
    federation.publisher.publish(charter(federation))
    federation.publisher.publish(closure(federation))
    for division in CITIES:
        attending.leave(division)
    late = federation.reader()
    assert late.door.next_index == 4


def test_an_entry_is_witnessed_by_the_quorum_that_judges_it(
    federation: Federation, attending: Streams
) -> None:
    """Membership 3 lists three witnesses: they do, also where four had to before."""
    attend(federation, attending, *CITIES)
    federation.list_witnesses(*CITIES[:3])
    attending.leave(CITIES[3])
    federation.publish_charter()
    assert federation.reader().door.next_index == 4


def test_one_quorum_does_not_stand_in_for_another(
    federation: Federation, attending: Streams
) -> None:
    """A head that three co-signed for an older entry lacks one of the three a newer one needs."""
    attend(federation, attending, *CITIES[1:])
    federation.list_witnesses(*CITIES[:3])
    with pytest.raises(PeerError, match=r"2 did, missing are 310000"):
        federation.publisher.publish(charter(federation))
    federation.clock.pass_(3600)
    late = federation.reader(caught_up=False)
    for _ in range(3):  # up to the membership that names the three, under a head with the charter
        late.take(late.bundle())
    with pytest.raises(PeerError, match=r"2 did, missing are 310000"):
        late.bundle()
    attend(federation, attending, CITIES[0])
    assert [accepted.leaf_index for accepted in late.catch_up()] == [3]


def test_co_signatures_outlive_a_restart(federation: Federation, attending: Streams) -> None:
    attend(federation, attending, *CITIES)
    federation.publisher.publish(charter(federation))
    for division in CITIES:
        attending.leave(division)
    federation.publisher = federation.open_publisher()
    assert federation.reader().door.next_index == 3


def test_a_co_signed_head_that_was_tampered_with_is_gathered_anew(
    federation: Federation, attending: Streams
) -> None:
    attend(federation, attending, *CITIES)
    federation.publisher.publish(charter(federation))
    sql(federation, "UPDATE signed_heads SET cosigned = CAST(replace(note, 'log', 'lug') AS BLOB)")
    federation.publisher = federation.open_publisher()
    assert federation.reader().door.next_index == 3


def test_without_any_way_to_witnesses_nothing_witnessed_is_given_away(tmp_path: Path) -> None:
    federation = Federation(tmp_path)
    federation.list_witnesses()
    with pytest.raises(PeerError, match=r"310000 \(not asked\)"):
        federation.publisher.publish(charter(federation))
    assert federation.publisher.publish(closure(federation)).leaf_index == 3


class OneAtATime:
    """Witnesses that sign when told to; they must not be asked by two threads at once."""

    def __init__(self) -> None:
        self.inside = 0

    def gather(self, asking: Asking, /) -> Gathered:
        self.inside += 1
        assert self.inside == 1
        publisher = self.federation.publisher
        with pytest.raises(PeerError, match="are being asked"):
            publisher.bundle_for(2, 0)
        self.inside -= 1
        return Gathered({}, {})

    federation: Federation


def test_readers_do_not_queue_while_witnesses_are_asked(tmp_path: Path) -> None:
    witnesses = OneAtATime()
    federation = witnesses.federation = Federation(tmp_path, co_signers=witnesses)
    federation.list_witnesses()
    with pytest.raises(LaborfedError, match="0 did"):
        federation.publisher.publish(charter(federation))


def test_a_run_reaches_every_reader(federation: Federation, attending: Streams) -> None:
    attend(federation, attending, *CITIES)
    reader = federation.reader()
    run = Run(federation, federation.publish_charter())
    federation.publish(federation.by_coordinator(run.roster()))
    assert isinstance(reader, Reader)
    assert [accepted.leaf_index for accepted in reader.catch_up()] == [2, 3]
