"""Public bytes by their SHA-256: initial parameters, and what is kept elsewhere, as sums are.

Knows bytes and digests only; must not know what they are or who asks.
"""

from collections.abc import Callable

import sqlalchemy as sql
from sqlalchemy.dialects import sqlite

from federation.crypto.keys import digest
from federation.errors import Reason, Refused, TooLarge
from federation.exchange.database import blobs
from federation.log.database import prove_writable, transaction

MAX_BLOB_BYTES = 15 * 1024 * 1024  # below the transport's 16 MiB, with room for its framing

_PUT = sqlite.insert(blobs).on_conflict_do_nothing()


class BlobStore:
    """Blobs in the database of ``engine`` (:func:`federation.exchange.database.open_database`).

    ``elsewhere`` finds those that are not in it, None when there are none.
    """

    def __init__(
        self, engine: sql.Engine, elsewhere: Callable[[bytes], bytes | None] = lambda _: None
    ) -> None:
        self._engine = engine
        self._elsewhere = elsewhere

    def put(self, content: bytes) -> bytes:
        """Keep ``content`` durably and return its digest, 32 bytes; TooLarge above 15 MiB."""
        if len(content) > MAX_BLOB_BYTES:
            raise TooLarge(Reason.TOO_LARGE, f"a blob has {len(content)} bytes")
        row = {"digest": digest(content), "content": content}
        with transaction(self._engine, write=True) as connection:
            connection.execute(_PUT, row)
        return row["digest"]

    def get(self, wanted: bytes) -> bytes:
        """Return the bytes with this digest; Refused(NOT_FOUND) when they are not kept."""
        query = sql.select(blobs.c.content).where(blobs.c.digest == wanted)
        with transaction(self._engine) as connection:
            found: bytes | None = connection.execute(query).scalar_one_or_none()
        found = self._elsewhere(wanted) if found is None else found
        if found is None:
            raise Refused(Reason.NOT_FOUND, f"no blob with digest {wanted.hex()[:16]}… is kept")
        return found

    def prove_writable(self) -> None:
        """Write to the file without keeping anything; StorageFault(STORAGE) when that fails."""
        prove_writable(self._engine)

    def holds(self, wanted: bytes) -> bool:
        """Tell whether it is in this database."""
        query = sql.select(blobs.c.digest).where(blobs.c.digest == wanted)
        with transaction(self._engine) as connection:
            return connection.execute(query).first() is not None
