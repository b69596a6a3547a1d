"""What an accepted document makes the node do, in the transaction that keeps the document.

Lives here: activation of models, the end of a charter's budget, alarms. Must not know: how a
document was accepted, or the network.
"""

from collections.abc import Callable
from dataclasses import dataclass

from sqlalchemy import Connection

from federation.acceptance import Accepted
from federation.documents.membership import Membership
from federation.documents.releases import ModelRelease
from federation.documents.runs import Closure, DropRecord
from federation.documents.types import Document
from federation.model import parameters
from node.documents import Lookup
from node.identity import OwnKeys
from node.privacy import ledger
from node.store import feed, models, runs
from node.store.models import ActiveModel
from node.store.runs import Alarm


@dataclass(frozen=True)
class Consequences:
    """Called with each document before it is committed; raises CallerError to refuse it."""

    own: OwnKeys
    clock_ms: Callable[[], int]

    def __call__(self, connection: Connection, accepted: Accepted[Document], find: Lookup) -> None:
        """Write what ``accepted`` entails; ``find`` looks other documents up by digest."""
        match accepted.document:
            case Membership() as membership:
                self._check_own_entry(connection, membership)
            case ModelRelease() as release:
                self._activate(connection, accepted.digest, release)
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

    def _alarm(self, connection: Connection, sentence: str) -> None:
        runs.raise_alarm(connection, Alarm(self.clock_ms(), b"", b"", 0, sentence))


def _usable(release: ModelRelease) -> bool:
    return (
        release.model == parameters.MODEL_ID
        and release.model_digest == parameters.model_digest()
        and len(release.parameters) == 8 * parameters.LENGTH
    )
