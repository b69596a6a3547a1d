"""A city as a witness: it co-signs one history, remembers it, and tells two heads apart.

The coordinator is the attacker in most of these: it holds the log's key and signs what it likes.
"""

from dataclasses import dataclass, field
from pathlib import Path

import pytest
from sqlalchemy import func, select
from support.cities import CitySide
from support.federation import ORIGIN, Federation, signing_key
from support.witnesses import Streams, streams

from federation.crypto.keys import SigningKey, VerifyingKey
from federation.errors import CallerError, PeerError, Reason
from federation.log.checkpoint import Checkpoint, open_note, sign_checkpoint
from federation.log.conflict import signed_by, verdict_on
from federation.log.merkle import Proof
from federation.log.witnessing import WitnessReply, WitnessRequest
from federation.wire.codec import decode_witness_reply, encode_witness_request
from node import distrust
from node.gate import COSIGNATURE
from node.store import documents as stored
from node.store import egress, runs, schema

MINUTE_S = 60


@dataclass
class Face:
    """One history that the coordinator tells, and the witness it tells it to."""

    log: Federation
    home: CitySide
    key: SigningKey = field(default_factory=lambda: signing_key("log"))

    def head(self, size: int | None = None, *, later_s: float = 0.0, root: bytes = b"") -> bytes:
        """A signed head of this history."""
        tree = self.log.log
        size = tree.head().size if size is None else size
        at_ms = self.home.federation.clock() + int(later_s * 1000)
        return sign_checkpoint(Checkpoint(ORIGIN, size, root or tree.root(size), at_ms), self.key)

    def proofs(self, note: bytes, *sizes: int) -> dict[int, Proof]:
        size = int(note.split(b"\n")[1])
        return {old: self.log.log.consistency(old, size) for old in sizes if 0 < old < size}

    def ask(self, note: bytes, *sizes: int) -> WitnessReply:
        """Ask for a co-signature, with proofs from ``sizes``."""
        request = WitnessRequest(note, self.proofs(note, *sizes))
        return decode_witness_reply(self.home.witness.answer(encode_witness_request(request)))

    def grow(self, entries: int = 1) -> None:
        """Log what differs from every other history."""
        for _ in range(entries):
            purpose = f"{self.log.path.parent.name} {self.log.publisher.size}"
            self.log.publish(self.log.by_administrators(self.log.charter(purpose=purpose)))

    def feed(self) -> None:
        """Let the city read the next entry of this history."""
        documents = self.home.documents
        at, kept = documents.next_index, documents.kept_size
        documents.absorb(self.log.publisher.bundle_for(at, kept))


@pytest.fixture
def true(federation: Federation, home: CitySide) -> Face:
    """The history the city follows: three entries, read."""
    face = Face(federation, home)
    face.grow(2)
    home.catch_up()
    return face


@pytest.fixture
def forked(federation: Federation, home: CitySide, tmp_path: Path) -> Face:
    """Another history under the same founding and the same keys."""
    folder = tmp_path / "fork"
    folder.mkdir()
    other = Federation(folder)
    other.clock = federation.clock
    return Face(other, home)


def kept_alarms(home: CitySide) -> list[str]:
    with home.store.read() as connection:
        return [alarm.sentence for alarm in runs.alarms_raised(connection)]


def cosignatures(home: CitySide) -> int:
    with home.store.read() as connection:
        count = select(func.count()).where(schema.egress.c.payload_type == COSIGNATURE)
        return connection.scalar(count) or 0


def cosigned(home: CitySide) -> bytes | None:
    with home.store.read() as connection:
        return stored.cosigned_head(connection)


def verified(home: CitySide, note: bytes, reply: WitnessReply) -> bool:
    key = VerifyingKey(home.federation.cities[home.division].entry.signing_key)
    open_note(note + reply.cosignature, home.division, key)
    return bool(reply.cosignature)


def conflict(home: CitySide) -> None:
    """Belief has ended over two heads that the log both signed, and the store knows."""
    assert home.documents.distrust is not None
    with home.store.read() as connection:
        (told,) = distrust.every(connection)
        assert distrust.verdict(connection) == home.documents.distrust == told.sentence
    assert told.sentence in kept_alarms(home)
    key = [VerifyingKey(bytes.fromhex(key)) for key in told.log_keys]
    for note in (told.kept, told.shown):
        head = signed_by(note.encode(), told.log_origin, key)
        assert head is not None
        assert f"{head.size} entries under {head.root.hex()[:16]}" in told.sentence


# --- what is co-signed ------------------------------------------------------------------------


def test_a_head_that_extends_what_is_known_is_co_signed_and_on_the_books(true: Face) -> None:
    true.grow(2)
    note = true.head()
    reply = true.ask(note, 3)
    assert verified(true.home, note, reply)
    assert cosigned(true.home) == note
    with true.home.store.read() as connection:
        _, departure = egress.entries(connection)[-1]
    assert (departure.payload_type, departure.budget_touch) == (COSIGNATURE, None)
    assert departure.bytes == len(reply.cosignature)


