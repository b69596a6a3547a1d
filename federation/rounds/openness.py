"""Which kept runs have no end yet, read off the documents that their coordinator kept.

Lives here: that one question. Must not know: whether somebody is conducting any of them now.
"""

from federation.documents.runs import Closure
from federation.rounds.store import RunStore
from federation.wire.codec import decode_document, decode_envelope


class OpenRuns:
    """Answers again and again; what was found closed is not read another time."""

    def __init__(self, runs: RunStore) -> None:
        self._runs = runs
        self._closed: set[bytes] = set()

    def now(self) -> list[bytes]:
        """Return the charters of runs without a closure, oldest first; StorageFault(STORAGE)."""
        charters = [one for one in self._runs.charters() if one not in self._closed]
        self._closed |= {one for one in charters if self._is_closed(one)}
        return [one for one in charters if one not in self._closed]

    def _is_closed(self, charter_digest: bytes) -> bool:
        kept = self._runs.documents(charter_digest)
        return bool(kept) and _is_closure(kept[-1])


def _is_closure(raw: bytes) -> bool:
    envelope = decode_envelope(raw)
    return isinstance(decode_document(envelope.payload_type, envelope.payload), Closure)
