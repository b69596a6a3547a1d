"""An audit of a log in which one thing was altered tells that thing, and goes on."""

import sqlite3
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from support.cities import opened
from support.federation import DIVISIONS, ORIGIN, Federation, envelope, signing_key
from support.runs import CANDIDATE, Run

from federation.acceptance import Accepted
from federation.audit import audit
from federation.crypto.envelope import Body, replay_identity
from federation.crypto.keys import digest
from federation.documents.charter import Charter, StatisticsTerms
from federation.documents.exchanged import Contribution
from federation.documents.releases import ModelCard
from federation.documents.runs import DropRecord, Roster, RoundRecord
from federation.errors import Reason, StorageFault
from federation.indicators.declaration import catalogue
from federation.indicators.table import Z_95, cells
from federation.log.checkpoint import Checkpoint, sign_checkpoint
from federation.log.entry import NewEntry
from federation.log.store import LogStore
from federation.rounds.aggregate import to_bytes
from federation.trust import Pin
from federation.wire.codec import decode_document, decode_envelope

CITIES = DIVISIONS[:4]
OTHER = digest(b"other")
ZEROS = bytes(24)  # a vector of six integers
# the entries of a world's run, one after the other
ROSTER, ROUND_1, ROUND_2, EVALUATION, RELEASE, CLOSURE = range(2, 8)

Alter = Callable[[Run, Any], Any]
Found = list[tuple[int | None, Reason]]


def true_card(run: Run, record: Accepted[RoundRecord]) -> ModelCard:
    """The card that the evaluation's made-up sum gives: below one worker no mean is told."""
    privacy = run.charter.document.privacy
    return ModelCard(
        cities=CITIES,
        rounds=2,
        attempts=1,
        epsilon=privacy.epsilon,
        delta=privacy.delta,
        ndcg_difference=0.0,
        ndcg_difference_half_width=1.0,
        held_out_workers=float(run.totals[record.digest][1]) / privacy.evaluation_scale,
        method="secure sum",
    )


@dataclass
class World:
    """A federation whose run is logged; ``alter`` changes its documents before they are signed."""

    federation: Federation
    alter: dict[str, Alter] = field(default_factory=dict)
    pin: Pin | None = None
    checkpoint: bytes = b""

    def conduct(self) -> Run:
        """Log a whole training run and take a checkpoint of the log as it then stands."""
        federation = self.federation
        run = Run(federation, federation.publish_charter())
        roster = self._publish("roster", run, run.roster()).of(Roster)
        run.complete_round(roster, following=b"parameters 2")
        self._second_round(run, roster)
        votes = {city: run.vote(roster, city, CANDIDATE) for city in CITIES}
        record = run.complete_round(roster, kind="evaluation", parameters=CANDIDATE, votes=votes)
        release = run.model_release(record, CANDIDATE, votes.values(), card=true_card(run, record))
        self._publish("release", run, release)
        self._publish("closure", run, run.closure())
        self.checkpoint = federation.publisher.checkpoint(0).checkpoint
        return run

    def _second_round(self, run: Run, roster: Any) -> None:
        values = {city: np.arange(6) + i for i, city in enumerate(CITIES)}
        sent = run.contributions(roster, values, parameters=b"parameters 2")
        total = np.sum(list(values.values()), axis=0)
        record = run.record(roster, sent, total, parameters=b"parameters 2", following=CANDIDATE)
        run.publish_record(self._altered("second round", run, record))

    def _altered(self, name: str, run: Run, document: Any) -> Any:
        return self.alter[name](run, document) if name in self.alter else document

    def _publish(self, name: str, run: Run, document: Any) -> Any:
        signed = self.federation.by_coordinator(self._altered(name, run, document))
        return self.federation.publish(signed)

    def found(self, run: Run) -> Found:
        """What an audit with all that is kept finds."""
        pin = self.pin or self.federation.pin
        report = audit(self.federation.log, pin, self.checkpoint, run.kept)
        assert report.ok == (not report.problems)
        return [(problem.leaf_index, problem.reason) for problem in report.problems]

    def sql(self, statement: str, *values: object) -> None:
        """Alter the log's file behind its back."""
        connection = sqlite3.connect(self.federation.path)
        connection.execute(statement, values)
        connection.commit()
        connection.close()

    def append(self, raw: bytes) -> None:
        """Log any envelope at all, with columns that tell the truth."""
        opened = decode_envelope(raw)
        entry = NewEntry(digest(raw), opened.payload_type, raw, replay_identity(opened))
        self.federation.log.append([entry], self.federation.clock())


