"""A node's home: its folder, its keys, and what it knows of the federation it joined.

Lives here: which file holds what, and making a home once. Must not know: networks, the store's
tables or what the keys are used for.
"""

import json
import os
import secrets
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path

from cryptography.hazmat.primitives.asymmetric import ec

from federation import permissions
from federation.crypto import certificates
from federation.crypto.keys import SealingKey, SigningKey
from federation.documents.membership import City
from federation.errors import Malformed, Misconfigured, Reason, StorageFault
from federation.exchange.invitation import Invitation
from federation.trust import Pin
from federation.wire.channel import Endpoint
from node import config
from node.config import NodeConfig
from node.policy import Policy
from node.policyfile import policy_text
from node.privacy.pseudonyms import create_master, read_master
from node.store.engine import open_store
from node.store.migrations import migrate

ASSOCIATION = "federation.json"
CERTIFICATE = "certificate.pem"
LOCK = "lock"
KEY_FILES = ("signing.pem", "sealing.pem", "tls.pem", "records.key", "holdout.key")


@dataclass(frozen=True)
class OwnKeys:
    """The public halves of a city's keys: what membership must say of it (32 bytes each)."""

    division: str
    signing_key: bytes
    sealing_key: bytes
    tls_key_digest: bytes

    def named_by(self, city: City) -> bool:
        """Whether a membership's entry holds exactly these keys."""
        return (
            city.signing_key == self.signing_key
            and city.sealing_key == self.sealing_key
            and city.tls_key_digest == self.tls_key_digest
        )


@dataclass(frozen=True, eq=False)
class Identity:
    """The keys that are this city inside a federation."""

    division: str
    name: str
    signing: SigningKey
    sealing: SealingKey
    tls: ec.EllipticCurvePrivateKey

    @property
    def own_keys(self) -> OwnKeys:
        """The public halves."""
        digest = certificates.tls_key_digest(self.tls)
        return OwnKeys(self.division, self.signing.public.raw, self.sealing.public, digest)

    @property
    def city(self) -> City:
        """The entry that membership should hold for this city."""
        keys = self.own_keys
        return City(
            division=self.division,
            name=self.name,
            signing_key=keys.signing_key,
            sealing_key=keys.sealing_key,
            tls_key_digest=keys.tls_key_digest,
        )


@dataclass(frozen=True, kw_only=True)
class Association:
    """Where the federation is and what was pinned of it, as the invitation said (hex and PEM)."""

    federation: str
    address: str
    server_name: str
    tls_authority: str
    membership_digest: str
    log_origin: str
    log_key: str

    @classmethod
    def of(cls, invitation: Invitation) -> "Association":
        """What stays of an invitation: everything but the bootstrap key and the code."""
        return cls(**{name: getattr(invitation, name) for name in cls.__dataclass_fields__})

    @property
    def pin(self) -> Pin:
        """The founding membership and the log this node believes in."""
        return Pin(
            membership_digest=bytes.fromhex(self.membership_digest),
            log_origin=self.log_origin,
            log_key=bytes.fromhex(self.log_key),
        )


@dataclass(frozen=True)
class Home:
    """An existing home with its configuration."""

    path: Path
    config: NodeConfig

    @property
    def database(self) -> Path:
        """The store's file."""
        return self.config.locate(self.path, "database")

    @property
    def policy(self) -> Path:
        """The policy's file."""
        return self.config.locate(self.path, "policy")

    @property
    def lock(self) -> Path:
        """The file the serving process locks."""
        return self.path / LOCK

    def check_files(self) -> None:
        """Raise Misconfigured(PERMISSIONS) naming the first file that another account may touch."""
        keys = self.config.locate(self.path, "keys")
        permissions.check(
            private=(
                self.path,
                keys,
                *(keys / name for name in KEY_FILES),
                self.database.parent,
                *permissions.with_side_files(self.database),
                self.config.locate(self.path, "imports"),
                self.lock,
            ),
            trusted=(
                self.path / config.FILE,
                self.policy,
                self.path / ASSOCIATION,
                self.path / CERTIFICATE,
            ),
        )

    def identity(self) -> Identity:
        """Read the keys. Raises Misconfigured naming the file that is missing or open to others."""
        keys = self.config.locate(self.path, "keys")
        return Identity(
            division=self.config.division,
            name=self.config.name,
            signing=SigningKey.load(keys / "signing.pem"),
            sealing=SealingKey.load(keys / "sealing.pem"),
            tls=certificates.load_tls_key(keys / "tls.pem"),
        )

    def record_key(self) -> bytes:
        """The 32-byte secret behind identity number and phone hashes."""
        return read_master(self.config.locate(self.path, "keys") / "records.key")

    def holdout_key(self) -> bytes:
        """The 32-byte secret that splits off this city's held-out workers."""
        return read_master(self.config.locate(self.path, "keys") / "holdout.key")

    def association(self) -> Association | None:
        """What was pinned at enrolment, None before. Raises Misconfigured when it is damaged."""
        path = self.path / ASSOCIATION
        if not path.exists():
            return None
        try:
            association = Association(**json.loads(config.read_text(path)))
            association.pin  # noqa: B018 a pin that breaks a rule is a damaged file
        except (ValueError, TypeError, Malformed):
            raise Misconfigured(Reason.CONFIGURATION, f"{path} is damaged") from None
        return association

    def endpoint(self, association: Association) -> Endpoint:
        """Where to reach the coordinator: ``node.toml``'s address, else the invitation's."""
        given = self.config.coordinator
        address = association.address if given is None else f"{given.host}:{given.port}"
        return Endpoint(address, association.server_name, association.tls_authority.encode())

    def save_association(self, association: Association) -> None:
        """Keep what an invitation pinned."""
        text = json.dumps(asdict(association), indent=2) + "\n"
        replace_file(self.path / ASSOCIATION, text.encode())

    def certificate(self) -> bytes | None:
        """The city's PEM certificate, None before enrolment."""
        path = self.path / CERTIFICATE
        return path.read_bytes() if path.exists() else None

    def save_certificate(self, pem: bytes) -> None:
        """Keep a certificate in place of the one before."""
        replace_file(self.path / CERTIFICATE, pem)


