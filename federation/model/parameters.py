"""The parameter vector: its blocks, its public start and the digest that names the model.

Knows layout and units only; how blocks enter a score is scoring.py's business.
"""

import hashlib
from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray

from federation.errors import Malformed, Reason
from federation.model.features import FEATURES, SECTOR_COLUMNS
from federation.model.tables import WIDTH, frozen_tables, sectors

MODEL_ID: Final = "laborfed/match/1"
FRACTION_BITS: Final = 24
UNIT: Final = 1 << FRACTION_BITS

SECTORS: Final = len(sectors()) + 1  # the last row serves occupations outside the table
SHAPES: Final[dict[str, tuple[int, ...]]] = {
    "pair": (len(FEATURES),),
    "sector": (SECTORS, len(SECTOR_COLUMNS)),
    "occupation": (WIDTH, WIDTH),
    "skill": (WIDTH, WIDTH),
    "missing": (WIDTH,),
}
LENGTH: Final = sum(int(np.prod(shape)) for shape in SHAPES.values())

# Public constants that bring the blocks' curvature together, so that one step size suits all.
SECTOR_SCALE: Final = 1.0
BILINEAR_SCALE: Final = 3.0
# Logits that full likeness of two occupation texts, or of tags to a missing one, starts with.
OCCUPATION_START: Final = 0.5
SKILL_START: Final = 0.5


@dataclass(frozen=True)
class Blocks:
    """The parameters in logits, as views of one float64[LENGTH]."""

    pair: NDArray[np.float64]
    sector: NDArray[np.float64]
    occupation: NDArray[np.float64]
    skill: NDArray[np.float64]
    missing: NDArray[np.float64]


def split(vector: NDArray[np.float64]) -> Blocks:
    """Return the named blocks of a float64[LENGTH] (views).

    Raises Malformed(OUT_OF_BOUND) when the length is not LENGTH.
    """
    if vector.shape != (LENGTH,):
        raise Malformed(
            Reason.OUT_OF_BOUND, f"parameters have shape {vector.shape}, the model has ({LENGTH},)"
        )
    blocks, start = {}, 0
    for name, shape in SHAPES.items():
        stop = start + int(np.prod(shape))
        blocks[name] = vector[start:stop].reshape(shape)
        start = stop
    return Blocks(**blocks)


def to_float(parameters: NDArray[np.int64]) -> NDArray[np.float64]:
    """Return fixed-point parameters (FRACTION_BITS fraction bits) as floats, exactly."""
    return parameters.astype(np.float64) / UNIT


def to_fixed(parameters: NDArray[np.float64]) -> NDArray[np.int64]:
    """Return floats rounded to FRACTION_BITS fraction bits."""
    return np.round(parameters * UNIT).astype(np.int64)


def initial_parameters() -> NDArray[np.int64]:
    """Return the public start: FEATURES' weights, scaled identities between equal texts, zeros."""
    vector = np.zeros(LENGTH)
    blocks = split(vector)
    blocks.pair[:] = [feature.initial for feature in FEATURES]
    blocks.occupation[:] = np.eye(WIDTH) * (OCCUPATION_START / BILINEAR_SCALE)
    blocks.skill[:] = np.eye(WIDTH) * (SKILL_START / BILINEAR_SCALE)
    return to_fixed(vector)


def model_digest() -> bytes:
    """Return SHA-256 binding the model's version, layout, constants, start and frozen tables."""
    hasher = hashlib.sha256(MODEL_ID.encode())
    for feature in FEATURES:
        hasher.update(f"\n{feature.name} {feature.part} {feature.by_sector}".encode())
    constants = (sorted(SHAPES.items()), FRACTION_BITS, SECTOR_SCALE, BILINEAR_SCALE)
    hasher.update(repr(constants).encode())
    hasher.update(initial_parameters().astype("<i8").tobytes())
    hasher.update(frozen_tables().digest())
    return hasher.digest()