def changed(**changes: Any) -> Alter:
    return lambda run, document: replace(document, **changes)


@pytest.fixture
def world(tmp_path: Path) -> World:
    return World(Federation(tmp_path))


def test_an_untouched_log_holds(world: World) -> None:
    run = world.conduct()
    report = audit(world.federation.log, world.federation.pin, world.checkpoint, run.kept)
    assert report.problems == ()
    assert report.ok
    assert (report.entries, report.sums_recomputed) == (8, 3)
    assert report.by_type == {
        "laborfed/membership/v1": 1,
        "laborfed/charter/v1": 1,
        "laborfed/roster/v1": 1,
        "laborfed/round-record/v1": 3,
        "laborfed/model-release/v1": 1,
        "laborfed/closure/v1": 1,
    }


def test_without_what_was_kept_no_sum_is_recomputed(world: World) -> None:
    run = world.conduct()
    report = audit(world.federation.log, world.federation.pin, None)
    assert (report.ok, report.sums_recomputed) == (True, 0)
    run.kept.contributions.clear()
    assert world.found(run) == [(i, Reason.NOT_FOUND) for i in (ROUND_1, ROUND_2, EVALUATION)]


# --- what the coordinator keeps ---------------------------------------------------------------


def flipped(raw: bytes) -> bytes:
    """The bytes with the last bit turned."""
    return raw[:-1] + bytes([raw[-1] ^ 1])


def contribution_in(body: Body) -> Contribution:
    document = opened(body.envelope)
    assert isinstance(document, Contribution)
    return document


def kept_under(run: Run, number: int = 1) -> bytes:
    """The digest under which a round's contribution of the first city is kept."""
    return run.records[number - 1].document.contributions[0].digest


def lose(run: Run) -> None:
    del run.kept.contributions[kept_under(run)]


def flip_a_bit(run: Run) -> None:
    envelope, vector = run.kept.contributions[kept_under(run)]
    run.kept.contributions[kept_under(run)] = Body(flipped(envelope), vector)


def have_another_signed(run: Run) -> None:
    kept = run.kept.contributions[kept_under(run)]
    other, vector = replace(contribution_in(kept), masked_digest=digest(ZEROS)), ZEROS
    resigned = run.federation.by_city(other, CITIES[0])
    run.kept.contributions[kept_under(run)] = Body(resigned, vector)


def swap_rounds(run: Run) -> None:
    run.kept.contributions[kept_under(run)] = run.kept.contributions[kept_under(run, 2)]


def exchange_vector(change: Callable[[bytes], bytes]) -> Callable[[Run], None]:
    """Change the kept vector of a contribution whose envelope stays as it was recorded."""

    def tamper(run: Run) -> None:
        envelope, vector = run.kept.contributions[kept_under(run)]
        run.kept.contributions[kept_under(run)] = Body(envelope, change(vector))

    return tamper


def swap_vectors(run: Run) -> None:
    """Two cities' vectors change places: the sum stays what it is."""
    kept, listed = run.kept.contributions, run.records[0].document.contributions
    one, two = (kept[recorded.digest] for recorded in listed[:2])
    kept[listed[0].digest] = Body(one.envelope, two.vector)
    kept[listed[1].digest] = Body(two.envelope, one.vector)


@pytest.mark.parametrize(
    ("tamper", "reason"),
    [
        (lose, Reason.NOT_FOUND),
        (flip_a_bit, Reason.BAD_SIGNATURE),
        (have_another_signed, Reason.ROSTER_FOREIGN),
        (swap_rounds, Reason.ROSTER_FOREIGN),
        (swap_vectors, Reason.WRONG_BINDING),
        pytest.param(exchange_vector(flipped), Reason.WRONG_BINDING, id="another vector"),
        pytest.param(exchange_vector(lambda v: v[:-4]), Reason.WRONG_BINDING, id="a shorter one"),
        pytest.param(exchange_vector(lambda v: v + b"\0"), Reason.WRONG_BINDING, id="a longer one"),
        pytest.param(exchange_vector(lambda _: b""), Reason.WRONG_BINDING, id="no vector"),
    ],
)
def test_a_tampered_contribution(
    world: World, tamper: Callable[[Run], None], reason: Reason
) -> None:
    run = world.conduct()
    tamper(run)
    assert world.found(run) == [(ROUND_1, reason)]


