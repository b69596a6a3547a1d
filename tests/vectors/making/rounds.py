"""A round's arithmetic: agreement keys, mask info, masked values, the sum and the optimiser's step.

Noise is part of the values here: what a city adds is its own affair and not to be seen.
"""

from dataclasses import replace
from typing import Any

import numpy as np

from federation.crypto.keys import AgreementKey, digest
from federation.crypto.masking import (
    MaskContext,
    Masked,
    apply_masks,
    encode,
    mask_key,
    mask_stream,
    unmask_sum,
)
from federation.documents.charter import TrainingTerms
from federation.errors import Malformed
from federation.rounds.aggregate import Integers, State, next_state, sum_to_bytes, to_bytes
from vectors.making import plain

CITIES = ("310000", "330100", "340100")
LENGTH = 6
CONTEXT = MaskContext(
    charter_digest=digest(b"charter"),
    attempt_nonce=digest(b"attempt"),
    membership_digest=digest(b"membership"),
    roster_digest=digest(b"roster"),
    round=3,
    parameters_digest=digest(b"parameters"),
    kind="training",
    modulus_bits=32,
    length=LENGTH,
)
VALUES = {
    CITIES[0]: (0, 1, -1, 2**20, -(2**20), 7),
    CITIES[1]: (5, -5, 2**29, -(2**29), 0, 123_456_789),
    CITIES[2]: (-1, -2, -3, -4, -5, -6),
}
TERMS = TrainingTerms(
    model="match/v1",
    model_digest=digest(b"model"),
    initial_parameters_digest=digest(b"parameters"),
    momentum_q16=58_982,
    step_numerator=3,
    step_shift=10,
    parameter_bound=2**30,
)


def vectors() -> dict[str, Any]:
    """Return the file's content."""
    return {
        "about": "One round of three cities at 32 and at 64 bits, and the optimiser's steps.",
        "sums": [_sum(replace(CONTEXT, modulus_bits=bits)) for bits in (32, 64)],
        "optimiser": _optimiser(),
    }


def _key(city: str) -> AgreementKey:
    return AgreementKey.from_seed(_seed(city))


def _seed(city: str) -> bytes:
    return digest(b"agreement " + city.encode())


def masked_by_all(context: MaskContext) -> dict[str, Masked]:
    """Return what each city sends, masked towards the two others."""
    publics = {city: _key(city).public for city in CITIES}
    return {
        city: apply_masks(
            np.array(VALUES[city], dtype=np.int64),
            city,
            _key(city),
            {other: public for other, public in publics.items() if other != city},
            context,
        )
        for city in CITIES
    }


def summed(context: MaskContext) -> Integers:
    """Return the round's sum, int64."""
    return unmask_sum(list(masked_by_all(context).values()), context.modulus_bits)


def _sum(context: MaskContext) -> dict[str, Any]:
    masked, total = masked_by_all(context), summed(context)
    recorded = sum_to_bytes(total, context.modulus_bits)
    return {
        "context": plain(context),
        "cities": [
            {
                "city": city,
                "agreement_seed": _seed(city).hex(),
                "agreement_key": _key(city).public.hex(),
                "values": list(VALUES[city]),
                "masked": encode(masked[city]).hex(),
                "masked_digest": digest(encode(masked[city])).hex(),
            }
            for city in CITIES
        ],
        "pairs": [_pair(a, b, context) for a in CITIES for b in CITIES if a < b],
        "sum": total.tolist(),
        "sum_bytes": recorded.hex(),
        "sum_digest": digest(recorded).hex(),
        "damaged": _unrelated(context),
    }


def _pair(lower: str, higher: str, context: MaskContext) -> dict[str, Any]:
    secret = _key(lower).exchange(_key(higher).public)
    info = context.info(lower, higher)
    return {
        "lower": lower,
        "higher": higher,
        "shared_secret": secret.hex(),
        "info": info.hex(),
        "stream_key": mask_key(secret, info).hex(),
        "mask": mask_stream(secret, context, lower, higher).tolist(),
    }


def _unrelated(context: MaskContext) -> list[dict[str, Any]]:
    """The first pair's mask with one field changed: another stream each time."""
    changes: dict[str, Any] = {
        "charter_digest": digest(b"other"),
        "attempt_nonce": digest(b"other"),
        "membership_digest": digest(b"other"),
        "roster_digest": digest(b"other"),
        "round": context.round + 1,
        "parameters_digest": digest(b"other"),
        "kind": "evaluation",
    }
    secret = _key(CITIES[0]).exchange(_key(CITIES[1]).public)
    return [
        {
            "changed": name,
            "to": plain(value),
            "mask": mask_stream(
                secret, replace(context, **{name: value}), CITIES[0], CITIES[1]
            ).tolist(),
        }
        for name, value in changes.items()
    ]


def _optimiser() -> dict[str, Any]:
    state = State(
        np.array([0, 1, -1, 2**20, -(2**20), 12_345], dtype=np.int64),
        np.zeros(LENGTH, dtype=np.int64),
    )
    totals = [
        [1024, -1024, 1, -1, 0, 2**24],
        [-1, 1, -3, 3, 2**20, -(2**24)],
        [0, 0, 0, 0, 0, 0],
    ]
    steps = []
    for total in totals:
        state = next_state(state, np.array(total, dtype=np.int64), TERMS)
        steps.append(
            {
                "sum": total,
                "velocity": state.velocity.tolist(),
                "parameters": state.parameters.tolist(),
                "parameters_sha256": digest(to_bytes(state.parameters)).hex(),
            }
        )
    return {
        "momentum_q16": TERMS.momentum_q16,
        "step_numerator": TERMS.step_numerator,
        "step_shift": TERMS.step_shift,
        "parameter_bound": TERMS.parameter_bound,
        "initial": [0, 1, -1, 2**20, -(2**20), 12_345],
        "steps": steps,
        "damaged": [_refused(state, "a sum that leads beyond the bound", [2**40] * LENGTH)],
    }


def _refused(state: State, name: str, total: list[int]) -> dict[str, Any]:
    try:
        next_state(state, np.array(total, dtype=np.int64), TERMS)
    except Malformed as error:
        return {"name": name, "sum": total, "reason": error.reason.value}
    raise AssertionError(f"{name}: taken")
