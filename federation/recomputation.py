"""What kept contributions give: each round's sum, and the figures released from the last one.

Lives here: computing again what a coordinator signed. Must not know: the log, or which document may
follow which (that is ``evidence``).
"""

from typing import Protocol

import numpy as np

from federation.acceptance import Accepted
from federation.crypto.envelope import Body
from federation.crypto.keys import digest
from federation.crypto.masking import MaskContext
from federation.documents.charter import Charter
from federation.documents.releases import ModelRelease, StatisticsRelease
from federation.documents.runs import RecordedContribution, Roster, RoundRecord
from federation.errors import Reason, Refused, StorageFault
from federation.evidence import RunHistory
from federation.rounds import outcome
from federation.rounds.aggregate import Integers, from_bytes, sum_contributions, sum_to_bytes
from federation.rounds.terms import check_binding, check_vector, length_of_kind
from federation.trust import Trust
from federation.verification import verify_contribution

# Two processors may round the last bits of a quotient differently.
RELATIVE_TOLERANCE = 1e-9


class KeptContributions(Protocol):
    """What the coordinator keeps of its rounds."""

    def contribution(self, wanted: bytes, /) -> Body | None:
        """Return a contribution by its envelope's SHA-256, None when it is not kept."""
        ...


class Recomputation:
    """Computes documents again that fit their run already. ``sums``: how many came out right."""

    def __init__(self, kept: KeptContributions, trust: Trust) -> None:
        self.sums = 0
        self._kept = kept
        self._trust = trust
        self._totals: dict[bytes, Integers] = {}

    def record(self, record: Accepted[RoundRecord], run: RunHistory) -> None:
        """Unmask the round's sum from its contributions.

        Raises StorageFault(NOT_FOUND) when one is not kept, Refused(WRONG_SUM) when they do not
        give the recorded sum, WRONG_BINDING and what :func:`verify_contribution` raises.
        """
        roster, _ = run.roster(record.document.roster_digest)
        context = _context(record.document, roster.document, run.charter.document)
        vectors = [
            self._vector(recorded, record, roster, context)
            for recorded in record.document.contributions
        ]
        total = sum_contributions(vectors, context)
        if digest(sum_to_bytes(total, context.modulus_bits)) != record.document.sum_digest:
            raise Refused(Reason.WRONG_SUM, "the contributions do not give the recorded sum")
        self._totals[record.digest] = total
        self.sums += 1

    def model_release(self, release: Accepted[ModelRelease], run: RunHistory) -> None:
        """Refused(WRONG_SUM) unless the card's figures follow from the evaluation's sum."""
        document, terms = release.document, run.charter.document.training
        ended = self._ended(release, run)
        if ended is None or terms is None:
            return
        parameters = from_bytes(document.parameters, run.charter.document.length)
        previous = document.version - 1, document.previous_digest
        made = outcome.model_release(ended, terms, parameters, document.votes, previous).card
        told = document.card
        _alike((told.rounds, told.attempts), (made.rounds, made.attempts))
        _close(
            [told.ndcg_difference, told.ndcg_difference_half_width, told.held_out_workers],
            [made.ndcg_difference, made.ndcg_difference_half_width, made.held_out_workers],
        )

    def statistics_release(self, release: Accepted[StatisticsRelease], run: RunHistory) -> None:
        """Refused(WRONG_SUM) unless every cell follows from the recorded sum.

        Refused(CHARTER_UNSUPPORTED) when the catalogue lacks the indicator.
        """
        document, terms = release.document, run.charter.document.statistics
        ended = self._ended(release, run)
        if ended is None or terms is None:
            return
        made = outcome.statistics_release(ended, terms)
        _alike(
            [(cell.measure, cell.key, cell.suppressed) for cell in document.cells],
            [(cell.measure, cell.key, cell.suppressed) for cell in made.cells],
        )
        _close(
            [document.noise_sd, *(x for c in document.cells for x in (c.value, c.half_width))],
            [made.noise_sd, *(x for c in made.cells for x in (c.value, c.half_width))],
        )

    def _ended(
        self, release: Accepted[ModelRelease] | Accepted[StatisticsRelease], run: RunHistory
    ) -> outcome.Ended | None:
        """What the run came to; None when its last sum did not come out, which was told before."""
        if run.last is None or run.last.digest not in self._totals:
            return None
        roster, cities = run.roster(run.last.document.roster_digest)
        document = release.document
        card = document.card if isinstance(document, ModelRelease) else document
        return outcome.Ended(
            charter=run.charter,
            cities=cities,
            record_digest=run.last.digest,
            total=self._totals[run.last.digest],
            attempts=roster.document.attempt,
            epsilon=card.epsilon,
            at_ms=document.released_ms,
        )

    def _vector(
        self,
        recorded: RecordedContribution,
        record: Accepted[RoundRecord],
        roster: Accepted[Roster],
        context: MaskContext,
    ) -> bytes:
        body = self._kept.contribution(recorded.digest)
        if body is None:
            raise StorageFault(Reason.NOT_FOUND, f"the contribution of {recorded.city} is not kept")
        contribution = verify_contribution(body.envelope, record, roster, self._trust)
        check_binding(contribution, context)
        check_vector(contribution, body.vector)
        return body.vector


def _context(record: RoundRecord, roster: Roster, charter: Charter) -> MaskContext:
    return MaskContext(
        charter_digest=record.charter_digest,
        attempt_nonce=record.attempt_nonce,
        membership_digest=roster.membership_digest,
        roster_digest=record.roster_digest,
        round=record.round,
        parameters_digest=record.parameters_digest,
        kind=record.kind,
        modulus_bits=charter.privacy.modulus_bits,
        length=length_of_kind(charter, record.kind),
    )


def _alike(told: object, made: object) -> None:
    if told != made:
        raise Refused(Reason.WRONG_SUM, "what was released is not what the recorded sum gives")


def _close(told: list[float], made: list[float]) -> None:
    near = np.isclose(told, made, rtol=RELATIVE_TOLERANCE, atol=0)
    _alike(near.tolist(), [True] * len(made))
