"""This city as a witness of the log: it co-signs a head that extends every head it knows.

Lives here: what is checked before a co-signature, and the answer. Must not know: the city's key
(``gate``), streams, or what the log's entries say.
"""

from collections.abc import Callable

from sqlalchemy import Connection

from federation.acceptance import Limits, read_kept
from federation.acceptance.steps import checkpoint_of
from federation.errors import CallerError, LaborfedError, LocalError, Reason, Untrusted
from federation.log import merkle
from federation.log.checkpoint import Checkpoint
from federation.log.conflict import Conflict
from federation.log.witnessing import WitnessReply, WitnessRequest
from federation.wire.codec import decode_witness_request, encode_witness_reply
from node.documents import AcceptedDocuments
from node.faults import OWN_FAULT, log_fault, sentence_for_peer
from node.gate import Gate
from node.store import documents as stored

OTHER_HISTORY = "the log showed this witness another history"
SHRUNK = "the log signed a smaller tree after a larger one"


class Witness:
    """Answers requests to co-sign. Safe to share between threads.

    What it co-signed last is kept, in the transaction that makes the signature, and so is read back
    after any crash: the same head again gets the same bytes.
    """

    def __init__(
        self,
        documents: AcceptedDocuments,
        gate: Gate,
        limits: Limits,
        clock_ms: Callable[[], int],
    ) -> None:
        self._documents = documents
        self._gate = gate
        self._limits = limits
        self._clock_ms = clock_ms

    def answer(self, body: bytes) -> bytes:
        """Return the reply to a witness request; nothing is raised."""
        try:
            reply = self._answer(decode_witness_request(body))
        except Exception as error:  # noqa: BLE001 the boundary: no request ends this process
            if not isinstance(error, CallerError):
                log_fault(error, None)
            ours = LocalError(Reason.STORAGE, OWN_FAULT)
            told = error if isinstance(error, LaborfedError) else ours
            reply = WitnessReply(reason=told.reason, message=sentence_for_peer(told))
        return encode_witness_reply(reply)

    def _answer(self, request: WitnessRequest) -> WitnessReply:
        if self._documents.distrust is not None:
            raise Untrusted(Reason.INCONSISTENT, self._documents.distrust)
        try:
            line = self._gate.cosign(lambda connection: self._judged(connection, request))
        except _Conflicting as found:
            self._documents.stop_believing(found.conflict)
            raise Untrusted(Reason.INCONSISTENT, found.conflict.sentence) from None
        except _Smaller as found:
            if found.conflict is not None:
                self._documents.suspect_heads(found.conflict)
            return WitnessReply(proofs_from=found.sizes)
        except _Unproven as found:
            return WitnessReply(proofs_from=found.sizes)
        return WitnessReply(cosignature=line)

    def _judged(self, connection: Connection, request: WitnessRequest) -> Checkpoint:
        """Return the head to co-sign once it extends all known ones; kept with the signature."""
        trust, now_ms = self._documents.trust, self._clock_ms()
        shown = checkpoint_of(request.checkpoint, trust, None, now_ms, self._limits)
        held = (stored.cosigned_head(connection), stored.kept_checkpoint(connection))
        notes = [note for note in held if note is not None]
        self._compare(shown, request, {note: read_kept(note, trust) for note in notes})
        stored.keep_cosigned(connection, request.checkpoint)
        return shown

    def _compare(
        self, shown: Checkpoint, request: WitnessRequest, held: dict[bytes, Checkpoint]
    ) -> None:
        for note, known in held.items():
            if known.size == shown.size and known.root != shown.root:
                raise _Conflicting(Conflict(note, request.checkpoint, OTHER_HISTORY))
        larger = {note: known for note, known in held.items() if known.size > shown.size}
        sizes = tuple(sorted({known.size for known in held.values()}))
        if larger:
            note, known = max(larger.items(), key=lambda item: item[1].size)
            # a request that was under way for long is older than what came since
            late = known.unix_ms + self._limits.max_clock_skew_ms < shown.unix_ms
            conflict = Conflict(note, request.checkpoint, SHRUNK) if late else None
            raise _Smaller(sizes, conflict)
        smaller = {note: known for note, known in held.items() if known.size < shown.size}
        if any(known.size not in request.proofs for known in smaller.values()):
            raise _Unproven(sizes)
        for note, known in smaller.items():
            self._verify(note, known, shown, request)

    def _verify(
        self, note: bytes, known: Checkpoint, shown: Checkpoint, request: WitnessRequest
    ) -> None:
        path = request.proofs[known.size]
        try:
            merkle.verify_consistency(known.size, known.root, shown.size, shown.root, path)
        except CallerError:
            raise _Conflicting(Conflict(note, request.checkpoint, OTHER_HISTORY)) from None


class _Conflicting(Exception):
    """The head shown and one that is known cannot both be the log's."""

    def __init__(self, conflict: Conflict) -> None:
        super().__init__(conflict.sentence)
        self.conflict = conflict


class _Unproven(Exception):
    """Proofs are missing from heads of these sizes."""

    def __init__(self, sizes: tuple[int, ...]) -> None:
        super().__init__("proofs are missing")
        self.sizes = sizes


class _Smaller(_Unproven):
    """The head is older than one that is known; ``conflict`` unless it may only be late."""

    def __init__(self, sizes: tuple[int, ...], conflict: Conflict | None) -> None:
        super().__init__(sizes)
        self.conflict = conflict
