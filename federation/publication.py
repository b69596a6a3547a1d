"""The one door out on the protocol's side: check, log, staple the proof, verify it, give it away.

Lives here: how a signed statement becomes a bundle. Must not know: who asks, over which channel, or
what a city's gate decided before.
"""

import threading
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial

from federation.acceptance import Acceptance, Accepted, Limits, restore_trust
from federation.acceptance.table import ROWS
from federation.crypto.envelope import replay_identity, sign
from federation.crypto.keys import SigningKey, VerifyingKey, digest
from federation.documents.membership import Membership
from federation.documents.releases import ModelRelease
from federation.documents.types import Document, PayloadType
from federation.errors import CallerError, Misconfigured, Reason, Refused, Stale, StorageFault
from federation.log import merkle
from federation.log.bundle import Bundle
from federation.log.checkpoint import Checkpoint, sign_checkpoint, verify_checkpoint
from federation.log.database import Head
from federation.log.store import LogEntry, LogStore, NewEntry
from federation.trust import Pin, Trust
from federation.wire.codec import decode_envelope, encode_document, encode_envelope

PAGE = 1000  # entries read at a time while the memberships are looked up at the start


@dataclass(frozen=True, kw_only=True, slots=True)
class ProvenHead:
    """A freshly signed head (C2SP signed note) and the proof from the size that was asked from."""

    checkpoint: bytes
    consistency_path: merkle.Proof


