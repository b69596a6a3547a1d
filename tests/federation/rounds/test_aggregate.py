"""One round's arithmetic: exact integers, the same everywhere, and never a wrap."""

from dataclasses import replace
from fractions import Fraction
from math import floor

import numpy as np
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from federation.crypto.keys import digest
from federation.documents.charter import TrainingTerms
from federation.errors import Malformed, Reason
from federation.rounds.aggregate import (
    MOST_PRODUCT,
    State,
    from_bytes,
    initial_state,
    next_state,
    parameters_digest,
    sum_from_bytes,
    sum_to_bytes,
    to_bytes,
)

TERMS = TrainingTerms(
    model="match/v1",
    model_digest=digest(b"model"),
    initial_parameters_digest=digest(bytes(16)),
    momentum_q16=58_982,
    step_numerator=3,
    step_shift=4,
    parameter_bound=2**40,
)


def state_of(parameters: list[int], velocity: list[int]) -> State:
    return State(np.array(parameters, dtype=np.int64), np.array(velocity, dtype=np.int64))


def step_by_hand(p: int, v: int, total: int, terms: TrainingTerms) -> tuple[int, int]:
    """The same step in Python's unbounded integers: floors of exact fractions."""
    velocity = floor(Fraction(v * terms.momentum_q16, 2**16)) + total
    return p - floor(Fraction(velocity * terms.step_numerator, 2**terms.step_shift)), velocity