# --- what the coordinator signs ---------------------------------------------------------------


def forged_consent(run: Run, roster: Roster) -> Roster:
    first, *others = roster.consents
    return replace(roster, consents=(first[:-1] + bytes([first[-1] ^ 1]), *others))


def stolen_consent(run: Run, roster: Roster) -> Roster:
    raw, *others = roster.consents
    opened = decode_envelope(raw)
    consent = decode_document(opened.payload_type, opened.payload)
    return replace(roster, consents=(envelope(consent, signing_key("coordinator")), *others))


def shorter_contributions(run: Run, record: Any) -> Any:
    """Every city really sent five values where the charter says six."""
    values = {city: np.arange(5) for city in CITIES}
    roster = run.federation.publisher.find(record.roster_digest).of(Roster)
    sent = run.contributions(roster, values, parameters=b"parameters 2")
    made = run.record(roster, sent, 4 * np.arange(5), parameters=b"parameters 2")
    return replace(made, next_parameters_digest=record.next_parameters_digest)


def half_as_many_twice_as_wide(run: Run, record: Any) -> Any:
    """The same bytes, signed by every city as three values of 64 bits instead of six of 32."""
    listed = []
    for recorded in record.contributions:
        kept = run.kept.contributions[recorded.digest]
        other = replace(contribution_in(kept), modulus_bits=64, length=3)
        raw = run.federation.by_city(other, recorded.city)
        run.kept.contributions[digest(raw)] = Body(raw, kept.vector)
        listed.append(replace(recorded, digest=digest(raw)))
    return replace(record, contributions=tuple(listed))


def fewer_values_than_they_say(run: Run, record: Any) -> Any:
    """Every city signed six values and the digest of five; the five are kept."""
    listed = []
    for recorded in record.contributions:
        kept = run.kept.contributions[recorded.digest]
        short = kept.vector[:-4]
        other = replace(contribution_in(kept), masked_digest=digest(short))
        raw = run.federation.by_city(other, recorded.city)
        run.kept.contributions[digest(raw)] = Body(raw, short)
        listed.append(replace(recorded, digest=digest(raw)))
    return replace(record, contributions=tuple(listed))


def sum_as_wide_as_a_parameter(run: Run, record: Any) -> Any:
    """The digest of the true sum, written in eight bytes a value and not in four."""
    total = sum(np.arange(6) + number for number, _ in enumerate(CITIES))
    return replace(record, sum_digest=digest(to_bytes(total)))


# without its roster nothing of a run is believed, and the closure tells of rounds nobody saw
WITHOUT_ROSTER: Found = [
    *((index, Reason.ROSTER_FOREIGN) for index in (ROUND_1, ROUND_2, EVALUATION)),
    (RELEASE, Reason.WRONG_ROUND),
    (CLOSURE, Reason.WRONG_BINDING),
]
# what was not released cannot be closed as released
UNRELEASED: Found = [(CLOSURE, Reason.WRONG_BINDING)]
SIGNED: dict[str, tuple[str, Alter, Found]] = {
    "a roster with a forged consent": (
        "roster",
        forged_consent,
        [(ROSTER, Reason.ROSTER_CONSENT), *WITHOUT_ROSTER],
    ),
    "a roster with a consent in a city's name": (
        "roster",
        stolen_consent,
        [(ROSTER, Reason.ROSTER_CONSENT), *WITHOUT_ROSTER],
    ),
    "a sum that the contributions do not give": (
        "second round",
        changed(sum_digest=OTHER),
        [(ROUND_2, Reason.WRONG_SUM)],
    ),
    "contributions of another length than the charter's": (
        "second round",
        shorter_contributions,
        [(ROUND_2, Reason.WRONG_BINDING)],
    ),
    "contributions of another width than the charter's": (
        "second round",
        half_as_many_twice_as_wide,
        [(ROUND_2, Reason.WRONG_BINDING)],
    ),
    "contributions of fewer values than they say": (
        "second round",
        fewer_values_than_they_say,
        [(ROUND_2, Reason.WRONG_BINDING)],
    ),
    "a sum in integers wider than the modulus": (
        "second round",
        sum_as_wide_as_a_parameter,
        [(ROUND_2, Reason.WRONG_SUM)],
    ),
    "a record out of order": (
        "second round",
        changed(round=3),
        [
            (ROUND_2, Reason.WRONG_ROUND),
            (EVALUATION, Reason.WRONG_BINDING),
            (RELEASE, Reason.WRONG_BINDING),
            *UNRELEASED,
        ],
    ),
    "a release without its majority": (
        "release",
        lambda run, release: replace(release, votes=release.votes[:2]),
        [(RELEASE, Reason.VOTED_DOWN), *UNRELEASED],
    ),
    "parameters that nobody voted on": (
        "release",
        changed(parameters=bytes(48)),
        [(RELEASE, Reason.WRONG_BINDING), *UNRELEASED],
    ),
    "a release that admits to more than the charter": (
        "release",
        lambda run, release: replace(release, card=replace(release.card, epsilon=9.0)),
        [(RELEASE, Reason.WRONG_BINDING), *UNRELEASED],
    ),
    "a closure that hides a round": (
        "closure",
        changed(rounds_completed=2),
        [(CLOSURE, Reason.WRONG_BINDING)],
    ),
    "a failure that was a release": (
        "closure",
        changed(outcome="failed", reason="nothing came of it"),
        [(CLOSURE, Reason.WRONG_BINDING)],
    ),
}


