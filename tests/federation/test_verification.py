"""What fits together is believed, and every way not to fit has its reason."""

from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from support.federation import DIVISIONS, Federation, envelope, signing_key
from support.runs import CANDIDATE, Run, agreement_key

from federation.acceptance import Accepted
from federation.crypto.envelope import Body
from federation.crypto.keys import digest
from federation.documents.charter import Charter
from federation.documents.exchanged import Vote
from federation.documents.releases import ModelRelease, StatisticsRelease
from federation.documents.runs import RecordedContribution, Roster, RoundRecord
from federation.errors import CallerError, Reason
from federation.verification import (
    verify_contribution,
    verify_model_release,
    verify_roster,
    verify_round_record,
    verify_statistics_release,
)
from federation.wire.codec import decode_document, decode_envelope

CITIES = DIVISIONS[:4]
OTHER = digest(b"other")
ATTEMPT = digest(b"attempt 1")
PARAMETERS = b"parameters 1"


@pytest.fixture
def federation(tmp_path: Path) -> Federation:
    return Federation(tmp_path)


def begun(federation: Federation, **charter: Any) -> Run:
    return Run(federation, federation.publish_charter(**charter))


# --- rosters ----------------------------------------------------------------------------------


def with_consents(run: Run, *consents: bytes) -> Roster:
    return run.roster(consents=consents)


def with_first(run: Run, consent: bytes) -> Roster:
    return with_consents(run, consent, *(run.consent(city) for city in CITIES[1:]))


def altered(raw: bytes) -> bytes:
    """The envelope with one bit of its signature flipped."""
    return raw[:-1] + bytes([raw[-1] ^ 1])


def by_another_city(run: Run) -> Roster:
    document = decode_envelope(run.consent(CITIES[0]))
    consent = decode_document(document.payload_type, document.payload)
    return with_first(run, envelope(consent, run.federation.cities[CITIES[1]].signing))


def by_a_stranger(run: Run) -> Roster:
    document = decode_envelope(run.consent(CITIES[0]))
    consent = decode_document(document.payload_type, document.payload)
    return with_first(run, envelope(consent, signing_key("stranger")))


def of_an_older_membership(run: Run) -> Roster:
    old = [run.consent(city) for city in CITIES]
    run.federation.publish_membership()
    return with_consents(run, *old)


def of_a_suspended_city(run: Run) -> Roster:
    first, *others = run.federation.membership.cities
    run.federation.publish_membership(cities=(replace(first, status="suspended"), *others))
    return run.roster(CITIES)


def of_a_city_twice(run: Run) -> Roster:
    again = run.consent(CITIES[0], agreement_key=agreement_key("again", ATTEMPT).public)
    return with_consents(run, run.consent(CITIES[0]), again, run.consent(CITIES[1]))


def with_one_key_for_two(run: Run) -> Roster:
    shared = agreement_key(CITIES[1], ATTEMPT).public
    return with_first(run, run.consent(CITIES[0], agreement_key=shared))


def with_more_colluders_feared(run: Run) -> Roster:
    run.federation.publish_membership(collusion_bound=2)
    return run.roster()


ROSTERS: dict[str, tuple[Callable[[Run], Roster], Reason, dict[str, Any]]] = {
    "of another charter": (
        lambda run: run.roster(charter_digest=OTHER),
        Reason.WRONG_BINDING,
        {},
    ),
    "a consent by another city": (by_another_city, Reason.ROSTER_CONSENT, {}),
    "a consent by a stranger": (by_a_stranger, Reason.ROSTER_CONSENT, {}),
    "a consent with a forged signature": (
        lambda run: with_first(run, altered(run.consent(CITIES[0]))),
        Reason.ROSTER_CONSENT,
        {},
    ),
    "a consent that is noise": (
        lambda run: with_first(run, b"\x0a\xff"),
        Reason.ROSTER_CONSENT,
        {},
    ),
    "a consent to another attempt": (
        lambda run: with_first(run, run.consent(CITIES[0], attempt_nonce=OTHER)),
        Reason.ROSTER_CONSENT,
        {},
    ),
    "a consent to another charter": (
        lambda run: with_first(run, run.consent(CITIES[0], charter_digest=OTHER)),
        Reason.ROSTER_CONSENT,
        {},
    ),
    "consents under an older membership": (of_an_older_membership, Reason.ROSTER_CONSENT, {}),
    "a suspended city": (of_a_suspended_city, Reason.ROSTER_CONSENT, {}),
    "a city twice": (of_a_city_twice, Reason.ROSTER_CONSENT, {}),
    "cities out of order": (
        lambda run: run.roster(reversed(CITIES)),
        Reason.ROSTER_CONSENT,
        {},
    ),
    "one agreement key for two cities": (with_one_key_for_two, Reason.ROSTER_CONSENT, {}),
    "membership fears more colluders": (with_more_colluders_feared, Reason.ROSTER_COLLUSION, {}),
    "as many colluders as all but one": (
        lambda run: run.roster(CITIES[:3]),
        Reason.ROSTER_COLLUSION,
        {"collusion_bound": 2, "min_roster": 4},
    ),
    "below the charter's minimum": (
        lambda run: run.roster(CITIES[:3]),
        Reason.ROSTER_TOO_SMALL,
        {"min_roster": 4},
    ),
}


