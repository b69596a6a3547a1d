"""The log from its founding on, believed for no other reason than what it shows.

Lives here: the walk and its report. Must not know: a running coordinator, or how a run store keeps
contributions.
"""

from collections import Counter, deque
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import partial

from federation.acceptance import Acceptance, Accepted, Limits, read_kept
from federation.cosigning import cosigners
from federation.crypto.envelope import replay_identity
from federation.crypto.keys import digest
from federation.documents.membership import Membership
from federation.documents.releases import ModelRelease, StatisticsRelease
from federation.documents.runs import RoundRecord
from federation.documents.types import Document
from federation.errors import CallerError, LaborfedError, Reason, Stale, StorageFault, Untrusted
from federation.evidence import Evidence
from federation.log.signed import SignedHead
from federation.log.store import LogStore
from federation.recomputation import KeptContributions, Recomputation
from federation.trust import Pin, Trust
from federation.wire.codec import decode_envelope


@dataclass(frozen=True)
class Problem:
    """One thing that does not hold; ``leaf_index`` is None when it is the log's as a whole."""

    leaf_index: int | None
    reason: Reason
    sentence: str


@dataclass(frozen=True)
class AuditReport:
    """What an audit saw: how many entries, of which types, sums recomputed, and every problem.

    ``heads``: trees whose signed head is kept, ``cosigned``: those of them with a witness quorum.
    """

    entries: int
    by_type: Mapping[str, int]
    sums_recomputed: int
    heads: int
    cosigned: int
    problems: tuple[Problem, ...]

    @property
    def ok(self) -> bool:
        """Whether everything holds."""
        return not self.problems


def audit(
    log: LogStore, pin: Pin, checkpoint: bytes | None, kept: KeptContributions | None = None
) -> AuditReport:
    """Re-derive everything the log says, and go on after each problem.

    1. The tree is rebuilt from its entries. 2. Each entry passes acceptance again (steps 1–5, in
    the membership then valid), memberships chained from ``pin``, no statement twice. 3. Each
    document fits its run: consents, round records' chain, votes, closures. 4. With ``kept``, each
    recorded sum, and the figures released from it, are computed again from the contributions.
    5. Every head the log ever signed is its own, a head of this very tree and the only one of its
    size; so is ``checkpoint``, a signed note the log once gave out.

    Raises StorageFault only when the database cannot be read (STORAGE) or has no head
    (LOG_CORRUPT).
    """
    walk = _Walk(log, pin, kept)
    walk.check(None, walk.rebuild_tree)
    for index in range(log.head().size):
        walk.check(index, partial(walk.read, index))
    walk.check(None, walk.compare_heads)
    if checkpoint is not None:
        walk.check(None, partial(walk.compare_head, checkpoint))
    return AuditReport(
        entries=sum(walk.by_type.values()),
        by_type=dict(walk.by_type),
        sums_recomputed=walk.sums,
        heads=walk.heads,
        cosigned=walk.cosigned,
        problems=tuple(walk.problems),
    )


