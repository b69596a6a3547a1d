"""Attacks on results: what is said to have come of a run.

Lives here: this group's lines and what they forge. Must not know: how a case is judged. Each is an
entry of the log that a node refuses to believe; the model in use stays.
"""

from collections.abc import Callable
from dataclasses import dataclass, replace

from support.cities import contribution_in, opened
from support.federation import Federation, envelope
from support.releases import candidate, charter_for, evaluated
from support.runs import Run

from attacks.case import Act, Attack, By, Guard, Strike
from attacks.envelopes import VERIFIED
from attacks.stages import LoggedStage
from federation.acceptance import Accepted
from federation.crypto.keys import digest
from federation.documents.releases import Cell, ModelRelease, StatisticsRelease
from federation.documents.runs import RecordedContribution, RoundRecord
from federation.documents.types import Document
from federation.errors import Reason
from federation.model import parameters

VERIFICATION = "federation/verification.py"
CONTRADICTION = "node/contradiction.py"
CONSEQUENCES = "node/consequences.py"
OTHER = digest(b"other")
MODEL = candidate(1)
FIRST, SECOND, THIRD, FOURTH = "310000", "330100", "340100", "440300"


@dataclass
class Evaluated:
    """A run up to its evaluation, whose release is still to be made, as model ``version``."""

    federation: Federation
    version: int = 1

    def __post_init__(self) -> None:
        accepted = charter_for(self.federation, self.version, parameters.MODEL_ID)
        self.run = Run(self.federation, accepted, nonce=digest(bytes([self.version])))
        self.model = candidate(self.version)
        self.record, self.votes = evaluated(self.run, self.model)
        self.roster = self.run.rosters[-1]

    def release(self, **changes: object) -> ModelRelease:
        """Return the release as it should be, but for ``changes``."""
        honest = self.run.model_release(self.record, self.model, self.votes.values())
        # only what follows another release needs to name it
        before = {
            "version": self.version,
            "previous_digest": bytes(32) if self.version > 1 else b"",
        }
        return replace(honest, **{**before, **changes})  # type: ignore[arg-type]

    def vote(self, city: str = FIRST, **changes: object) -> bytes:
        """Return a city's vote with fields changed."""
        return self.run.vote(self.roster, city, self.model, **changes)

    def with_vote(self, raw: bytes) -> ModelRelease:
        """Return the release with one vote beside two good ones: it decides."""
        return self.release(votes=(raw, self.votes[SECOND], self.votes[THIRD]))

    def publish(self, release: Document) -> Accepted[Document]:
        """Sign and log as the coordinator."""
        return self.federation.publish(self.federation.by_coordinator(release))


def released(make: Callable[[Evaluated], ModelRelease]) -> Act:
    """Return the act of logging the release that ``make`` makes and letting the node read it."""

    def act(stage: LoggedStage) -> Strike:
        run = Evaluated(stage.federation)
        stage.home.catch_up()
        run.publish(make(run))
        return stage.reads()

    return act


def a_release(stage: LoggedStage) -> Strike:
    """A release with every city's vote."""
    return released(Evaluated.release)(stage)


def forged_vote(run: Evaluated) -> ModelRelease:
    raw = run.vote()
    return run.with_vote(raw[:-1] + bytes([raw[-1] ^ 1]))


def vote_in_anothers_name(run: Evaluated) -> ModelRelease:
    vote = opened(run.vote(FOURTH))
    return run.with_vote(envelope(vote, run.federation.cities[FIRST].signing))


def model_of_an_earlier_run(stage: LoggedStage) -> Strike:
    """The old votes are genuine: under a higher version they would bring the old model back."""
    first, second = Evaluated(stage.federation), Evaluated(stage.federation, version=2)
    first.publish(first.release())
    second.publish(second.release())
    stage.home.catch_up()
    first.publish(first.release(version=3, previous_digest=bytes(32)))
    return stage.reads()


def release_after_the_closure(stage: LoggedStage) -> Strike:
    run = Evaluated(stage.federation)
    run.publish(run.run.closure("voted_down"))
    stage.home.catch_up()
    run.publish(run.release())
    return stage.reads()


def version_that_is_not_newer(stage: LoggedStage) -> Strike:
    first, second = Evaluated(stage.federation), Evaluated(stage.federation, version=2)
    second.publish(second.release())
    stage.home.catch_up()
    stage.federation.log_unchecked(stage.federation.by_coordinator(first.release()))
    return stage.reads()


def version_that_is_held(stage: LoggedStage) -> Strike:
    """Two models under one version: cities that read the log differently would match by two."""
    first, second = Evaluated(stage.federation), Evaluated(stage.federation, version=2)
    first.publish(first.release())
    stage.home.catch_up()
    again = second.release(version=1, previous_digest=b"")
    stage.federation.log_unchecked(stage.federation.by_coordinator(again))
    return stage.reads()


