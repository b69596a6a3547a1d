"""Keyed hashes that stand in for identity numbers and phones, one key per purpose.

Lives here: the master secret's file and the keys derived from it. This file must not know records.
"""

import hmac
import os
import secrets
from collections.abc import Mapping
from pathlib import Path

from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.kdf.hkdf import HKDF

from federation.errors import Misconfigured, Reason
from federation.permissions import require_private
from node.store.schema import HASHED

MASTER_BYTES = 32


class Pseudonyms:
    """HMAC-SHA256 under keys derived from one master secret (HKDF-SHA256, RFC 5869).

    A new master makes every hash new: records are re-imported to rotate. Raises
    Misconfigured(CONFIGURATION) when the secret is not 32 bytes.
    """

    def __init__(self, master: bytes) -> None:
        if len(master) != MASTER_BYTES:
            raise Misconfigured(
                Reason.CONFIGURATION, f"the record key must be {MASTER_BYTES} bytes"
            )
        self._keys: Mapping[str, bytes] = {field: _derive(master, field) for field in HASHED}

    def of(self, field: str, value: str) -> bytes | None:
        """32 bytes for a value, None for the empty one. KeyError for a field that is not hashed."""
        if not value:
            return None
        return hmac.digest(self._keys[field], value.encode(), "sha256")


def create_master(path: Path) -> None:
    """Write a fresh secret to a new file of mode 0600. Raises Misconfigured when it exists."""
    try:
        descriptor = os.open(path, os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o600)
    except FileExistsError as error:
        raise Misconfigured(Reason.CONFIGURATION, f"{path} holds a record key already") from error
    with open(descriptor, "wb") as file:
        file.write(secrets.token_bytes(MASTER_BYTES))
        file.flush()
        os.fsync(file.fileno())


def read_master(path: Path) -> bytes:
    """The secret in ``path``. Raises Misconfigured when it cannot be read or is open to others."""
    try:
        require_private(path)
        return path.read_bytes()
    except OSError as error:
        raise Misconfigured(
            Reason.CONFIGURATION, f"the record key {path} cannot be read: {error.strerror}"
        ) from error


def _derive(master: bytes, field: str) -> bytes:
    info = f"laborfed/records/{field}/v1".encode()
    return HKDF(algorithm=hashes.SHA256(), length=32, salt=None, info=info).derive(master)
