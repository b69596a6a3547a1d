"""The constants with which the match model is trained under privacy, found on a synthetic market.

Lives here: one recipe and how its step follows from the number of workers. Must not know: charters,
noise, or any city's records.
"""

from dataclasses import dataclass
from typing import Final

from federation.model.parameters import UNIT

# Step in units of the mean clipped gradient of a round's expected sample.
LEARNING_RATE: Final = 2.0
# The finest step a charter can state has this many fraction bits; its numerator is below 2^20.
FINEST_SHIFT: Final = 32
MOST_NUMERATOR: Final = 2**20


@dataclass(frozen=True, kw_only=True)
class Recipe:
    """Constants of a training charter, named as the fields of its terms."""

    rounds: int
    max_repeats: int
    sampling_rate: float
    clipping_norm: float
    scale: int
    modulus_bits: int
    momentum_q16: int
    step_numerator: int
    step_shift: int
    parameter_bound: int
    evaluation_noise_multiplier: float
    evaluation_scale: int


def recipe(workers: int) -> Recipe:
    """Return the recipe for about ``workers`` training workers in all cities together.

    The number is a public estimate: the sum of a round is divided by it, never by a sample's size.
    """
    sampling_rate, scale = 0.2, 2**16
    step = LEARNING_RATE * UNIT / (scale * sampling_rate * workers)
    shift = max(s for s in range(FINEST_SHIFT + 1) if step * 2**s < MOST_NUMERATOR)
    return Recipe(
        rounds=80,
        max_repeats=3,
        sampling_rate=sampling_rate,
        clipping_norm=1.0,
        scale=scale,
        modulus_bits=32,
        momentum_q16=52_429,  # 0.8
        step_numerator=round(step * 2**shift),
        step_shift=shift,
        parameter_bound=64 * UNIT,
        evaluation_noise_multiplier=4.0,
        evaluation_scale=2**12,
    )