def test_a_city_that_has_read_nothing_is_a_witness(federation: Federation, home: CitySide) -> None:
    face = Face(federation, home)
    note = face.head()
    assert verified(home, note, face.ask(note))


def test_missing_proofs_are_asked_for_by_size(true: Face) -> None:
    true.grow(2)
    true.ask(true.head(4), 3)
    assert true.ask(true.head(5)) == WitnessReply(proofs_from=(3, 4))
    assert true.ask(true.head(5), 4) == WitnessReply(proofs_from=(3, 4))
    assert true.ask(true.head(5), 3, 4).cosignature


def test_the_same_head_gets_the_same_bytes_after_a_crash(true: Face) -> None:
    """Killed after the commit and before the answer left: the answer is made again."""
    note = true.head()
    first = true.ask(note)
    true.home.restart()
    assert true.ask(note) == first
    assert cosignatures(true.home) == 2


def test_a_head_that_cannot_be_remembered_is_not_co_signed(true: Face) -> None:
    with true.home.store.write() as connection:
        connection.exec_driver_sql(
            "CREATE TRIGGER full BEFORE INSERT ON egress BEGIN SELECT RAISE(ABORT, 'full'); END"
        )
    reply = true.ask(true.head())
    assert (reply.cosignature, reply.reason) == (b"", Reason.STORAGE)
    assert cosigned(true.home) is None


# --- what is not ------------------------------------------------------------------------------


def test_a_head_under_another_key_is_refused_and_accuses_nobody(true: Face) -> None:
    true.key = signing_key("forged log")
    assert true.ask(true.head()).reason == Reason.BAD_CHECKPOINT
    assert true.home.documents.distrust is None
    assert cosignatures(true.home) == 0


@pytest.mark.parametrize("later_s", [-11 * MINUTE_S, 3 * MINUTE_S], ids=["back-dated", "ahead"])
def test_a_head_of_another_time_is_refused(true: Face, later_s: float) -> None:
    assert true.ask(true.head(later_s=later_s)).reason == Reason.STALE_CHECKPOINT
    assert cosignatures(true.home) == 0


def test_another_logs_head_is_refused(true: Face) -> None:
    head = Checkpoint("other.example", 3, true.log.log.root(3), true.log.clock())
    reply = true.ask(sign_checkpoint(head, true.key))
    assert reply.reason == Reason.BAD_CHECKPOINT


@pytest.mark.parametrize("body", [b"", b"\xff", b"\x0a\x01x"], ids=["nothing", "noise", "no note"])
def test_what_is_no_request_is_refused(true: Face, body: bytes) -> None:
    assert decode_witness_reply(true.home.witness.answer(body)).reason
    assert cosignatures(true.home) == 0


def test_an_old_head_asked_again_is_not_co_signed_and_accuses_nobody(true: Face) -> None:
    old = true.head(2)
    true.ask(true.head(3))
    assert true.ask(old) == WitnessReply(proofs_from=(3,))
    assert cosignatures(true.home) == 1
    assert kept_alarms(true.home) == []


def test_a_tree_that_shrank_is_an_alarm_with_both_heads(true: Face) -> None:
    true.ask(true.head(3))
    true.log.clock.pass_(5 * MINUTE_S)
    shrunk = true.head(2)
    assert not true.ask(shrunk).cosignature
    (alarm,) = kept_alarms(true.home)
    assert alarm.startswith("the log signed a smaller tree after a larger one: kept 3 entries")
    with true.home.store.read() as connection:
        (told,) = distrust.every(connection)
    keys = [true.key.public]
    heads = [signed_by(n.encode(), ORIGIN, keys) for n in (told.kept, told.shown)]
    assert verdict_on(*heads).proven
    # a coordinator whose backup was restored may come back to itself
    assert true.home.documents.distrust is None


# --- two faces --------------------------------------------------------------------------------


def test_another_root_of_one_size_ends_belief(true: Face, forked: Face) -> None:
    forked.grow(2)
    true.ask(true.head(3))
    reply = forked.ask(forked.head(3))
    assert reply.reason == Reason.INCONSISTENT
    conflict(true.home)


def test_a_fork_shown_to_the_witness_ends_belief_in_the_feeds_history(
    true: Face, forked: Face
) -> None:
    """The witness never co-signed before: what it was fed binds it."""
    forked.grow(4)
    assert forked.ask(forked.head(5), 1, 2, 3).reason == Reason.INCONSISTENT
    conflict(true.home)


def test_a_fork_in_the_feed_is_noticed_at_the_size_that_was_co_signed(
    true: Face, forked: Face
) -> None:
    true.grow()
    forked.grow(2)
    note = true.head(4)
    assert true.ask(note, 3).cosignature
    # the same three entries, then another fourth one
    twin = _same_beginning(true, forked)
    with pytest.raises(CallerError, match="not the one that was co-signed"):
        twin.feed()
    conflict(true.home)
    assert true.home.documents.next_index == 3


