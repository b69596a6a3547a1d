"""Envelopes: the DSSE encoding, who signed, and what cannot be an envelope."""

import json
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from federation.crypto.envelope import (
    Envelope,
    Signature,
    pae,
    replay_identity,
    sign,
    unknown_key_ids,
    verified_key_ids,
    with_signature,
)
from federation.crypto.keys import SigningKey, digest
from federation.errors import Malformed, Reason, Untrusted

DSSE = json.loads((Path(__file__).parents[2] / "vectors" / "dsse.json").read_text())
ANNA, BO, EVE = (SigningKey.from_seed(bytes([n]) * 32) for n in (1, 2, 3))
KNOWN = {key.public.key_id: key.public for key in (ANNA, BO)}
TYPE = "application/vnd.laborfed.charter.v1"
TYPES = st.text(st.characters(min_codepoint=0x21, max_codepoint=0x7E), min_size=1, max_size=40)


def test_the_encoding_is_the_published_one() -> None:
    assert pae(DSSE["payload_type"], DSSE["payload"].encode()) == DSSE["pae"].encode()


@given(st.tuples(TYPES, st.binary()), st.tuples(TYPES, st.binary()))
def test_two_statements_never_share_an_encoding(
    one: tuple[str, bytes], other: tuple[str, bytes]
) -> None:
    assert (pae(*one) == pae(*other)) == (one == other)


def test_bytes_moved_between_type_and_payload_are_another_statement() -> None:
    assert pae("a", b" 1 b") != pae("a 1", b"b")
    assert pae("ab", b"c") != pae("a", b"bc")


def test_every_known_signer_is_named_and_unknown_ones_are_reported() -> None:
    envelope = sign(TYPE, b"payload", ANNA, EVE)
    assert verified_key_ids(envelope, KNOWN) == {ANNA.public.key_id}
    assert unknown_key_ids(envelope, KNOWN) == {EVE.public.key_id}
    both = with_signature(envelope, BO)
    assert verified_key_ids(both, KNOWN) == KNOWN.keys()


def test_an_unknown_key_with_a_bad_signature_changes_nothing() -> None:
    junk = Signature(EVE.public.key_id, bytes(64))
    envelope = Envelope(TYPE, b"p", (*sign(TYPE, b"p", ANNA).signatures, junk))
    assert verified_key_ids(envelope, KNOWN) == {ANNA.public.key_id}


@pytest.mark.parametrize(
    "damage",
    [
        pytest.param(
            lambda e: Envelope(e.payload_type, e.payload + b"!", e.signatures), id="payload"
        ),
        pytest.param(lambda e: Envelope("text/other", e.payload, e.signatures), id="type"),
        pytest.param(
            lambda e: Envelope(
                e.payload_type,
                e.payload,
                (Signature(BO.public.key_id, e.signatures[0].signature), e.signatures[1]),
            ),
            id="signature under another known key",
        ),
        pytest.param(
            lambda e: Envelope(
                e.payload_type,
                e.payload,
                (e.signatures[0], Signature(BO.public.key_id, e.signatures[1].signature)),
            ),
            id="second signature after a good one",
        ),
    ],
)
def test_one_bad_signature_of_a_known_key_spoils_the_envelope(damage) -> None:  # type: ignore[no-untyped-def]
    good = sign(TYPE, b"payload", ANNA, EVE)
    with pytest.raises(Untrusted) as refusal:
        verified_key_ids(damage(good), KNOWN)
    assert refusal.value.reason is Reason.BAD_SIGNATURE


def test_the_same_key_does_not_sign_twice() -> None:
    with pytest.raises(Malformed):
        with_signature(sign(TYPE, b"p", ANNA), ANNA)
    with pytest.raises(Malformed):
        sign(TYPE, b"p", ANNA, BO, ANNA)


def test_replay_identity_does_not_see_the_signatures() -> None:
    one, two = sign(TYPE, b"p", ANNA), sign(TYPE, b"p", BO, ANNA)
    assert replay_identity(one) == replay_identity(two) == digest(pae(TYPE, b"p"))
    assert replay_identity(one) != replay_identity(sign(TYPE, b"q", ANNA))


@pytest.mark.parametrize(
    "payload_type",
    ["", "a b", "a\n", "类型", "x" * 256, "\ud800"],
    ids=["empty", "space", "newline", "not ASCII", "too long", "lone surrogate"],
)
def test_a_type_nobody_could_register_is_malformed(payload_type: str) -> None:
    with pytest.raises(Malformed):
        Envelope(payload_type, b"")


@pytest.mark.parametrize(("key_id", "signature"), [(31, 64), (32, 63), (33, 64), (32, 65)])
def test_a_signature_of_other_lengths_is_malformed(key_id: int, signature: int) -> None:
    with pytest.raises(Malformed):
        Signature(bytes(key_id), bytes(signature))
