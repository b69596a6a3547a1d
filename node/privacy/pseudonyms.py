"""Keyed hashes that stand in for identity numbers and phones, one key per purpose.

The master secret is handed in; where it is kept and when it is renewed is not known here.
"""

import hmac
from collections.abc import Mapping

from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.kdf.hkdf import HKDF

from federation.errors import Misconfigured, Reason
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


def _derive(master: bytes, field: str) -> bytes:
    info = f"laborfed/records/{field}/v1".encode()
    return HKDF(algorithm=hashes.SHA256(), length=32, salt=None, info=info).derive(master)
