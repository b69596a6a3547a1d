"""Acceptance: the procedure, and the only place where an :class:`Accepted` comes from.

Lives here: which steps run in which order, and the state they advance. Must not know: networks,
disks, clocks, or what anybody does with an accepted document.
"""

from collections.abc import Collection, Iterable
from dataclasses import InitVar, dataclass, replace
from typing import Generic, Protocol, TypeVar, cast

from federation.acceptance import steps
from federation.acceptance.steps import Limits
from federation.acceptance.table import ROWS
from federation.crypto.envelope import replay_identity
from federation.crypto.keys import digest
from federation.documents.membership import Membership
from federation.documents.notices import PolicyNotice
from federation.documents.types import LOGGED, Document, PayloadType
from federation.errors import Malformed, Reason, StorageFault, Untrusted
from federation.log.bundle import Bundle
from federation.log.checkpoint import Checkpoint, verify_checkpoint
from federation.trust import Known, Pin, Trust
from federation.wire.codec import decode_document, decode_envelope

D_co = TypeVar("D_co", bound=Document, covariant=True)
E = TypeVar("E", bound=Document)

_DOOR = object()  # whoever holds this may say that something was accepted: this file


@dataclass(frozen=True, kw_only=True)
class Accepted(Generic[D_co]):
    """A document that passed its row of the acceptance table; nothing else can make one.

    ``digest``: the document digest (replay identity), SHA-256 of type and payload. ``envelope``:
    the bytes as they came. ``leaf_index``: its place in the log, None inside a run. ``signers``:
    administrators' identifiers, a division code, or ``coordinator``.
    """

    payload_type: PayloadType
    document: D_co
    digest: bytes
    envelope: bytes
    leaf_index: int | None
    signers: frozenset[str]
    door: InitVar[object]

    def __post_init__(self, door: object) -> None:
        if door is not _DOOR:
            raise TypeError("Accepted values come out of federation.acceptance only")

    @property
    def entry_digest(self) -> bytes:
        """SHA-256 of the envelope's bytes: the log's entry, a contribution's recorded digest."""
        return digest(self.envelope)

    def of(self, cls: type[E]) -> "Accepted[E]":
        """Return this as an accepted ``cls``; Malformed(UNEXPECTED_TYPE) when it is another."""
        if not isinstance(self.document, cls):
            raise Malformed(
                Reason.UNEXPECTED_TYPE, f"a {cls.__name__} is needed, not {self.payload_type}"
            )
        return cast("Accepted[E]", self)


class Held(Protocol):
    """What the reader's own store knows; asked in step 10."""

    def holds(self, replay_identity: bytes) -> bool:
        """Whether a document with this digest was accepted before."""
        ...

    def latest_release_version(self) -> int:
        """The highest accepted model release's version, 0 before the first."""
        ...

    def latest_notice_version(self, city: str) -> int:
        """The highest accepted policy notice's version of a city, 0 before the first."""
        ...


def signed_document(
    raw: bytes,
    expected: Collection[PayloadType],
    trust: Trust,
    known: Known | None,
    *,
    limits: Limits,
    leaf_index: int | None = None,
) -> Accepted[Document]:
    """Steps 1–5: a valid document by signers whom the membership ``known`` lets sign it."""
    steps.size(raw, limits)  # 1
    envelope, kind = steps.envelope_of(raw, expected)  # 2
    names = steps.signers(envelope, kind, trust, known)  # 3
    steps.signatures(envelope, kind, known)  # 4
    document, names = steps.document_of(envelope, kind, names, known)  # 5
    return Accepted(
        payload_type=kind,
        document=document,
        digest=replay_identity(envelope),
        envelope=raw,
        leaf_index=leaf_index,
        signers=names,
        door=_DOOR,
    )


