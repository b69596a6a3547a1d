"""A federation of cities on this machine, founded in one go, and the charter of the measured run.

Lives here: homes, keys and signed documents as administrators and cities would make them. Must not
know: processes, clocks of a run, or what is measured.
"""

import secrets
from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import timedelta
from pathlib import Path

import numpy as np

from federation import founding
from federation.codes import occupations
from federation.coordinator import now_ms, open_coordinator
from federation.crypto.envelope import replay_identity, sign
from federation.crypto.keys import SigningKey, digest
from federation.documents.charter import Charter, PrivacyTerms, TrainingTerms
from federation.documents.membership import Administrator, Membership
from federation.documents.types import Document
from federation.home import Configuration, Keys
from federation.home import Home as CoordinatorHome
from federation.privacy.accounting import noise_multiplier_for
from federation.privacy.events import EVALUATION, evaluation_event
from federation.rounds.aggregate import to_bytes
from federation.wire.codec import decode_envelope, encode_document, encode_envelope
from node.identity import Association, create_home, replace_file
from node.identity import Home as NodeHome
from node.policy import Budget, KindRules, Mode, Policy
from node.policyfile import policy_text

LENGTH = 130_000
# codes of GB/T 2260; as many as the largest federation that is measured
DIVISIONS = ("310000", "320500", "330100", "340100", "440100", "440300", "330200", "320100")
ADMINISTRATORS, THRESHOLD = ("admin-a", "admin-b", "admin-c"), 2
FEDERATION, MODEL = "bench", "benchmark/echo"
SCALE, MODULUS_BITS, EVALUATION_SCALE = 1 << 16, 32, 1 << 10
EVALUATION_NOISE = 2.0
EPSILON, DELTA, REPEATS = 8.0, 1e-6, 1
PARAMETER_BOUND = 1 << 20  # what cities echo: five of them are far below half the modulus
STEP_SHIFT = 8  # a step takes a small part of the sum off, so that no round leaves the bound
_WILLING = Policy(
    budget=Budget(epsilon=64.0),
    training=KindRules(mode=Mode.AUTO, max_epsilon=64.0, min_roster=3),
)


@dataclass(frozen=True)
class Founded:
    """A founded federation that nobody serves yet; ``administrators`` are private keys."""

    coordinator: CoordinatorHome
    cities: tuple[NodeHome, ...]
    administrators: tuple[SigningKey, ...]
    membership: Membership


@dataclass(frozen=True)
class Signed:
    """A signed charter as it is submitted: envelope, its digest, the parameters it names."""

    envelope: bytes
    digest: bytes
    parameters: bytes


def found(folder: Path, sites: int, port: int) -> Founded:
    """Found a federation of ``sites`` cities in the empty ``folder``, to be dialled on ``port``."""
    now, people = now_ms(), tuple(SigningKey.generate() for _ in ADMINISTRATORS)
    keys, home = Keys.generate(FEDERATION, now), CoordinatorHome(folder / "coordinator")
    address = f"127.0.0.1:{port}"
    configuration = Configuration.checked(
        {
            "federation": FEDERATION,
            "log_origin": f"{FEDERATION}/log",
            "address": address,
            "listen": address,
            "hosts": ["127.0.0.1"],
        },
        "benchmark",
    )
    home.create(configuration, keys)
    cities = tuple(_prepared(folder / division, division) for division in DIVISIONS[:sites])
    first = _membership(configuration, keys, people, cities)
    raw = signed(first, people[:THRESHOLD])
    with open_coordinator(home) as coordinator:
        coordinator.submit(raw, ())
    association = Association(
        federation=FEDERATION,
        address=address,
        server_name="127.0.0.1",
        tls_authority=keys.authority.pem.decode(),
        membership_digest=replay_identity(decode_envelope(raw)).hex(),
        log_origin=configuration.log_origin,
        log_key=keys.log.public.raw.hex(),
    )
    for city in cities:
        identity = city.identity()
        city.save_association(association)
        city.save_certificate(keys.authority.issue_city(identity.tls, identity.division, now))
    return Founded(home, cities, people, first)


def signed_charter(founded: Founded, rounds: int) -> Signed:
    """Have administrators sign a charter of ``rounds`` training rounds of LENGTH values."""
    draw = np.random.default_rng(1)
    half = PARAMETER_BOUND // 2
    parameters = to_bytes(draw.integers(-half, half, LENGTH, dtype=np.int64))
    raw = signed(_charter(rounds, parameters), founded.administrators[:THRESHOLD])
    return Signed(raw, replay_identity(decode_envelope(raw)), parameters)


def signed(document: Document, keys: Sequence[SigningKey]) -> bytes:
    """Return the document's envelope, signed by each key in turn."""
    return encode_envelope(sign(*encode_document(document), *keys))


def _prepared(path: Path, division: str) -> NodeHome:
    home = create_home(path, division, f"City {division}")
    replace_file(home.policy, policy_text(_WILLING).encode())
    return home


def _membership(
    configuration: Configuration,
    keys: Keys,
    people: Sequence[SigningKey],
    cities: Sequence[NodeHome],
) -> Membership:
    now = now_ms()
    first = founding.first_membership(
        configuration,
        keys,
        [
            Administrator(administrator=name, name=name, signing_keys=(key.public.raw,))
            for name, key in zip(ADMINISTRATORS, people, strict=True)
        ],
        threshold=THRESHOLD,
        collusion_bound=1,
        issued_ms=now,
        expires_ms=now + _milliseconds(timedelta(days=365)),
    )
    listed = sorted((city.identity().city for city in cities), key=lambda city: city.division)
    return replace(first, cities=tuple(listed))


def _charter(rounds: int, parameters: bytes) -> Charter:
    now = now_ms()
    multiplier = noise_multiplier_for(
        EPSILON,
        DELTA,
        releases=rounds + REPEATS,
        sampling=1.0,
        scale=SCALE,
        clipping_norm=1.0,
        length=LENGTH,
        also={EVALUATION: evaluation_event(EVALUATION_NOISE, EVALUATION_SCALE)},
    )
    return Charter(
        federation=FEDERATION,
        nonce=secrets.token_bytes(16),
        purpose="Measure rounds",
        kind="training",
        length=LENGTH,
        rounds=rounds,
        max_repeats=REPEATS,
        min_roster=3,
        collusion_bound=1,
        round_deadline_s=120,
        not_before_ms=now,
        not_after_ms=now + _milliseconds(timedelta(days=1)),
        taxonomy_digest=occupations.load().digest(),
        privacy=PrivacyTerms(
            epsilon=EPSILON,
            delta=DELTA,
            sampling_rate=1.0,
            clipping_norm=1.0,
            noise_multiplier=multiplier,
            scale=SCALE,
            modulus_bits=MODULUS_BITS,
            evaluation_noise_multiplier=EVALUATION_NOISE,
            evaluation_scale=EVALUATION_SCALE,
        ),
        training=TrainingTerms(
            model=MODEL,
            model_digest=digest(MODEL.encode()),
            initial_parameters_digest=digest(parameters),
            momentum_q16=0,
            step_numerator=1,
            step_shift=STEP_SHIFT,
            parameter_bound=PARAMETER_BOUND,
        ),
    )


def _milliseconds(span: timedelta) -> int:
    return int(span.total_seconds() * 1000)
