"""Attacks on masks and on the integers under them.

Lives here: this group's lines and what they forge. Must not know: how a case is judged.
"""

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray
from support.runs import agreement_key

from attacks.case import Act, Attack, By, Guard, Strike
from federation.crypto.keys import digest
from federation.crypto.masking import MaskContext, apply_masks, decode, encode, unmask_sum
from federation.errors import Reason
from node.training import to_integers

MASKING = "federation/crypto/masking.py"
CITIES = ("310000", "330100", "340100")
NONCE = digest(b"attempt")
Integers = NDArray[np.int64]


class MaskStage:
    """Three cities that mask; ``state`` is the sum that came of their contributions last."""

    def __init__(self, _folder: Path) -> None:
        label = digest(b"bound to this")
        self.context = MaskContext(label, NONCE, label, label, 1, label, "training", 32, 4)
        self.values = {c: np.arange(4, dtype=np.int64) + i for i, c in enumerate(CITIES)}
        self.state: object = None

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        """Nothing is open."""

    @property
    def expected(self) -> list[int]:
        """The sum of what the cities put in."""
        return [int(value) for value in np.sum(list(self.values.values()), axis=0)]

    def contribution(
        self, city: str, context: MaskContext | None = None, peers: Sequence[str] = CITIES
    ) -> bytes:
        """Return a city's masked integers."""
        others = {c: agreement_key(c, NONCE).public for c in peers if c != city}
        key = agreement_key(city, NONCE)
        return self.mask(city, key, others, context)

    def mask(
        self, city: str, key: Any, others: dict[str, bytes], context: MaskContext | None = None
    ) -> bytes:
        """Return a city's integers masked towards the keys of others."""
        masked = apply_masks(self.values[city], city, key, others, context or self.context)
        return encode(masked)

    def sum(self, *contributions: bytes) -> list[int]:
        """Add contributions up."""
        arrays = [decode(raw, self.context) for raw in contributions]
        self.state = [int(value) for value in unmask_sum(arrays, 32)]
        return self.state


def honest_sum(stage: MaskStage) -> Strike:
    """The sum over everybody, each in the same context."""

    def strike() -> None:
        assert stage.sum(*(stage.contribution(city) for city in CITIES)) == stage.expected

    return strike


def alone(stage: MaskStage) -> Strike:
    return lambda: stage.contribution(CITIES[0], peers=())


def own_key_as_a_peer(stage: MaskStage) -> Strike:
    key = agreement_key(CITIES[0], NONCE)
    return lambda: stage.mask(CITIES[0], key, {CITIES[0]: key.public})


def small_order(stage: MaskStage) -> Strike:
    key = agreement_key(CITIES[0], NONCE)
    return lambda: stage.mask(CITIES[0], key, {CITIES[1]: bytes(32)})


def too_large_a_value(stage: MaskStage) -> Strike:
    stage.values[CITIES[0]] = np.full(4, 2**31, dtype=np.int64)
    return lambda: stage.contribution(CITIES[0])


def too_few_bytes(stage: MaskStage) -> Strike:
    raw = stage.contribution(CITIES[0])
    return lambda: decode(raw[:-4], stage.context)


def another_modulus(stage: MaskStage) -> Strike:
    wide = replace(stage.context, modulus_bits=64)
    arrays = [
        decode(stage.contribution(CITIES[0]), stage.context),
        decode(stage.contribution(CITIES[1], wide), wide),
    ]
    return lambda: unmask_sum(arrays, 32)


def in_another_context(**changes: Any) -> Act:
    """Return the act of adding up when one city was asked for something else: noise comes of it."""

    def act(stage: MaskStage) -> Strike:
        other = replace(stage.context, **changes)

        def strike() -> None:
            raw = [stage.contribution(city) for city in CITIES[1:]]
            found = stage.sum(stage.contribution(CITIES[0], other), *raw)
            assert sum(a != b for a, b in zip(found, stage.expected, strict=True)) == 4

        return strike

    return act


def without_one_city(stage: MaskStage) -> Strike:
    """The sum over fewer than the roster is noise, not the difference."""

    def strike() -> None:
        found = stage.sum(*(stage.contribution(city) for city in CITIES[1:]))
        exact = np.sum([stage.values[city] for city in CITIES[1:]], axis=0).tolist()
        assert sum(a != b for a, b in zip(found, exact, strict=True)) == 4

    return strike


