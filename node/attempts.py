"""One attempt as a city sees it: its key, its one roster, and which request may come next.

Lives here: the checks that need nothing but accepted documents and what this city sent. Must not
know: the store, budgets, records, or who asks.
"""

from dataclasses import dataclass, field

from federation.acceptance import Accepted
from federation.crypto.keys import AgreementKey
from federation.documents.charter import Charter
from federation.documents.exchanged import ConsentRequest, RoundRequest
from federation.documents.runs import Roster, RoundRecord
from federation.errors import Malformed, Reason, Refused
from federation.rounds import terms
from federation.trust import Trust
from federation.verification import verify_roster
from node.contribution import Peers
from node.replay import Reached


@dataclass(frozen=True)
class Rostered:
    """A roster this city verified, and everybody else's keys in it."""

    digest: bytes
    roster: Roster
    peers: Peers


@dataclass
class Attempt:
    """An attempt this city consented to. ``key`` is here and nowhere else: memory only.

    ``consent``: the envelope sent; ``answered``: the last round answered, 0 before the first;
    ``sent``: SHA-256 of that answer's envelope; ``state``: the optimiser's, as far as derived.
    """

    city: str
    nonce: bytes
    charter: Accepted[Charter]
    membership_digest: bytes
    key: AgreementKey = field(repr=False)
    consent: bytes = field(repr=False)
    rostered: Rostered | None = None
    answered: int = 0
    sent: bytes = b""
    state: Reached | None = None

    def check_own(self, request: ConsentRequest | RoundRequest) -> None:
        """Raise Refused(KEYS_LOST) for another attempt, Malformed(WRONG_BINDING) otherwise."""
        if self.nonce != request.attempt_nonce:
            raise Refused(Reason.KEYS_LOST, "this city holds no key of this attempt")
        if self.membership_digest != request.membership_digest:
            raise Malformed(Reason.WRONG_BINDING, "membership_digest is not the attempt's")

    def check_repeats(self, roster: Roster, before: int) -> None:
        """Raise Refused(REPEATS_EXHAUSTED) when the charter allows no roster after ``before``.

        ``before``: rosters of the charter that the log holds before this one. The number a roster
        gives itself is the coordinator's word, so what the log shows is counted as well.
        """
        number = max(roster.attempt, before + 1)
        if number > 1 + self.charter.document.max_repeats:
            raise Refused(Reason.REPEATS_EXHAUSTED, f"attempt {number} is one too many")

    def enter(self, roster: Accepted[Roster], trust: Trust) -> Rostered:
        """Verify ``roster`` once and hold the attempt to it.

        Raises Refused(ROSTER_FOREIGN) for a second roster or one without the very consent this city
        sent, what :func:`federation.verification.verify_roster` raises, and Malformed when its size
        leaves the noise too narrow or the sum no room.
        """
        if self.rostered is None:
            self.rostered = self._verified(roster, trust)
        if self.rostered.digest != roster.digest:
            raise Refused(Reason.ROSTER_FOREIGN, "the attempt has another roster")
        return self.rostered

    def _verified(self, roster: Accepted[Roster], trust: Trust) -> Rostered:
        document, charter = roster.document, self.charter.document
        if document.attempt_nonce != self.nonce or self.consent not in document.consents:
            raise Refused(Reason.ROSTER_FOREIGN, "the roster lacks the consent this city gave")
        consents = verify_roster(roster, self.charter, trust)
        kind = terms.kind_of_round(charter, document.first_round)
        terms.contribution_bound(charter, kind, len(consents))
        others = {c.city: c.agreement_key for c in consents if c.city != self.city}
        return Rostered(roster.digest, document, Peers(self.city, others))

    def check_order(self, roster: Roster, request: RoundRequest) -> None:
        """Raise Refused(WRONG_ROUND) unless the request is the attempt's next round."""
        first = self.answered == 0
        if request.round != (roster.first_round if first else self.answered + 1):
            raise Refused(Reason.WRONG_ROUND, f"round {request.round} is not the next one")
        if request.kind != terms.kind_of_round(self.charter.document, request.round):
            raise Refused(Reason.WRONG_ROUND, f"round {request.round} is no {request.kind} round")
        if first and request.previous_record_digest != roster.previous_record_digest:
            raise Refused(Reason.WRONG_BINDING, "the roster continues another record")

    def check_recorded(self, record: RoundRecord) -> None:
        """The record of this attempt's last round holds what this city sent, nothing else.

        Raises Refused: WRONG_BINDING, WRONG_SUM.
        """
        if record.attempt_nonce != self.nonce or record.round != self.answered:
            raise Refused(Reason.WRONG_BINDING, "the record is not of the attempt's last round")
        mine = {c.city: c.digest for c in record.contributions}.get(self.city)
        if mine != self.sent:
            raise Refused(Reason.WRONG_SUM, "the record holds another contribution of this city")