class _Walk:
    """One audit in progress."""

    def __init__(self, log: LogStore, pin: Pin, kept: KeptContributions | None) -> None:
        self._log = log
        self._trust = Trust(pin)
        self._again = Recomputation(kept, self._trust) if kept is not None else None
        self._seen: set[bytes] = set()
        self._evidence = Evidence(self._trust)
        self._door = Acceptance(self._trust, None, Limits(), _NothingHeld())
        self.by_type: Counter[str] = Counter()
        self.heads = 0
        self.cosigned = 0
        self.problems: list[Problem] = []

    @property
    def sums(self) -> int:
        """How many recorded sums were computed again and came out right."""
        return self._again.sums if self._again else 0

    def check(self, leaf_index: int | None, part: Callable[[], None]) -> None:
        """Run one part of the audit; what it finds wrong is noted and the audit goes on."""
        try:
            part()
        except LaborfedError as error:
            if error.reason is Reason.STORAGE:
                raise
            self.problems.append(Problem(leaf_index, error.reason, error.message))

    def rebuild_tree(self) -> None:
        """Part 1; StorageFault(LOG_CORRUPT) when the tree is not what its entries give."""
        deque(self._log.rebuild_root(), maxlen=0)

    def read(self, index: int) -> None:
        """Parts 2–4 for one entry."""
        entry = self._log.entry(index)
        self.by_type[entry.payload_type] += 1
        envelope = decode_envelope(entry.envelope)
        stored = entry.digest, entry.payload_type, entry.replay_identity
        if stored != (digest(entry.envelope), envelope.payload_type, replay_identity(envelope)):
            raise StorageFault(Reason.LOG_CORRUPT, "the entry's columns are not its envelope's")
        accepted = self._door.restored(entry.envelope, entry.index)
        if accepted.digest in self._seen:
            raise Stale(Reason.REPLAYED, "the same statement is logged before")
        self._seen.add(accepted.digest)
        if isinstance(accepted.document, Membership):
            self._trust.advance(envelope, accepted.document, entry.index)
        self._evidence.add(accepted)
        if self._again is not None:
            self._recompute(accepted, self._again)

    def compare_heads(self) -> None:
        """Part 5 for what the log kept of its own; each head that does not hold is a problem."""
        roots, size, root = self._log.roots(), -1, b""
        before: SignedHead | None = None
        for kept in self._log.signed_heads():
            self.heads += 1
            while size < kept.size and (following := next(roots, None)) is not None:
                size, root = size + 1, following
            self.check(None, partial(self._compare_kept, kept, root if size == kept.size else None))
            if before is not None and before.size == kept.size:
                self.problems.append(_two_heads(before, kept))
            before = kept

    def _compare_kept(self, kept: SignedHead, root: bytes | None) -> None:
        for note in (kept.note, kept.cosigned):
            if note is None:
                continue
            try:
                shown = read_kept(note, self._trust)
            except CallerError as error:
                told = f"the head kept of {kept.size} entries: {error.message}"
                raise Untrusted(error.reason, told) from error
            if (shown.size, shown.root) != (kept.size, kept.root):
                raise StorageFault(
                    Reason.LOG_CORRUPT, f"the head kept of {kept.size} entries is of {shown.size}"
                )
        if root != kept.root:
            raise _not_of_this_tree(kept.size, root is None)
        if kept.cosigned is not None:
            self._count_cosigners(kept.size, kept.cosigned)

    def _count_cosigners(self, size: int, note: bytes) -> None:
        # an old entry may have been given away under the quorum that was in force when it was new
        for known in reversed(self._trust.versions):
            quorum = known.membership.witness_quorum
            if quorum and len(cosigners(note, known.membership)) >= quorum:
                self.cosigned += 1
                return
        raise Untrusted(
            Reason.NOT_WITNESSED, f"the head kept as co-signed of {size} entries has no quorum"
        )

    def compare_head(self, checkpoint: bytes) -> None:
        """Part 5 for one note; INCONSISTENT when the note's head is not this tree's at that size.

        Stale(ROLLED_BACK) when the tree has not so many entries any more.
        """
        known = read_kept(checkpoint, self._trust)
        beyond = known.size > self._log.head().size
        if beyond or self._log.root(known.size) != known.root:
            raise _not_of_this_tree(known.size, beyond)

    def _recompute(self, accepted: Accepted[Document], again: Recomputation) -> None:
        match accepted.document:
            case RoundRecord() as record:
                run = self._evidence.run(record.charter_digest)
                again.record(accepted.of(RoundRecord), run)
            case ModelRelease() as release:
                run = self._evidence.run(release.charter_digest)
                again.model_release(accepted.of(ModelRelease), run)
            case StatisticsRelease() as release:
                run = self._evidence.run(release.charter_digest)
                again.statistics_release(accepted.of(StatisticsRelease), run)


def _not_of_this_tree(size: int, beyond: bool) -> CallerError:
    if beyond:
        return Stale(Reason.ROLLED_BACK, f"a head shows {size} entries, the log has fewer")
    return Untrusted(Reason.INCONSISTENT, f"a head shows another tree of {size} entries")


def _two_heads(one: SignedHead, other: SignedHead) -> Problem:
    roots = " and ".join(head.root.hex()[:16] for head in (one, other))
    return Problem(
        None, Reason.INCONSISTENT, f"two heads of {one.size} entries were signed: {roots}"
    )


class _NothingHeld:
    """An audit meets every entry for the first time."""

    def holds(self, replay_identity: bytes) -> bool:
        return False

    def latest_release_version(self) -> int:
        return 0

    def latest_notice_version(self, city: str) -> int:
        return 0
