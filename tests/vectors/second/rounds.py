"""Masks, sums and the optimiser on Python's own integers."""

from typing import Any

from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PrivateKey, X25519PublicKey
from cryptography.hazmat.primitives.ciphers import Cipher, algorithms
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF

from vectors.second import require

DIGESTS = ("charter_digest", "attempt_nonce", "membership_digest", "roster_digest")


def info(context: dict[str, Any], lower: str, higher: str) -> bytes:
    """What a pair's mask is bound to."""
    fields = [
        b"laborfed/mask/v1",
        *(bytes.fromhex(context[name]) for name in DIGESTS),
        context["round"].to_bytes(8, "big"),
        bytes.fromhex(context["parameters_digest"]),
        context["kind"].encode(),
        context["modulus_bits"].to_bytes(2, "big"),
        context["length"].to_bytes(4, "big"),
        lower.encode(),
        higher.encode(),
    ]
    return b"".join(len(f).to_bytes(4, "big") + f for f in fields)


def mask(seed: bytes, public: bytes, context: dict[str, Any], lower: str, higher: str) -> list[int]:
    """A pair's mask, from either side."""
    secret = X25519PrivateKey.from_private_bytes(seed).exchange(
        X25519PublicKey.from_public_bytes(public)
    )
    made = HKDF(SHA256(), length=32, salt=None, info=info(context, lower, higher)).derive(secret)
    width = context["modulus_bits"] // 8
    cipher = Cipher(algorithms.ChaCha20(made, bytes(16)), mode=None).encryptor()
    return integers(cipher.update(bytes(width * context["length"])), width)


def integers(data: bytes, width: int) -> list[int]:
    """Little-endian unsigned integers."""
    return [int.from_bytes(data[at : at + width], "little") for at in range(0, len(data), width)]


def masked(context: dict[str, Any], cities: list[dict[str, Any]], own: str) -> list[int]:
    """What a city sends."""
    modulus = 1 << context["modulus_bits"]
    me = next(c for c in cities if c["city"] == own)
    values = list(me["values"])
    for other in cities:
        if other["city"] == own:
            continue
        lower, higher = sorted((own, other["city"]))
        sign = 1 if own == lower else -1
        stream = mask(
            bytes.fromhex(me["agreement_seed"]),
            bytes.fromhex(other["agreement_key"]),
            context,
            lower,
            higher,
        )
        values = [value + sign * hidden for value, hidden in zip(values, stream, strict=True)]
    return [value % modulus for value in values]


def total(contributions: list[list[int]], bits: int) -> list[int]:
    """The signed sum."""
    sums = [sum(column) % (1 << bits) for column in zip(*contributions, strict=True)]
    return [value - (1 << bits) if value >> (bits - 1) else value for value in sums]


def step(
    parameters: list[int], velocity: list[int], summed: list[int], terms: dict[str, int]
) -> tuple[list[int], list[int]]:
    """Parameters and velocity after one sum."""
    numerator = terms["step_numerator"]
    following = [
        ((terms["momentum_q16"] * v) >> 16) + s for v, s in zip(velocity, summed, strict=True)
    ]
    most = 2**62 // max(2**16, numerator)
    require(all(abs(v) <= most for v in following), "round.out_of_bound")
    moved = [
        p - ((v * numerator) >> terms["step_shift"])
        for p, v in zip(parameters, following, strict=True)
    ]
    bound = terms["parameter_bound"]
    require(all(abs(p) <= bound for p in moved), "round.out_of_bound")
    return moved, following