@pytest.mark.parametrize("name", ROSTERS)
def test_a_roster_is_refused(federation: Federation, name: str) -> None:
    make, reason, charter = ROSTERS[name]
    run = begun(federation, **charter)
    roster = federation.publish(federation.by_coordinator(make(run))).of(Roster)
    with pytest.raises(CallerError) as raised:
        verify_roster(roster, run.charter, federation.trust)
    assert raised.value.reason is reason


def test_a_vote_is_no_consent(federation: Federation) -> None:
    run = begun(federation)
    vote = Vote(
        charter_digest=run.charter.digest,
        attempt_nonce=run.nonce,
        roster_digest=OTHER,
        candidate_digest=OTHER,
        city=CITIES[0],
        not_worse=True,
    )
    made = with_first(run, federation.by_city(vote, CITIES[0]))
    roster = federation.publish(federation.by_coordinator(made)).of(Roster)
    with pytest.raises(CallerError) as raised:
        verify_roster(roster, run.charter, federation.trust)
    assert raised.value.reason is Reason.ROSTER_CONSENT


def test_a_roster_shows_its_cities_consents(federation: Federation) -> None:
    run = begun(federation)
    consents = verify_roster(run.publish_roster(), run.charter, federation.trust)
    assert [consent.city for consent in consents] == list(CITIES)
    assert consents[0].agreement_key == agreement_key(CITIES[0], ATTEMPT).public


def test_a_roster_is_judged_by_the_membership_of_its_time(federation: Federation) -> None:
    run = begun(federation)
    roster = run.publish_roster()
    gone = tuple(replace(city, status="withdrawn") for city in federation.membership.cities)
    federation.publish_membership(cities=gone)
    assert len(verify_roster(roster, run.charter, federation.trust)) == 4


# --- round records ----------------------------------------------------------------------------


@dataclass
class Recorded:
    """A run with one completed round, and a second round's record that nothing is wrong with."""

    run: Run
    roster: Accepted[Roster]
    contributions: dict[str, Body]
    record: RoundRecord

    @classmethod
    def of(cls, federation: Federation) -> "Recorded":
        run = begun(federation)
        roster = run.publish_roster()
        run.complete_round(roster, following=b"parameters 2")
        values = {city: np.arange(6) for city in CITIES}
        contributions = run.contributions(roster, values, parameters=b"parameters 2")
        record = run.record(roster, contributions, 4 * np.arange(6), parameters=b"parameters 2")
        return cls(run, roster, contributions, record)

    def log(self, **changes: Any) -> Accepted[RoundRecord]:
        federation = self.run.federation
        changed = replace(self.record, **changes)
        return federation.publish(federation.by_coordinator(changed)).of(RoundRecord)

    def verify(self, record: Accepted[RoundRecord]) -> None:
        verify_round_record(record, self.roster, CITIES, self.run.records[-1])


RECORDS: dict[str, tuple[dict[str, Any], Reason]] = {
    "of another roster": ({"roster_digest": OTHER}, Reason.WRONG_BINDING),
    "of another charter": ({"charter_digest": OTHER}, Reason.WRONG_BINDING),
    "of another attempt": ({"attempt_nonce": OTHER}, Reason.WRONG_BINDING),
    "after another record": ({"previous_record_digest": OTHER}, Reason.WRONG_BINDING),
    "a round left out": ({"round": 3}, Reason.WRONG_ROUND),
    "a round again": ({"round": 1}, Reason.WRONG_BINDING),
    "on other parameters": ({"parameters_digest": OTHER}, Reason.WRONG_BINDING),
}


@pytest.mark.parametrize("name", RECORDS)
def test_a_round_record_is_refused(federation: Federation, name: str) -> None:
    changes, reason = RECORDS[name]
    recorded = Recorded.of(federation)
    if name == "a round again":
        changes = {**changes, "previous_record_digest": b""}
    with pytest.raises(CallerError) as raised:
        recorded.verify(recorded.log(**changes))
    assert raised.value.reason is reason


