"""Private key files: PKCS#8 PEM (RFC 5958), encrypted for people, plain for services.

Knows one file at a path handed in; must not know what the key is for or who holds the passphrase.
"""

import os
import secrets
from pathlib import Path

from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric.ec import EllipticCurvePrivateKey
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PrivateKey

from federation.errors import Misconfigured, Reason
from federation.permissions import require_private_open

# PKCS#8 encryption here stretches a passphrase only 2,048 times (PBKDF2, RFC 8018 §5.2), so the
# passphrase's own length has to carry it.
MIN_PASSPHRASE_BYTES = 12

PrivateKey = Ed25519PrivateKey | X25519PrivateKey | EllipticCurvePrivateKey


def write(path: Path, private: PrivateKey, passphrase: bytes | None) -> None:
    """Write a new file with mode 0600, whole or not at all.

    Misconfigured when ``path`` exists already, cannot be written, or the passphrase has fewer than
    12 bytes.
    """
    data = _pem(private, passphrase)
    try:
        _write_new(path, data)
    except FileExistsError:
        raise Misconfigured(
            Reason.CONFIGURATION, f"{path} exists: a key file is never overwritten"
        ) from None
    except OSError as error:
        raise Misconfigured(
            Reason.CONFIGURATION, f"{path} cannot be written: {error.strerror}"
        ) from error


def read(path: Path, passphrase: bytes | None) -> object:
    """Return the private key in ``path``, of whatever kind.

    Misconfigured(PERMISSIONS) when others may touch the file, Misconfigured(CONFIGURATION) when it
    is missing, no private key, or the passphrase is wrong, missing or superfluous.
    """
    try:
        return serialization.load_pem_private_key(_read_private(path), passphrase)
    except TypeError:
        needed = "needs a passphrase" if passphrase is None else "is not encrypted"
        raise Misconfigured(Reason.CONFIGURATION, f"{path} {needed}") from None
    except ValueError:
        raise Misconfigured(
            Reason.CONFIGURATION, f"{path} is no PKCS#8 private key, or the passphrase is wrong"
        ) from None


def _pem(private: PrivateKey, passphrase: bytes | None) -> bytes:
    if passphrase is not None and len(passphrase) < MIN_PASSPHRASE_BYTES:
        raise Misconfigured(
            Reason.CONFIGURATION, f"a passphrase needs at least {MIN_PASSPHRASE_BYTES} bytes"
        )
    return private.private_bytes(
        serialization.Encoding.PEM,
        serialization.PrivateFormat.PKCS8,
        serialization.NoEncryption()
        if passphrase is None
        else serialization.BestAvailableEncryption(passphrase),
    )


def _write_new(path: Path, data: bytes) -> None:
    """Write beside, flush, then link: a crash leaves all or nothing, and link never replaces."""
    beside = path.with_name(f".{path.name}.{secrets.token_hex(8)}")
    descriptor = os.open(beside, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    try:
        with os.fdopen(descriptor, "wb") as file:
            file.write(data)
            file.flush()
            os.fsync(file.fileno())
        os.link(beside, path)
    finally:
        beside.unlink()
    directory = os.open(path.parent, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(directory)
    finally:
        os.close(directory)


def _read_private(path: Path) -> bytes:
    try:
        with path.open("rb") as file:
            require_private_open(path, file.fileno())
            return file.read()
    except OSError as error:
        raise Misconfigured(
            Reason.CONFIGURATION, f"{path} cannot be read: {error.strerror}"
        ) from error