class Acceptance:
    """A reader's door. When any step fails, nothing has changed: not ``kept``, not ``trust``.

    ``kept`` is the last head found consistent, ``next_index`` the entry expected next: both must be
    stored together with what was accepted, and handed in again after a restart. Calls that advance
    (:meth:`logged`, :meth:`pass_over`, :meth:`head`) are the owner's to serialise; the others only
    read. An owner that fails to store what it was given must build a new door from its store.
    """

    def __init__(
        self,
        trust: Trust,
        kept: Checkpoint | None,
        limits: Limits,
        held: Held,
        next_index: int = 0,
    ) -> None:
        self.trust = trust
        self.kept = kept
        self.limits = limits
        self.next_index = next_index
        self._held = held

    def logged(self, bundle: Bundle, now_ms: int) -> Accepted[Document]:
        """Steps 1–10: the next entry of the log; advances head, index and, if it is one, trust.

        Deadlines (step 9) bind what is the tree's last entry. An entry with others after it is
        history: a reader that catches up must believe a charter that has run out to understand its
        records, and cannot see the membership that replaced an expired one before passing what
        lies between. What may still *happen* is judged by :meth:`in_run` and by participants.
        """
        index = bundle.leaf_index
        known = self.trust.known_at(index)
        accepted = self.restored(bundle.envelope, index)  # 1–5
        kind, document = accepted.payload_type, accepted.document
        checkpoint = self.seen(bundle, now_ms, known if ROWS[kind].witnessed else None)  # 6–8
        steps.made_before(document, kind, now_ms, self.limits)  # 9
        # an expired membership is still the one its successor must follow
        if index + 1 == checkpoint.size and kind is not PayloadType.MEMBERSHIP:
            steps.membership_in_force(known, now_ms)  # 9
            steps.in_time(document, kind, now_ms)  # 9
        self._check_novel(accepted, known)  # 10
        self._advance(accepted, checkpoint, index)
        return accepted

    def appended(
        self, judged: Accepted[Document], bundle: Bundle, now_ms: int
    ) -> Accepted[Document]:
        """Steps 6–8 of what :meth:`unlogged` let pass and the log's own writer logged; advances.

        What is in the log counts there from the moment it is, and its witnesses are asked
        afterwards: nobody else may use this. TypeError for a bundle of anything else.
        """
        if bundle.envelope != judged.envelope or judged.leaf_index is not None:
            raise TypeError("the bundle's entry is not the one that was judged")
        index = bundle.leaf_index
        checkpoint = self.seen(bundle, now_ms)  # 6–8
        self._advance(judged, checkpoint, index)
        return replace(judged, leaf_index=index, door=_DOOR)

    def _advance(self, accepted: Accepted[Document], checkpoint: Checkpoint, index: int) -> None:
        if isinstance(accepted.document, Membership):
            self.trust.advance(decode_envelope(accepted.envelope), accepted.document, index)
        self.kept, self.next_index = checkpoint, index + 1

    def seen(self, bundle: Bundle, now_ms: int, witnesses_of: Known | None = None) -> Checkpoint:
        """Steps 6–8 alone, changing nothing: the head in which this is the log's next entry.

        What raises here is the log's fault or its carrier's, never the document's.
        """
        note, path = bundle.checkpoint, bundle.consistency_path
        checkpoint = steps.checkpoint_of(note, self.trust, witnesses_of, now_ms, self.limits)  # 6
        steps.inclusion(bundle, checkpoint, self.next_index)  # 7
        steps.consistency(self.kept, checkpoint, bundle.consistency_from, path)  # 8
        return checkpoint

    def receipt(self, bundle: Bundle, now_ms: int) -> Checkpoint:
        """Steps 6 and 7 of a receipt, changing nothing: a head in which the entry is logged.

        That it is logged in *this* reader's log shows when the feed comes to its index.
        """
        note = bundle.checkpoint
        checkpoint = steps.checkpoint_of(note, self.trust, None, now_ms, self.limits)  # 6
        steps.inclusion(bundle, checkpoint, bundle.leaf_index)  # 7
        return checkpoint

    def pass_over(self, bundle: Bundle, now_ms: int) -> None:
        """Steps 6–8: leave behind an entry that :meth:`logged` refused.

        Only what is proven to be the log's next entry is passed over: a fault of whoever carried
        it, or an expired membership whose successor has not come yet, raises instead, and the entry
        is to be asked for again.
        """
        known = self.trust.known_at(bundle.leaf_index)
        # not to be undone, so the witnesses are asked whatever the entry would have been
        checkpoint = self.seen(bundle, now_ms, known)
        if bundle.leaf_index + 1 == checkpoint.size:
            steps.membership_in_force(known, now_ms)
        steps.not_held(bundle.leaf_index < self.next_index)
        self.kept, self.next_index = checkpoint, bundle.leaf_index + 1

    def head(self, note: bytes, path: tuple[bytes, ...], now_ms: int) -> Checkpoint:
        """Steps 6 and 8: a head without an entry, proven from the kept one; advances ``kept``."""
        checkpoint = steps.checkpoint_of(note, self.trust, None, now_ms, self.limits)
        steps.consistency(self.kept, checkpoint, self.kept.size if self.kept else 0, path)
        self.kept = checkpoint
        return checkpoint

    def in_run(self, raw: bytes, expected: PayloadType, now_ms: int) -> Accepted[Document]:
        """Steps 1–5, 9, 10 of what is never logged, under the membership in force.

        Binding to charter, attempt and roster is the caller's: it knows which one is running.
        """
        return self._unproven(raw, {expected}, now_ms)

    def unlogged(self, raw: bytes, now_ms: int) -> Accepted[Document]:
        """Steps 1–5, 9, 10 of what is about to be logged, under the membership in force."""
        accepted = self._unproven(raw, LOGGED, now_ms)
        steps.in_time(accepted.document, accepted.payload_type, now_ms)
        return accepted

    def restored(self, raw: bytes, leaf_index: int) -> Accepted[Document]:
        """Steps 1–5 of an entry accepted earlier and read back from the reader's own store."""
        known = self.trust.known_at(leaf_index)
        return signed_document(
            raw, LOGGED, self.trust, known, limits=self.limits, leaf_index=leaf_index
        )

    def _unproven(
        self, raw: bytes, expected: Collection[PayloadType], now_ms: int
    ) -> Accepted[Document]:
        known = self.trust.known_at(None)
        accepted = signed_document(raw, expected, self.trust, known, limits=self.limits)  # 1–5
        kind = accepted.payload_type
        steps.made_before(accepted.document, kind, now_ms, self.limits)  # 9
        if kind is not PayloadType.MEMBERSHIP:
            steps.membership_in_force(known, now_ms)  # 9
        self._check_novel(accepted, known)  # 10
        return accepted

    def _check_novel(self, accepted: Accepted[Document], known: Known | None) -> None:
        index = accepted.leaf_index
        passed = index is not None and index < self.next_index
        steps.not_held(passed or self._held.holds(accepted.digest))  # 10
        document = accepted.document
        steps.newer(document, self.trust, known, self._held.latest_release_version)  # 10
        if isinstance(document, PolicyNotice):
            steps.newer_notice(document, self._held.latest_notice_version(document.city))  # 10


def restore_trust(pin: Pin, memberships: Iterable[tuple[bytes, int]]) -> Trust:
    """Return the trust a reader had: its stored membership envelopes and leaf indexes, in order.

    Every version is verified again. StorageFault(STORAGE) when one is no membership; raises as
    :meth:`federation.trust.Trust.advance` when the chain does not hold.
    """
    trust = Trust(pin)
    for raw, leaf_index in memberships:
        envelope = decode_envelope(raw)
        document = decode_document(envelope.payload_type, envelope.payload)
        if not isinstance(document, Membership):
            raise StorageFault(Reason.STORAGE, f"stored entry {leaf_index} is no membership")
        trust.advance(envelope, document, leaf_index)
    return trust


def read_kept(note: bytes, trust: Trust) -> Checkpoint:
    """Return the kept head from its stored note, under whichever key the log had then.

    Raises what :func:`federation.log.checkpoint.verify_checkpoint` raises when none of them signed.
    """
    *older, last = trust.log_keys
    for key in older:
        try:
            return verify_checkpoint(note, trust.pin.log_origin, key)
        except Untrusted:
            continue
    return verify_checkpoint(note, trust.pin.log_origin, last)