@pytest.mark.parametrize("listed", [CITIES[:3], (*CITIES, DIVISIONS[4])], ids=["one less", "more"])
def test_a_record_of_other_cities_is_refused(
    federation: Federation, listed: tuple[str, ...]
) -> None:
    recorded = Recorded.of(federation)
    contributions = tuple(RecordedContribution(city=city, digest=OTHER) for city in listed)
    with pytest.raises(CallerError) as raised:
        recorded.verify(recorded.log(contributions=contributions))
    assert raised.value.reason is Reason.ROSTER_FOREIGN


def test_a_round_before_its_attempt_is_refused(federation: Federation) -> None:
    run = begun(federation)
    roster = run.publish_roster(first_round=2, previous_record_digest=OTHER)
    record = run.complete_round(roster)
    with pytest.raises(CallerError) as raised:
        verify_round_record(record, roster, CITIES, None)
    assert raised.value.reason is Reason.WRONG_ROUND


def test_a_record_that_follows_is_believed(federation: Federation) -> None:
    recorded = Recorded.of(federation)
    recorded.verify(recorded.log())


# --- contributions ----------------------------------------------------------------------------

Swap = Callable[[Recorded], bytes]


def contribution_with(recorded: Recorded, **changes: Any) -> bytes:
    first = decode_envelope(recorded.contributions[CITIES[0]].envelope)
    document = decode_document(first.payload_type, first.payload)
    changed = replace(document, **changes)
    return recorded.run.federation.by_city(changed, CITIES[0])


CONTRIBUTIONS: dict[str, tuple[Swap, Reason]] = {
    "of an earlier round": (lambda r: contribution_with(r, round=1), Reason.WRONG_BINDING),
    "of another kind": (
        lambda r: contribution_with(r, kind="evaluation", vote=b"vote"),
        Reason.WRONG_BINDING,
    ),
    "of another charter": (
        lambda r: contribution_with(r, charter_digest=OTHER),
        Reason.WRONG_BINDING,
    ),
    "of another attempt": (
        lambda r: contribution_with(r, attempt_nonce=OTHER),
        Reason.WRONG_BINDING,
    ),
    "to another roster": (
        lambda r: contribution_with(r, roster_digest=OTHER),
        Reason.WRONG_BINDING,
    ),
    "under another membership": (
        lambda r: contribution_with(r, membership_digest=OTHER),
        Reason.WRONG_BINDING,
    ),
    "on other parameters": (
        lambda r: contribution_with(r, parameters_digest=OTHER),
        Reason.WRONG_BINDING,
    ),
    "in another city's name": (
        lambda r: contribution_with(r, city=CITIES[1]),
        Reason.UNKNOWN_SIGNER,
    ),
    "a forged signature": (
        lambda r: altered(r.contributions[CITIES[0]].envelope),
        Reason.BAD_SIGNATURE,
    ),
    "a consent": (lambda r: r.run.consent(CITIES[0]), Reason.UNEXPECTED_TYPE),
    "noise": (lambda _: b"\x0a\xff", Reason.NOT_DECODABLE),
}


@pytest.mark.parametrize("name", CONTRIBUTIONS)
def test_a_recorded_contribution_is_refused(federation: Federation, name: str) -> None:
    make, reason = CONTRIBUTIONS[name]
    recorded = Recorded.of(federation)
    raw = make(recorded)
    # the record names these very bytes: what is wrong is what they say
    swapped = RecordedContribution(city=CITIES[0], digest=digest(raw))
    record = recorded.log(contributions=(swapped, *recorded.record.contributions[1:]))
    with pytest.raises(CallerError) as raised:
        verify_contribution(raw, record, recorded.roster, federation.trust)
    assert raised.value.reason is reason


def test_a_contribution_that_is_not_the_recorded_one_is_refused(federation: Federation) -> None:
    recorded = Recorded.of(federation)
    other = contribution_with(recorded, masked_digest=OTHER)
    with pytest.raises(CallerError) as raised:
        verify_contribution(other, recorded.log(), recorded.roster, federation.trust)
    assert raised.value.reason is Reason.ROSTER_FOREIGN


def test_recorded_contributions_are_believed(federation: Federation) -> None:
    recorded = Recorded.of(federation)
    record = recorded.log()
    for city, body in recorded.contributions.items():
        found = verify_contribution(body.envelope, record, recorded.roster, federation.trust)
        assert found.city == city


