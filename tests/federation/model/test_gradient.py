import numpy as np
import pytest

from federation.model.examples import Examples, Label, choose
from federation.model.gradient import clipped_gradient_sum, losses
from federation.model.parameters import LENGTH, UNIT, initial_parameters, to_float

UNCLIPPED = 1e12


def only(examples: Examples, row: int) -> Examples:
    return choose(examples, np.arange(len(examples)) == row)


def test_gradient_agrees_with_finite_differences(parameters, examples):
    exact = clipped_gradient_sum(parameters, examples, UNCLIPPED)
    point, step = to_float(parameters), 1e-4
    touched = np.flatnonzero(exact)
    checked = np.random.default_rng(0).choice(touched, 150, replace=False)
    for coordinate in [*range(40), *checked]:
        offset = np.zeros(LENGTH)
        offset[coordinate] = step
        difference = losses(point + offset, examples) - losses(point - offset, examples)
        assert exact[coordinate] == pytest.approx(difference.sum() / (2 * step), abs=1e-5)


def test_every_block_learns(parameters, examples):
    gradient = clipped_gradient_sum(parameters, examples, UNCLIPPED)
    assert np.count_nonzero(gradient) > LENGTH / 4


@pytest.mark.parametrize("norm", [0.01, 0.5, 3.0])
def test_each_worker_is_clipped_alone(parameters, examples, norm):
    single = [
        clipped_gradient_sum(parameters, only(examples, row), UNCLIPPED)
        for row in range(len(examples))
    ]
    lengths = [np.linalg.norm(gradient) for gradient in single]
    assert min(lengths) < 3.0 < max(lengths)
    expected = sum(
        gradient * min(1, norm / length) for gradient, length in zip(single, lengths, strict=True)
    )
    assert np.allclose(clipped_gradient_sum(parameters, examples, norm), expected, atol=1e-9)


def test_leaving_a_worker_out_moves_the_sum_by_at_most_the_norm(parameters, examples):
    whole = clipped_gradient_sum(parameters, examples, 0.7)
    for row in range(len(examples)):
        rest = choose(examples, np.arange(len(examples)) != row)
        moved = np.linalg.norm(whole - clipped_gradient_sum(parameters, rest, 0.7))
        assert moved <= 0.7 + 1e-9


def test_a_worker_whose_gradient_is_not_finite_counts_as_zero(parameters, examples):
    broken = only(examples, 3)
    features = examples.columns.features.copy()
    worker = broken.columns.worker[0]
    features[examples.columns.worker == worker] = np.nan
    columns = type(examples.columns)(**{**vars(examples.columns), "features": features})
    damaged = Examples(columns=columns, label=examples.label, starts=examples.starts)
    rest = choose(examples, np.arange(len(examples)) != 3)
    expected = clipped_gradient_sum(parameters, rest, 1.0)
    assert np.allclose(clipped_gradient_sum(parameters, damaged, 1.0), expected, atol=1e-9)


def test_huge_parameters_still_give_a_bounded_sum(examples):
    huge = np.full(LENGTH, 2**40 * UNIT // 2**10, dtype=np.int64)
    gradient = clipped_gradient_sum(huge, examples, 1.0)
    assert np.isfinite(gradient).all()
    assert np.linalg.norm(gradient) <= len(examples)


def test_no_examples_give_zero(parameters, examples):
    none = choose(examples, np.zeros(len(examples), dtype=bool))
    assert not clipped_gradient_sum(parameters, none, 1.0).any()


def test_a_worker_with_only_good_outcomes_has_a_finite_loss(parameters, examples):
    kept = examples.label == Label.GOOD
    only_good = Examples(
        columns=type(examples.columns)(
            **{
                name: value[kept] if len(value) == len(kept) else value
                for name, value in vars(examples.columns).items()
            }
        ),
        label=examples.label[kept],
        starts=np.flatnonzero(np.diff(examples.columns.worker[kept], prepend=-1)),
    )
    assert np.isfinite(losses(to_float(parameters), only_good)).all()
    assert clipped_gradient_sum(parameters, only_good, 1.0).any()


def test_descending_the_gradient_lowers_the_loss(examples):
    parameters = initial_parameters()
    before = losses(to_float(parameters), examples).mean()
    for _ in range(20):
        step = clipped_gradient_sum(parameters, examples, 5.0) / len(examples)
        parameters = parameters - np.round(step * UNIT / 2).astype(np.int64)
    assert losses(to_float(parameters), examples).mean() < before - 0.05
