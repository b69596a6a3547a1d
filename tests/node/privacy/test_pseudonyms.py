"""Keyed hashes: stable under one key, different under another, no clue across purposes."""

from pathlib import Path

import pytest

from federation.errors import Misconfigured, Reason
from node.privacy.pseudonyms import Pseudonyms, create_master, read_master

NUMBER = "11010519491231002X"


def test_the_same_value_has_one_hash_per_key_and_purpose() -> None:
    mine, again, theirs = Pseudonyms(b"k" * 32), Pseudonyms(b"k" * 32), Pseudonyms(b"x" * 32)
    assert mine.of("id_number", NUMBER) == again.of("id_number", NUMBER)
    hashes = {
        mine.of("id_number", NUMBER),
        mine.of("phone", NUMBER),
        mine.of("id_number", NUMBER[:-1] + "1"),
        theirs.of("id_number", NUMBER),
    }
    assert len(hashes) == 4
    assert all(value is not None and len(value) == 32 for value in hashes)


def test_nothing_has_no_hash() -> None:
    assert Pseudonyms(b"k" * 32).of("phone", "") is None


def test_a_field_that_is_not_hashed_has_no_key() -> None:
    with pytest.raises(KeyError):
        Pseudonyms(b"k" * 32).of("name", "x")


def test_the_master_is_made_once_and_private(tmp_path: Path) -> None:
    path = tmp_path / "records.key"
    create_master(path)
    assert path.stat().st_mode & 0o777 == 0o600
    assert len(read_master(path)) == 32
    Pseudonyms(read_master(path))
    with pytest.raises(Misconfigured):
        create_master(path)


def test_a_master_that_is_missing_short_or_open_to_others_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "records.key"
    with pytest.raises(Misconfigured, match="missing"):
        read_master(path)
    with pytest.raises(Misconfigured, match="32 bytes"):
        Pseudonyms(b"short")
    create_master(path)
    path.chmod(0o640)
    with pytest.raises(Misconfigured) as caught:
        read_master(path)
    assert caught.value.reason is Reason.PERMISSIONS