# --- model releases ---------------------------------------------------------------------------


@dataclass
class Evaluated:
    """A run up to its evaluation, whose release is still to be made."""

    run: Run
    roster: Accepted[Roster]
    record: Accepted[RoundRecord]
    votes: dict[str, bytes]

    @classmethod
    def of(cls, federation: Federation) -> "Evaluated":
        run = begun(federation, rounds=1)
        roster = run.publish_roster()
        run.complete_round(roster, following=CANDIDATE)
        votes = {city: run.vote(roster, city, CANDIDATE) for city in CITIES}
        record = run.complete_round(roster, kind="evaluation", parameters=CANDIDATE, votes=votes)
        return cls(run, roster, record, votes)

    def release(self, **changes: Any) -> ModelRelease:
        votes = self.votes.values()
        return replace(self.run.model_release(self.record, CANDIDATE, votes), **changes)

    def with_vote(self, raw: bytes) -> ModelRelease:
        kept = [self.votes[city] for city in CITIES[1:3]]
        return self.release(votes=(raw, *kept))

    def verify(self, release: ModelRelease) -> tuple[Vote, ...]:
        federation = self.run.federation
        accepted = federation.publish(federation.by_coordinator(release)).of(ModelRelease)
        return verify_model_release(
            accepted, self.run.charter, self.roster, self.record, federation.trust
        )


def card(evaluated: Evaluated, **changes: Any) -> ModelRelease:
    release = evaluated.release()
    return replace(release, card=replace(release.card, **changes))


def vote(evaluated: Evaluated, city: str = CITIES[0], **changes: Any) -> bytes:
    return evaluated.run.vote(evaluated.roster, city, CANDIDATE, **changes)


def vote_for_another(evaluated: Evaluated) -> bytes:
    raw = decode_envelope(vote(evaluated))
    document: Any = decode_document(raw.payload_type, raw.payload)
    return evaluated.run.federation.by_city(replace(document, city=CITIES[3]), CITIES[0])


MODEL_RELEASES: dict[str, tuple[Callable[[Evaluated], ModelRelease], Reason]] = {
    "of another charter": (lambda e: e.release(charter_digest=OTHER), Reason.WRONG_BINDING),
    "of another record": (lambda e: e.release(record_digest=OTHER), Reason.WRONG_BINDING),
    "other parameters": (lambda e: e.release(parameters=bytes(48)), Reason.WRONG_BINDING),
    "of another encoding": (lambda e: e.release(model_digest=OTHER), Reason.WRONG_BINDING),
    "of another taxonomy": (lambda e: e.release(taxonomy_digest=OTHER), Reason.WRONG_BINDING),
    "of another model": (lambda e: e.release(model="match/v2"), Reason.WRONG_BINDING),
    "a card of other cities": (lambda e: card(e, cities=CITIES[:3]), Reason.WRONG_BINDING),
    "a card above the charter's epsilon": (lambda e: card(e, epsilon=8.1), Reason.WRONG_BINDING),
    "a card above the charter's delta": (lambda e: card(e, delta=1e-5), Reason.WRONG_BINDING),
    "half of the cities in favour": (
        lambda e: e.release(votes=tuple(e.votes.values())[:2]),
        Reason.VOTED_DOWN,
    ),
    "votes against counted in": (
        lambda e: e.with_vote(vote(e, not_worse=False)),
        Reason.VOTED_DOWN,
    ),
    "a vote on another candidate": (
        lambda e: e.with_vote(vote(e, candidate_digest=OTHER)),
        Reason.WRONG_BINDING,
    ),
    "a vote of another charter": (
        lambda e: e.with_vote(vote(e, charter_digest=OTHER)),
        Reason.WRONG_BINDING,
    ),
    "a vote of another attempt": (
        lambda e: e.with_vote(vote(e, attempt_nonce=OTHER)),
        Reason.WRONG_BINDING,
    ),
    "a vote of another roster": (
        lambda e: e.with_vote(vote(e, roster_digest=OTHER)),
        Reason.WRONG_BINDING,
    ),
    "a vote in another's name": (
        lambda e: e.with_vote(vote_for_another(e)),
        Reason.UNKNOWN_SIGNER,
    ),
    "a vote with a forged signature": (
        lambda e: e.with_vote(altered(vote(e))),
        Reason.BAD_SIGNATURE,
    ),
    "a vote signed twice over": (
        lambda e: e.with_vote(vote(e, CITIES[1], not_worse=False)),
        Reason.ROSTER_FOREIGN,
    ),
}


