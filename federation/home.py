"""The coordinator's folder: where each file lies, its mode, its configuration, and who may write.

Lives here: paths, config.toml and the lock. Must not know: what the files mean to a federation.
"""

import fcntl
import json
import os
import re
import tomllib
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, ValidationError

from federation import permissions
from federation.crypto import certificates
from federation.crypto.certificates import Authority
from federation.crypto.keys import SigningKey
from federation.errors import Misconfigured, Reason
from federation.exchange.database import open_database
from federation.log.store import create_log
from federation.rounds.store import open_run_store
from federation.watch.settings import LogLevel, MetricsAddress
from federation.wire.limits import DEFAULTS, LimitSettings
from federation.wire.local import socket_path

KEY_FILES = ("coordinator.pem", "log.pem", "tls-authority.pem")
SOCKET, LOCK = "control.sock", "lock"

_HOST = re.compile(r"[A-Za-z0-9.:-]{1,64}")  # 64: a certificate's common name, RFC 5280


def _checked_host(text: str) -> str:
    if _HOST.fullmatch(text) is None:
        raise ValueError("must be a DNS name or an IP address of at most 64 characters")
    return text


def _checked_address(text: str) -> str:
    host, colon, port = text.rpartition(":")
    if not (colon and port.isascii() and port.isdecimal() and int(port) < 2**16):
        raise ValueError("must be host:port, the port from 0 to 65535")
    _checked_host(host.removeprefix("[").removesuffix("]"))
    return text


_Host = Annotated[str, AfterValidator(_checked_host)]
_Address = Annotated[str, AfterValidator(_checked_address)]


def _rows(values: Mapping[str, object]) -> list[str]:
    return [f"{key} = {json.dumps(value, ensure_ascii=False)}" for key, value in values.items()]


class Configuration(BaseModel):
    """config.toml; unknown keys are refused.

    ``address`` is what cities dial, ``listen`` what the port is bound to (both host:port);
    ``hosts`` are the DNS names and IP addresses of its certificate; cities check the first.
    ``metrics``: host:port of the scrape endpoint, none when empty.
    ``limits``: how much may arrive, and how often.
    """

    model_config = ConfigDict(extra="forbid", frozen=True, strict=True)

    federation: str
    log_origin: str
    address: _Address
    listen: _Address
    hosts: Annotated[list[_Host], Field(min_length=1)]
    metrics: MetricsAddress = ""
    log_level: LogLevel = "info"
    limits: LimitSettings = DEFAULTS

    @classmethod
    def checked(cls, values: Mapping[str, object], source: str) -> "Configuration":
        """Return the configuration of these values; Misconfigured names ``source`` and the key."""
        try:
            return cls.model_validate(values)
        except ValidationError as error:
            first = error.errors()[0]
            where = ".".join(str(part) for part in first["loc"])
            said = first["msg"].removeprefix("Value error, ")
            raise Misconfigured(Reason.CONFIGURATION, f"{source}: {where}: {said}") from None

    def to_toml(self) -> str:
        """Return the file's text; JSON's strings, numbers and lists of them are TOML's (v1.0.0)."""
        rows = _rows(self.model_dump(exclude={"limits"}))
        changed = _rows(self.limits.model_dump(exclude_defaults=True))
        return "\n".join([*rows, *(["", "[limits]", *changed] if changed else [])]) + "\n"


@dataclass(frozen=True, eq=False)
class Keys:
    """The coordinator's private keys: its signature, its log's, its TLS authority's."""

    coordinator: SigningKey
    log: SigningKey
    authority: Authority

    @classmethod
    def generate(cls, federation: str, now_ms: int) -> "Keys":
        """Return fresh keys of a federation that is about to begin."""
        authority = Authority.create(federation, now_ms)
        return cls(SigningKey.generate(), SigningKey.generate(), authority)


