"""Entries of a log with nothing real in them, as many as are asked for.

Must not know: what is measured over them.
"""

import os
from collections.abc import Sequence

from federation.crypto.keys import digest
from federation.log.entry import NewEntry

KIND = "benchmark/entry"


def batch(first: int, count: int, size: int) -> Sequence[NewEntry]:
    """Return ``count`` different entries of ``size`` bytes each, numbered from ``first``."""
    body = os.urandom(max(size - 8, 0))
    envelopes = [number.to_bytes(8, "big") + body for number in range(first, first + count)]
    return [NewEntry(digest(e), KIND, e, digest(b"identity" + e[:8])) for e in envelopes]
