"""A node's home on disk: private files, made once and whole, refused when open to others."""

import resource
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from federation.errors import LaborfedError, Misconfigured, Reason, StorageFault
from node.identity import Home, create_home, open_home, replace_file
from node.policy import Policy, load_policy
from node.store.engine import open_store
from node.store.migrations import is_current

DIVISION = "440300"


@pytest.fixture
def home(tmp_path: Path) -> Home:
    return create_home(tmp_path / "city", DIVISION, "深圳市")


def below(folder: Path) -> Iterator[Path]:
    return folder.rglob("*")


def test_everything_in_a_home_is_closed_to_other_accounts(home: Home) -> None:
    modes = {path: path.stat().st_mode & 0o777 for path in (home.path, *below(home.path))}
    assert {mode for path, mode in modes.items() if path.is_dir()} == {0o700}
    assert {mode for path, mode in modes.items() if path.is_file()} == {0o600}


def test_a_home_is_opened_as_it_was_made(home: Home) -> None:
    opened = open_home(home.path)
    assert opened == home
    assert opened.identity().own_keys == home.identity().own_keys
    assert opened.record_key() != opened.holdout_key()
    assert load_policy(opened.policy) == Policy()
    assert opened.association() is None
    assert opened.certificate() is None
    store = open_store(opened.database)
    with store.read() as connection:
        assert is_current(connection)
    store.close()


def test_two_homes_share_no_key(home: Home, tmp_path: Path) -> None:
    other = create_home(tmp_path / "other", DIVISION, "深圳市")
    for name in ("signing.pem", "sealing.pem", "tls.pem", "records.key", "holdout.key"):
        assert (home.path / "keys" / name).read_bytes() != (
            other.path / "keys" / name
        ).read_bytes(), name


@pytest.mark.parametrize("name", ["signing.pem", "sealing.pem", "tls.pem"])
@pytest.mark.parametrize("mode", [0o640, 0o604, 0o620, 0o602])
def test_a_private_key_open_to_others_is_refused(home: Home, name: str, mode: int) -> None:
    (home.path / "keys" / name).chmod(mode)
    with pytest.raises(Misconfigured, match=name) as caught:
        home.identity()
    assert caught.value.reason is Reason.PERMISSIONS


@pytest.mark.parametrize(
    ("name", "read"), [("records.key", Home.record_key), ("holdout.key", Home.holdout_key)]
)
def test_a_secret_open_to_others_or_missing_is_refused(
    home: Home, name: str, read: Callable[[Home], bytes]
) -> None:
    path = home.path / "keys" / name
    path.chmod(0o644)
    with pytest.raises(Misconfigured, match=name) as caught:
        read(home)
    assert caught.value.reason is Reason.PERMISSIONS
    path.unlink()
    with pytest.raises(Misconfigured, match=name):
        read(home)


@pytest.mark.parametrize("name", ["signing.pem", "sealing.pem", "tls.pem"])
def test_a_missing_or_damaged_key_is_named(home: Home, name: str) -> None:
    path = home.path / "keys" / name
    path.write_bytes(path.read_bytes()[:40])
    with pytest.raises(Misconfigured, match=name):
        home.identity()
    path.unlink()
    with pytest.raises(Misconfigured, match=name):
        home.identity()


@pytest.mark.parametrize("mode", [0o750, 0o701, 0o770])
def test_a_home_open_to_others_is_refused(home: Home, mode: int) -> None:
    home.path.chmod(mode)
    with pytest.raises(Misconfigured) as caught:
        open_home(home.path)
    assert caught.value.reason is Reason.PERMISSIONS


def test_a_home_is_not_made_where_anything_is(home: Home, tmp_path: Path) -> None:
    before = {path: path.read_bytes() for path in below(home.path) if path.is_file()}
    with pytest.raises(Misconfigured, match="not empty"):
        create_home(home.path, DIVISION, "x")
    assert {path: path.read_bytes() for path in below(home.path) if path.is_file()} == before
    occupied = tmp_path / "file"
    occupied.write_text("x")
    with pytest.raises(Misconfigured, match="cannot be made a home"):
        create_home(occupied, DIVISION, "x")


def test_what_fails_half_way_leaves_the_folder_empty(tmp_path: Path) -> None:
    """A file size limit of the process stands for a full disk: keys fit, the store does not."""
    path = tmp_path / "city"
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (4096, hard))
    try:
        with pytest.raises(LaborfedError):
            create_home(path, DIVISION, "x")
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
    assert list(path.iterdir()) == []
    create_home(path, DIVISION, "x")


def test_a_damaged_association_is_refused(home: Home) -> None:
    (home.path / "federation.json").write_text("{")
    with pytest.raises(Misconfigured, match="damaged"):
        home.association()


def test_a_file_is_replaced_whole_or_not_at_all(tmp_path: Path) -> None:
    path = tmp_path / "file"
    path.write_bytes(b"before")
    replace_file(path, b"after")
    assert path.read_bytes() == b"after"
    taken = tmp_path / "folder"
    taken.mkdir()
    with pytest.raises(StorageFault, match="cannot be written"):
        replace_file(taken, b"x")
    assert [p.name for p in sorted(tmp_path.iterdir())] == ["file", "folder"]
