"""Masks: published vectors for each link, exact sums, and contributions that look like noise."""

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray
from scipy import stats

from federation.crypto import masking
from federation.crypto.keys import AgreementKey
from federation.crypto.masking import MaskContext, apply_masks, mask_stream, unmask_sum
from federation.errors import LaborfedError, Malformed, Reason, Refused

VECTORS = json.loads((Path(__file__).parents[2] / "vectors" / "masking.json").read_text())
CONTEXT = MaskContext(
    charter_digest=bytes([1]) * 32,
    attempt_nonce=bytes([2]) * 16,
    membership_digest=bytes([3]) * 32,
    roster_digest=bytes([4]) * 32,
    round=5,
    parameters_digest=bytes([6]) * 32,
    kind="training",
    modulus_bits=64,
    length=1000,
)
CITIES = ("110100", "310100", "330100", "440100", "440300", "500100", "510100", "610100")
KEYS = {city: AgreementKey.from_seed(bytes([n + 1]) * 32) for n, city in enumerate(CITIES)}
SECRET = bytes(range(32))


def masked_by(city: str, roster: tuple[str, ...], values: NDArray[np.int64], context: MaskContext):  # type: ignore[no-untyped-def]
    peers = {other: KEYS[other].public for other in roster if other != city}
    return apply_masks(values, city, KEYS[city], peers, context)


def test_agreement_gives_the_published_secret() -> None:
    rfc = VECTORS["x25519"]
    alice = AgreementKey.from_seed(bytes.fromhex(rfc["alice_private"]))
    bob = AgreementKey.from_seed(bytes.fromhex(rfc["bob_private"]))
    assert (alice.public.hex(), bob.public.hex()) == (rfc["alice_public"], rfc["bob_public"])
    assert alice.exchange(bob.public).hex() == bob.exchange(alice.public).hex() == rfc["shared"]


def test_key_derivation_gives_the_published_bytes() -> None:
    rfc = VECTORS["hkdf"]
    assert masking.mask_key(bytes.fromhex(rfc["ikm"]), b"").hex() == rfc["okm"][:64]


@pytest.mark.parametrize("case", VECTORS["chacha20"]["cases"], ids=lambda case: case["name"])
def test_the_stream_is_the_published_one(case: dict[str, str]) -> None:
    stream = masking.keystream(bytes.fromhex(case["key"]), 64 * (int(case["block"]) + 1))
    assert stream[-64:].hex() == case["stream"]


def test_info_and_mask_stay_what_they_were() -> None:
    """Pinned bytes: nodes of two versions share a roster only while these do not change."""
    pinned = VECTORS["pair"]
    assert CONTEXT.info("110100", "310100").hex() == pinned["info"]
    stream = mask_stream(SECRET, replace(CONTEXT, length=4), "110100", "310100")
    assert masking.encode(stream).hex() == pinned["stream"]


@settings(max_examples=60, deadline=None)
@given(
    st.data(),
    st.lists(st.sampled_from(CITIES), min_size=2, max_size=8, unique=True),
    st.integers(1, 300),
    st.sampled_from([32, 64]),
)
def test_the_sum_over_a_roster_is_exact(
    data: st.DataObject, roster: list[str], length: int, bits: int
) -> None:
    context = replace(CONTEXT, length=length, modulus_bits=bits)
    bound = 2 ** (bits - 1) // len(roster) - 1
    seed = data.draw(st.integers(0, 2**32))
    values = np.random.default_rng(seed).integers(-bound, bound, (len(roster), length))
    values[:, 0] = data.draw(st.sampled_from([-bound, 0, bound]))
    masked = [masked_by(c, tuple(roster), v, context) for c, v in zip(roster, values, strict=True)]
    over_the_wire = [masking.decode(masking.encode(m), context) for m in masked]
    total = unmask_sum(over_the_wire, bits)
    assert total.dtype == np.int64
    assert total.tolist() == values.sum(axis=0).tolist()