def not_a_number(_: MaskStage) -> Strike:
    """What one record makes infinite counts as nothing: nobody's sum is lost, nobody is told."""

    def strike() -> None:
        values = np.array([np.nan, np.inf, -np.inf, 0.5])
        assert to_integers(values, 2**16).tolist() == [0, 0, 0, 2**15]

    return strike


def on_masks(name: str, by: By, act: Act, reason: Reason | None, guard: Guard) -> Attack:
    """Return an attack on masks."""
    return Attack(name, by, act, reason, guard, MaskStage, honest_sum)


def unbound(field: str, following: str) -> Guard:
    """The line that binds masks to a field of their context."""
    line, after = (f"            {name},\n" for name in (field, following))
    return Guard(MASKING, line + after, after)


OTHERS_ASKED = (
    "one city is asked for another round than the others",
    "one city is given other parameters than the others",
    "one city is shown another roster than the others",
    "one city is asked in another attempt than the others",
    "one city is asked under another charter than the others",
    "a city made its own peer, so that its mask is known",
    "a peer's key of small order, where masks are made",
)

MASKS: list[Attack] = [
    on_masks(
        "a roster of one city, whose sum is the city's own",
        By.COORDINATOR,
        alone,
        Reason.ROSTER_TOO_SMALL,
        Guard(MASKING, "    if not peers:\n", "    if False:\n"),
    ),
    on_masks(
        "a city made its own peer, so that its mask is known",
        By.COORDINATOR,
        own_key_as_a_peer,
        Reason.WRONG_BINDING,
        Guard(MASKING, "        if not lower < higher:\n", "        if False:\n"),
    ),
    on_masks(
        "a peer's key of small order, where masks are made",
        By.COORDINATOR,
        small_order,
        Reason.INVALID_DOCUMENT,
        Guard(
            "federation/crypto/keys.py",
            "            return self.private.exchange(point)",
            "            return bytes(32) if not any(peer) else self.private.exchange(point)",
            stops_too=(
                "an agreement key of small order, with which secrets are known to all",
                "a consent whose key nobody can mask with",
            ),
        ),
    ),
    on_masks(
        "a value that does not fit the modulus",
        By.CITY,
        too_large_a_value,
        Reason.OUT_OF_BOUND,
        Guard(MASKING, "    if not np.array_equal(signed, values):\n", "    if False:\n"),
    ),
    on_masks(
        "a contribution with bytes missing",
        By.CITY,
        too_few_bytes,
        Reason.WRONG_BINDING,
        Guard(MASKING, "    if len(data) != expected:\n", "    if False:\n"),
    ),
    on_masks(
        "contributions of two moduli in one sum",
        By.CITY,
        another_modulus,
        Reason.WRONG_BINDING,
        Guard(
            MASKING,
            "if len(kinds) != 1 or next(iter(kinds))[0] != _UNSIGNED[modulus_bits]:",
            "if False:",
        ),
    ),
    on_masks(
        "one city is asked for another round than the others",
        By.COORDINATOR,
        in_another_context(round=2),
        None,
        unbound('self.round.to_bytes(8, "big")', "self.parameters_digest"),
    ),
    on_masks(
        "one city is given other parameters than the others",
        By.COORDINATOR,
        in_another_context(parameters_digest=digest(b"other")),
        None,
        unbound("self.parameters_digest", "self.kind.encode()"),
    ),
    on_masks(
        "one city is shown another roster than the others",
        By.COORDINATOR,
        in_another_context(roster_digest=digest(b"other")),
        None,
        unbound("self.roster_digest", 'self.round.to_bytes(8, "big")'),
    ),
    on_masks(
        "one city is asked in another attempt than the others",
        By.COORDINATOR,
        in_another_context(attempt_nonce=digest(b"other")),
        None,
        unbound("self.attempt_nonce", "self.membership_digest"),
    ),
    on_masks(
        "one city is asked under another charter than the others",
        By.COORDINATOR,
        in_another_context(charter_digest=digest(b"other")),
        None,
        unbound("self.charter_digest", "self.attempt_nonce"),
    ),
    on_masks(
        "a sum over fewer than the roster",
        By.COORDINATOR,
        without_one_city,
        None,
        Guard(
            MASKING,
            "        secret = own_key.exchange(public)\n",
            "        continue\n",
            stops_too=OTHERS_ASKED,
        ),
    ),
    on_masks(
        "a record whose gradient is not a number",
        By.CITY,
        not_a_number,
        None,
        Guard(
            "node/training.py",
            "np.where(np.isfinite(values), values, 0.0)",
            "np.nan_to_num(values)",
        ),
    ),
]
