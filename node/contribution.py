"""One round's integers on their way out: computed, clamped, noised, masked; and the vote.

Lives here: the order of these steps. Must not know: whether the round may be answered, budgets,
signatures, or how records are read.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from sqlalchemy import Connection

from federation.acceptance import Accepted
from federation.crypto.keys import AgreementKey, digest
from federation.crypto.masking import MaskContext, apply_masks, encode
from federation.documents.charter import Charter, TrainingTerms
from federation.documents.exchanged import Contribution, Vote
from federation.errors import LocalError, Reason
from federation.rounds.aggregate import from_bytes, to_bytes
from federation.rounds.terms import contribution_bound, noise_sd
from node.replay import FetchBlob, Reached, start
from node.store import cells, models
from node.store.engine import Store
from node.training import Work

Integers = NDArray[np.int64]
# Returns the values with independent noise of the given width, in integer units, added.
Noise = Callable[[Integers, float], Integers]


@dataclass(frozen=True)
class Peers:
    """The roster as one city sees it: its own division and everybody else's agreement keys."""

    city: str
    keys: Mapping[str, bytes]

    @property
    def roster(self) -> int:
        """Number of cities, this one included."""
        return len(self.keys) + 1


@dataclass(frozen=True)
class Figures:
    """A city's noised integers. ``noise`` is added to everything that ``work`` computes."""

    store: Store
    work: Work
    noise: Noise
    fetch_blob: FetchBlob

    def noised(
        self,
        charter: Accepted[Charter],
        reached: Reached | None,
        context: MaskContext,
        roster: int,
    ) -> Integers:
        """Return one round's clamped and noised integers, int64 [context.length].

        An evaluation's are drawn once per candidate and kept (design §7.5). What goes wrong over
        records is LocalError(STORAGE): its words stay here.
        """
        drawn = self._drawn(context)
        if drawn is not None:
            return drawn
        bound = contribution_bound(charter.document, context.kind, roster)
        try:
            exact = self._exact(charter, reached, context.kind)
        except Exception as error:  # of any kind: what a record can provoke is not foreseen here
            raise LocalError(Reason.STORAGE, "the answer could not be computed") from error
        sd = noise_sd(charter.document, context.kind, roster)
        return self.noise(np.clip(exact, -bound, bound), sd)

    def _exact(self, charter: Accepted[Charter], reached: Reached | None, kind: str) -> Integers:
        document, training = charter.document, charter.document.training
        if training is None or reached is None:
            return self.work.statistics(document)
        parameters = reached.state.parameters
        if kind == "training":
            return self.work.training(charter.digest, document, parameters)
        current = self._current(document, training)
        return self.work.evaluation(charter.digest, document, parameters, current)

    def _drawn(self, context: MaskContext) -> Integers | None:
        if context.kind != "evaluation":
            return None
        with self.store.read() as connection:
            kept = cells.get(connection, _evaluation(context))
        return None if kept is None else from_bytes(kept, context.length)

    def _current(self, charter: Charter, training: TrainingTerms) -> Integers:
        """What the candidate is compared with: the release in use, else the charter's start."""
        with self.store.read() as connection:
            active = models.active(connection, training.model)
        if active is not None and len(active.parameters) == 8 * charter.length:
            return from_bytes(active.parameters, charter.length)
        return start(charter, training, self.fetch_blob).state.parameters


def keep_evaluation(connection: Connection, context: MaskContext, values: Integers) -> None:
    """Keep a candidate's noised evaluation: later attempts answer with the same."""
    cells.put(connection, _evaluation(context), to_bytes(values))


def masked(
    values: Integers, key: AgreementKey, peers: Peers, context: MaskContext, vote: bytes = b""
) -> tuple[Contribution, bytes]:
    """Return a contribution and its vector, whose masks vanish only in the sum over the roster."""
    vector = encode(apply_masks(values, peers.city, key, peers.keys, context))
    named = Contribution(**vars(context), city=peers.city, masked_digest=digest(vector), vote=vote)
    return named, vector


def vote_on(values: Integers, context: MaskContext, city: str) -> Vote:
    """The city's word, read off its one noised evaluation: not worse unless its sum is below 0."""
    return Vote(
        charter_digest=context.charter_digest,
        attempt_nonce=context.attempt_nonce,
        roster_digest=context.roster_digest,
        candidate_digest=context.parameters_digest,
        city=city,
        not_worse=bool(values[0] >= 0),
    )


def _evaluation(context: MaskContext) -> str:
    return f"evaluation/{context.charter_digest.hex()}/{context.parameters_digest.hex()}"
