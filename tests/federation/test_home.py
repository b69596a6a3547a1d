"""A coordinator's folder: made once and whole, read strictly, held by one process."""

import stat
import subprocess
import sys
import tomllib
from collections.abc import Callable
from pathlib import Path

import pytest

from federation.errors import LaborfedError, Misconfigured, Reason
from federation.home import Configuration, Home, Keys, hold_lock
from federation.log.store import LogStore
from federation.wire.local import MAX_SOCKET_PATH

NOW_MS = 1_767_225_600_000
VALUES: dict[str, object] = {
    "federation": "demo",
    "log_origin": "demo/log",
    "address": "exchange.example:7443",
    "listen": "[::]:7443",
    "hosts": ["exchange.example", "192.0.2.1", "2001:db8::1"],
}
HOLDER = """
import sys
from pathlib import Path
from federation.home import Home
with Home(Path(sys.argv[1])).exclusive():
    print("held", flush=True)
    sys.stdin.read()
"""


def made(path: Path) -> Home:
    home = Home(path / "home")
    home.create(Configuration.checked(VALUES, "test"), Keys.generate("demo", NOW_MS))
    return home


def test_what_was_made_is_read_back(tmp_path: Path) -> None:
    home = Home(tmp_path / "deep" / "home")
    configuration, keys = Configuration.checked(VALUES, "test"), Keys.generate("demo", NOW_MS)
    home.create(configuration, keys)
    assert home.configuration() == configuration
    read = home.keys()
    assert read.coordinator.public == keys.coordinator.public
    assert read.log.public == keys.log.public
    assert read.authority.der == keys.authority.der
    log = LogStore(home.log_file)
    assert (log.head().origin, log.head().size) == ("demo/log", 0)
    log.close()


def test_private_files_are_closed_to_others(tmp_path: Path) -> None:
    home = made(tmp_path)
    modes = {p.name: stat.S_IMODE(p.stat().st_mode) for p in home.path.rglob("*")}
    assert modes["keys"] == stat.S_IMODE(home.path.stat().st_mode) == 0o700
    private = {"coordinator.pem", "log.pem", "tls-authority.pem", "log.sqlite", "exchange.sqlite"}
    assert {name: modes[name] for name in private} == dict.fromkeys(private, 0o600)


def test_a_second_federation_is_not_begun_in_one_folder(tmp_path: Path) -> None:
    home = made(tmp_path)
    before = home.keys().coordinator.public
    with pytest.raises(Misconfigured) as raised:
        home.create(Configuration.checked(VALUES, "test"), Keys.generate("demo", NOW_MS))
    assert raised.value.reason is Reason.LOG_EXISTS
    assert home.keys().coordinator.public == before


@pytest.mark.parametrize("name", ["config.toml", "keys/coordinator.pem"])
def test_files_in_the_way_are_not_replaced(tmp_path: Path, name: str) -> None:
    home = Home(tmp_path / "home")
    other = home.path / name
    other.parent.mkdir(parents=True)
    other.write_text("other", encoding="utf-8")
    with pytest.raises(Misconfigured) as raised:
        home.create(Configuration.checked(VALUES, "test"), Keys.generate("demo", NOW_MS))
    assert raised.value.reason is Reason.CONFIGURATION
    assert other.read_text(encoding="utf-8") == "other"
    assert not home.log_file.exists()


# --- configuration ----------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"federation": 5}, "federation: "),
        ({"colour": "red"}, "colour: "),
        ({"address": "exchange.example"}, "address: must be host:port"),
        ({"address": "exchange.example:"}, "address: must be host:port"),
        ({"address": "exchange.example:65536"}, "address: must be host:port"),
        ({"address": "exchange.example:٧"}, "address: must be host:port"),
        ({"address": "a host:7443"}, "address: must be a DNS name"),
        ({"listen": ":7443"}, "listen: must be a DNS name"),
        ({"hosts": []}, "hosts: "),
        ({"hosts": ["exchange.example", "上海"]}, "hosts.1: must be a DNS name"),
        ({"hosts": "exchange.example"}, "hosts: "),
    ],
)
def test_a_wrong_value_is_told_by_its_key(change: dict[str, object], said: str) -> None:
    with pytest.raises(Misconfigured, match=f"^here: {said}") as raised:
        Configuration.checked({**VALUES, **change}, "here")
    assert raised.value.reason is Reason.CONFIGURATION


@pytest.mark.parametrize("key", VALUES)
def test_a_missing_value_is_told_by_its_key(key: str) -> None:
    with pytest.raises(Misconfigured, match=f"here: {key}: "):
        Configuration.checked({k: v for k, v in VALUES.items() if k != key}, "here")


@pytest.mark.parametrize("text", [b"federation = ", b"\xff\xfe", b"federation = 'demo'\n"])
def test_a_damaged_configuration_is_told_by_its_file(tmp_path: Path, text: bytes) -> None:
    home = made(tmp_path)
    home.configuration_file.write_bytes(text)
    with pytest.raises(Misconfigured, match=r"config\.toml"):
        home.configuration()


def test_quotes_and_backslashes_survive_the_file() -> None:
    odd = Configuration.checked({**VALUES, "federation": 'a"b\\c\n'}, "test")
    assert Configuration.checked(tomllib.loads(odd.to_toml()), "test") == odd


# --- keys, lock, socket -----------------------------------------------------------------------


def without(name: str) -> Callable[[Home], None]:
    return lambda home: (home.path / "keys" / name).unlink()


@pytest.mark.parametrize(
    ("spoil", "reason"),
    [
        (without("coordinator.pem"), Reason.CONFIGURATION),
        (without("log.pem"), Reason.CONFIGURATION),
        (without("tls-authority.pem"), Reason.CONFIGURATION),
        (without("tls-authority.crt"), Reason.CONFIGURATION),
        (lambda home: (home.path / "keys/log.pem").chmod(0o640), Reason.PERMISSIONS),
        (lambda home: (home.path / "keys/tls-authority.pem").chmod(0o644), Reason.PERMISSIONS),
    ],
)
def test_keys_that_cannot_be_used_are_told(
    tmp_path: Path, spoil: Callable[[Home], None], reason: Reason
) -> None:
    home = made(tmp_path)
    spoil(home)
    with pytest.raises(LaborfedError) as raised:
        home.keys()
    assert raised.value.reason is reason


def test_one_process_holds_a_home_and_its_death_frees_it(tmp_path: Path) -> None:
    home = made(tmp_path)
    assert not home.in_use()
    with subprocess.Popen(
        [sys.executable, "-c", HOLDER, home.path],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    ) as holder:
        assert holder.stdout is not None
        assert holder.stdout.readline() == "held\n"
        assert home.in_use()
        with pytest.raises(Misconfigured) as raised, home.exclusive():
            pass
        assert raised.value.reason is Reason.IN_USE
        holder.kill()
        holder.communicate()
    assert not home.in_use()
    with home.exclusive():
        assert home.in_use()


def test_a_lock_that_cannot_be_made_is_told(tmp_path: Path) -> None:
    with pytest.raises(Misconfigured, match="cannot be opened"), hold_lock(tmp_path / "no/lock"):
        pass


def test_a_socket_has_a_short_path(tmp_path: Path) -> None:
    room = MAX_SOCKET_PATH - len(str(tmp_path.resolve())) - len("//control.sock")
    fits, too_long = Home(tmp_path / ("h" * room)), Home(tmp_path / ("h" * (room + 1)))
    assert len(str(fits.socket)) == MAX_SOCKET_PATH
    with pytest.raises(Misconfigured, match="shorter folder"):
        too_long.socket  # noqa: B018
