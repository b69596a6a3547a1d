"""What an accepted document makes the node do, in the transaction that keeps the document.

Lives here: activation of models, the end of a charter's budget, alarms. Must not know: how a
document was accepted, or the network.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import TypeVar

from sqlalchemy import Connection

from federation.acceptance import Accepted
from federation.documents.charter import Charter
from federation.documents.membership import Membership
from federation.documents.releases import ModelRelease, StatisticsRelease
from federation.documents.runs import Closure, DropRecord, Roster, RoundRecord
from federation.documents.types import Document
from federation.errors import Malformed, Reason, Refused
from federation.model import parameters
from federation.trust import Trust
from federation.verification import (
    verify_model_release,
    verify_roster,
    verify_round_record,
    verify_statistics_release,
)
from node import contradiction, forgotten
from node.documents import Lookup
from node.identity import OwnKeys
from node.privacy import ledger
from node.store import feed, models, runs
from node.store.models import ActiveModel
from node.store.runs import Alarm

D = TypeVar("D", bound=Document)
Evidence = tuple[Accepted[Charter], Accepted[Roster], Accepted[RoundRecord]]

FORGOTTEN = (
    "the log shows an answer of this city that its store does not remember, as after a restore: "
    "the whole charter counts as spent"
)


@dataclass(frozen=True)
class Consequences:
    """Called with each document before it is committed; raises CallerError to refuse it."""

    own: OwnKeys
    clock_ms: Callable[[], int]

    def __call__(
        self, connection: Connection, accepted: Accepted[Document], find: Lookup, trust: Trust
    ) -> None:
        """Write what ``accepted`` entails; ``find`` looks other documents up by digest.

        Raises what the verification of a release raises, WRONG_BINDING when its evidence is not in
        the log before it, and what :func:`node.contradiction.check_unreleased` raises,
        WRONG_SUM when its record does not hold what this city sent.
        """
        match accepted.document:
            case Membership() as membership:
                self._check_own_entry(connection, membership)
            case ModelRelease() as release:
                evidence = _evidence(release, find, trust)
                verify_model_release(accepted.of(ModelRelease), *evidence, trust)
                self._check_release(connection, accepted, evidence)
                self._activate(connection, accepted.digest, release)
            case StatisticsRelease() as statistics:
                evidence = _evidence(statistics, find, trust)
                verify_statistics_release(accepted.of(StatisticsRelease), *evidence)
                self._check_release(connection, accepted, evidence)
            case Roster() as roster:
                charter = find(roster.charter_digest)
                if charter is not None and forgotten.consent(
                    connection, self.own.division, accepted.of(Roster), charter.of(Charter), trust
                ):
                    self._forgot(connection, roster.charter_digest, roster.attempt_nonce, 0)
            case RoundRecord() as record:
                charter = find(record.charter_digest)
                if charter is not None and forgotten.contribution(
                    connection, self.own.division, record, charter.of(Charter)
                ):
                    nonce, number = record.attempt_nonce, record.round
                    self._forgot(connection, record.charter_digest, nonce, number)
            case Closure() as closure:
                ledger.close(connection, closure.charter_digest)
            case DropRecord() as drop:
                self._check_drop(connection, drop)

    def _check_own_entry(self, connection: Connection, membership: Membership) -> None:
        city = membership.city(self.own.division)
        if city is not None and not self.own.named_by(city):
            self._alarm(
                connection,
                f"membership {membership.version} names keys for {city.division} that are not "
                "this node's",
            )

    def _check_release(
        self, connection: Connection, release: Accepted[Document], evidence: Evidence
    ) -> None:
        charter, _, record = evidence
        contradiction.check_unreleased(connection, charter.digest, release.digest)
        if contradiction.exchanged(connection, self.own.division, record.document):
            raise Refused(
                Reason.WRONG_SUM, "the release's record holds another contribution of this city"
            )

    def _activate(self, connection: Connection, digest: bytes, release: ModelRelease) -> None:
        if not _usable(release):
            self._alarm(
                connection,
                f"model release {release.version} needs another version of this program; the "
                "model in use stays",
            )
            return
        at_ms = self.clock_ms()
        active = ActiveModel(digest, release.model, release.parameters, at_ms)
        models.activate(connection, active)

    def _check_drop(self, connection: Connection, drop: DropRecord) -> None:
        if self.own.division not in drop.cities:
            return
        if feed.has_answered(connection, drop.attempt_nonce, drop.round):
            sentence = f"this city was dropped ({drop.reason}) though it had answered the round"
            alarm = Alarm(
                self.clock_ms(), drop.charter_digest, drop.attempt_nonce, drop.round, sentence
            )
            runs.raise_alarm(connection, alarm)

    def _forgot(
        self, connection: Connection, charter_digest: bytes, attempt: bytes, number: int
    ) -> None:
        alarm = Alarm(self.clock_ms(), charter_digest, attempt, number, FORGOTTEN)
        runs.raise_alarm(connection, alarm)

    def _alarm(self, connection: Connection, sentence: str) -> None:
        runs.raise_alarm(connection, Alarm(self.clock_ms(), b"", b"", 0, sentence))


def _evidence(release: ModelRelease | StatisticsRelease, find: Lookup, trust: Trust) -> Evidence:
    """Return what a release rests on, each verified against the others."""
    charter = _logged(find, release.charter_digest, Charter)
    record = _logged(find, release.record_digest, RoundRecord)
    roster = _logged(find, record.document.roster_digest, Roster)
    cities = [consent.city for consent in verify_roster(roster, charter, trust)]
    before = record.document.previous_record_digest
    previous = _logged(find, before, RoundRecord) if before else None
    verify_round_record(record, roster, cities, previous)
    return charter, roster, record


def _logged(find: Lookup, digest: bytes, kind: type[D]) -> Accepted[D]:
    found = find(digest)
    if found is None:
        raise Malformed(
            Reason.WRONG_BINDING,
            f"the {kind.__name__} it names, {digest.hex()[:16]}, is not in the log before it",
        )
    return found.of(kind)


def _usable(release: ModelRelease) -> bool:
    return (
        release.model == parameters.MODEL_ID
        and release.model_digest == parameters.model_digest()
        and len(release.parameters) == 8 * parameters.LENGTH
    )
