"""What came by the log and what left, as a city's office sees it: consents, releases, ledgers."""

import json
from collections.abc import Iterator
from pathlib import Path

import pytest
from support.cities import CitySide, Coordinator, GivenWork, charter_of, figures_of, opened
from support.federation import CityKeys, Federation
from support.office import DIVISION, Office
from support.records import job, worker, write
from support.releases import candidate, publish_release
from support.runs import Run

from federation.documents.charter import Charter
from federation.documents.exchanged import Consent, Refusal
from federation.documents.releases import Cell
from federation.errors import Reason
from node.policy import load_policy
from node.store import runs
from node.store.engine import open_store
from node.store.runs import Alarm

FAR_MS = 4_000_000_000_000  # the year 2096: charters of these tests are open on any day they run
KIND = "training of match/v1, 2 rounds, at most 1 repeated"


class City:
    """An office whose node follows a federation's log and answers its coordinator."""

    def __init__(self, folder: Path, federation: Federation) -> None:
        self.office = Office(folder / "city")
        self.federation = federation
        self.blobs: dict[bytes, bytes] = {}
        self.side = CitySide(
            federation,
            DIVISION,
            open_store(self.office.home.database),
            blobs=self.blobs,
            work=GivenWork(figures_of(1)),
            policy=load_policy(self.office.home.policy),
        )
        self.side.catch_up()

    def asked(self, charter: Charter) -> Coordinator:
        """Log a charter and have the city's consent asked for."""
        coordinator = Coordinator(self.federation, charter, {DIVISION: self.side}, self.blobs)
        coordinator.gather()
        return coordinator

    def answer(self, coordinator: Coordinator) -> Consent | Refusal:
        """Ask again, under the policy as the office's file now says."""
        self.side.policy = load_policy(self.office.home.policy)
        said = opened(coordinator.gather()[DIVISION])
        assert isinstance(said, Consent | Refusal)
        return said


@pytest.fixture
def city(tmp_path: Path) -> Iterator[City]:
    folder = tmp_path / "log"
    folder.mkdir()
    made = City(tmp_path, Federation(folder))
    yield made
    made.side.store.close()


def charter(city: City) -> Charter:
    return charter_of(city.federation, min_roster=4, not_after_ms=FAR_MS)


def test_a_charter_is_put_before_a_person_who_approves_it(city: City) -> None:
    coordinator = city.asked(charter(city))
    digest = coordinator.charter.digest.hex()
    listed = city.office.told("consent", "list")
    assert digest in listed
    for fact in ("Learn to match", KIND, "at δ 1e-06 per worker", "at least 4 cities"):
        assert fact in listed
    assert "2026-01-01 00:00:00 UTC to 2096-" in listed
    assert "keeps every rule: a person decides" in listed
    assert "1 charter(s) await a person" in city.office.told("status")
    assert "collusion_bound: 1" in city.office.told("consent", "show", digest[:8])

    told = city.office.told("consent", "approve", digest[:8], "--person", "陈")
    assert f"approved by 陈: {digest}" in told
    assert city.office.told("consent", "list") == "no charter awaits a person\n"
    assert isinstance(city.answer(coordinator), Consent)


def test_a_charter_that_a_person_refused_stays_refused(city: City) -> None:
    coordinator = city.asked(charter(city))
    digest = coordinator.charter.digest.hex()
    assert "refused by Li" in city.office.told("consent", "refuse", digest, "--person", "Li")
    city.office.told("policy", "set", "training.mode", "auto")
    said = city.answer(coordinator)
    assert isinstance(said, Refusal)
    assert said.reason == Reason.POLICY
    again = city.office.refused("consent", "approve", digest, "--person", "Li")
    assert f"[{Reason.NOT_FOUND}]" in again


def test_a_changed_policy_counts_from_the_next_question_on(city: City) -> None:
    coordinator = city.asked(charter(city))
    told = city.office.told("policy", "set", "training.mode", "auto")
    assert "training.mode: ask → auto" in told
    assert 'mode = "auto"' in city.office.told("policy", "show")
    assert isinstance(city.answer(coordinator), Consent)


@pytest.mark.parametrize(
    ("key", "value", "reason"),
    [
        pytest.param("training.max_epsilon", "0.01", Reason.POLICY, id="too dear"),
        pytest.param("training.min_roster", "5", Reason.ROSTER_TOO_SMALL, id="too few cities"),
        pytest.param("training.mode", "refuse", Reason.POLICY, id="no part in training"),
        pytest.param("budget.epsilon", "0.01", Reason.BUDGET, id="no budget left"),
    ],
)
def test_what_the_policy_forbids_is_said_and_cannot_be_approved(
    city: City, key: str, value: str, reason: Reason
) -> None:
    digest = city.asked(charter(city)).charter.digest.hex()
    if key == "budget.epsilon":
        city.office.told("policy", "set", "training.max_epsilon", "64")
    city.office.told("policy", "set", key, value)
    assert "forbids it whatever a person says" in city.office.told("consent", "list")
    said = city.office.refused("consent", "approve", digest, "--person", "Li")
    assert f"[{reason}]" in said
    assert digest in city.office.told("consent", "list")


def test_a_charter_whose_run_has_ended_cannot_be_approved(city: City) -> None:
    coordinator = city.asked(charter(city))
    run = Run(city.federation, coordinator.charter)
    city.federation.publish(city.federation.by_coordinator(run.closure("stopped")))
    city.side.catch_up()
    assert "the run has ended" in city.office.told("consent", "list")
    digest = coordinator.charter.digest.hex()
    said = city.office.refused("consent", "approve", digest, "--person", "Li")
    assert f"[{Reason.CHARTER_CLOSED}]" in said