@pytest.mark.parametrize("bits", [32, 64])
@pytest.mark.parametrize("missing", CITIES[:4])
def test_the_sum_without_one_city_is_noise(missing: str, bits: int) -> None:
    context = replace(CONTEXT, modulus_bits=bits)
    roster = CITIES[:4]
    zeros = np.zeros(context.length, np.int64)
    masked = [masked_by(city, roster, zeros, context) for city in roster if city != missing]
    assert uniformity(masked) > 1e-6
    # every sum of fewer cities stays hidden as well, down to each one's own
    assert all(np.count_nonzero(one) > context.length * 0.99 for one in masked)
    assert np.count_nonzero(unmask_sum(masked, bits)) > context.length * 0.99


@pytest.mark.parametrize(
    "change",
    [
        {"charter_digest": bytes([9]) * 32},
        {"attempt_nonce": bytes([9]) * 16},
        {"attempt_nonce": bytes([2]) * 17},
        {"membership_digest": bytes([9]) * 32},
        {"roster_digest": bytes([9]) * 32},
        {"round": 6},
        {"parameters_digest": bytes([9]) * 32},
        {"kind": "evaluation"},
        {"modulus_bits": 32, "length": 2000},
        {"length": 1001},
        {"membership_digest": bytes([4]) * 32, "roster_digest": bytes([3]) * 32},
    ],
    ids=lambda change: "another " + " and ".join(change),
)
def test_masks_are_unrelated_after(change: dict[str, object]) -> None:
    one = mask_stream(SECRET, CONTEXT, "a", "b").tobytes()
    other = mask_stream(SECRET, replace(CONTEXT, **change), "a", "b").tobytes()[: len(one)]  # type: ignore[arg-type]
    assert agreement(one, other) == pytest.approx(0.5, abs=0.012)  # six standard deviations


@pytest.mark.parametrize("pair", [("a", "c"), ("0", "b"), ("ab", "b"), ("a", "ab")], ids="–".join)
def test_masks_are_unrelated_for_the_pair(pair: tuple[str, str]) -> None:
    one = mask_stream(SECRET, CONTEXT, "a", "b").tobytes()
    other = mask_stream(SECRET, CONTEXT, *pair).tobytes()
    assert agreement(one, other) == pytest.approx(0.5, abs=0.012)


def test_the_same_context_gives_the_same_mask() -> None:
    one, other = (mask_stream(SECRET, CONTEXT, "a", "b").tobytes() for _ in range(2))
    assert agreement(one, other) == 1.0


def agreement(one: bytes, other: bytes) -> float:
    """Share of equal bits."""
    return float(
        np.mean(
            np.unpackbits(np.frombuffer(bytes(one), np.uint8))
            == np.unpackbits(np.frombuffer(other, np.uint8))
        )
    )


def uniformity(masked: list[NDArray[np.unsignedinteger]]) -> float:  # type: ignore[type-arg]
    """p-value of the chi-square test that all bytes are equally frequent."""
    data = np.frombuffer(b"".join(one.tobytes() for one in masked), np.uint8)
    return float(stats.chisquare(np.bincount(data, minlength=256)).pvalue)


# The keys are fixed, so these figures are the same in every run: 1e-6 cannot flake.
@pytest.mark.parametrize("bits", [32, 64])
@pytest.mark.parametrize("own", CITIES[:3])
def test_one_citys_contribution_is_uniform_though_its_values_are_not(own: str, bits: int) -> None:
    values = np.arange(1000, dtype=np.int64) % 3
    contributions = [
        masked_by(own, CITIES[:3], values, replace(CONTEXT, modulus_bits=bits, round=round_))
        for round_ in range(40)
    ]
    assert uniformity(contributions) > 1e-6
    assert uniformity([one.astype(np.uint64) for one in [values] * 40]) < 1e-6  # negative control


def test_the_uniformity_test_sees_one_value_in_twenty_five_lacking_its_top_bits() -> None:
    stream = np.concatenate(
        [mask_stream(SECRET, replace(CONTEXT, round=r), "a", "b") for r in range(40)]
    )
    biased = stream.copy()
    biased[::25] &= np.uint64(0x7F7F7F7F7F7F7F7F)
    assert uniformity([stream]) > 1e-6
    assert uniformity([biased]) < 1e-6


