"""The one door out on the protocol's side: check, log, staple the proof, verify it, give it away.

Lives here: how a signed statement becomes a bundle. Must not know: who asks, over which channel, or
what a city's gate decided before.
"""

import threading
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from typing import TypeVar

from federation.acceptance import Acceptance, Accepted, Limits, restore_trust
from federation.acceptance.table import ROWS
from federation.crypto.envelope import replay_identity, sign
from federation.crypto.keys import SigningKey, VerifyingKey, digest
from federation.documents.membership import Membership
from federation.documents.notices import PolicyNotice
from federation.documents.releases import ModelRelease
from federation.documents.types import Document, PayloadType
from federation.errors import (
    CallerError,
    Misconfigured,
    PeerError,
    Reason,
    Refused,
    Stale,
    StorageFault,
)
from federation.heads import PRECISE_MS, Heads, Signed, Witnesses
from federation.log import merkle
from federation.log.bundle import Bundle
from federation.log.checkpoint import Checkpoint
from federation.log.database import Head
from federation.log.entry import LogEntry, NewEntry
from federation.log.reading import Proven
from federation.log.store import LogStore
from federation.trust import Known, Pin, Trust
from federation.wire.codec import decode_envelope, encode_document, encode_envelope

Result = TypeVar("Result")

PAGE = 1000  # entries read at a time while the memberships are looked up at the start


@dataclass(frozen=True, kw_only=True, slots=True)
class ProvenHead:
    """The log's head (C2SP signed note) and the proof from the size that was asked from."""

    checkpoint: bytes
    consistency_path: merkle.Proof