@pytest.mark.parametrize(
    ("typed", "person", "reason"),
    [
        pytest.param("0" * 64, "Li", Reason.NOT_FOUND, id="another charter"),
        pytest.param("abc", "Li", Reason.CONFIGURATION, id="too few digits"),
        pytest.param("not a digest", "Li", Reason.CONFIGURATION, id="no digits"),
        pytest.param("", "", Reason.INVALID_DOCUMENT, id="nobody decides"),
    ],
)
def test_a_decision_names_one_charter_and_a_person(
    city: City, typed: str, person: str, reason: Reason
) -> None:
    digest = city.asked(charter(city)).charter.digest.hex()
    said = city.office.refused("consent", "approve", typed or digest, "--person", person)
    assert f"[{reason}]" in said
    assert digest in city.office.told("consent", "list")


def test_what_left_and_what_it_cost_is_told(city: City) -> None:
    assert city.office.told("egress", "list") == "nothing left this city\n"
    city.office.told("policy", "set", "training.mode", "auto")
    coordinator = city.asked(charter(city))
    assert isinstance(city.answer(coordinator), Consent)
    left = city.office.told("egress", "list").splitlines()
    assert [line.split()[4] for line in left] == ["refusal/v1", "consent/v1"]
    assert coordinator.charter.digest.hex()[:16] in left[-1]
    assert "to coordinator" in left[-1]
    assert city.office.told("egress", "list", "--limit", "1").splitlines() == left[-1:]
    assert city.office.told("egress", "list", "--after", "1").splitlines() == left[-1:]

    told = json.loads(city.office.told("budget", "--json"))
    assert told["used"] == 0
    assert 0 < told["reserved"] < 8
    assert told["left"] == pytest.approx(8 - told["reserved"])
    shown = city.office.told("budget")
    assert f"ε {told['left']:.4g} of 8" in shown
    assert "ε 8 of 8" in city.office.told("budget", "--year", "2001")


def test_alarms_and_entries_that_were_not_believed_are_told(city: City) -> None:
    assert city.office.told("alarms") == "no alarms\n"
    federation = city.federation
    publish_release(federation, candidate(1), voters=2)
    city.side.catch_up()
    with city.side.store.write() as connection:
        runs.raise_alarm(connection, Alarm(1, bytes(32), b"", 0, "the log failed [at entry 3]"))
    told = city.office.told("alarms")
    assert "the log failed [at entry 3]" in told
    assert "does not remember" in told  # the release's run, in which this store took no part
    assert f"[{Reason.VOTED_DOWN}]" in told
    assert f"1 × {Reason.VOTED_DOWN}" in told
    assert "alarms:      2" in city.office.told("status")


def test_foreign_keys_in_the_own_entry_are_an_alarm(tmp_path: Path) -> None:
    folder = tmp_path / "log"
    folder.mkdir()
    federation = Federation(folder)
    federation.cities[DIVISION] = CityKeys.of(DIVISION, 2)
    city = City(tmp_path, federation)
    city.side.store.close()
    assert f"keys for {DIVISION}" in city.office.told("alarms")


def test_a_released_model_is_used_and_its_card_shown(city: City, tmp_path: Path) -> None:
    files = tmp_path / "files"
    files.mkdir()
    write(files, "jobs", [job(1, closes_on="2099-12-31")])
    write(files, "workers", [worker(1)])
    city.office.told("import", str(files))
    assert "no model has been released" in city.office.told("model", "show")
    before = json.loads(city.office.told("match", "w1", "--json"))

    publish_release(city.federation, candidate(2**22))
    city.side.catch_up()
    card = city.office.told("model", "show")
    for fact in ("release 1", "310000, 330100", "4 voted for it", "+0.0100 ± 0.0020", "ε 8"):
        assert fact in card
    after = json.loads(city.office.told("match", "w1", "--json"))
    assert after["model"]["version"] == 1
    assert after["model"]["release"] in card
    assert after["matches"][0]["score"] != before["matches"][0]["score"]
    assert "release 1 of 2026-01-01" in city.office.told("match", "w1")


def test_statistics_are_shown_with_error_bars_and_suppressed_cells_marked(city: City) -> None:
    assert "no statistics" in city.office.told("statistics", "list")
    assert f"[{Reason.NOT_FOUND}]" in city.office.refused("statistics", "show")
    federation = city.federation
    terms = federation.publish(federation.by_administrators(federation.statistics_charter()))
    run = Run(federation, terms.of(Charter))
    record = run.complete_round(run.publish_roster(), kind="statistics")
    figures = (
        Cell(measure="seekers", key="6-31-00-00", value=412.4, half_width=17.6, suppressed=False),
        Cell(measure="seekers", key="4-10-00-00", value=0.0, half_width=0.0, suppressed=True),
    )
    release = run.statistics_release(record, cells=figures)
    federation.publish(federation.by_coordinator(release))
    city.side.catch_up()

    listed = city.office.told("statistics", "list")
    assert "openings, 2026-01-01 00:00:00 UTC, 4 cities, 2 cells (1 suppressed), ε 8" in listed
    shown = city.office.told("statistics", "show")
    assert "412.4 ±  17.6  6-31-00-00" in shown
    assert "suppressed  4-10-00-00" in shown
    assert city.office.told("statistics", "show", listed[:8]) == shown
    assert f"[{Reason.NOT_FOUND}]" in city.office.refused("statistics", "show", "0" * 8)
