"""Charters put together: what administrators choose, and what follows from it.

Lives here: noise found by search for a promised ε, the model's recipe, the indicator's terms. Must
not know: files, the command line, or who will sign.
"""

import secrets
from dataclasses import dataclass

from federation.codes import occupations
from federation.crypto.keys import digest
from federation.documents.charter import Charter, PrivacyTerms, StatisticsTerms, TrainingTerms
from federation.documents.membership import Membership
from federation.errors import Malformed, Reason
from federation.indicators.declaration import Indicator
from federation.model import parameters as model
from federation.model.recipe import Recipe
from federation.privacy.accounting import noise_multiplier_for
from federation.privacy.events import EVALUATION, evaluation_event
from federation.rounds import terms

# Integer units per person: fine enough that noise is wide in units, with room for 10^9 persons.
STATISTICS_SCALE = 256
STATISTICS_BITS = 64
STATISTICS_REPEATS = 1


@dataclass(frozen=True, kw_only=True)
class Frame:
    """What every charter needs. Times are Unix milliseconds, ``round_deadline_s`` seconds."""

    purpose: str
    epsilon: float
    delta: float
    min_roster: int
    round_deadline_s: int
    not_before_ms: int
    not_after_ms: int


def training_charter(
    membership: Membership, frame: Frame, recipe: Recipe, initial_parameters: bytes
) -> Charter:
    """Return a charter that trains the match model from ``initial_parameters`` (int64 bytes).

    Raises Malformed when no noise reaches the promised ε, or the recipe's integers cannot carry
    every roster the membership allows.
    """
    evaluation = evaluation_event(recipe.evaluation_noise_multiplier, recipe.evaluation_scale)
    multiplier = noise_multiplier_for(
        frame.epsilon,
        frame.delta,
        releases=recipe.rounds + recipe.max_repeats,
        sampling=recipe.sampling_rate,
        scale=recipe.scale,
        clipping_norm=recipe.clipping_norm,
        length=model.LENGTH,
        also={EVALUATION: evaluation},
    )
    return _charter(
        membership,
        frame,
        kind="training",
        length=model.LENGTH,
        rounds=recipe.rounds,
        max_repeats=recipe.max_repeats,
        privacy=PrivacyTerms(
            epsilon=frame.epsilon,
            delta=frame.delta,
            sampling_rate=recipe.sampling_rate,
            clipping_norm=recipe.clipping_norm,
            noise_multiplier=multiplier,
            scale=recipe.scale,
            modulus_bits=recipe.modulus_bits,
            evaluation_noise_multiplier=recipe.evaluation_noise_multiplier,
            evaluation_scale=recipe.evaluation_scale,
        ),
        training=TrainingTerms(
            model=model.MODEL_ID,
            model_digest=model.model_digest(),
            initial_parameters_digest=digest(initial_parameters),
            momentum_q16=recipe.momentum_q16,
            step_numerator=recipe.step_numerator,
            step_shift=recipe.step_shift,
            parameter_bound=recipe.parameter_bound,
        ),
    )


def statistics_charter(
    membership: Membership, frame: Frame, indicator: Indicator, suppression_threshold: int
) -> Charter:
    """Return a charter that sums an indicator once; raises as :func:`training_charter`."""
    multiplier = noise_multiplier_for(
        frame.epsilon,
        frame.delta,
        releases=1 + STATISTICS_REPEATS,
        sampling=1.0,
        scale=STATISTICS_SCALE,
        clipping_norm=indicator.sensitivity,
        length=indicator.length,
    )
    return _charter(
        membership,
        frame,
        kind="statistics",
        length=indicator.length,
        rounds=1,
        max_repeats=STATISTICS_REPEATS,
        privacy=PrivacyTerms(
            epsilon=frame.epsilon,
            delta=frame.delta,
            sampling_rate=1.0,
            clipping_norm=indicator.sensitivity,
            noise_multiplier=multiplier,
            scale=STATISTICS_SCALE,
            modulus_bits=STATISTICS_BITS,
        ),
        statistics=StatisticsTerms(
            indicator=indicator.indicator,
            indicator_digest=indicator.digest,
            suppression_threshold=suppression_threshold,
        ),
    )


def _charter(
    membership: Membership,
    frame: Frame,
    *,
    kind: str,
    length: int,
    rounds: int,
    max_repeats: int,
    privacy: PrivacyTerms,
    training: TrainingTerms | None = None,
    statistics: StatisticsTerms | None = None,
) -> Charter:
    active = len(membership.active_cities)
    if frame.min_roster > active:
        raise Malformed(
            Reason.ROSTER_TOO_SMALL,
            f"min_roster is {frame.min_roster}, the federation has {active} active cities",
        )
    charter = Charter(
        federation=membership.federation,
        nonce=secrets.token_bytes(16),
        purpose=frame.purpose,
        kind=kind,
        length=length,
        rounds=rounds,
        max_repeats=max_repeats,
        min_roster=frame.min_roster,
        collusion_bound=membership.collusion_bound,
        round_deadline_s=frame.round_deadline_s,
        not_before_ms=frame.not_before_ms,
        not_after_ms=frame.not_after_ms,
        taxonomy_digest=occupations.load().digest(),
        privacy=privacy,
        training=training,
        statistics=statistics,
    )
    for number in (1, terms.last_round(charter)):
        for cities in {frame.min_roster, active}:
            terms.contribution_bound(charter, terms.kind_of_round(charter, number), cities)
    return charter