@pytest.mark.parametrize("name", SIGNED)
def test_a_document_that_a_dishonest_coordinator_signed(world: World, name: str) -> None:
    part, alter, expected = SIGNED[name]
    world.alter[part] = alter
    assert world.found(world.conduct()) == expected


@pytest.mark.parametrize(
    "lie",
    [
        {"ndcg_difference": 0.2},
        {"ndcg_difference_half_width": 0.001},
        {"held_out_workers": 5_000.0},
        {"rounds": 1},
        {"attempts": 2},
    ],
    ids=lambda lie: next(iter(lie)),
)
def test_a_card_that_the_evaluation_does_not_give(world: World, lie: dict[str, Any]) -> None:
    world.alter["release"] = lambda run, told: replace(told, card=replace(told.card, **lie))
    assert world.found(world.conduct()) == [(RELEASE, Reason.WRONG_SUM)]


# --- statistics -------------------------------------------------------------------------------

TABLE = 4  # entry: membership, charter, roster, record, release


def count(federation: Federation, alter: Callable[[Any], Any] = lambda told: told) -> Run:
    """Log a statistics run of the catalogue's first indicator, its table truthfully unless told."""
    indicator = next(iter(catalogue().values()))
    terms = StatisticsTerms(
        indicator=indicator.indicator, indicator_digest=indicator.digest, suppression_threshold=10
    )
    charter = federation.statistics_charter(length=indicator.length, statistics=terms)
    run = Run(federation, federation.publish(federation.by_administrators(charter)).of(Charter))
    record = run.complete_round(run.publish_roster(), kind="statistics", parameters=b"")
    # four cities, each with the whole of the noise that three honest ones must give
    sd = charter.privacy.noise_multiplier * np.sqrt(4 / 3)
    figures = cells(indicator, run.totals[record.digest], charter.privacy.scale, sd, 10)
    told = run.statistics_release(record, cells=figures, noise_sd=float(sd))
    federation.publish(federation.by_coordinator(alter(told)))
    federation.publish(federation.by_coordinator(run.closure()))
    return run


def report_of(federation: Federation, run: Run) -> Found:
    report = audit(federation.log, federation.pin, None, run.kept)
    return [(problem.leaf_index, problem.reason) for problem in report.problems]


def first_cell(**changes: Any) -> Callable[[Any], Any]:
    return lambda told: replace(told, cells=(replace(told.cells[0], **changes), *told.cells[1:]))


def test_a_true_table_holds(tmp_path: Path) -> None:
    federation = Federation(tmp_path)
    assert report_of(federation, count(federation)) == []