@dataclass(frozen=True)
class Home:
    """A coordinator's folder; nothing is read or made before a method asks for it."""

    path: Path

    @property
    def configuration_file(self) -> Path:
        """Names, addresses and hosts."""
        return self.path / "config.toml"

    @property
    def log_file(self) -> Path:
        """The transparency log."""
        return self.path / "log.sqlite"

    @property
    def runs_file(self) -> Path:
        """Contributions, sums and states of runs."""
        return self.path / "runs.sqlite"

    @property
    def exchange_file(self) -> Path:
        """Public blobs, invitations, enrolment requests."""
        return self.path / "exchange.sqlite"

    @property
    def databases(self) -> tuple[Path, ...]:
        """Every database of the home."""
        return self.log_file, self.runs_file, self.exchange_file

    @property
    def socket(self) -> Path:
        """The operator's control socket; Misconfigured when the path is too long for one."""
        return socket_path(self.path / SOCKET)

    @property
    def _keys(self) -> Path:
        return self.path / "keys"

    def create(self, configuration: Configuration, keys: Keys) -> None:
        """Make the folder (mode 0700), its keys (0600), configuration, empty log and databases.

        Misconfigured(LOG_EXISTS) when a log is there already, Misconfigured(CONFIGURATION) when any
        other of the files is.
        """
        if self.log_file.exists():
            raise Misconfigured(
                Reason.LOG_EXISTS, f"{self.path} holds a log: a federation is begun only once"
            )
        self._make_folders()
        if self.configuration_file.exists():
            raise Misconfigured(Reason.CONFIGURATION, f"{self.configuration_file} exists")
        keys.coordinator.save(self._keys / "coordinator.pem")
        keys.log.save(self._keys / "log.pem")
        certificates.save_tls_key(self._keys / "tls-authority.pem", keys.authority.key)
        _write(self._keys / "tls-authority.crt", keys.authority.pem)
        _write(self.configuration_file, configuration.to_toml().encode())
        open_database(self.exchange_file).dispose()
        open_run_store(self.runs_file)
        # last, so that a folder with a log is a whole one
        create_log(self.log_file, configuration.log_origin)

    def check_files(self) -> None:
        """Raise Misconfigured(PERMISSIONS) naming the first file that another account may touch."""
        databases = (permissions.with_side_files(path) for path in self.databases)
        permissions.check(
            private=(
                self.path,
                self._keys,
                *(self._keys / name for name in KEY_FILES),
                *(path for paths in databases for path in paths),
                self.path / SOCKET,
                self.path / LOCK,
            ),
            trusted=(self.configuration_file, self._keys / "tls-authority.crt"),
        )

    def configuration(self) -> Configuration:
        """Read config.toml; Misconfigured names the key that is wrong."""
        try:
            values = tomllib.loads(self.configuration_file.read_text(encoding="utf-8"))
        except OSError as error:
            raise Misconfigured(
                Reason.CONFIGURATION,
                f"{self.path} is no coordinator's home: config.toml: {error.strerror}",
            ) from None
        except ValueError as error:  # no TOML, or no UTF-8
            raise Misconfigured(
                Reason.CONFIGURATION, f"{self.configuration_file}: {error}"
            ) from None
        return Configuration.checked(values, str(self.configuration_file))

    def keys(self) -> Keys:
        """Read the private keys; Misconfigured names the file that is missing, open or wrong."""
        try:
            certificate = (self._keys / "tls-authority.crt").read_bytes()
        except OSError as error:
            raise Misconfigured(
                Reason.CONFIGURATION, f"{self._keys / 'tls-authority.crt'}: {error.strerror}"
            ) from None
        authority = Authority(
            certificates.load_certificate(certificate),
            certificates.load_tls_key(self._keys / "tls-authority.pem"),
        )
        return Keys(
            SigningKey.load(self._keys / "coordinator.pem"),
            SigningKey.load(self._keys / "log.pem"),
            authority,
        )

    @contextmanager
    def exclusive(self) -> Iterator[None]:
        """Be the only process that appends to the log or conducts runs, inside the block.

        Misconfigured(IN_USE) while another one is; the system frees the lock of a dead process.
        """
        with hold_lock(self.path / LOCK):
            yield

    def in_use(self) -> bool:
        """Tell whether a process holds the lock now."""
        try:
            with self.exclusive():
                return False
        except Misconfigured as error:
            if error.reason is Reason.IN_USE:
                return True
            raise

    def _make_folders(self) -> None:
        try:
            self.path.mkdir(mode=0o700, parents=True, exist_ok=True)
            self.path.chmod(0o700)
            self._keys.mkdir(mode=0o700, exist_ok=True)
        except OSError as error:
            raise Misconfigured(
                Reason.CONFIGURATION, f"{self.path} cannot be made: {error.strerror}"
            ) from None


@contextmanager
def hold_lock(path: Path) -> Iterator[None]:
    """Hold an exclusive lock on ``path`` (flock(2)); Misconfigured(IN_USE) when it is held."""
    try:
        descriptor = os.open(path, os.O_RDWR | os.O_CREAT, 0o600)
    except OSError as error:
        raise Misconfigured(
            Reason.CONFIGURATION, f"{path} cannot be opened: {error.strerror}"
        ) from None
    try:
        _lock(descriptor, path)
        yield
    finally:
        os.close(descriptor)


def _write(path: Path, content: bytes) -> None:
    """Write a new file that others may read and, whatever the umask, not change."""
    with os.fdopen(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o644), "wb") as file:
        file.write(content)


def _lock(descriptor: int, path: Path) -> None:
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        raise Misconfigured(Reason.IN_USE, f"another process is using {path.parent}") from None
