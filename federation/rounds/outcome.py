"""From the last sum to a release: the model card and votes, or the table of figures.

Lives here: how a run's result is told. Must not know: the log, cities' streams, or stages.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass

from federation.acceptance import Accepted
from federation.documents.charter import Charter, StatisticsTerms, TrainingTerms
from federation.documents.exchanged import Vote
from federation.documents.releases import ModelCard, ModelRelease, StatisticsRelease
from federation.errors import Reason, Refused
from federation.indicators.declaration import catalogue
from federation.indicators.table import Z_95, cells
from federation.rounds.aggregate import Integers, to_bytes
from federation.rounds.terms import noise_sd

TRAINING_METHOD = (
    "clipped per-worker gradient sums, discrete Gaussian noise in every city, masked integer sums; "
    "NDCG@10 of candidate minus release in use over held-out workers, clipped per worker, noised"
)
STATISTICS_METHOD = (
    "integer tallies with discrete Gaussian noise in every city, masked sums over the roster; half "
    "widths from the noise alone; cells suppressed on noised values"
)


@dataclass(frozen=True, kw_only=True)
class Ended:
    """What a run came to: ``total`` is the last round's sum, ``record_digest`` its record's."""

    charter: Accepted[Charter]
    cities: tuple[str, ...]
    record_digest: bytes
    total: Integers
    attempts: int
    epsilon: float
    at_ms: int


def not_worse(votes: Sequence[Vote], cities: int) -> bool:
    """Whether ⌊n/2⌋+1 of the roster's cities found the candidate not worse."""
    return sum(vote.not_worse for vote in votes) >= cities // 2 + 1


def model_release(
    ended: Ended,
    terms: TrainingTerms,
    parameters: Integers,
    votes: tuple[bytes, ...],
    previous: tuple[int, bytes],
) -> ModelRelease:
    """Return the release that follows ``previous`` (version, document digest)."""
    charter = ended.charter.document
    return ModelRelease(
        federation=charter.federation,
        version=previous[0] + 1,
        previous_digest=previous[1],
        charter_digest=ended.charter.digest,
        record_digest=ended.record_digest,
        model=terms.model,
        model_digest=terms.model_digest,
        taxonomy_digest=charter.taxonomy_digest,
        parameters=to_bytes(parameters),
        card=_card(ended),
        votes=votes,
        released_ms=ended.at_ms,
    )


def _card(ended: Ended) -> ModelCard:
    charter = ended.charter.document
    scale = charter.privacy.evaluation_scale
    gained, workers = (float(value) / scale for value in ended.total)
    roster = len(ended.cities)
    sd = noise_sd(charter, "evaluation", roster) * math.sqrt(roster) / scale
    # with fewer noised workers than one there is no mean; any difference lies in [-1, 1]
    mean = gained / workers if workers >= 1 else 0.0
    half_width = Z_95 * sd * math.hypot(1.0, mean) / workers if workers >= 1 else 1.0
    return ModelCard(
        cities=ended.cities,
        rounds=charter.rounds,
        attempts=ended.attempts,
        epsilon=ended.epsilon,
        delta=charter.privacy.delta,
        ndcg_difference=mean,
        ndcg_difference_half_width=half_width,
        held_out_workers=workers,
        method=TRAINING_METHOD,
    )


def statistics_release(ended: Ended, terms: StatisticsTerms) -> StatisticsRelease:
    """Return the figures; Refused(CHARTER_UNSUPPORTED) when the catalogue lacks the indicator."""
    indicator = catalogue().get(terms.indicator)
    if indicator is None or indicator.digest != terms.indicator_digest:
        raise Refused(Reason.CHARTER_UNSUPPORTED, "the catalogue lacks the charter's indicator")
    charter, roster = ended.charter.document, len(ended.cities)
    sd = noise_sd(charter, "statistics", roster) * math.sqrt(roster) / charter.privacy.scale
    return StatisticsRelease(
        federation=charter.federation,
        charter_digest=ended.charter.digest,
        record_digest=ended.record_digest,
        indicator=terms.indicator,
        indicator_digest=terms.indicator_digest,
        cities=ended.cities,
        epsilon=ended.epsilon,
        delta=charter.privacy.delta,
        noise_sd=sd,
        suppression_threshold=terms.suppression_threshold,
        cells=cells(indicator, ended.total, charter.privacy.scale, sd, terms.suppression_threshold),
        method=STATISTICS_METHOD,
        released_ms=ended.at_ms,
    )
