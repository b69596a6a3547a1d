"""How the match model is trained under a charter: one public table of constants, with reasons.

Read when a charter is drafted; the charter's own numbers are what binds. Must not know cities,
noise samplers or accountants: the noise multiplier is searched from these by whoever drafts.
"""

import math
from dataclasses import dataclass
from typing import Final

from federation.model.parameters import FRACTION_BITS

#: Ceiling per worker over the whole charter: rounds, repeats and the evaluation together.
EPSILON: Final = 8.0
#: Below 1 / (100 · workers) for federations of up to 10,000 workers a city and some cities more.
DELTA: Final = 1e-6

#: Rounds of a run. Noise adds up with steps times the root of rounds and shrinks with it again:
#: more rounds of smaller steps end no better and take longer, fewer do not settle.
ROUNDS: Final = 60
#: Repeats paid for in advance; each lost city or missed deadline costs one.
MAX_REPEATS: Final = 3
#: Share of workers a round draws: all. At this budget a quarter would cost 15 % more noise in every
#: step, as few rounds profit little from sampling; cities are small enough for full gradients.
SAMPLING_RATE: Final = 1.0
#: L2 bound of one worker's gradient; just under the median norm (1.3) at the public start.
CLIPPING_NORM: Final = 1.0
#: Integer units per 1.0: rounding adds √d to a sensitivity of 2^16, one part in a thousand.
SCALE_BITS: Final = 16
#: 2^31 / 4 cities leaves 8,000 clipped workers' worth in every coordinate beside the noise.
MODULUS_BITS: Final = 32
#: Momentum 0.9 in 1/65536.
MOMENTUM_Q16: Final = 58_982
#: Step in logits per unit of mean clipped gradient, before momentum adds up ten of them.
STEP: Final = 7.0
#: Bits of the step's numerator: fixes its precision without nearing the optimiser's overflow.
NUMERATOR_BITS: Final = 16
#: Largest |parameter| in logits; trained ones stay below 8.
MOST_LOGITS: Final = 64
#: Evaluation: noise of 2 · √2 on the sum of differences over a city's few hundred held-out workers;
#: it widens the rounds' noise by about a twentieth.
EVALUATION_NOISE_MULTIPLIER: Final = 2.0
#: Integer units per worker; rounding adds one part in a thousand to the sensitivity.
EVALUATION_SCALE: Final = 1024


@dataclass(frozen=True)
class Recipe:
    """What a training charter takes from here; fields are named as in the charter's terms."""

    epsilon: float
    delta: float
    rounds: int
    max_repeats: int
    sampling_rate: float
    clipping_norm: float
    scale: int
    modulus_bits: int
    evaluation_noise_multiplier: float
    evaluation_scale: int
    momentum_q16: int
    step_numerator: int
    step_shift: int
    parameter_bound: int


def recipe(workers: int) -> Recipe:
    """Return the constants for a federation with about ``workers`` to train on, all cities added.

    The number is public (a census figure or an earlier statistic, never a count of the run): the
    sum is divided by sampling_rate · workers whatever the sample. Raises ValueError below 1.
    """
    if workers < 1:
        raise ValueError("a training charter needs an estimate of at least one worker")
    # fixed-point parameters per integer unit of the velocity
    step = STEP * 2.0 ** (FRACTION_BITS - SCALE_BITS) / (SAMPLING_RATE * workers)
    shift = max(NUMERATOR_BITS - math.ceil(math.log2(step)), 0)
    return Recipe(
        epsilon=EPSILON,
        delta=DELTA,
        rounds=ROUNDS,
        max_repeats=MAX_REPEATS,
        sampling_rate=SAMPLING_RATE,
        clipping_norm=CLIPPING_NORM,
        scale=1 << SCALE_BITS,
        modulus_bits=MODULUS_BITS,
        evaluation_noise_multiplier=EVALUATION_NOISE_MULTIPLIER,
        evaluation_scale=EVALUATION_SCALE,
        momentum_q16=MOMENTUM_Q16,
        step_numerator=max(round(step * 2.0**shift), 1),
        step_shift=shift,
        parameter_bound=MOST_LOGITS << FRACTION_BITS,
    )