class Publisher:
    """The log's writer and prover. Thread-safe; one publisher per log.

    Opening walks the log's memberships from the pinned first one on. ``former_log_keys`` co-sign
    heads after a change of the log's key, so that readers who still know the old one can walk up to
    the membership that names the new. ``witnesses`` co-sign heads where membership asks for it.
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
        witnesses: Witnesses | None = None,
    ) -> None:
        self._log = log
        self._keys = (log_key, *former_log_keys)
        self._heads = Heads(log, self._keys, clock_ms, witnesses)
        self._clock_ms = clock_ms
        self._lock = threading.Lock()
        self._subscribers: tuple[Callable[[int], None], ...] = ()
        self._last: _Last | None = None
        stored = [entry for entry in _entries(log) if entry.payload_type in _WALKED]
        trust = restore_trust(
            pin, [(e.envelope, e.index) for e in stored if e.payload_type == PayloadType.MEMBERSHIP]
        )
        self._head = head = log.head()
        self._held = _Held(log, head.size)
        kept = _own(partial(Checkpoint, head.origin, head.size, head.root, clock_ms()))
        self.acceptance = Acceptance(trust, kept, limits or Limits(), self._held, head.size)
        releases = [e for e in stored if e.payload_type == PayloadType.MODEL_RELEASE]
        notices = [e for e in stored if e.payload_type == PayloadType.POLICY_NOTICE]
        for entry in (*releases[-1:], *notices):
            self._held.note(self.acceptance.restored(entry.envelope, entry.index))

    @property
    def trust(self) -> Trust:
        """The memberships this log has established."""
        return self.acceptance.trust

    @property
    def latest_release(self) -> Accepted[ModelRelease] | None:
        """The last logged model release, None before the first."""
        return self._held.release

    @property
    def notices(self) -> dict[str, Accepted[PolicyNotice]]:
        """The last logged policy notice of each city that gave one."""
        return dict(self._held.notices)

    def publish(self, raw: bytes, patience_s: float = 0.0) -> Bundle:
        """:meth:`enter` an envelope; return it with its proof from an empty head."""
        return self.bundle_for(self.enter(raw, patience_s), 0)

    def enter(self, raw: bytes, patience_s: float = 0.0) -> int:
        """Log one envelope and return its index.

        The same bytes again get the entry they already have; the same statement signed otherwise is
        Stale(REPLAYED). Raises what acceptance raises, and then nothing was logged.
        PeerError(NOT_WITNESSED) when too few witnesses co-signed, those that do not attend being
        waited for ``patience_s``: then the entry is logged, and given away once enough have.
        """
        with self._lock:
            logged = self._logged(raw)
            entry = logged or self._append(raw)
        news = logged is None
        try:
            judge = self._judge(entry)
            if judge is not None and self._heads.covering(entry.index, 0, judge) is None:
                self._heads.cosign(judge, patience_s)
                news = True
            return entry.index
        finally:
            if news:
                self._tell(entry.index)

    def publish_document(self, document: Document, key: SigningKey) -> Bundle:
        """Encode ``document``, sign it with ``key`` and publish it."""
        return self.publish(encode_envelope(sign(*encode_document(document), key)))

    def bundle_for(self, index: int, kept_size: int) -> Bundle:
        """Return entry ``index`` proven in a signed head that extends ``kept_size``.

        A head is signed anew when the last one is no longer fresh, and co-signed where the entry
        demands it. Malformed(NOT_FOUND) beyond the log, PeerError(NOT_WITNESSED) while too few
        witnesses attend. The proofs were verified before they are returned:
        StorageFault(LOG_CORRUPT) when they do not hold.
        """
        entry = self._log.entry(index)
        judge = self._judge(entry)
        head = self._heads.covering(index, kept_size, judge)
        if head is None and judge is not None:
            head = self._heads.cosign_unless_under_way(judge)
            if head is None:
                raise PeerError(Reason.NOT_WITNESSED, "witnesses are being asked")
            self._tell(index)  # others may be waiting for the same
        return self._bundle(entry, kept_size, head or self._heads.newest())

    def ready_bundle(self, index: int, kept_size: int) -> Bundle | None:
        """:meth:`bundle_for` without asking any witness; None when that has to be done first."""
        last = self._last
        if last is not None and last.serves(index, kept_size) and self._heads.fresh(last.signed):
            return last.bundle
        entry = self._log.entry(index)
        head = self._heads.covering(index, kept_size, self._judge(entry))
        return None if head is None else self._bundle(entry, kept_size, head)

    def checkpoint(self, kept_size: int) -> ProvenHead:
        """Return the log's head, signed just now, and its proof, verified as in bundle_for."""
        signed = self._heads.newest(PRECISE_MS)
        head = signed.head
        with self._log.reading() as snapshot:
            path = snapshot.consistency(kept_size, head.size)
            root = snapshot.root(kept_size)
        _own(partial(merkle.verify_consistency, kept_size, root, head.size, head.root, path))
        return ProvenHead(checkpoint=signed.note, consistency_path=path)

    def find(self, document_digest: bytes) -> Accepted[Document]:
        """Return a logged document by its digest; Refused(NOT_FOUND) when the log has none."""
        entry = self._log.stated(document_digest)
        if entry is None:
            raise Refused(Reason.NOT_FOUND, f"the log has no document {document_digest.hex()[:16]}")
        return self.acceptance.restored(entry.envelope, entry.index)

    @property
    def size(self) -> int:
        """How many entries the log has."""
        return self.acceptance.next_index

    def subscribe(self, callback: Callable[[int], None]) -> Callable[[], None]:
        """Call ``callback`` with each new entry's index, after it is logged; returns the way out.

        It is called again when an entry that had to wait for witnesses can be given away. Callbacks
        run in the publishing thread, must not raise or block, and may come out of order: every
        entry up to the index is in the log.
        """
        with self._lock:
            self._subscribers = (*self._subscribers, callback)
        return partial(self._unsubscribe, callback)

    def _unsubscribe(self, callback: Callable[[int], None]) -> None:
        with self._lock:
            self._subscribers = tuple(s for s in self._subscribers if s is not callback)

    def _logged(self, raw: bytes) -> LogEntry | None:
        """The entry these very bytes have; REPLAYED when the statement is there otherwise."""
        limit = self.acceptance.limits.max_envelope_bytes
        if len(raw) > limit:  # acceptance says it with its step; here it must not be decoded
            return None
        identity = replay_identity(decode_envelope(raw))
        entry = self._log.stated(identity)
        if entry is None:
            self._held.absent = identity
        elif entry.envelope != raw:
            raise Stale(
                Reason.REPLAYED, f"the same statement, signed otherwise, is entry {entry.index}"
            )
        return entry

    def _append(self, raw: bytes) -> LogEntry:
        now_ms = self._clock_ms()
        judged = self.acceptance.unlogged(raw, now_ms)
        self._check_own_key(judged.document)
        new = NewEntry(judged.entry_digest, judged.payload_type.value, raw, judged.digest)
        appended = self._log.append_one(new, self._head, now_ms, self._heads.sign)
        entry, before = appended.entry, appended.before.size
        bundle = _bundle(entry, appended.head, appended.note, appended.proven, before)
        # nothing is given away before the log's own reader has found it proven and signed
        self._held.note(_own(partial(self.acceptance.appended, judged, bundle, now_ms)))
        self._head = appended.head
        signed = self._heads.appended(appended.head, appended.note)
        self._last = None if self._judge(entry) else _Last(bundle, signed)
        return entry

    def _judge(self, entry: LogEntry) -> Known | None:
        """The membership whose witness quorum an entry needs, None when it needs none."""
        known = self.trust.known_at(entry.index)
        if known is None or not known.membership.witness_quorum:
            return None
        return known if entry.payload_type in _WITNESSED else None

    def _bundle(self, entry: LogEntry, kept_size: int, signed: Signed) -> Bundle:
        with self._log.reading() as snapshot:
            proven = snapshot.proven(entry.index, kept_size, signed.head.size)
        return _bundle(entry, signed.head, signed.note, proven, kept_size)

    def _tell(self, index: int) -> None:
        for subscriber in self._subscribers:
            subscriber(index)

    def _check_own_key(self, document: Document) -> None:
        # found after the append, a wrong key would leave an entry nobody believes
        needed = [self.trust.log_key]
        if isinstance(document, Membership):
            needed.append(VerifyingKey(document.log_key))
        if not {key.raw for key in needed} <= {key.public.raw for key in self._keys}:
            raise Misconfigured(
                Reason.CONFIGURATION, "the log's signing key is not the one membership names"
            )