def test_a_fork_in_the_feed_past_that_size_is_noticed_at_the_next_request(
    true: Face, forked: Face
) -> None:
    true.grow()
    true.ask(true.head(4), 3)
    twin = _same_beginning(true, forked)
    twin.grow()
    documents = true.home.documents
    documents.absorb(twin.log.publisher.bundle_for(3, 3))  # under a head of five entries
    assert documents.distrust is None
    true.grow(2)
    assert true.ask(true.head(6), 4, 5).reason == Reason.INCONSISTENT
    conflict(true.home)


def _same_beginning(true: Face, forked: Face) -> Face:
    """A history that has the first three entries of ``true`` and a fourth of its own."""
    for index in range(forked.log.publisher.size, 3):
        forked.log.publish(true.log.log.entry(index).envelope)
    if forked.log.log.root(3) != true.log.log.root(3):
        folder = forked.log.path.parent.with_name("twin")
        folder.mkdir()
        other = Federation(folder)
        other.clock = true.log.clock
        forked = Face(other, true.home)
        return _same_beginning(true, forked)
    forked.grow()
    return forked


def test_belief_does_not_come_back_with_a_restart(true: Face, forked: Face) -> None:
    forked.grow(2)
    true.ask(true.head(3))
    forked.ask(forked.head(3))
    true.home.restart()
    conflict(true.home)
    true.grow()
    assert true.ask(true.head(), 3).reason == Reason.INCONSISTENT
    with pytest.raises(CallerError):
        true.feed()
    assert cosignatures(true.home) == 1


def test_distrust_that_cannot_be_kept_still_holds(true: Face, forked: Face) -> None:
    forked.grow(2)
    true.ask(true.head(3))
    with true.home.store.write() as connection:
        connection.exec_driver_sql(
            "CREATE TRIGGER full BEFORE INSERT ON alarms BEGIN SELECT RAISE(ABORT, 'full'); END"
        )
    assert forked.ask(forked.head(3)).reason == Reason.STORAGE
    assert true.ask(true.head(3)).reason == Reason.INCONSISTENT


def test_a_witness_that_asks_in_the_middle_of_a_conflict_is_told_once(
    true: Face, forked: Face
) -> None:
    told: list[str] = []
    true.home.documents.on_distrust(lambda: told.append(true.home.documents.distrust or ""))
    forked.grow(2)
    true.ask(true.head(3))
    forked.ask(forked.head(3))
    forked.ask(forked.head(3))
    assert told == [true.home.documents.distrust]


# --- four witnesses, two histories ------------------------------------------------------------


def test_a_view_split_between_two_sets_of_witnesses_is_given_to_nobody(
    cities: dict[str, CitySide], federation: Federation, tmp_path: Path
) -> None:
    """Quorum three of four: two that are shown one history leave too few for the other."""
    folder = tmp_path / "other"
    folder.mkdir()
    with streams() as one, streams() as other:
        faces = [federation, Federation(folder)]
        faces[1].clock = federation.clock
        first, *_, last = divisions = list(cities)
        for face, attending, shown in zip(
            faces, (one, other), (divisions[:2], divisions[2:]), strict=True
        ):
            _become_witnessed(face, attending, cities, shown)
        for number, face in enumerate(faces):
            raw = face.by_administrators(face.charter(purpose=f"Side {number}"))
            with pytest.raises(PeerError, match="2 did"):
                face.publisher.publish(raw)
        # the coordinator tries to win the others over, one side's witnesses for the other's log
        one.attend(last, cities[last].witness.answer)
        other.attend(first, cities[first].witness.answer)
        for face in faces:
            with pytest.raises(PeerError, match="2 did"):
                face.publisher.bundle_for(face.publisher.size - 1, 0)
    for division in (first, last):
        conflict(cities[division])


def _become_witnessed(
    face: Federation, attending: Streams, cities: dict[str, CitySide], shown: list[str]
) -> None:
    face.co_signers = attending.witnesses
    face.list_witnesses()
    face.publisher = face.open_publisher()
    for division in shown:
        attending.attend(division, cities[division].witness.answer)


def test_honest_witnesses_carry_a_whole_federation(
    cities: dict[str, CitySide], federation: Federation
) -> None:
    with streams() as attending:
        _become_witnessed(federation, attending, cities, list(cities))
        for number in range(5):
            federation.publish_charter(purpose=f"Charter {number}")
            for side in list(cities.values())[: 1 + number % 4]:
                side.catch_up()
        for side in cities.values():
            side.catch_up()
            assert side.documents.next_index == federation.publisher.size
            assert side.documents.distrust is None
    assert all(kept_alarms(side) == [] for side in cities.values())


def test_storage_faults_stay_faults(true: Face) -> None:
    """A store that fails is no history that fails."""
    with true.home.store.write() as connection:
        connection.exec_driver_sql("DROP TABLE cells")
    reply = true.ask(true.head())
    assert reply.reason == Reason.STORAGE
    assert true.home.documents.distrust is None