@pytest.mark.parametrize("name", MODEL_RELEASES)
def test_a_model_release_is_refused(federation: Federation, name: str) -> None:
    make, reason = MODEL_RELEASES[name]
    evaluated = Evaluated.of(federation)
    release = make(evaluated)
    with pytest.raises(CallerError) as raised:
        evaluated.verify(release)
    assert raised.value.reason is reason


def test_a_city_outside_the_roster_has_no_vote(tmp_path: Path) -> None:
    federation = Federation(tmp_path, cities=DIVISIONS[:4])
    run = begun(federation, rounds=1)
    roster = run.publish_roster(CITIES[:3])
    run.complete_round(roster, following=CANDIDATE)
    votes = {city: run.vote(roster, city, CANDIDATE) for city in CITIES}
    record = run.complete_round(roster, kind="evaluation", parameters=CANDIDATE, votes=votes)
    evaluated = Evaluated(run, roster, record, votes)
    with pytest.raises(CallerError) as raised:
        evaluated.verify(evaluated.release())
    assert raised.value.reason is Reason.ROSTER_FOREIGN


def test_a_release_on_a_training_rounds_record_is_refused(federation: Federation) -> None:
    run = begun(federation)
    roster = run.publish_roster()
    record = run.complete_round(roster, parameters=CANDIDATE)
    votes = {city: run.vote(roster, city, CANDIDATE) for city in CITIES}
    evaluated = Evaluated(run, roster, record, votes)
    release = evaluated.release()
    with pytest.raises(CallerError, match="not evaluation") as raised:
        evaluated.verify(release)
    assert raised.value.reason is Reason.WRONG_BINDING


def test_a_bare_majority_releases(federation: Federation) -> None:
    evaluated = Evaluated.of(federation)
    against = vote(evaluated, CITIES[3], not_worse=False)
    in_favour = [evaluated.votes[city] for city in CITIES[:3]]
    counted = evaluated.verify(evaluated.release(votes=(*in_favour, against)))
    assert [one.not_worse for one in counted] == [True, True, True, False]


# --- statistics releases ----------------------------------------------------------------------


@dataclass
class Counted:
    """A statistics run whose one round is recorded."""

    run: Run
    roster: Accepted[Roster]
    record: Accepted[RoundRecord]

    @classmethod
    def of(cls, federation: Federation) -> "Counted":
        charter = federation.publish(
            federation.by_administrators(federation.statistics_charter())
        ).of(Charter)
        run = Run(federation, charter)
        roster = run.publish_roster()
        return cls(run, roster, run.complete_round(roster, kind="statistics", parameters=b""))

    def verify(self, **changes: Any) -> None:
        federation = self.run.federation
        release = self.run.statistics_release(self.record, **changes)
        accepted = federation.publish(federation.by_coordinator(release)).of(StatisticsRelease)
        verify_statistics_release(accepted, self.run.charter, self.roster, self.record)


STATISTICS_RELEASES: dict[str, dict[str, Any]] = {
    "of another charter": {"charter_digest": OTHER},
    "of another record": {"record_digest": OTHER},
    "of another indicator": {"indicator": "pay"},
    "of another declaration": {"indicator_digest": OTHER},
    "of another threshold": {"suppression_threshold": 5},
    "over other cities": {"cities": CITIES[:3]},
    "above the charter's epsilon": {"epsilon": 8.1},
    "above the charter's delta": {"delta": 1e-5},
}


@pytest.mark.parametrize("name", STATISTICS_RELEASES)
def test_a_statistics_release_is_refused(federation: Federation, name: str) -> None:
    counted = Counted.of(federation)
    with pytest.raises(CallerError) as raised:
        counted.verify(**STATISTICS_RELEASES[name])
    assert raised.value.reason is Reason.WRONG_BINDING


def test_a_statistics_release_that_fits_is_believed(federation: Federation) -> None:
    Counted.of(federation).verify()


def test_a_charter_permits_its_own_kind_of_release_only(federation: Federation) -> None:
    counted, evaluated = Counted.of(federation), Evaluated.of(federation)
    publish, sign = federation.publish, federation.by_coordinator
    figures = publish(sign(counted.run.statistics_release(counted.record))).of(StatisticsRelease)
    model = publish(sign(evaluated.release())).of(ModelRelease)
    with pytest.raises(CallerError, match="no statistics"):
        verify_statistics_release(figures, evaluated.run.charter, counted.roster, counted.record)
    with pytest.raises(CallerError, match="no training"):
        verify_model_release(
            model, counted.run.charter, evaluated.roster, evaluated.record, federation.trust
        )
