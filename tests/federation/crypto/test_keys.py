"""Keys against RFC 8032 and RFC 7748, and what a key file refuses."""

import json
import os
from collections.abc import Callable
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from federation.crypto.keys import (
    AgreementKey,
    SealingKey,
    SigningKey,
    VerifyingKey,
    check_agreement_key,
    digest,
)
from federation.errors import LaborfedError, Malformed, Misconfigured, Reason, Untrusted

VECTORS = Path(__file__).parents[2] / "vectors"
ED25519 = json.loads((VECTORS / "ed25519.json").read_text())["cases"]
PASSPHRASE = b"correct horse battery"


@pytest.mark.parametrize("case", ED25519, ids=lambda case: case["name"])
def test_signing_gives_the_published_key_and_signature(case: dict[str, str]) -> None:
    key = SigningKey.from_seed(bytes.fromhex(case["seed"]))
    message = bytes.fromhex(case["message"])
    assert key.public.raw.hex() == case["public"]
    assert key.sign(message).hex() == case["signature"]
    key.public.verify(bytes.fromhex(case["signature"]), message)


@given(st.binary(max_size=64), st.integers(0, 511))
def test_one_flipped_bit_of_a_signature_is_refused(message: bytes, bit: int) -> None:
    key = SigningKey.from_seed(bytes(32))
    damaged = bytearray(key.sign(message))
    damaged[bit // 8] ^= 1 << (bit % 8)
    with pytest.raises(Untrusted) as refusal:
        key.public.verify(bytes(damaged), message)
    assert refusal.value.reason is Reason.BAD_SIGNATURE


@pytest.mark.parametrize("length", [0, 63, 65])
def test_a_signature_of_another_length_is_refused(length: int) -> None:
    with pytest.raises(Untrusted):
        SigningKey.generate().public.verify(bytes(length), b"m")


def test_a_key_id_is_the_digest_of_the_raw_key() -> None:
    key = SigningKey.generate().public
    assert key.key_id == digest(key.raw)
    assert VerifyingKey(key.raw) == key


@pytest.mark.parametrize(
    "make",
    [VerifyingKey, SigningKey.from_seed, AgreementKey.from_seed, SealingKey.from_seed],
    ids=["verifying key", "signing seed", "agreement seed", "sealing seed"],
)
@pytest.mark.parametrize("length", [0, 31, 33])
def test_a_key_of_another_length_is_malformed(make: Callable[[bytes], object], length: int) -> None:
    with pytest.raises(Malformed):
        make(bytes(length))


@pytest.mark.parametrize(
    "peer",
    [
        bytes(32),
        (1).to_bytes(32, "little"),
        bytes.fromhex("e0eb7a7c3b41b8ae1656e3faf19fc46ada098deb9c32b1fd866205165f49b800"),
        (2**255 - 19).to_bytes(32, "little"),
    ],
    ids=["zero", "one", "order eight", "the prime"],
)
def test_a_peer_key_of_small_order_is_refused(peer: bytes) -> None:
    with pytest.raises(Malformed):
        AgreementKey.generate().exchange(peer)
    with pytest.raises(Malformed):
        check_agreement_key(peer)


def test_a_fresh_agreement_key_passes() -> None:
    check_agreement_key(AgreementKey.generate().public)


def test_no_representation_shows_a_secret() -> None:
    seed = bytes(range(32))
    for key in (
        SigningKey.from_seed(seed),
        AgreementKey.from_seed(seed),
        SealingKey.from_seed(seed),
    ):
        assert seed.hex()[:16] not in repr(key)
        assert repr(seed)[2:-1] not in repr(key)
        assert "object at" not in repr(key)


@pytest.mark.parametrize("passphrase", [None, PASSPHRASE], ids=["plain", "encrypted"])
def test_a_saved_key_comes_back_and_only_its_owner_may_read_it(
    tmp_path: Path, passphrase: bytes | None
) -> None:
    signing, sealing = SigningKey.generate(), SealingKey.generate()
    signing.save(tmp_path / "signing.pem", passphrase)
    sealing.save(tmp_path / "sealing.pem", passphrase)
    assert SigningKey.load(tmp_path / "signing.pem", passphrase).public == signing.public
    assert SealingKey.load(tmp_path / "sealing.pem", passphrase).public == sealing.public
    assert sorted(os.listdir(tmp_path)) == ["sealing.pem", "signing.pem"]
    for name in ("sealing.pem", "signing.pem"):
        assert (tmp_path / name).stat().st_mode & 0o777 == 0o600
        assert (b"ENCRYPTED" in (tmp_path / name).read_bytes()) == (passphrase is not None)


def test_a_key_file_is_never_overwritten(tmp_path: Path) -> None:
    path = tmp_path / "key.pem"
    first = SigningKey.generate()
    first.save(path)
    with pytest.raises(Misconfigured, match="never overwritten"):
        SigningKey.generate().save(path)
    assert SigningKey.load(path).public == first.public
    assert os.listdir(tmp_path) == ["key.pem"]


@pytest.mark.parametrize("mode", [0o640, 0o604, 0o620, 0o610], ids=oct)
def test_a_key_file_open_to_others_is_refused(tmp_path: Path, mode: int) -> None:
    path = tmp_path / "key.pem"
    SigningKey.generate().save(path)
    path.chmod(mode)
    with pytest.raises(Misconfigured) as refusal:
        SigningKey.load(path)
    assert refusal.value.reason is Reason.PERMISSIONS


def _plain(path: Path) -> None:
    SigningKey.generate().save(path)


def _encrypted(path: Path) -> None:
    SigningKey.generate().save(path, PASSPHRASE)


def _sealing(path: Path) -> None:
    SealingKey.generate().save(path)


def _garbage(path: Path) -> None:
    path.touch(mode=0o600)
    path.write_bytes(b"no key")


def _nothing(path: Path) -> None:
    pass


@pytest.mark.parametrize(
    ("prepare", "passphrase", "said"),
    [
        pytest.param(
            _encrypted, b"another passphrase", "passphrase is wrong", id="wrong passphrase"
        ),
        pytest.param(_encrypted, None, "needs a passphrase", id="passphrase left out"),
        pytest.param(_plain, PASSPHRASE, "is not encrypted", id="passphrase for a plain key"),
        pytest.param(_sealing, None, "no Ed25519", id="a sealing key where a signing key belongs"),
        pytest.param(_garbage, None, "no PKCS#8", id="a file that holds no key"),
        pytest.param(_nothing, None, "cannot be read", id="no file"),
    ],
)
def test_an_unusable_key_file_says_why(
    tmp_path: Path, prepare: Callable[[Path], None], passphrase: bytes | None, said: str
) -> None:
    path = tmp_path / "key.pem"
    prepare(path)
    with pytest.raises(Misconfigured, match=said):
        SigningKey.load(path, passphrase)


def test_a_signing_key_is_no_sealing_key(tmp_path: Path) -> None:
    _plain(tmp_path / "key.pem")
    with pytest.raises(Misconfigured, match="no X25519"):
        SealingKey.load(tmp_path / "key.pem")


@pytest.mark.parametrize(
    ("path", "passphrase"),
    [("key.pem", b"short"), ("missing/key.pem", None)],
    ids=["short passphrase", "missing folder"],
)
def test_a_key_that_cannot_be_kept_safely_is_not_written(
    tmp_path: Path, path: str, passphrase: bytes | None
) -> None:
    with pytest.raises(LaborfedError):
        SigningKey.generate().save(tmp_path / path, passphrase)
    assert os.listdir(tmp_path) == []
