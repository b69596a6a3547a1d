"""A charter drafted from the recipe is legal, pays for all it reveals, and cannot overflow."""

from dataclasses import asdict

import pytest

from federation.crypto.keys import digest
from federation.documents.charter import Charter, PrivacyTerms, TrainingTerms
from federation.model.parameters import LENGTH, MODEL_ID, UNIT, initial_parameters, model_digest
from federation.model.recipe import DELTA, EPSILON, recipe
from federation.privacy.accounting import compose, noise_multiplier_for
from federation.privacy.events import EVALUATION, evaluation_event
from federation.rounds.aggregate import to_bytes
from federation.rounds.terms import charter_events, contribution_bound, noise_sd

CITIES, COLLUDERS = 4, 1
OPTIMISER = ("momentum_q16", "step_numerator", "step_shift", "parameter_bound")


def drafted(workers: int) -> Charter:
    constants = asdict(recipe(workers))
    optimiser = {name: constants.pop(name) for name in OPTIMISER}
    counts = {name: constants.pop(name) for name in ("rounds", "max_repeats")}
    noise = noise_multiplier_for(
        EPSILON,
        DELTA,
        releases=sum(counts.values()),
        sampling=constants["sampling_rate"],
        scale=constants["scale"],
        clipping_norm=constants["clipping_norm"],
        length=LENGTH,
        also={
            EVALUATION: evaluation_event(
                constants["evaluation_noise_multiplier"], constants["evaluation_scale"]
            )
        },
    )
    start = to_bytes(initial_parameters())
    return Charter(
        federation="test",
        nonce=bytes(16),
        purpose="match model",
        kind="training",
        length=LENGTH,
        min_roster=3,
        collusion_bound=COLLUDERS,
        round_deadline_s=60,
        not_before_ms=1,
        not_after_ms=2,
        taxonomy_digest=bytes(32),
        **counts,
        privacy=PrivacyTerms(noise_multiplier=noise, **constants),
        training=TrainingTerms(
            model=MODEL_ID,
            model_digest=model_digest(),
            initial_parameters_digest=digest(start),
            **optimiser,
        ),
    )


def test_the_whole_charter_costs_no_more_than_its_epsilon():
    charter = drafted(15_000)
    spent = compose(charter_events(charter).values(), charter.privacy.delta)
    assert EPSILON * 0.98 < spent <= EPSILON


def test_every_worker_of_a_large_city_fits_beside_the_noise():
    charter = drafted(15_000)
    room = contribution_bound(charter, "training", CITIES)
    assert room > 4_000 * charter.privacy.clipping_norm * charter.privacy.scale
    assert contribution_bound(charter, "evaluation", CITIES) > 4_000 * (
        charter.privacy.evaluation_scale
    )
    assert noise_sd(charter, "evaluation", CITIES) >= 8


@pytest.mark.parametrize("workers", [1, 700, 15_000, 10**6, 10**8])
def test_the_step_is_the_same_in_logits_whatever_the_number_of_workers(workers):
    constants = recipe(workers)
    # a round in which every expected worker pulls one way by the whole clipping norm
    expected = constants.sampling_rate * workers * constants.clipping_norm * constants.scale
    moved = expected * constants.step_numerator / 2**constants.step_shift
    assert moved / UNIT == pytest.approx(
        recipe(15_000).step_numerator
        / 2 ** recipe(15_000).step_shift
        * (recipe(15_000).sampling_rate * 15_000 * recipe(15_000).scale)
        / UNIT,
        rel=1e-3,
    )


def test_no_workers_is_no_recipe():
    with pytest.raises(ValueError, match="at least one worker"):
        recipe(0)