@given(
    st.sampled_from((32, 64)).flatmap(
        lambda bits: st.tuples(
            st.just(bits),
            st.lists(st.integers(-(2 ** (bits - 1)), 2 ** (bits - 1) - 1), max_size=9),
        )
    )
)
def test_a_sum_is_as_wide_as_its_modulus_and_comes_back(case: tuple[int, list[int]]) -> None:
    bits, values = case
    raw = sum_to_bytes(np.array(values, dtype=np.int64), bits)
    assert raw == b"".join(value.to_bytes(bits // 8, "little", signed=True) for value in values)
    total = sum_from_bytes(raw, len(values), bits)
    assert total.dtype == np.int64
    assert total.tolist() == values


@pytest.mark.parametrize("bits", [32, 64])
@pytest.mark.parametrize("more", [-8, -4, -1, 1, 4, 8])
def test_a_sum_of_another_length_is_refused(bits: int, more: int) -> None:
    with pytest.raises(Malformed) as caught:
        sum_from_bytes(bytes(6 * bits // 8 + more), 6, bits)
    assert caught.value.reason is Reason.OUT_OF_BOUND


def test_parameters_are_named_by_their_bytes_wherever_they_lie() -> None:
    values = np.arange(-6, 6, dtype=np.int64)
    for parameters in (values, values[::2], values.astype(values.dtype.newbyteorder(">"))):
        assert parameters_digest(parameters) == digest(to_bytes(parameters))


@settings(deadline=None)
@given(
    p=st.integers(-(2**20), 2**20),
    v=st.integers(-(2**40), 2**40),
    total=st.integers(-(2**40), 2**40),
    momentum=st.integers(0, 65_535),
    numerator=st.integers(1, 2**20),
    shift=st.integers(0, 62),
)
@example(p=0, v=-1, total=0, momentum=1, numerator=1, shift=1)
@example(p=0, v=0, total=-1, momentum=0, numerator=1, shift=62)
def test_a_step_is_what_exact_arithmetic_says_or_is_refused(
    p: int, v: int, total: int, momentum: int, numerator: int, shift: int
) -> None:
    terms = replace(TERMS, momentum_q16=momentum, step_numerator=numerator, step_shift=shift)
    parameter, velocity = step_by_hand(p, v, total, terms)
    within = abs(velocity) <= MOST_PRODUCT // max(2**16, numerator)
    fits = within and abs(parameter) <= terms.parameter_bound
    before = state_of([p], [v])
    if not fits:
        with pytest.raises(Malformed) as caught:
            next_state(before, np.array([total]), terms)
        assert caught.value.reason is Reason.OUT_OF_BOUND
    else:
        after = next_state(before, np.array([total]), terms)
        assert (after.parameters.tolist(), after.velocity.tolist()) == ([parameter], [velocity])
    assert (before.parameters.tolist(), before.velocity.tolist()) == ([p], [v])


@pytest.mark.parametrize(
    "total",
    [2**63 - 1, -(2**63), MOST_PRODUCT + 1, -MOST_PRODUCT - 1, 2**46 + 1, -(2**46) - 1],
)
def test_no_sum_however_large_wraps_into_the_bound(total: int) -> None:
    for position in range(3):
        sums = np.zeros(3, dtype=np.int64)
        sums[position] = total
        with pytest.raises(Malformed) as caught:
            next_state(state_of([0, 0, 0], [0, 0, 0]), sums, TERMS)
        assert caught.value.reason is Reason.OUT_OF_BOUND


def test_many_steps_at_the_edge_stay_exact() -> None:
    """Velocity builds up to its limit; each step is exact or refused, never something else."""
    terms = replace(TERMS, momentum_q16=65_535, step_shift=30)
    state, p, v = state_of([0], [0]), 0, 0
    for _ in range(100):
        p, v = step_by_hand(p, v, 2**44, terms)
        if v > MOST_PRODUCT // 2**16:
            with pytest.raises(Malformed):
                next_state(state, np.array([2**44]), terms)
            break
        state = next_state(state, np.array([2**44]), terms)
        assert (int(state.parameters[0]), int(state.velocity[0])) == (p, v)
    else:
        raise AssertionError("the edge was never reached")


@pytest.mark.parametrize("sign", [1, -1])
def test_parameters_may_reach_their_bound_and_not_pass_it(sign: int) -> None:
    terms = replace(TERMS, momentum_q16=0, step_numerator=1, step_shift=0, parameter_bound=100)
    assert next_state(state_of([0], [0]), np.array([sign * 100]), terms)
    with pytest.raises(Malformed):
        next_state(state_of([0], [0]), np.array([sign * 101]), terms)


def test_bytes_are_little_endian_whatever_the_machine() -> None:
    assert to_bytes(np.array([1, -1], dtype=np.int64)).hex() == "01" + "00" * 7 + "ff" * 8
    values = np.array([-(2**63), -1, 0, 2**63 - 1], dtype=np.int64)
    assert from_bytes(to_bytes(values), 4).tolist() == values.tolist()
    assert to_bytes(values.astype(values.dtype.newbyteorder(">"))) == to_bytes(values)


@pytest.mark.parametrize("size", [0, 15, 17, 24])
def test_bytes_of_another_length_are_refused(size: int) -> None:
    with pytest.raises(Malformed) as caught:
        from_bytes(bytes(size), 2)
    assert caught.value.reason is Reason.OUT_OF_BOUND


@pytest.mark.parametrize(
    ("raw", "length", "reason"),
    [
        pytest.param(bytes(8) + b"\1" + bytes(7), 2, Reason.WRONG_SUM, id="other bytes"),
        pytest.param(bytes(16), 3, Reason.OUT_OF_BOUND, id="another length"),
    ],
)
def test_another_start_than_the_charters_is_refused(
    raw: bytes, length: int, reason: Reason
) -> None:
    with pytest.raises(Malformed) as caught:
        initial_state(raw, length, TERMS)
    assert caught.value.reason is reason


def test_a_start_beyond_the_bound_is_refused_though_the_charter_names_it() -> None:
    for value in (2**40 + 1, -(2**40) - 1, -(2**63)):
        raw = to_bytes(np.array([0, value], dtype=np.int64))
        with pytest.raises(Malformed) as caught:
            initial_state(raw, 2, replace(TERMS, initial_parameters_digest=digest(raw)))
        assert caught.value.reason is Reason.OUT_OF_BOUND


def test_the_start_has_no_velocity() -> None:
    state = initial_state(bytes(16), 2, TERMS)
    assert (state.parameters.tolist(), state.velocity.tolist()) == ([0, 0], [0, 0])