def test_masking_leaves_the_callers_values_alone() -> None:
    values = np.arange(CONTEXT.length, dtype=np.int64)
    masked_by("110100", CITIES[:2], values, CONTEXT)
    assert values.tolist() == list(range(CONTEXT.length))


@pytest.mark.parametrize(
    ("change", "rule"),
    [
        ({"charter_digest": bytes(31)}, "digests"),
        ({"parameters_digest": b""}, "digests"),
        ({"attempt_nonce": bytes(15)}, "attempt_nonce"),
        ({"round": -1}, "round"),
        ({"round": 2**63}, "round"),
        ({"kind": ""}, "kind"),
        ({"kind": "k" * 65}, "kind"),
        ({"kind": "训练"}, "kind"),
        ({"modulus_bits": 16}, "modulus_bits"),
        ({"length": 0}, "length"),
        ({"length": masking.MAX_LENGTH + 1}, "length"),
    ],
    ids=str,
)
def test_a_context_that_binds_less_cannot_exist(change: dict[str, object], rule: str) -> None:
    with pytest.raises(Malformed, match=rule) as refusal:
        replace(CONTEXT, **change)  # type: ignore[arg-type]
    assert refusal.value.reason is Reason.WRONG_BINDING


def test_a_pair_has_one_order() -> None:
    for lower, higher in (("b", "a"), ("a", "a")):
        with pytest.raises(Malformed):
            CONTEXT.info(lower, higher)


VALUES = np.zeros(CONTEXT.length, np.int64)
PEER = {"310100": KEYS["310100"].public}


@pytest.mark.parametrize(
    ("values", "peers", "context", "fault"),
    [
        pytest.param(VALUES, {}, CONTEXT, Refused, id="a roster of one"),
        pytest.param(
            VALUES,
            {**PEER, "110100": KEYS["110100"].public},
            CONTEXT,
            Malformed,
            id="itself a peer",
        ),
        pytest.param(
            VALUES, {"310100": bytes(32)}, CONTEXT, Malformed, id="a small-order peer key"
        ),
        pytest.param(VALUES[:-1], PEER, CONTEXT, Malformed, id="another length"),
        pytest.param(VALUES.astype(np.int32), PEER, CONTEXT, Malformed, id="another type"),
        pytest.param(
            VALUES + 2**31,
            PEER,
            replace(CONTEXT, modulus_bits=32),
            Malformed,
            id="a value too large",
        ),
    ],
)
def test_masking_refuses(  # type: ignore[no-untyped-def]
    values, peers: dict[str, bytes], context: MaskContext, fault: type[LaborfedError]
) -> None:
    with pytest.raises(fault):
        apply_masks(values, "110100", KEYS["110100"], peers, context)


@pytest.mark.parametrize(
    ("contributions", "bits"),
    [
        pytest.param([], 32, id="nothing"),
        pytest.param([np.zeros(3, np.uint32), np.zeros(4, np.uint32)], 32, id="two lengths"),
        pytest.param([np.zeros(3, np.uint32), np.zeros(3, np.uint64)], 64, id="two types"),
        pytest.param([np.zeros(3, np.uint32)], 64, id="another modulus"),
        pytest.param([np.zeros(3, np.int64)], 64, id="signed values"),
    ],
)
def test_contributions_that_do_not_belong_together_are_not_added(contributions, bits: int) -> None:  # type: ignore[no-untyped-def]
    with pytest.raises(Malformed):
        unmask_sum(contributions, bits)


@pytest.mark.parametrize("size", [0, 7999, 8001])
def test_masked_bytes_of_another_size_do_not_decode(size: int) -> None:
    with pytest.raises(Malformed):
        masking.decode(bytes(size), CONTEXT)


def test_a_contribution_that_is_alone_adds_up_to_itself() -> None:
    alone = np.array([1, 2**32 - 1], dtype="<u4")
    assert unmask_sum([alone], 32).tolist() == [1, -1]


def test_masked_values_travel_little_endian() -> None:
    assert masking.encode(np.array([1, 2], np.uint32)) == bytes.fromhex("0100000002000000")
    assert masking.encode(np.array([1], np.uint64).astype(">u8")) == bytes.fromhex(
        "0100000000000000"
    )