@pytest.mark.parametrize(
    "alter",
    [
        first_cell(value=42.0, half_width=Z_95, suppressed=False),
        first_cell(key="elsewhere"),
        lambda told: replace(told, cells=told.cells[1:]),
        lambda told: replace(told, noise_sd=told.noise_sd / 2),
    ],
    ids=["another figure", "another key", "a cell less", "less noise"],
)
def test_a_table_that_the_sum_does_not_give(tmp_path: Path, alter: Callable[[Any], Any]) -> None:
    federation = Federation(tmp_path)
    assert report_of(federation, count(federation, alter)) == [(TABLE, Reason.WRONG_SUM)]


# --- the log's file ---------------------------------------------------------------------------

DAMAGE: dict[str, tuple[str, tuple[object, ...], Found]] = {
    "an entry's bytes": (
        "UPDATE entries SET envelope = CAST(envelope || x'00' AS BLOB) WHERE \"index\" = ?",
        (CLOSURE,),
        [(CLOSURE, Reason.NOT_DECODABLE)],
    ),
    "an entry's bytes for another's": (
        'UPDATE entries SET envelope = (SELECT envelope FROM entries WHERE "index" = 3) '
        'WHERE "index" = ?',
        (CLOSURE,),
        [(CLOSURE, Reason.LOG_CORRUPT)],
    ),
    "an entry's bytes for text": (
        "UPDATE entries SET envelope = 'none' WHERE \"index\" = ?",
        (CLOSURE,),
        # the roots of kept heads cannot be computed any more either
        [(None, Reason.LOG_CORRUPT), (CLOSURE, Reason.LOG_CORRUPT), (None, Reason.LOG_CORRUPT)],
    ),
    "an entry's digest": (
        'UPDATE entries SET digest = ? WHERE "index" = ?',
        (OTHER, CLOSURE),
        # the head that was signed of it is another tree's now
        [(None, Reason.LOG_CORRUPT), (CLOSURE, Reason.LOG_CORRUPT), (None, Reason.INCONSISTENT)],
    ),
    "half an entry's digest": (
        "UPDATE entries SET digest = x'00' WHERE \"index\" = ?",
        (CLOSURE,),
        [(None, Reason.LOG_CORRUPT), (CLOSURE, Reason.LOG_CORRUPT), (None, Reason.LOG_CORRUPT)],
    ),
    "an entry's type": (
        'UPDATE entries SET payload_type = ? WHERE "index" = ?',
        ("laborfed/charter/v1", CLOSURE),
        [(CLOSURE, Reason.LOG_CORRUPT)],
    ),
    "the last entry": (
        'DELETE FROM entries WHERE "index" = ?',
        (CLOSURE,),
        # the checkpoint's root cannot be computed any more either
        [
            (None, Reason.LOG_CORRUPT),
            (CLOSURE, Reason.NOT_FOUND),
            # as many were signed for
            (None, Reason.ROLLED_BACK),
        ],
    ),
    "a subtree": (
        "UPDATE nodes SET hash = ? WHERE level = 1 AND position = 0",
        (OTHER,),
        [(None, Reason.LOG_CORRUPT)],
    ),
    "a subtree that proofs read": (
        "UPDATE nodes SET hash = ? WHERE level = 3",
        (OTHER,),
        [(None, Reason.LOG_CORRUPT), (None, Reason.INCONSISTENT)],
    ),
    "the head's root": ("UPDATE head SET root = ?", (OTHER,), [(None, Reason.LOG_CORRUPT)]),
}


@pytest.mark.parametrize("name", DAMAGE)
def test_a_damaged_file(world: World, name: str) -> None:
    run = world.conduct()
    statement, values, expected = DAMAGE[name]
    world.sql(statement, *values)
    assert world.found(run) == expected


@pytest.mark.parametrize("statement", ["DELETE FROM head", "UPDATE head SET size = 'many'"])
def test_a_file_without_a_head_cannot_be_audited(world: World, statement: str) -> None:
    run = world.conduct()
    world.sql(statement)
    with pytest.raises(StorageFault) as raised:
        world.found(run)
    assert raised.value.reason is Reason.LOG_CORRUPT


# --- entries that acceptance would never have let in -------------------------------------------


def charter_below_the_threshold(federation: Federation) -> bytes:
    return federation.by_administrators(federation.charter(nonce=OTHER[:16]), "admin-a")


def charter_by_the_coordinator(federation: Federation) -> bytes:
    return federation.by_coordinator(federation.charter(nonce=OTHER[:16]))


