"""The log from its founding on, believed for no other reason than what it shows.

Lives here: the walk and its report. Must not know: a running coordinator, or how a run store keeps
contributions.
"""

from collections import Counter, deque
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, fields
from functools import partial
from typing import Protocol

from federation.acceptance import Acceptance, Accepted, Limits, read_kept
from federation.crypto import masking
from federation.crypto.envelope import replay_identity
from federation.crypto.keys import digest
from federation.crypto.masking import MaskContext
from federation.documents.exchanged import Contribution
from federation.documents.membership import Membership
from federation.documents.runs import RoundRecord
from federation.errors import LaborfedError, Reason, Refused, StorageFault, Untrusted
from federation.evidence import Evidence
from federation.log.store import LogEntry, LogStore
from federation.trust import Pin, Trust
from federation.verification import verify_contribution
from federation.wire.codec import decode_envelope

PAGE = 1000  # entries read at a time


class KeptContributions(Protocol):
    """What the coordinator keeps of its rounds."""

    def contribution(self, wanted: bytes, /) -> bytes | None:
        """Return a contribution's envelope bytes by their SHA-256, None when it is not kept."""
        ...


@dataclass(frozen=True)
class Problem:
    """One thing that does not hold; ``leaf_index`` is None when it is the log's as a whole."""

    leaf_index: int | None
    reason: Reason
    sentence: str


@dataclass(frozen=True)
class AuditReport:
    """What an audit saw: how many entries, of which types, sums recomputed, and every problem."""

    entries: int
    by_type: Mapping[str, int]
    sums_recomputed: int
    problems: tuple[Problem, ...]

    @property
    def ok(self) -> bool:
        """Whether everything holds."""
        return not self.problems


def audit(
    log: LogStore, pin: Pin, checkpoint: bytes, kept: KeptContributions | None = None
) -> AuditReport:
    """Re-derive everything the log says, and go on after each problem.

    1. The tree is rebuilt from its entries. 2. Each entry passes acceptance again (steps 1–5, in
    the membership then valid), memberships chained from ``pin``. 3. Each document fits its run:
    consents, round records' chain, votes, closures. 4. With ``kept``, each recorded sum is
    recomputed from the contributions. 5. ``checkpoint``, a signed note the log once gave out, is
    the log's own and a head of this very tree.

    Raises StorageFault(STORAGE) only when the database cannot be read.
    """
    walk = _Walk(log, pin, kept)
    walk.check(None, walk.rebuild_tree)
    for start in range(0, log.head().size, PAGE):
        for entry in log.entries(start, PAGE):
            walk.by_type[entry.payload_type] += 1
            walk.check(entry.index, partial(walk.read, entry))
    walk.check(None, partial(walk.compare_head, checkpoint))
    return AuditReport(
        sum(walk.by_type.values()), dict(walk.by_type), walk.sums, tuple(walk.problems)
    )


class _Walk:
    """One audit in progress."""

    def __init__(self, log: LogStore, pin: Pin, kept: KeptContributions | None) -> None:
        self._log = log
        self._kept = kept
        self._trust = Trust(pin)
        self._evidence = Evidence(self._trust)
        self._door = Acceptance(self._trust, None, Limits(), _NothingHeld())
        self.by_type: Counter[str] = Counter()
        self.sums = 0
        self.problems: list[Problem] = []

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

    def read(self, entry: LogEntry) -> None:
        """Parts 2–4 for one entry."""
        envelope = decode_envelope(entry.envelope)
        stored = entry.digest, entry.payload_type, entry.replay_identity
        if stored != (digest(entry.envelope), envelope.payload_type, replay_identity(envelope)):
            raise StorageFault(Reason.LOG_CORRUPT, "the entry's columns are not its envelope's")
        accepted = self._door.restored(entry.envelope, entry.index)
        if isinstance(accepted.document, Membership):
            self._trust.advance(envelope, accepted.document, entry.index)
        self._evidence.add(accepted)
        if isinstance(accepted.document, RoundRecord) and self._kept is not None:
            self._recompute(accepted.of(RoundRecord), self._kept)

    def compare_head(self, checkpoint: bytes) -> None:
        """Part 5; INCONSISTENT when the note's head is not this tree's at that size."""
        known = read_kept(checkpoint, self._trust)
        if self._log.root(known.size) != known.root:
            raise Untrusted(
                Reason.INCONSISTENT, f"the checkpoint shows another tree of {known.size} entries"
            )

    def _recompute(self, record: Accepted[RoundRecord], kept: KeptContributions) -> None:
        run = self._evidence.run(record.document.charter_digest)
        roster, _ = run.roster(record.document.roster_digest)
        contributions = []
        for recorded in record.document.contributions:
            raw = kept.contribution(recorded.digest)
            if raw is None:
                raise StorageFault(
                    Reason.NOT_FOUND, f"the contribution of {recorded.city} is not kept"
                )
            contributions.append(verify_contribution(raw, record, roster, self._trust))
        if _sum_digest(contributions) != record.document.sum_digest:
            raise Refused(Reason.WRONG_SUM, "the contributions do not give the recorded sum")
        self.sums += 1


class _NothingHeld:
    """An audit meets every entry for the first time."""

    def holds(self, replay_identity: bytes) -> bool:
        return False

    def latest_release_version(self) -> int:
        return 0


def _sum_digest(contributions: Sequence[Contribution]) -> bytes:
    """SHA-256 of the unmasked sum's int64 little-endian bytes."""
    masked = [masking.decode(c.masked, _context(c)) for c in contributions]
    total = masking.unmask_sum(masked, contributions[0].modulus_bits)
    return digest(total.astype("<i8").tobytes())


def _context(contribution: Contribution) -> MaskContext:
    return MaskContext(**{f.name: getattr(contribution, f.name) for f in fields(MaskContext)})