def over_fewer_cities_than_the_roster(stage: LoggedStage) -> Strike:
    """Three of four cities in the record would let two votes pass for a majority."""
    run = Evaluated(stage.federation)
    listed = run.record.document.contributions[:3]
    run.run.records.pop()
    record = run.run.publish_record(replace(run.record.document, contributions=listed))
    stage.home.catch_up()
    votes = list(run.votes.values())[:2]
    run.publish(run.run.model_release(record, run.model, votes))
    return stage.reads()


# ── statistics ──────────────────────────────────────────────────────────────────────────────────


def counted(stage: LoggedStage) -> tuple[Accepted[RoundRecord], StatisticsRelease]:
    """Let the node contribute to a statistics round; return its record and the honest release."""
    coordinator = stage.counting()
    coordinator.start()
    answers = coordinator.ask()
    contribution_in(answers[FIRST])
    record = coordinator.publish(coordinator.record_of(answers)).of(RoundRecord)
    coordinator.records.append(record)
    return record, figures_of(stage, record)


def figures_of(stage: LoggedStage, record: Accepted[RoundRecord]) -> StatisticsRelease:
    """Return the release of a statistics record."""
    charter = stage.federation.publisher.find(record.document.charter_digest)
    run = Run(stage.federation, charter)  # type: ignore[arg-type]
    return run.statistics_release(record)


def tell(stage: LoggedStage, *documents: Document) -> Strike:
    """Log documents as the coordinator, and let the node read the last of them as the blow."""
    for document in documents:
        stage.home.catch_up()
        stage.federation.publish(stage.federation.by_coordinator(document))
    return stage.reads()


def statistics(stage: LoggedStage) -> Strike:
    """A statistics release over a record that holds what the node sent."""
    return tell(stage, counted(stage)[1])


def second_statistics(stage: LoggedStage) -> Strike:
    _, release = counted(stage)
    other = Cell(measure="count", key="all", value=1.0, half_width=17.6, suppressed=False)
    return tell(stage, release, replace(release, cells=(other,)))


def statistics_without_my_contribution(stage: LoggedStage) -> Strike:
    """No round follows a run's last, so nothing else would tell the city of the exchange."""
    record, _ = counted(stage)
    mine, *others = record.document.contributions
    changed = RecordedContribution(city=mine.city, digest=OTHER)
    forged = replace(record.document, contributions=(changed, *others))
    accepted = stage.federation.publish(stage.federation.by_coordinator(forged)).of(RoundRecord)
    return tell(stage, figures_of(stage, accepted))


def statistics_of_another_indicator(stage: LoggedStage) -> Strike:
    return tell(stage, replace(counted(stage)[1], indicator="wages"))


def statistics_dearer_than_permitted(stage: LoggedStage) -> Strike:
    return tell(stage, replace(counted(stage)[1], epsilon=9.0))


def by_release(
    name: str, make: Callable[[Evaluated], ModelRelease], reason: Reason, guard: Guard
) -> Attack:
    """Return an attack of the coordinator by the release that ``make`` makes."""
    return Attack(name, By.COORDINATOR, released(make), reason, guard, LoggedStage, a_release)


def by_entry(name: str, act: Act, reason: Reason, guard: Guard, *, twin: Act = a_release) -> Attack:
    """Return an attack of the coordinator by entries of the log."""
    return Attack(name, By.COORDINATOR, act, reason, guard, LoggedStage, twin)


def bound(name: str, value: str, expected: str) -> Guard:
    """The line of the verification that binds a field."""
    return Guard(VERIFICATION, f'    _bound("{name}", {value}, {expected})\n', "")


SPEAKS_FOR_ITSELF = Guard(
    "federation/acceptance/steps.py",
    "if city is not None and names != {city}:",
    "if False:",
)
NEWER_RELEASE = "document.version <= (latest := latest_release()):"
ONE_RESULT = Guard(
    CONTRADICTION, "if charter_digest in _ended(connection, kind, release):", "if False:"
)

