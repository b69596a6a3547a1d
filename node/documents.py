"""What this city believes: logged documents, absorbed in order, kept, and handed to who waits.

Lives here: the one lock around acceptance and the store, and what to do when the log itself fails.
Must not know: networks, or what a document makes the node do (``node/consequences.py``).
"""

import threading
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import TypeVar, cast

from sqlalchemy import Connection

from federation.acceptance import Acceptance, Accepted, Limits, read_kept, restore_trust
from federation.documents.releases import ModelRelease
from federation.documents.types import TYPE_OF, Document, PayloadType
from federation.errors import (
    CallerError,
    LocalError,
    PeerError,
    Reason,
    StorageFault,
    Untrusted,
)
from federation.log.bundle import Bundle
from federation.log.checkpoint import read_text, split_note
from federation.log.conflict import Conflict
from federation.trust import Pin, Trust
from federation.wire import codec
from node import distrust
from node.store import documents, feed, notices, runs
from node.store.documents import StoredDocument
from node.store.engine import Store
from node.store.feed import RefusedEntry
from node.store.runs import Alarm

D = TypeVar("D", bound=Document)
Listener = Callable[[Accepted[Document]], None]
Lookup = Callable[[bytes], Accepted[Document] | None]
# Writes what a document entails, in the transaction that keeps it; raises CallerError to refuse it.
Consequences = Callable[[Connection, Accepted[Document], Lookup, Trust], None]

# A log that gives one of these shows, or may be showing, another history than the one kept.
BROKEN_LOG = frozenset(
    {Reason.BAD_CHECKPOINT, Reason.BAD_SIGNATURE, Reason.NOT_INCLUDED, Reason.INCONSISTENT}
)
RECENT = 512  # accepted documents held in memory; older ones are read back and verified again


@dataclass(frozen=True)
class StoreHeld:
    """What acceptance asks about documents held already, answered from the store."""

    store: Store

    def holds(self, replay_identity: bytes) -> bool:
        """Whether a document with this identity was accepted before."""
        with self.store.read() as connection:
            return documents.is_replayed(connection, replay_identity)

    def latest_release_version(self) -> int:
        """The version of the last accepted model release, 0 before the first."""
        with self.store.read() as connection:
            last = documents.latest_of_type(connection, PayloadType.MODEL_RELEASE)
        release = None if last is None else _decoded(last)
        return release.version if isinstance(release, ModelRelease) else 0

    def latest_notice_version(self, city: str) -> int:
        """The version of the last accepted policy notice of a city, 0 before the first."""
        with self.store.read() as connection:
            return notices.latest_version(connection, city)