class Publisher:
    """The log's writer and prover. Thread-safe; one publisher per log.

    Opening walks the log's memberships from the pinned first one on. ``former_log_keys`` co-sign
    heads after a change of the log's key, so that readers who still know the old one can walk up to
    the membership that names the new.
    """

    def __init__(
        self,
        log: LogStore,
        log_key: SigningKey,
        pin: Pin,
        clock_ms: Callable[[], int],
        *,
        limits: Limits | None = None,
        former_log_keys: Sequence[SigningKey] = (),
    ) -> None:
        self._log = log
        self._keys = (log_key, *former_log_keys)
        self._clock_ms = clock_ms
        self._lock = threading.Lock()
        self._subscribers: tuple[Callable[[int], None], ...] = ()
        stored = [entry for entry in _entries(log) if entry.payload_type in _WALKED]
        trust = restore_trust(
            pin, [(e.envelope, e.index) for e in stored if e.payload_type == PayloadType.MEMBERSHIP]
        )
        self._held = _Held(log, log.head().size)
        limits = limits or Limits()
        self.acceptance = Acceptance(trust, None, limits, self._held, self._held.size)
        releases = [e for e in stored if e.payload_type == PayloadType.MODEL_RELEASE]
        for entry in releases[-1:]:
            self._held.note(self.acceptance.restored(entry.envelope, entry.index))

    @property
    def trust(self) -> Trust:
        """The memberships this log has established."""
        return self.acceptance.trust

    @property
    def latest_release(self) -> Accepted[ModelRelease] | None:
        """The last logged model release, None before the first."""
        return self._held.release

    def publish(self, raw: bytes) -> Bundle:
        """Log one envelope and return it with its proof (from an empty head: ``kept_size`` 0).

        The same bytes again get the entry they already have; the same statement signed otherwise is
        Stale(REPLAYED). Raises what acceptance raises, and then nothing was logged.
        """
        with self._lock:
            index = self._index_of(raw)
            fresh = index is None
            if index is None:
                index = self._append(raw)
            bundle = self.bundle_for(index, 0)
        if fresh:
            for subscriber in self._subscribers:
                subscriber(index)
        return bundle

    def publish_document(self, document: Document, key: SigningKey) -> Bundle:
        """Encode ``document``, sign it with ``key`` and publish it."""
        return self.publish(encode_envelope(sign(*encode_document(document), key)))

    def bundle_for(self, index: int, kept_size: int) -> Bundle:
        """Return entry ``index`` proven in a freshly signed head that extends ``kept_size``.

        Malformed(NOT_FOUND) beyond the log. The proofs were verified before they are returned:
        StorageFault(LOG_CORRUPT) when they do not hold.
        """
        head, proven = self._proven_head(kept_size)
        entry = self._log.entry(index)
        path = self._log.inclusion(index, head.size)
        leaf = merkle.leaf_hash(digest(entry.envelope))
        _own(partial(merkle.verify_inclusion, leaf, index, head.size, path, head.root))
        return Bundle(
            envelope=entry.envelope,
            leaf_index=index,
            checkpoint=proven.checkpoint,
            inclusion_path=path,
            consistency_from=kept_size,
            consistency_path=proven.consistency_path,
        )

    def checkpoint(self, kept_size: int) -> ProvenHead:
        """Return a freshly signed head that extends ``kept_size``, verified as in bundle_for."""
        return self._proven_head(kept_size)[1]

    def find(self, document_digest: bytes) -> Accepted[Document]:
        """Return a logged document by its digest; Refused(NOT_FOUND) when the log has none."""
        index = self._log.index_of(document_digest)
        if index is None:
            raise Refused(Reason.NOT_FOUND, f"the log has no document {document_digest.hex()[:16]}")
        return self.acceptance.restored(self._log.entry(index).envelope, index)

    @property
    def size(self) -> int:
        """How many entries the log has."""
        return self._log.head().size

    def subscribe(self, callback: Callable[[int], None]) -> Callable[[], None]:
        """Call ``callback`` with each new entry's index, after it is logged; returns the way out.

        Callbacks run in the publishing thread, must not raise or block, and may come out of order:
        every entry up to the index is in the log.
        """
        with self._lock:
            self._subscribers = (*self._subscribers, callback)
        return partial(self._unsubscribe, callback)

    def _unsubscribe(self, callback: Callable[[int], None]) -> None:
        with self._lock:
            self._subscribers = tuple(s for s in self._subscribers if s is not callback)

    def _index_of(self, raw: bytes) -> int | None:
        """The index these very bytes have; REPLAYED when the statement is there otherwise."""
        limit = self.acceptance.limits.max_envelope_bytes
        if len(raw) > limit:  # acceptance says it with its step; here it must not be decoded
            return None
        index = self._log.index_of(replay_identity(decode_envelope(raw)))
        if index is not None and self._log.entry(index).envelope != raw:
            raise Stale(Reason.REPLAYED, f"the same statement, signed otherwise, is entry {index}")
        return index

    def _append(self, raw: bytes) -> int:
        now_ms = self._clock_ms()
        accepted = self.acceptance.unlogged(raw, now_ms)
        self._check_alone()
        self._check_witnesses(accepted.payload_type)
        self._check_own_key(accepted.document)
        new = NewEntry(accepted.entry_digest, accepted.payload_type.value, raw, accepted.digest)
        index = self._log.append([new], now_ms)[0]
        kept = self.acceptance.kept
        bundle = self.bundle_for(index, kept.size if kept else 0)
        self._held.note(self.acceptance.logged(bundle, now_ms))
        return index

    def _check_alone(self) -> None:
        if self._log.head().size != self.acceptance.next_index:
            raise StorageFault(Reason.HEAD_MOVED, "somebody else has written to the log")

    def _check_witnesses(self, kind: PayloadType) -> None:
        # nobody co-signs this log's heads yet: appended, the entry would stop every reader at it
        known = self.trust.known_at(None)
        if known is not None and known.membership.witness_quorum and ROWS[kind].witnessed:
            raise Refused(
                Reason.NOT_WITNESSED,
                f"membership asks for witnesses of a {kind}, this log has none",
            )

    def _check_own_key(self, document: Document) -> None:
        # found after the append, a wrong key would leave an entry nobody believes
        needed = [self.trust.log_key]
        if isinstance(document, Membership):
            needed.append(VerifyingKey(document.log_key))
        if not {key.raw for key in needed} <= {key.public.raw for key in self._keys}:
            raise Misconfigured(
                Reason.CONFIGURATION, "the log's signing key is not the one membership names"
            )

    def _proven_head(self, kept_size: int) -> tuple[Head, ProvenHead]:
        head = self._log.head()
        note = self._signed(Checkpoint(head.origin, head.size, head.root, self._clock_ms()))
        path = self._log.consistency(kept_size, head.size)
        kept_root = self._log.root(kept_size)
        _own(partial(verify_checkpoint, note, head.origin, self._keys[0].public))
        _own(partial(merkle.verify_consistency, kept_size, kept_root, head.size, head.root, path))
        return head, ProvenHead(checkpoint=note, consistency_path=path)

    def _signed(self, checkpoint: Checkpoint) -> bytes:
        notes = [sign_checkpoint(checkpoint, key) for key in self._keys]
        return notes[0] + b"".join(note.rpartition(b"\n\n")[2] for note in notes[1:])


class _Held:
    """The log as its own publisher's memory of what was accepted: its first ``size`` entries."""

    def __init__(self, log: LogStore, size: int) -> None:
        self._log = log
        self.size = size
        self.release: Accepted[ModelRelease] | None = None

    def holds(self, replay_identity: bytes) -> bool:
        index = self._log.index_of(replay_identity)
        return index is not None and index < self.size

    def latest_release_version(self) -> int:
        return self.release.document.version if self.release else 0

    def note(self, accepted: Accepted[Document]) -> None:
        """Remember an accepted entry."""
        if accepted.leaf_index is not None:
            self.size = max(self.size, accepted.leaf_index + 1)
        if isinstance(accepted.document, ModelRelease):
            self.release = accepted.of(ModelRelease)


_WALKED = frozenset({PayloadType.MEMBERSHIP.value, PayloadType.MODEL_RELEASE.value})


def _entries(log: LogStore) -> list[LogEntry]:
    size = log.head().size
    return [entry for start in range(0, size, PAGE) for entry in log.entries(start, PAGE)]


def _own(verify: Callable[[], object]) -> None:
    """Verify our own proof before giving it away: a broken log is noticed by the log."""
    try:
        verify()
    except CallerError as error:
        raise StorageFault(
            Reason.LOG_CORRUPT, f"the log's own proof does not hold: {error.message}"
        ) from error
