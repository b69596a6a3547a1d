"""What an accepted document makes the node do: models, budgets and alarms, with the document."""

from pathlib import Path

import numpy as np
import pytest
from support.cities import opened
from support.federation import CityKeys, Federation, envelope
from support.releases import candidate, charter_for, evaluated, publish_release
from support.runs import Run

from federation.acceptance import Limits
from federation.crypto.keys import digest
from federation.documents.charter import Charter
from federation.documents.runs import DropRecord
from federation.errors import Reason, Refused
from federation.model import parameters
from federation.privacy.events import MechanismEvent
from federation.rounds.terms import charter_events
from node.consequences import FORGOTTEN, Consequences
from node.documents import AcceptedDocuments
from node.identity import OwnKeys
from node.privacy import ledger
from node.store import feed, models, runs
from node.store.answers import Answer, Question, commit_answer
from node.store.engine import Store

HOME = "310000"


def own_keys(keys: CityKeys) -> OwnKeys:
    entry = keys.entry
    return OwnKeys(HOME, entry.signing_key, entry.sealing_key, entry.tls_key_digest)


class Node:
    """A city's documents with their consequences."""

    def __init__(self, federation: Federation, store: Store, keys: CityKeys | None = None) -> None:
        self.federation = federation
        self.store = store
        own = own_keys(keys or federation.cities[HOME])
        consequences = Consequences(own, federation.clock)
        self.documents = AcceptedDocuments(
            store, federation.pin, Limits(), consequences, federation.clock
        )

    def catch_up(self) -> None:
        publisher = self.federation.publisher
        for index in range(self.documents.next_index, publisher.size):
            self.documents.absorb(publisher.bundle_for(index, self.documents.kept_size))

    @property
    def told(self) -> list[str]:
        with self.store.read() as connection:
            return [alarm.sentence for alarm in runs.alarms_raised(connection)]

    @property
    def alarms(self) -> list[str]:
        """What is told beside that this store remembers no consent: it gave none."""
        return [sentence for sentence in self.told if sentence != FORGOTTEN]

    def standing(self, year: int = 2026) -> ledger.Statement:
        with self.store.read() as connection:
            return ledger.statement(connection, year, ledger.Allowance(30.0, 1e-6))

    def remember(self, run: Run) -> None:
        """Consent to the run's attempt, as far as the store is concerned."""
        charter = run.charter.document
        with self.store.write() as connection:
            runs.see_attempt(connection, run.charter.digest, run.nonce, self.federation.clock())
            ledger.reserve(
                connection,
                run.charter.digest,
                purpose=charter.purpose,
                year=2026,
                events=charter_events(charter),
                allowance=ledger.Allowance(30.0, 1e-6),
            )

    @property
    def refused(self) -> list[str]:
        with self.store.read() as connection:
            return [entry.reason for entry in feed.refused(connection)]

    def active(self, model: str = parameters.MODEL_ID) -> bytes | None:
        with self.store.read() as connection:
            found = models.active(connection, model)
        return None if found is None else found.parameters


@pytest.fixture
def federation(tmp_path: Path) -> Federation:
    folder = tmp_path / "log"
    folder.mkdir()
    return Federation(folder)


@pytest.fixture
def node(federation: Federation, store: Store) -> Node:
    return Node(federation, store)


def test_a_verified_release_becomes_the_model_in_use_and_the_one_before_is_kept(
    node: Node,
) -> None:
    publish_release(node.federation, candidate(1))
    node.catch_up()
    assert node.active() == candidate(1)
    publish_release(node.federation, candidate(2), version=2)
    node.catch_up()
    assert node.active() == candidate(2)
    with node.store.read() as connection:
        before = models.previous(connection, parameters.MODEL_ID)
    assert before is not None
    assert before.parameters == candidate(1)
    assert (node.refused, node.alarms) == ([], [])


def test_a_release_without_the_majority_of_votes_is_refused_and_the_model_stays(
    node: Node,
) -> None:
    publish_release(node.federation, candidate(1))
    publish_release(node.federation, candidate(2), version=2, voters=2)
    node.catch_up()
    assert node.refused == [Reason.VOTED_DOWN]
    assert node.active() == candidate(1)
    assert node.documents.next_index == node.federation.publisher.size


def test_a_release_whose_evidence_is_not_in_the_log_is_refused(node: Node) -> None:
    run = Run(node.federation, charter_for(node.federation, 1, parameters.MODEL_ID))
    record, votes = evaluated(run, candidate(1))
    release = run.model_release(record, candidate(1), votes.values(), record_digest=bytes(32))
    node.federation.publish(node.federation.by_coordinator(release))
    node.catch_up()
    assert node.refused == [Reason.WRONG_BINDING]
    assert node.active() is None


def test_a_record_over_fewer_cities_than_the_roster_carries_no_release(node: Node) -> None:
    """Three of four cities in the record would let two votes pass for a majority."""
    federation = node.federation
    run = Run(federation, charter_for(federation, 1, parameters.MODEL_ID))
    roster = run.publish_roster()
    run.complete_round(roster, following=candidate(1))
    cities = federation.membership.active_cities[:3]
    votes = {city: run.vote(roster, city, candidate(1)) for city in cities}
    values = {city: np.arange(2) for city in cities}
    contributions = run.contributions(
        roster, values, kind="evaluation", parameters=candidate(1), votes=votes
    )
    record = run.publish_record(
        run.record(roster, contributions, np.arange(2), kind="evaluation", parameters=candidate(1))
    )
    release = run.model_release(record, candidate(1), list(votes.values())[:2])
    federation.publish(federation.by_coordinator(release))
    node.catch_up()
    assert node.refused == [Reason.ROSTER_FOREIGN]
    assert node.active() is None