RELEASES: list[Attack] = [
    by_release(
        "a release with half of the cities in favour",
        lambda run: run.release(votes=(run.votes[FIRST], run.votes[SECOND])),
        Reason.VOTED_DOWN,
        Guard(
            VERIFICATION,
            "    if in_favour < needed:\n",
            "    if False:\n",
            stops_too=("votes against a model counted in its favour",),
        ),
    ),
    by_release(
        "votes against a model counted in its favour",
        lambda run: run.with_vote(run.vote(not_worse=False)),
        Reason.VOTED_DOWN,
        Guard(
            VERIFICATION,
            "sum(vote.not_worse for vote in votes), cities // 2 + 1",
            "len(votes), cities // 2 + 1",
        ),
    ),
    by_release(
        "one city's vote counted twice",
        lambda run: run.with_vote(run.vote(SECOND, not_worse=False)),
        Reason.ROSTER_FOREIGN,
        Guard(VERIFICATION, "if len({vote.city for vote in votes}) != len(votes):", "if False:"),
    ),
    by_release("a vote with a forged signature", forged_vote, Reason.BAD_SIGNATURE, VERIFIED),
    by_release(
        "a vote that one city casts in another's name",
        vote_in_anothers_name,
        Reason.UNKNOWN_SIGNER,
        SPEAKS_FOR_ITSELF,
    ),
    by_release(
        "a vote for another candidate counted for this one",
        lambda run: run.with_vote(run.vote(candidate_digest=OTHER)),
        Reason.WRONG_BINDING,
        bound("candidate_digest", "vote.candidate_digest", "candidate"),
    ),
    by_release(
        "a vote of another run",
        lambda run: run.with_vote(run.vote(charter_digest=OTHER)),
        Reason.WRONG_BINDING,
        bound("charter_digest", "vote.charter_digest", "roster.document.charter_digest"),
    ),
    by_release(
        "a vote of another attempt",
        lambda run: run.with_vote(run.vote(attempt_nonce=OTHER)),
        Reason.WRONG_BINDING,
        bound("attempt_nonce", "vote.attempt_nonce", "roster.document.attempt_nonce"),
    ),
    by_release(
        "a vote under another roster",
        lambda run: run.with_vote(run.vote(roster_digest=OTHER)),
        Reason.WRONG_BINDING,
        bound("roster_digest", "vote.roster_digest", "roster.digest"),
    ),
    by_release(
        "other parameters than the cities evaluated",
        lambda run: run.release(parameters=candidate(9)),
        Reason.WRONG_BINDING,
        Guard(
            VERIFICATION,
            '    _bound("parameters_digest", record.document.parameters_digest, candidate)\n',
            "",
            backed_by=(bound("candidate_digest", "vote.candidate_digest", "candidate"),),
            stops_too=("a vote for another candidate counted for this one",),
        ),
    ),
    by_release(
        "a card that admits to more than the charter's ε",
        lambda run: run.release(card=replace(run.release().card, epsilon=8.5)),
        Reason.WRONG_BINDING,
        Guard(
            VERIFICATION,
            "if epsilon > terms.epsilon or delta > terms.delta:",
            "if False:",
            stops_too=("figures that admit to more than the charter's ε",),
        ),
    ),
    by_release(
        "a release on a record that the log does not hold",
        lambda run: run.release(record_digest=OTHER),
        Reason.WRONG_BINDING,
        Guard(
            CONSEQUENCES,
            "    if found is None:\n        raise Malformed(\n            Reason.WRONG_BINDING",
            "    if found is None:\n        raise Malformed(\n            Reason.NOT_FOUND",
        ),
    ),
    by_entry(
        "a record over fewer cities than its roster carries a release",
        over_fewer_cities_than_the_roster,
        Reason.ROSTER_FOREIGN,
        Guard(
            VERIFICATION,
            "if [c.city for c in document.contributions] != sorted(cities):",
            "if False:",
        ),
    ),
    by_entry(
        "an old model comes back with its old votes under a higher version",
        model_of_an_earlier_run,
        Reason.REPLAYED,
        ONE_RESULT,
    ),
    by_entry(
        "a release of a run that was closed",
        release_after_the_closure,
        Reason.CHARTER_CLOSED,
        Guard(
            CONTRADICTION,
            "if charter_digest in _ended(connection, PayloadType.CLOSURE, release):",
            "if False:",
        ),
    ),
    by_entry(
        "a release that is not newer than the one held",
        version_that_is_not_newer,
        Reason.ROLLED_BACK,
        Guard(
            "federation/acceptance/steps.py",
            NEWER_RELEASE,
            "document.version == (latest := latest_release()):",
        ),
    ),
    by_entry(
        "another model under the version of the one held",
        version_that_is_held,
        Reason.ROLLED_BACK,
        Guard(
            "federation/acceptance/steps.py",
            NEWER_RELEASE,
            "document.version < (latest := latest_release()):",
        ),
    ),
    by_entry(
        "a second set of figures from one statistics run",
        second_statistics,
        Reason.REPLAYED,
        ONE_RESULT,
        twin=statistics,
    ),
    by_entry(
        "figures on a last record that exchanges the city's contribution",
        statistics_without_my_contribution,
        Reason.WRONG_SUM,
        Guard(
            CONSEQUENCES,
            "if contradiction.exchanged(connection, self.own.division, record.document):",
            "if False:",
        ),
        twin=statistics,
    ),
    by_entry(
        "figures of another indicator than the charter's",
        statistics_of_another_indicator,
        Reason.WRONG_BINDING,
        Guard(
            VERIFICATION,
            "if stated != (terms.indicator, terms.suppression_threshold, cities):",
            "if False:",
        ),
        twin=statistics,
    ),
    by_entry(
        "figures that admit to more than the charter's ε",
        statistics_dearer_than_permitted,
        Reason.WRONG_BINDING,
        Guard(
            VERIFICATION,
            "    _check_spent(document.epsilon, document.delta, charter)\n",
            "",
        ),
        twin=statistics,
    ),
]
