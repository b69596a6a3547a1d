"""Files of both homes that another account may touch, by mode, owner or link, are refused."""

import os
from collections.abc import Callable
from pathlib import Path

import pytest

from federation import permissions
from federation.coordinator import open_coordinator, reading
from federation.errors import Misconfigured, Reason
from federation.home import KEY_FILES, Configuration, Home, Keys
from node.identity import KEY_FILES as NODE_KEY_FILES
from node.identity import create_home, open_home

VALUES = {
    "federation": "demo",
    "log_origin": "demo/log",
    "address": "127.0.0.1:1",
    "listen": "127.0.0.1:0",
    "hosts": ["127.0.0.1"],
}
Check = Callable[[Path], object]

COORDINATORS_PRIVATE = (
    *(".", "keys", *(f"keys/{name}" for name in KEY_FILES), "lock", "control.sock"),
    *("log.sqlite", "runs.sqlite", "exchange.sqlite", "log.sqlite-wal", "exchange.sqlite-shm"),
)
COORDINATORS_TRUSTED = ("config.toml", "keys/tls-authority.crt")
NODES_PRIVATE = (
    *(".", "keys", *(f"keys/{name}" for name in NODE_KEY_FILES), "lock", "store", "import"),
    *("store/node.db", "store/node.db-wal", "store/node.db-shm"),
)
NODES_TRUSTED = ("node.toml", "policy.toml", "federation.json", "certificate.pem")


def coordinators(folder: Path) -> Path:
    home = Home(folder / "fed")
    home.create(Configuration.checked(VALUES, "test"), Keys.generate("demo", 1_767_225_600_000))
    return home.path


def nodes(folder: Path) -> Path:
    return create_home(folder / "node", "310000", "上海市").path


def serve(path: Path) -> None:
    with open_coordinator(Home(path)):
        pass


def look(path: Path) -> None:
    with reading(Home(path)):
        pass


CASES = [
    *((coordinators, serve, name, 0o077) for name in COORDINATORS_PRIVATE),
    *((coordinators, serve, name, 0o022) for name in COORDINATORS_TRUSTED),
    *((nodes, open_home, name, 0o077) for name in NODES_PRIVATE),
    *((nodes, open_home, name, 0o022) for name in NODES_TRUSTED),
    (coordinators, look, "log.sqlite", 0o077),
]
BITS = (0o040, 0o020, 0o010, 0o004, 0o002, 0o001)


def there(path: Path) -> Path:
    """The file, made empty and closed if a home at rest does not have it."""
    if not path.exists():
        path.touch(mode=0o600)
    return path


def refused(check: Check, home: Path) -> str:
    with pytest.raises(Misconfigured) as raised:
        check(home)
    assert raised.value.reason is Reason.PERMISSIONS
    return raised.value.message


@pytest.mark.parametrize(
    ("make", "check", "name", "forbidden"),
    [pytest.param(*case, id=f"{case[0].__name__} {case[1].__name__} {case[2]}") for case in CASES],
)
def test_a_file_open_to_others_is_refused_with_the_command_that_closes_it(
    tmp_path: Path, make: Callable[[Path], Path], check: Check, name: str, forbidden: int
) -> None:
    home = make(tmp_path)
    path = there(home / name)
    kept = path.stat().st_mode & 0o777
    for bit in BITS:
        path.chmod(kept | bit)
        if bit & forbidden:
            wanted = "go=" if forbidden == 0o077 else "go-w"
            said = refused(check, home)
            assert said.startswith(f"{path} has mode {kept | bit:04o}")
            assert said.endswith(f"(chmod {wanted} {path})")
    path.chmod(kept)
    if check is not look and path.stat().st_size:  # what a test made empty is no such file
        check(home)


@pytest.mark.parametrize(
    ("make", "check", "name"),
    [
        pytest.param(make, check, name, id=f"{make.__name__} {check.__name__} {name}")
        for make, check, name, _ in CASES
    ],
)
@pytest.mark.skipif(os.geteuid() != 0, reason="only root can give files away")
def test_a_file_of_another_account_is_refused(
    tmp_path: Path, make: Callable[[Path], Path], check: Check, name: str
) -> None:
    home = make(tmp_path)
    path = there(home / name)
    os.chown(path, 12345, -1)
    said = refused(check, home)
    assert said.startswith(f"{path} belongs to account 12345, this process is account 0 (chown 0 ")


@pytest.mark.parametrize(
    ("make", "check", "name"),
    [(coordinators, serve, "keys/log.pem"), (nodes, open_home, "keys/signing.pem")],
)
def test_a_link_is_judged_by_where_it_leads(
    tmp_path: Path, make: Callable[[Path], Path], check: Check, name: str
) -> None:
    home = make(tmp_path)
    path, elsewhere = home / name, tmp_path / "elsewhere"
    path.rename(elsewhere)
    path.symlink_to(elsewhere)
    check(home)
    elsewhere.chmod(0o644)
    assert refused(check, home).startswith(f"{path} has mode 0644")
    elsewhere.unlink()
    assert refused(check, home) == f"{path} is a link to nothing"


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can give links away")
def test_a_link_that_another_account_put_there_is_refused(tmp_path: Path) -> None:
    path, elsewhere = tmp_path / "link", tmp_path / "elsewhere"
    elsewhere.touch(mode=0o600)
    path.symlink_to(elsewhere)
    permissions.require_private(path)
    os.chown(path, 12345, -1, follow_symlinks=False)
    with pytest.raises(Misconfigured, match="belongs to account 12345"):
        permissions.require_private(path)


def test_nothing_is_opened_or_made_in_a_home_that_is_refused(tmp_path: Path) -> None:
    home = coordinators(tmp_path)
    (home / "keys/tls-authority.pem").chmod(0o640)
    before = {path: path.stat().st_mtime_ns for path in home.rglob("*")}
    refused(serve, home)
    assert {path: path.stat().st_mtime_ns for path in home.rglob("*")} == before


@pytest.mark.parametrize("umask", [0o000, 0o002, 0o022, 0o077])
def test_a_home_made_under_any_umask_is_one_that_opens(tmp_path: Path, umask: int) -> None:
    before = os.umask(umask)
    try:
        home, node = coordinators(tmp_path), nodes(tmp_path)
    finally:
        os.umask(before)
    serve(home)
    open_home(node)
