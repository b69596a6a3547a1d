"""Secure sums and the integer optimiser: the same bits on every processor.

Lives here: the one definition of a round's arithmetic, used by nodes, coordinator, auditors and
baselines. Must not know: who contributed, keys, or storage.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from federation.crypto.keys import digest
from federation.crypto.masking import MaskContext, decode, unmask_sum
from federation.documents.charter import TrainingTerms
from federation.errors import Malformed, Reason

Integers = NDArray[np.int64]
MOMENTUM_BITS = 16  # momentum_q16 counts 1/65536
# Products of the optimiser stay below this, so that no int64 ever wraps.
MOST_PRODUCT = 2**62
_WIRE: np.dtype[Any] = np.dtype(np.int64).newbyteorder("<")
_SUMMED: dict[int, np.dtype[Any]] = {32: np.dtype(np.int32).newbyteorder("<"), 64: _WIRE}


@dataclass(frozen=True, eq=False)
class State:
    """Parameters and velocity, int64 [d] each, fixed point; never changed in place."""

    parameters: Integers
    velocity: Integers


def to_bytes(values: Integers) -> bytes:
    """Return int64 little-endian bytes, 8 to a value."""
    return values.astype(_WIRE, copy=False).tobytes()


def from_bytes(raw: bytes, length: int) -> Integers:
    """Return int64 [length]; Malformed(OUT_OF_BOUND) when the bytes are another length."""
    if len(raw) != 8 * length:
        raise Malformed(
            Reason.OUT_OF_BOUND, f"{length} integers take {8 * length} bytes, not {len(raw)}"
        )
    return np.frombuffer(raw, dtype=_WIRE).astype(np.int64, copy=False)


def parameters_digest(parameters: Integers) -> bytes:
    """Return the SHA-256 of :func:`to_bytes`, without making a copy of them."""
    return digest(np.ascontiguousarray(parameters, dtype=_WIRE).data)


def sum_to_bytes(total: Integers, modulus_bits: int) -> bytes:
    """Return a recorded sum as it is kept, hashed and sent: signed little-endian integers.

    They are as wide as the modulus: no sum modulo 2^32 needs eight bytes.
    """
    return total.astype(_SUMMED[modulus_bits]).tobytes()


def sum_from_bytes(raw: bytes, length: int, modulus_bits: int) -> Integers:
    """Return int64 [length]; Malformed(OUT_OF_BOUND) when the bytes are another length."""
    if len(raw) != length * modulus_bits // 8:
        raise Malformed(
            Reason.OUT_OF_BOUND,
            f"{length} integers of {modulus_bits} bits are not {len(raw)} bytes",
        )
    return np.frombuffer(raw, dtype=_SUMMED[modulus_bits]).astype(np.int64)


def initial_state(raw: bytes, length: int, terms: TrainingTerms) -> State:
    """Return the state before round 1.

    Raises Malformed(WRONG_SUM) unless ``raw`` has the charter's digest, Malformed(OUT_OF_BOUND) on
    a wrong length or a value beyond the charter's bound.
    """
    if digest(raw) != terms.initial_parameters_digest:
        raise Malformed(Reason.WRONG_SUM, "initial parameters are not the charter's")
    parameters = from_bytes(raw, length)
    _check_parameters(parameters, terms)
    return State(parameters, np.zeros(length, dtype=np.int64))


def next_state(state: State, total: Integers, terms: TrainingTerms) -> State:
    """Apply one signed sum (int64 [d], units of 1/scale).

    velocity' = ((momentum_q16 · velocity) >> 16) + total;
    parameters' = parameters − ((velocity' · step_numerator) >> step_shift), shifts arithmetic.
    Raises Malformed(OUT_OF_BOUND) instead of wrapping or leaving the charter's bound.
    """
    # every velocity that was let through satisfies this bound, so its product cannot wrap either
    most = MOST_PRODUCT // max(1 << MOMENTUM_BITS, terms.step_numerator)
    _check(total, MOST_PRODUCT, "the sum")
    velocity = state.velocity * np.int64(terms.momentum_q16)
    velocity >>= MOMENTUM_BITS
    velocity += total
    _check(velocity, most, "the velocity")
    step = velocity * np.int64(terms.step_numerator)
    step >>= terms.step_shift
    parameters = np.subtract(state.parameters, step, out=step)
    _check_parameters(parameters, terms)
    return State(parameters, velocity)


def sum_contributions(masked: Sequence[bytes], context: MaskContext) -> Integers:
    """Return the signed sum, int64 [length], of every contribution of a roster."""
    return unmask_sum([decode(data, context) for data in masked], context.modulus_bits)


def _check_parameters(parameters: Integers, terms: TrainingTerms) -> None:
    _check(parameters, terms.parameter_bound, "a parameter")


def _check(values: Integers, bound: int, what: str) -> None:
    # min and max instead of abs: |−2^63| wraps
    if int(values.max()) > bound or int(values.min()) < -bound:
        raise Malformed(Reason.OUT_OF_BOUND, f"{what} leaves the bound of {bound}")