def create_home(path: Path, division: str, name: str) -> Home:
    """Make a home: folder (0700), keys, configuration, a policy that asks, an empty store.

    Raises Misconfigured when ``path`` holds anything already, the division is unknown or the
    folder cannot be made. ``node.toml`` is written last: without it there is no home.
    """
    text = _config_text(division, name)
    made = config.parse_config(text)
    try:
        path.mkdir(mode=0o700, parents=True, exist_ok=True)
        if any(path.iterdir()):
            raise Misconfigured(
                Reason.CONFIGURATION, f"{path} is not empty: a home is made once, keys are kept"
            )
        path.chmod(0o700)
        with _emptied_on_failure(path):
            _fill(Home(path, made))
            replace_file(path / config.FILE, text.encode())
    except OSError as error:
        raise Misconfigured(
            Reason.CONFIGURATION, f"{path} cannot be made a home: {error.strerror}"
        ) from error
    return Home(path, made)


def open_home(path: Path) -> Home:
    """Open a home. Raises Misconfigured when there is none or it is open to other accounts."""
    if not (path / config.FILE).is_file():
        raise Misconfigured(
            Reason.CONFIGURATION, f"{path} is no node's home: labor-node init makes one"
        )
    permissions.check((path,), (path / config.FILE,))
    home = Home(path, config.load_config(path))
    home.check_files()
    return home


def replace_file(path: Path, content: bytes) -> None:
    """Write ``content`` (mode 0600) in place of what was there, whole or not at all.

    Raises StorageFault when folder or disk do not take it.
    """
    beside = path.with_name(f".{path.name}.{secrets.token_hex(8)}")
    try:
        descriptor = os.open(beside, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        try:
            with os.fdopen(descriptor, "wb") as file:
                file.write(content)
                file.flush()
                os.fsync(file.fileno())
            beside.rename(path)
        finally:
            beside.unlink(missing_ok=True)
    except OSError as error:
        raise StorageFault(Reason.STORAGE, f"{path} cannot be written: {error.strerror}") from error


@contextmanager
def _emptied_on_failure(folder: Path) -> Iterator[None]:
    """Leave a folder that was empty empty again when the block raises."""
    try:
        yield
    except BaseException:
        for made in folder.iterdir():
            if made.is_dir():
                shutil.rmtree(made)
            else:
                made.unlink()
        raise


def _fill(home: Home) -> None:
    keys = home.config.locate(home.path, "keys")
    keys.mkdir(mode=0o700)
    SigningKey.generate().save(keys / "signing.pem")
    SealingKey.generate().save(keys / "sealing.pem")
    certificates.save_tls_key(keys / "tls.pem", certificates.generate_tls_key())
    create_master(keys / "records.key")
    create_master(keys / "holdout.key")
    replace_file(home.policy, policy_text(Policy()).encode())
    store = open_store(home.database)
    try:
        migrate(store.engine)
    finally:
        store.close()


def _config_text(division: str, name: str) -> str:
    # a JSON string is a TOML basic string too
    quoted = json.dumps(division), json.dumps(name, ensure_ascii=False)
    return "division = {}\nname = {}\n".format(*quoted)