def membership_by_one(federation: Federation) -> bytes:
    return federation.by_administrators(federation.next_membership(), "admin-a")


def membership_rolled_back(federation: Federation) -> bytes:
    older = federation.next_membership(collusion_bound=2)
    federation.publish_membership()
    return federation.by_administrators(older)


def membership_of_another_chain(federation: Federation) -> bytes:
    return federation.by_administrators(federation.next_membership(previous_digest=OTHER))


def key_taken_over(federation: Federation) -> bytes:
    first, *others = federation.membership.cities
    stolen = replace(first, signing_key=signing_key("stranger").public.raw)
    return federation.by_administrators(federation.next_membership(cities=(stolen, *others)))


def consent_in_the_log(federation: Federation) -> bytes:
    run = Run(federation, federation.publish_charter(nonce=OTHER[:16]))
    return run.consent(CITIES[0])


@pytest.mark.parametrize(
    ("make", "reason"),
    [
        (charter_below_the_threshold, Reason.TOO_FEW_SIGNERS),
        (charter_by_the_coordinator, Reason.UNKNOWN_SIGNER),
        (membership_by_one, Reason.TOO_FEW_SIGNERS),
        (membership_rolled_back, Reason.ROLLED_BACK),
        (membership_of_another_chain, Reason.WRONG_PREVIOUS),
        (key_taken_over, Reason.FOREIGN_KEY),
        (consent_in_the_log, Reason.UNEXPECTED_TYPE),
    ],
)
def test_an_entry_that_nobody_should_have_logged(
    world: World, make: Callable[[Federation], bytes], reason: Reason
) -> None:
    run = world.conduct()
    world.append(make(world.federation))
    assert world.found(run) == [(world.federation.log.head().size - 1, reason)]


def test_a_statement_logged_twice(world: World) -> None:
    run = Run(world.federation, world.federation.publish_charter())
    drop = DropRecord(
        charter_digest=run.charter.digest,
        attempt_nonce=run.nonce,
        roster_digest=run.publish_roster().digest,
        round=1,
        cities=CITIES[:1],
        reason="exchange.deadline",
        recorded_ms=world.federation.clock(),
    )
    world.federation.publish(world.federation.by_coordinator(drop))
    world.checkpoint = world.federation.publisher.checkpoint(0).checkpoint
    # only a file whose maker wanted it can hold one twice
    world.sql("CREATE TABLE loose AS SELECT * FROM entries")
    world.sql("DROP TABLE entries")
    world.sql("ALTER TABLE loose RENAME TO entries")
    world.append(world.federation.log.entry(3).envelope)
    assert world.found(run) == [(4, Reason.REPLAYED)]


def test_another_founding_than_the_pinned_one(world: World) -> None:
    run = world.conduct()
    world.pin = replace(world.federation.pin, membership_digest=OTHER)
    first, *others = world.found(run)
    assert first == (0, Reason.WRONG_PREVIOUS)
    assert [reason for _, reason in others] == [Reason.NO_MEMBERSHIP] * 7


# --- checkpoints ------------------------------------------------------------------------------


def make_folder(parent: Path, name: str) -> Path:
    folder = parent / name
    folder.mkdir()
    return folder


def fork(tmp_path: Path) -> World:
    other = World(Federation(make_folder(tmp_path, "fork")))
    other.alter["closure"] = changed(outcome="released", reason="otherwise")
    other.conduct()
    return other


def test_a_checkpoint_of_a_fork(world: World, tmp_path: Path) -> None:
    run = world.conduct()
    world.checkpoint = fork(tmp_path).checkpoint
    assert world.found(run) == [(None, Reason.INCONSISTENT)]


def test_a_checkpoint_of_a_log_that_was_longer(world: World, tmp_path: Path) -> None:
    run, other = world.conduct(), World(Federation(make_folder(tmp_path, "longer")))
    other.conduct()
    other.federation.publish_membership()
    world.checkpoint = other.federation.publisher.checkpoint(0).checkpoint
    assert world.found(run) == [(None, Reason.ROLLED_BACK)]


def test_an_earlier_checkpoint_holds(world: World) -> None:
    early = world.federation.publisher.checkpoint(0).checkpoint
    run = world.conduct()
    world.checkpoint = early
    assert world.found(run) == []


