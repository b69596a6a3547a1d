"""What the federated model is compared with: the same model untrained, by each city alone, pooled.

Same architecture, examples, gradient and integer optimiser as a run, without noise; must not know
the truth: what is tuned is tuned on validation workers' outcomes.
"""

from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from datetime import date
from typing import Final

import numpy as np
from numpy.typing import NDArray

from deploy.study.dataset import CityData
from federation.documents.charter import TrainingTerms
from federation.model import parameters as model
from federation.model.encoding import encode_jobs, encode_workers
from federation.model.examples import Examples, build_examples, choose
from federation.model.gradient import clipped_gradient_sum, losses
from federation.model.recipe import SAMPLING_RATE, Recipe, recipe
from federation.rounds.aggregate import State, next_state
from node.training import to_integers

Integers = NDArray[np.int64]

#: Share of a city's workers with examples on whom steps and rounds are tuned.
VALIDATION: Final = 0.10
#: Steps tried, in the recipe's; rounds at most, and between two looks at the validation workers.
STEPS: Final = (0.05, 0.25, 1.0)
MOST_ROUNDS, LOOK_EVERY = 120, 10
#: Looks without a lower validation loss after which a descent ends.
PATIENCE: Final = 3
#: Workers of one step, about: all of one city's, a sample of all cities'.
BATCH: Final = 4000


@dataclass(frozen=True)
class Split:
    """One city's examples, apart by worker."""

    division: str
    train: Examples
    validation: Examples


@dataclass(frozen=True)
class Baselines:
    """Parameters in fixed point, int64 [model.LENGTH]; ``alone`` by division code."""

    untrained: Integers
    alone: Mapping[str, Integers]
    pooled: Integers


@dataclass(frozen=True)
class _Tuned:
    loss: float
    parameters: Integers


def split(city: CityData, today: date) -> Split:
    """Return the examples of consenting workers with outcomes; the same city, the same split.

    Jobs are drawn from all of the city's postings, as a node draws them.
    """
    draw = np.random.default_rng(int(city.division))
    with_outcome = {outcome.worker for outcome in city.outcomes} & city.consenting
    workers = encode_workers([w for w in city.workers if w.handle in with_outcome])
    table = encode_jobs(sorted(city.jobs, key=lambda job: job.handle), today)
    examples = build_examples(workers, table, city.outcomes, draw)
    kept = draw.random(len(examples)) < VALIDATION
    return Split(city.division, choose(examples, ~kept), choose(examples, kept))


def train(cities: Sequence[CityData], today: date) -> Baselines:
    """Train every baseline; each is tuned on validation workers it may see."""
    splits = [split(city, today) for city in cities]
    with ThreadPoolExecutor(max_workers=2) as threads:
        pooled = threads.submit(tuned, splits)
        alone = {own.division: threads.submit(tuned, [own]) for own in splits}
        return Baselines(
            untrained=model.initial_parameters(),
            alone={division: found.result() for division, found in alone.items()},
            pooled=pooled.result(),
        )


def tuned(splits: Sequence[Split]) -> Integers:
    """Return the parameters with the lowest validation loss over steps and rounds tried."""
    return min((_descend(splits, step) for step in STEPS), key=lambda found: found.loss).parameters


def _descend(splits: Sequence[Split], step: float) -> _Tuned:
    draw = np.random.default_rng(len(splits))
    workers = sum(len(own.train) for own in splits)
    rate = min(1.0, BATCH / workers)
    # the recipe divides by its sampling rate times the workers it is told of
    terms = terms_of(recipe(max(round(workers * rate / (SAMPLING_RATE * step)), 1)))
    constants = recipe(1)
    state = State(model.initial_parameters(), np.zeros(model.LENGTH, dtype=np.int64))
    best, worse = _Tuned(validation_loss(state, splits), state.parameters), 0
    for number in range(1, MOST_ROUNDS + 1):
        total = np.zeros(model.LENGTH)
        for own in splits:
            sample = choose(own.train, draw.random(len(own.train)) < rate)
            total += clipped_gradient_sum(state.parameters, sample, constants.clipping_norm)
        state = next_state(state, to_integers(total, constants.scale), terms)
        if number % LOOK_EVERY == 0:
            loss = validation_loss(state, splits)
            best, worse = (
                (_Tuned(loss, state.parameters), 0) if loss < best.loss else (best, worse + 1)
            )
            if worse == PATIENCE:
                break
    return best


def terms_of(constants: Recipe) -> TrainingTerms:
    """Return the optimiser's terms of a recipe, for a run from the public start."""
    return TrainingTerms(
        model=model.MODEL_ID,
        model_digest=model.model_digest(),
        initial_parameters_digest=bytes(32),  # nothing here is fetched by digest
        momentum_q16=constants.momentum_q16,
        step_numerator=constants.step_numerator,
        step_shift=constants.step_shift,
        parameter_bound=constants.parameter_bound,
    )


def validation_loss(state: State, splits: Sequence[Split]) -> float:
    """Return the mean loss of all validation workers."""
    parameters = model.to_float(state.parameters)
    return float(np.concatenate([losses(parameters, own.validation) for own in splits]).mean())