def test_a_release_for_another_model_is_kept_but_not_used_and_a_person_is_told(
    node: Node,
) -> None:
    publish_release(node.federation, candidate(1), model="another/model/2")
    node.catch_up()
    assert node.refused == []
    assert node.active() is None
    assert node.active("another/model/2") is None
    assert ["another version of this program" in alarm for alarm in node.alarms] == [True]


def test_a_statistics_release_is_kept_when_its_evidence_holds(node: Node) -> None:
    federation = node.federation
    charter = federation.publish(federation.by_administrators(federation.statistics_charter()))
    run = Run(federation, charter.of(Charter))
    record = run.complete_round(run.publish_roster(), kind="statistics")
    good = run.statistics_release(record)
    federation.publish(federation.by_coordinator(good))
    over = run.statistics_release(record, epsilon=9.0)
    federation.publish(federation.by_coordinator(over))
    node.catch_up()
    assert [r.document for r in node.documents.of_type(type(good))] == [good]
    assert node.refused == [Reason.WRONG_BINDING]


def test_a_closure_returns_what_the_charter_did_not_use(node: Node) -> None:
    federation = node.federation
    run = Run(federation, federation.publish_charter())
    events = {"training": MechanismEvent(0.5, 1.0, 3)}
    allowance = ledger.Allowance(30.0, 1e-6)
    with node.store.write() as connection:
        ledger.reserve(
            connection,
            run.charter.digest,
            purpose="p",
            year=2026,
            events=events,
            allowance=allowance,
        )
    federation.publish(federation.by_coordinator(run.closure("stopped")))
    node.catch_up()
    with node.store.write() as connection:
        assert ledger.statement(connection, 2026, allowance).reserved == 0
        with pytest.raises(Refused) as caught:
            ledger.touch(connection, run.charter.digest, "training", bytes(32), 1)
    assert caught.value.reason is Reason.CHARTER_CLOSED


# ── a store older than the log ──────────────────────────────────────────────────────────────────


def test_a_consent_that_is_not_remembered_spends_its_whole_charter(node: Node) -> None:
    federation = node.federation
    run = Run(federation, federation.publish_charter())
    run.publish_roster()
    federation.publish(federation.by_coordinator(run.closure("stopped")))
    node.catch_up()
    standing = node.standing()
    assert standing.used == standing.reserved > 0
    assert (node.refused, node.told) == ([], [FORGOTTEN])


def test_a_contribution_that_is_not_remembered_spends_its_whole_charter(node: Node) -> None:
    federation = node.federation
    run = Run(federation, federation.publish_charter())
    node.remember(run)
    run.complete_round(run.publish_roster())
    node.catch_up()
    standing = node.standing()
    assert standing.used == standing.reserved > 0
    assert (node.refused, node.told) == ([], [FORGOTTEN])


def test_what_is_remembered_costs_nothing_more(node: Node) -> None:
    federation = node.federation
    run = Run(federation, federation.publish_charter())
    node.remember(run)
    run.complete_round(run.publish_roster())
    with node.store.write() as connection:
        question = Question(run.nonce, 1, "training")
        commit_answer(connection, question, bytes(32), Answer(b"the answer"), at_ms=1)
    node.catch_up()
    assert node.standing().used == 0
    assert node.told == []


def test_a_roster_without_this_city_or_with_a_forged_consent_costs_nothing(node: Node) -> None:
    federation = node.federation
    run = Run(federation, federation.publish_charter())
    others = [city for city in federation.membership.active_cities if city != HOME]
    run.publish_roster(others)
    run.nonce, run.attempt = digest(b"attempt 2"), 2
    forged = envelope(opened(run.consent(HOME)), CityKeys.of(HOME, generation=2).signing)
    run.publish_roster(consents=(forged, *(run.consent(city) for city in others)))
    node.catch_up()
    assert node.standing().reserved == 0
    assert (node.refused, node.told) == ([], [])


def drop(run: Run, *cities: str) -> DropRecord:
    return DropRecord(
        charter_digest=run.charter.digest,
        attempt_nonce=run.nonce,
        roster_digest=b"",
        round=1,
        cities=cities,
        reason="exchange.deadline",
        recorded_ms=run.federation.clock(),
    )


@pytest.mark.parametrize(
    ("dropped", "answered", "told"),
    [
        pytest.param(HOME, True, 1, id="dropped though it had answered"),
        pytest.param(HOME, False, 0, id="dropped as it had not answered"),
        pytest.param("330100", True, 0, id="another city is dropped"),
    ],
)
def test_a_city_named_as_dropped_with_an_answer_in_hand_raises_an_alarm(
    node: Node, dropped: str, answered: bool, told: int
) -> None:
    run = Run(node.federation, node.federation.publish_charter())
    if answered:
        with node.store.write() as connection:
            commit_answer(
                connection, Question(run.nonce, 1, "training"), bytes(32), Answer(b"a"), at_ms=1
            )
    node.federation.publish(node.federation.by_coordinator(drop(run, dropped)))
    node.catch_up()
    assert len(node.alarms) == told


def test_foreign_keys_in_the_own_entry_raise_an_alarm(federation: Federation, store: Store) -> None:
    node = Node(federation, store, CityKeys.of(HOME, 2))
    node.catch_up()
    assert ["keys for 310000" in alarm for alarm in node.alarms] == [True]