class AcceptedDocuments:
    """Every document this city believes. Safe to share between threads.

    Construction reads the store back, verifying every stored membership from the pinned one on:
    StorageFault(STORAGE) when one no longer verifies.
    """

    def __init__(
        self,
        store: Store,
        pin: Pin,
        limits: Limits,
        consequences: Consequences,
        clock_ms: Callable[[], int],
    ) -> None:
        self._store = store
        self._pin = pin
        self._limits = limits
        self._consequences = consequences
        self._clock_ms = clock_ms
        self._changed = threading.Condition(threading.RLock())
        self._listeners: list[Listener] = []
        self._alarmed: list[Callable[[], None]] = []
        self._distrust: str | None = None
        self._closed = False
        self._restore()

    @property
    def trust(self) -> Trust:
        """The membership chain as far as the log was read."""
        return self._acceptance.trust

    @property
    def next_index(self) -> int:
        """The log index to follow from."""
        return self._acceptance.next_index

    @property
    def kept_size(self) -> int:
        """Size of the kept checkpoint, 0 while none is kept: what proofs must start from."""
        kept = self._acceptance.kept
        return 0 if kept is None else kept.size

    @property
    def kept_ms(self) -> int | None:
        """When the log signed the kept checkpoint, by its own clock; None while none is kept."""
        kept = self._acceptance.kept
        return None if kept is None else kept.unix_ms

    @property
    def distrust(self) -> str | None:
        """Why nothing is believed any more, None while the log is intact.

        It is kept: only a person can have the log believed again, before a restart.
        """
        return self._distrust

    def on_distrust(self, callback: Callable[[], None]) -> None:
        """Call ``callback``, in whichever thread finds the conflict, once belief ends."""
        self._alarmed.append(callback)

    def subscribe(self, listener: Listener) -> None:
        """Call ``listener`` with each document accepted from now on, after it is committed."""
        self._listeners.append(listener)

    def absorb(self, bundle: Bundle) -> Accepted[Document] | None:
        """Take the next entry: keep it, or record why not and read on (None).

        An entry already read is None too. Raises Untrusted once the log shows another history
        (both heads and an alarm are kept, and nothing is believed any more), PeerError(PROTOCOL)
        when entries were left out, CallerError when a proof starts elsewhere or is too old,
        LocalError.
        """
        with self._changed:
            self._refuse_when_broken()
            if bundle.leaf_index < self.next_index:
                return None
            if bundle.leaf_index > self.next_index:
                raise PeerError(
                    Reason.PROTOCOL,
                    f"the feed gave entry {bundle.leaf_index}, {self.next_index} is next",
                )
            try:
                accepted = self._take(bundle)
            except LocalError:
                self._restore()  # acceptance may be ahead of what was committed
                raise
            except _Forked as fork:
                self._restore()
                self.stop_believing(fork.conflict)
                raise Untrusted(Reason.INCONSISTENT, fork.conflict.sentence) from None
            self._changed.notify_all()
        if accepted is not None:
            for listener in tuple(self._listeners):
                listener(accepted)
        return accepted

    def get(self, document_digest: bytes) -> Accepted[Document] | None:
        """The accepted document with this digest (SHA-256 of its PAE), None when there is none."""
        with self._changed:
            if (held := self._recent.get(document_digest)) is not None:
                return held
            with self._store.read() as connection:
                return self._find(connection, document_digest)

    def wait_for(self, document_digest: bytes, timeout_s: float) -> Accepted[Document]:
        """The accepted document, waiting for the feed. Raises PeerError(DEADLINE)."""
        found: Accepted[Document] | None = None

        def arrived() -> bool:
            nonlocal found
            found = self.get(document_digest)
            return self._over or found is not None

        with self._changed:
            self._changed.wait_for(arrived, timeout_s)
        if found is None:
            raise PeerError(
                Reason.DEADLINE,
                f"document {document_digest.hex()[:16]} did not arrive within {timeout_s:g} s",
            )
        return found

    def wait_founded(self, timeout_s: float) -> bool:
        """Wait for the first membership; whether there is one, or nothing more will come."""
        with self._changed:
            return self._changed.wait_for(lambda: self._over or self.trust.founded, timeout_s)

    def check_receipt(self, bundle: Bundle) -> None:
        """Steps 6 and 7 of a receipt for an envelope this city published; raises as acceptance."""
        with self._changed:
            self._refuse_when_broken()
            self._acceptance.receipt(bundle, self._clock_ms())

    def suspect(self, sentence: str) -> None:
        """Keep an alarm about the log that a person must look at; the same sentence is one."""
        alarm = Alarm(self._clock_ms(), charter_digest=b"", attempt=b"", round=0, sentence=sentence)
        with self._store.write() as connection:
            runs.raise_alarm(connection, alarm)

    def suspect_heads(self, conflict: Conflict) -> None:
        """Keep two heads that a person must look at, and an alarm that names both."""
        self._keep_evidence(conflict, stop=False)

    def stop_believing(self, conflict: Conflict) -> None:
        """Keep two heads that cannot both be the log's, and an alarm; believe nothing any more.

        Who waits is woken. Believing stops even when the store cannot keep it.
        """
        with self._changed:
            self._distrust = conflict.sentence
            self._changed.notify_all()
        for callback in tuple(self._alarmed):
            callback()
        self._keep_evidence(conflict, stop=True)

    def _keep_evidence(self, conflict: Conflict, *, stop: bool) -> None:
        now_ms, trust = self._clock_ms(), self.trust
        found = distrust.evidence_of(conflict, trust.pin.log_origin, trust.log_keys, now_ms)
        alarm = Alarm(now_ms, b"", b"", 0, conflict.sentence)
        with self._store.write() as connection:
            distrust.keep(connection, found)
            runs.raise_alarm(connection, alarm)
            if stop:
                distrust.stop(connection, conflict.sentence)

    def close(self) -> None:
        """Send those who wait away; what was absorbed stays readable."""
        with self._changed:
            self._closed = True
            self._changed.notify_all()

    @property
    def _over(self) -> bool:
        return self._closed or self._distrust is not None

    def in_run(self, raw: bytes, expected: PayloadType) -> Accepted[Document]:
        """A document that lives inside a run only; raises what acceptance raises."""
        with self._changed:
            self._refuse_when_broken()
            return self._acceptance.in_run(raw, expected, self._clock_ms())

    def of_type(self, kind: type[D], since: int = 0) -> list[Accepted[D]]:
        """Logged documents of one type from leaf index ``since`` on, in log order."""
        with self._changed, self._store.read() as connection:
            held = documents.of_type(connection, TYPE_OF[cast("type[Document]", kind)], since)
            return [self._known(stored).of(kind) for stored in held]

    def _refuse_when_broken(self) -> None:
        if self._distrust is not None:
            raise Untrusted(Reason.INCONSISTENT, self._distrust)

    def _restore(self) -> None:
        with self._store.read() as connection:
            memberships = documents.of_type(connection, PayloadType.MEMBERSHIP)
            self._note = documents.kept_checkpoint(connection)
            next_index = feed.next_index(connection)
            self._distrust = distrust.verdict(connection)
        try:
            trust = restore_trust(self._pin, [_placed(stored) for stored in memberships])
            kept = None if self._note is None else read_kept(self._note, trust)
        except CallerError as error:
            raise StorageFault(
                Reason.STORAGE, f"what is stored of the log no longer verifies: {error.message}"
            ) from error
        held = StoreHeld(self._store)
        self._acceptance = Acceptance(trust, kept, self._limits, held, next_index)
        self._recent: dict[bytes, Accepted[Document]] = {}

    def _take(self, bundle: Bundle) -> Accepted[Document] | None:
        now_ms = self._clock_ms()
        try:
            accepted = self._acceptance.logged(bundle, now_ms)
        except CallerError as refusal:
            if refusal.reason is Reason.NOT_YET_VALID:
                # proven, and too early by this clock only: passed over, a membership would be lost
                # here for good, and what others believe from now on would not be believed
                raise
            self._pass_over(bundle, now_ms)
            self._refuse(bundle, refusal, now_ms)
            return None
        try:
            self._keep(accepted, bundle, now_ms)
        except CallerError as refusal:
            self._refuse(bundle, refusal, now_ms)
            return None
        self._remember(accepted)
        return accepted

    def _pass_over(self, bundle: Bundle, now_ms: int) -> None:
        """Read on after a refused document; raises when it is the log that failed."""
        try:
            self._acceptance.pass_over(bundle, now_ms)
        except CallerError as fault:
            why = f"the log failed at entry {bundle.leaf_index}: {fault.message}"
            conflict = Conflict(self._note or b"", bundle.checkpoint, why)
            if fault.reason in BROKEN_LOG:
                self.stop_believing(conflict)
            elif fault.reason is Reason.ROLLED_BACK:
                self.suspect_heads(conflict)
            raise

    def _keep(self, accepted: Accepted[Document], bundle: Bundle, now_ms: int) -> None:
        stored = StoredDocument(
            digest=accepted.entry_digest,
            replay_identity=accepted.digest,
            leaf_index=bundle.leaf_index,
            payload_type=accepted.payload_type,
            envelope=accepted.envelope,
            accepted_ms=now_ms,
        )
        with self._store.write() as connection:
            documents.keep(connection, stored)
            _check_cosigned(connection, bundle.checkpoint)
            documents.keep_checkpoint(connection, self._note, bundle.checkpoint)
            find = partial(self._find, connection)
            self._consequences(connection, accepted, find, self.trust)
        self._note = bundle.checkpoint

    def _refuse(self, bundle: Bundle, refusal: CallerError, now_ms: int) -> None:
        entry = RefusedEntry(bundle.leaf_index, refusal.reason, refusal.message, now_ms)
        with self._store.write() as connection:
            feed.refuse_entry(connection, entry)
            _check_cosigned(connection, bundle.checkpoint)
            documents.keep_checkpoint(connection, self._note, bundle.checkpoint)
        self._note = bundle.checkpoint

    def _find(self, connection: Connection, identity: bytes) -> Accepted[Document] | None:
        if identity in self._recent:
            return self._recent[identity]
        stored = feed.by_identity(connection, identity)
        return None if stored is None else self._known(stored)

    def _known(self, stored: StoredDocument) -> Accepted[Document]:
        held = self._recent.get(stored.replay_identity)
        if held is None and stored.leaf_index is not None:
            held = self._acceptance.restored(stored.envelope, stored.leaf_index)
            self._remember(held)
        if held is None:
            raise StorageFault(Reason.STORAGE, "a stored document has no place in the log")
        return held

    def _remember(self, accepted: Accepted[Document]) -> None:
        self._recent[accepted.digest] = accepted
        if len(self._recent) > RECENT:
            del self._recent[next(iter(self._recent))]


class _Forked(Exception):
    """The feed's head is not the one this city co-signed as a witness."""

    def __init__(self, conflict: Conflict) -> None:
        super().__init__(conflict.sentence)
        self.conflict = conflict


def _check_cosigned(connection: Connection, note: bytes) -> None:
    """Raise _Forked when the head this city co-signed, of the same size, has another root.

    Heads of other sizes are compared when the next one is to be co-signed, which proves both.
    """
    cosigned = documents.cosigned_head(connection)
    if cosigned is None:
        return
    known, shown = (read_text(split_note(one)[0]) for one in (cosigned, note))
    if known.size == shown.size and known.root != shown.root:
        raise _Forked(Conflict(cosigned, note, "the feed's head is not the one that was co-signed"))


def _placed(stored: StoredDocument) -> tuple[bytes, int]:
    if stored.leaf_index is None:
        raise StorageFault(Reason.STORAGE, "a stored membership has no place in the log")
    return stored.envelope, stored.leaf_index


def _decoded(stored: StoredDocument) -> Document:
    envelope = codec.decode_envelope(stored.envelope)
    return codec.decode_document(envelope.payload_type, envelope.payload)
