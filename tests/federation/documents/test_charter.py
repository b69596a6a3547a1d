"""Charters: every rule broken once, in training and in statistics."""

import math
from dataclasses import replace

import pytest
from support.breaking import Broken, refused, unbroken
from support.documents import (
    CHARTER,
    PRIVACY,
    STATISTICS,
    STATISTICS_CHARTER,
    STATISTICS_PRIVACY,
    TRAINING,
)

CASES = [
    Broken("no epsilon", PRIVACY, {"epsilon": 0.0}),
    Broken("epsilon not a number", PRIVACY, {"epsilon": math.nan}),
    Broken("epsilon that hides nothing", PRIVACY, {"epsilon": 100.5}),
    Broken("no delta", PRIVACY, {"delta": 0.0}),
    Broken("delta that hides nothing", PRIVACY, {"delta": 0.01}),
    Broken("nobody sampled", PRIVACY, {"sampling_rate": 0.0}),
    Broken("more than everybody sampled", PRIVACY, {"sampling_rate": 1.1}),
    Broken("no clipping", PRIVACY, {"clipping_norm": math.inf}),
    Broken("no noise", PRIVACY, {"noise_multiplier": 0.0}),
    Broken("no scale", PRIVACY, {"scale": 0}),
    Broken("scale beyond 2^48", PRIVACY, {"scale": 2**48 + 1}),
    Broken("48 bits", PRIVACY, {"modulus_bits": 48}),
    Broken("negative evaluation noise", PRIVACY, {"evaluation_noise_multiplier": -1.0}),
    Broken("evaluation scale beyond 2^24", PRIVACY, {"evaluation_scale": 2**24 + 1}),
    Broken("model without a name", TRAINING, {"model": ""}),
    Broken("short model digest", TRAINING, {"model_digest": bytes(31)}),
    Broken("no initial parameters", TRAINING, {"initial_parameters_digest": b""}),
    Broken("momentum of 1", TRAINING, {"momentum_q16": 65_536}),
    Broken("step of 0", TRAINING, {"step_numerator": 0}),
    Broken("shift of 63 bits", TRAINING, {"step_shift": 63}),
    Broken("parameters bound to 0", TRAINING, {"parameter_bound": 0}),
    Broken("parameters beyond 2^40", TRAINING, {"parameter_bound": 2**40 + 1}),
    Broken("indicator without a name", STATISTICS, {"indicator": ""}),
    Broken("no declaration", STATISTICS, {"indicator_digest": b""}),
    Broken("negative threshold", STATISTICS, {"suppression_threshold": -1}),
    Broken("federation with a blank", CHARTER, {"federation": "yang tze"}),
    Broken("short nonce", CHARTER, {"nonce": bytes(15)}),
    Broken("no purpose", CHARTER, {"purpose": ""}),
    Broken("unknown kind", CHARTER, {"kind": "espionage"}),
    Broken("nothing to sum", CHARTER, {"length": 0}),
    Broken("more than a million values", CHARTER, {"length": 1_000_001}),
    Broken("no round", CHARTER, {"rounds": 0}),
    Broken("more than 1000 rounds", CHARTER, {"rounds": 1_001}),
    Broken("negative repeats", CHARTER, {"max_repeats": -1}),
    Broken("no colluder", CHARTER, {"collusion_bound": 0}),
    Broken("roster that colluders outnumber", CHARTER, {"min_roster": 2}),
    Broken("colluders outnumber the roster", CHARTER, {"collusion_bound": 2}, "min_roster"),
    Broken("roster beyond 512", CHARTER, {"min_roster": 513}),
    Broken("no time for a round", CHARTER, {"round_deadline_s": 0}),
    Broken("more than a day for a round", CHARTER, {"round_deadline_s": 86_401}),
    Broken("begins at the epoch", CHARTER, {"not_before_ms": 0}),
    Broken("ends as it begins", CHARTER, {"not_after_ms": CHARTER.not_before_ms}),
    Broken("no taxonomy", CHARTER, {"taxonomy_digest": b""}),
    Broken("training without its terms", CHARTER, {"training": None}),
    Broken("training with terms of statistics", CHARTER, {"statistics": STATISTICS}),
    Broken("statistics without its terms", STATISTICS_CHARTER, {"statistics": None}),
    Broken("statistics with terms of training", STATISTICS_CHARTER, {"training": TRAINING}),
    Broken(
        "training without evaluation noise",
        CHARTER,
        {"privacy": replace(PRIVACY, evaluation_noise_multiplier=0.0)},
        "evaluation_noise_multiplier",
    ),
    Broken(
        "training without an evaluation scale",
        CHARTER,
        {"privacy": replace(PRIVACY, evaluation_scale=0)},
        "evaluation_noise_multiplier",
    ),
    Broken(
        "statistics with evaluation noise",
        STATISTICS_CHARTER,
        {"privacy": replace(STATISTICS_PRIVACY, evaluation_noise_multiplier=1.0)},
        "evaluation_noise_multiplier",
    ),
    Broken("statistics of two rounds", STATISTICS_CHARTER, {"rounds": 2}),
    Broken("statistics repeated twice", STATISTICS_CHARTER, {"max_repeats": 2}),
    Broken(
        "statistics of a sample",
        STATISTICS_CHARTER,
        {"privacy": replace(STATISTICS_PRIVACY, sampling_rate=0.5)},
        "sampling_rate",
    ),
]


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)
def test_refused_naming_the_field(case: Broken) -> None:
    refused(case)


@pytest.mark.parametrize("valid", [PRIVACY, TRAINING, STATISTICS, CHARTER])
def test_every_field_has_a_case(valid: object) -> None:
    assert unbroken(valid, CASES) == set()


def test_the_smallest_roster_bears_its_colluders() -> None:
    assert replace(CHARTER, collusion_bound=2, min_roster=4).min_roster == 4