@dataclass(frozen=True)
class _Last:
    """The newest entry as every reader who is up to date wants it: proven from the head before."""

    bundle: Bundle
    signed: Signed

    def serves(self, index: int, kept_size: int) -> bool:
        place = self.bundle.leaf_index, self.bundle.consistency_from
        return place == (index, kept_size)


class _Held:
    """The log as its own publisher's memory of what was accepted: its first ``size`` entries.

    ``absent``: a statement that the publisher has just not found, so that it is not sought again.
    """

    def __init__(self, log: LogStore, size: int) -> None:
        self._log = log
        self.size = size
        self.absent = b""
        self.release: Accepted[ModelRelease] | None = None
        self.notices: dict[str, Accepted[PolicyNotice]] = {}

    def holds(self, replay_identity: bytes) -> bool:
        if replay_identity == self.absent:
            return False
        index = self._log.index_of(replay_identity)
        return index is not None and index < self.size

    def latest_release_version(self) -> int:
        return self.release.document.version if self.release else 0

    def latest_notice_version(self, city: str) -> int:
        latest = self.notices.get(city)
        return latest.document.version if latest else 0

    def note(self, accepted: Accepted[Document]) -> None:
        """Remember an accepted entry."""
        self.absent = b""
        if accepted.leaf_index is not None:
            self.size = max(self.size, accepted.leaf_index + 1)
        if isinstance(accepted.document, ModelRelease):
            self.release = accepted.of(ModelRelease)
        if isinstance(accepted.document, PolicyNotice):
            self.notices[accepted.document.city] = accepted.of(PolicyNotice)


_WITNESSED = frozenset(kind.value for kind, row in ROWS.items() if row.witnessed)
_WALKED = frozenset(
    kind.value
    for kind in (PayloadType.MEMBERSHIP, PayloadType.MODEL_RELEASE, PayloadType.POLICY_NOTICE)
)


def _entries(log: LogStore) -> list[LogEntry]:
    size = log.head().size
    return [entry for start in range(0, size, PAGE) for entry in log.entries(start, PAGE)]


def _bundle(entry: LogEntry, head: Head, note: bytes, proven: Proven, kept_size: int) -> Bundle:
    """Staple an entry's proof to it, once it holds under the head; LOG_CORRUPT when not."""
    leaf = merkle.leaf_hash(digest(entry.envelope))
    included = leaf, entry.index, head.size, proven.inclusion, head.root
    extended = kept_size, proven.old_root, head.size, head.root, proven.consistency
    _own(partial(merkle.verify_inclusion, *included))
    _own(partial(merkle.verify_consistency, *extended))
    return Bundle(
        envelope=entry.envelope,
        leaf_index=entry.index,
        checkpoint=note,
        inclusion_path=proven.inclusion,
        consistency_from=kept_size,
        consistency_path=proven.consistency,
    )


def _own(verify: Callable[[], Result]) -> Result:
    """Verify our own proof before giving it away: a broken log is noticed by the log."""
    try:
        return verify()
    except CallerError as error:
        raise StorageFault(
            Reason.LOG_CORRUPT, f"the log's own proof does not hold: {error.message}"
        ) from error