@pytest.mark.parametrize(
    ("forge", "reason"),
    [
        (lambda note: b"", Reason.BAD_CHECKPOINT),
        (lambda note: note[:40], Reason.BAD_CHECKPOINT),
        (lambda note: note.replace(b"\n8\n", b"\n7\n"), Reason.BAD_SIGNATURE),
    ],
    ids=["nothing", "a piece", "another size"],
)
def test_a_checkpoint_that_the_log_never_signed(
    world: World, forge: Callable[[bytes], bytes], reason: Reason
) -> None:
    run = world.conduct()
    world.checkpoint = forge(world.checkpoint)
    assert world.found(run) == [(None, reason)]


# --- every head ever signed -------------------------------------------------------------------


def head_note(world: World, size: int, root: bytes, *, label: str = "log") -> bytes:
    """A head that the log, or whoever has another key, signed."""
    head = Checkpoint(ORIGIN, size, root, world.federation.clock())
    return sign_checkpoint(head, signing_key(label))


def keep_head(world: World, size: int, root: bytes, **how: Any) -> None:
    """Put a signed head into the table; one of its size and root makes way."""
    note = how.pop("note", None) or head_note(world, size, root, **how)
    world.sql("INSERT OR REPLACE INTO signed_heads VALUES (?, ?, ?, NULL)", size, root, note)


def test_every_kept_head_is_counted(world: World) -> None:
    run = world.conduct()
    report = audit(world.federation.log, world.federation.pin, world.checkpoint, run.kept)
    assert (report.heads, report.cosigned) == (8, 0)


def of_another_tree(world: World) -> None:
    world.sql("DELETE FROM signed_heads WHERE size = 5")
    keep_head(world, 5, OTHER)


def a_second_head_of_one_size(world: World) -> None:
    keep_head(world, 5, OTHER)


def of_a_larger_tree(world: World) -> None:
    keep_head(world, 9, OTHER)


def under_another_key(world: World) -> None:
    keep_head(world, 5, world.federation.log.root(5), label="stranger")


def of_another_size_than_its_row(world: World) -> None:
    note = head_note(world, 4, world.federation.log.root(4))
    keep_head(world, 5, world.federation.log.root(5), note=note)


def altered(world: World) -> None:
    world.sql("UPDATE signed_heads SET note = CAST(replace(note, 'time 1', 'time 2') AS BLOB)")


def no_note(world: World) -> None:
    world.sql("UPDATE signed_heads SET note = 'text' WHERE size = 8")


def claims_a_quorum(world: World) -> None:
    world.sql("UPDATE signed_heads SET cosigned = note WHERE size = 5")


@pytest.mark.parametrize(
    ("tamper", "expected"),
    [
        (of_another_tree, [Reason.INCONSISTENT]),
        (a_second_head_of_one_size, [Reason.INCONSISTENT, Reason.INCONSISTENT]),
        (of_a_larger_tree, [Reason.ROLLED_BACK]),
        (under_another_key, [Reason.BAD_CHECKPOINT]),
        (of_another_size_than_its_row, [Reason.LOG_CORRUPT]),
        (altered, [Reason.BAD_SIGNATURE] * 8),
        (no_note, [Reason.LOG_CORRUPT]),
        (claims_a_quorum, [Reason.NOT_WITNESSED]),
    ],
)
def test_a_head_that_does_not_hold(
    world: World, tamper: Callable[[World], None], expected: list[Reason]
) -> None:
    run = world.conduct()
    tamper(world)
    assert world.found(run) == [(None, reason) for reason in expected]


def test_two_heads_of_one_size_are_both_named(world: World) -> None:
    run = world.conduct()
    keep_head(world, 5, OTHER)
    report = audit(world.federation.log, world.federation.pin, None, run.kept)
    told = next(p.sentence for p in report.problems if "two heads of 5 entries" in p.sentence)
    assert OTHER.hex()[:16] in told
    assert world.federation.log.root(5).hex()[:16] in told


def test_a_log_from_before_heads_were_kept_holds(world: World) -> None:
    run = world.conduct()
    world.sql("DROP TABLE signed_heads")
    world.federation.log = LogStore(world.federation.path)
    assert world.found(run) == []
    world.federation.publisher = world.federation.open_publisher()
    world.federation.publish_membership()
    report = audit(world.federation.log, world.federation.pin, None, run.kept)
    assert (report.ok, report.heads) == (True, 1)
