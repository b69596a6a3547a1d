"""The log's heads: signed once, kept before they are given away, co-signed by witnesses on demand.

Lives here: which head an entry is proven in, and gathering co-signatures for it. Must not know:
what an entry says, or over what witnesses are reached.
"""

import threading
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from typing import Protocol

from federation.cosigning import cosigners, witness_keys
from federation.crypto.keys import SigningKey, VerifyingKey
from federation.errors import LaborfedError, PeerError, Reason
from federation.log.checkpoint import (
    Checkpoint,
    read_text,
    sign_checkpoint,
    split_note,
    verify_checkpoint,
)
from federation.log.database import Head
from federation.log.merkle import Proof
from federation.log.signed import SignedHead
from federation.log.store import LogStore
from federation.trust import Known

# A head is signed again only after this long: well below the age at which readers refuse it.
REUSE_MS = 2 * 60_000
# Who asks for a head alone may be comparing clocks.
PRECISE_MS = 5_000
# Witnesses that have seen a newer head than the one they are asked about are asked about that.
MOST_HEADS = 3
MOST_COUNTED = 256


@dataclass(frozen=True, kw_only=True)
class Asking:
    """One head to be co-signed: its ``note``, its text, its ``size``, and by whom.

    ``witnesses`` have not signed it yet, ``needed`` of them must. ``prove`` returns the proof that
    the head extends the tree of a smaller size. Who does not attend is waited for ``patience_s``.
    """

    note: bytes
    text: str
    size: int
    witnesses: Mapping[str, VerifyingKey]
    needed: int
    prove: Callable[[int], Proof]
    patience_s: float


@dataclass(frozen=True)
class Gathered:
    """Verified signature lines by division, and why others gave none."""

    lines: Mapping[str, bytes]
    faults: Mapping[str, str]


class Witnesses(Protocol):
    """Reaches witnesses; must verify each line it returns."""

    def gather(self, asking: Asking, /) -> Gathered:
        """Ask all at the same time; return once enough have signed or no more can be hoped for."""
        ...


@dataclass(frozen=True)
class Signed:
    """A head with its signed ``note``, dated ``unix_ms``."""

    head: Head
    note: bytes
    unix_ms: int


class Heads:
    """The signed heads of one log. Safe to share between threads; one of it per log.

    ``keys`` sign, the first being the log's key now. Without ``witnesses`` nothing is co-signed.
    """

    def __init__(
        self,
        log: LogStore,
        keys: Sequence[SigningKey],
        clock_ms: Callable[[], int],
        witnesses: Witnesses | None,
    ) -> None:
        self._log = log
        self._keys = keys
        self._clock_ms = clock_ms
        self._witnesses = witnesses
        self._signing = threading.Lock()
        self._gathering = threading.Lock()
        self._newest = self._restored(cosigned=False)
        self._cosigned = self._restored(cosigned=True)
        self._gathered: Signed | None = None
        self._counted: dict[tuple[bytes, bytes], int] = {}

    def sign(self, head: Head) -> bytes:
        """Return a head's note; whoever asks must keep it before it is given away."""
        checkpoint = Checkpoint(head.origin, head.size, head.root, self._clock_ms())
        notes = [sign_checkpoint(checkpoint, key) for key in self._keys]
        return notes[0] + b"".join(other.rpartition(b"\n\n")[2] for other in notes[1:])

    def appended(self, head: Head, note: bytes) -> Signed:
        """Return a head whose note was kept with the entry that made it, and verified since."""
        signed = Signed(head, note, read_text(split_note(note)[0]).unix_ms)
        with self._signing:
            if self._newest is None or self._newest.head.size <= head.size:
                self._newest = signed
        return signed

    def newest(self, most_ms: int = REUSE_MS) -> Signed:
        """Return the log's head under a signature not older than ``most_ms``, kept durably."""
        with self._signing:
            signed = self._newest
            stale = signed is None or not self.fresh(signed, most_ms)
            if signed is None or stale or signed.head != self._log.head():
                head, note = self._log.sign_head(self.sign)
                signed = Signed(head, note, self._verified(head, note).unix_ms)
                self._newest = signed
        return signed

    def covering(self, index: int, kept_size: int, judge: Known | None) -> Signed | None:
        """Return the head to prove entry ``index`` in to a reader who keeps ``kept_size``.

        ``judge``: the membership whose quorum must have co-signed it, None when none need. Returns
        None when :meth:`cosign` has to gather it first.
        """
        ready = self._cosigned
        if (
            ready is not None
            and ready.head.size >= max(index + 1, kept_size)
            and self.fresh(ready)
            and (judge is None or self._missing(ready, judge) <= 0)
        ):
            return ready
        return self.newest() if judge is None else None

    def fresh(self, signed: Signed, most_ms: int = REUSE_MS) -> bool:
        """Whether a head need not be signed again to be given away."""
        # a clock that was set back makes a head look younger than it is
        return 0 <= self._clock_ms() - signed.unix_ms <= most_ms

    def cosign(self, judge: Known, patience_s: float) -> Signed:
        """Have the newest head co-signed by the quorum of ``judge``, and keep it.

        PeerError(NOT_WITNESSED) names how many signed, and who did not and why.
        """
        with self._gathering:
            return self._cosign(judge, patience_s)

    def cosign_unless_under_way(self, judge: Known) -> Signed | None:
        """:meth:`cosign` without patience; None at once while another thread is at it."""
        if not self._gathering.acquire(blocking=False):
            return None
        try:
            return self._cosign(judge, 0.0)
        finally:
            self._gathering.release()

    def _cosign(self, judge: Known, patience_s: float) -> Signed:
        for _ in range(MOST_HEADS):
            signed, faults = self._gather(judge, patience_s)
            if self._missing(signed, judge) <= 0:
                head = signed.head
                kept = SignedHead(
                    size=head.size, root=head.root, note=signed.note, cosigned=signed.note
                )
                self._log.keep_signed(kept)
                self._cosigned = signed
                return signed
            if self._log.head() == signed.head:
                break
        raise _not_witnessed(signed.note, judge, faults)

    def _gather(self, judge: Known, patience_s: float) -> tuple[Signed, Mapping[str, str]]:
        signed = self.newest()
        # who co-signed this very note before, for another membership or in vain, is not asked again
        for before in (self._gathered, self._cosigned):
            if before is not None and split_note(before.note)[0] == split_note(signed.note)[0]:
                signed = before
        done, size = cosigners(signed.note, judge.membership), signed.head.size
        needed = judge.membership.witness_quorum - len(done)
        if needed <= 0 or self._witnesses is None:
            return signed, {}
        keys = witness_keys(judge.membership)
        gathered = self._witnesses.gather(
            Asking(
                note=signed.note,
                text=split_note(signed.note)[0],
                size=size,
                witnesses={d: key for d, key in keys.items() if d not in done},
                needed=needed,
                prove=cache(lambda old: self._log.consistency(old, size)),
                patience_s=patience_s,
            )
        )
        lines = b"".join(gathered.lines[division] for division in sorted(gathered.lines))
        self._gathered = Signed(signed.head, signed.note + lines, signed.unix_ms)
        return self._gathered, gathered.faults

    def _restored(self, *, cosigned: bool) -> Signed | None:
        """What was signed last before a restart; what does not hold an audit will tell of."""
        origin = self._log.head().origin
        try:
            kept = self._log.latest_signed(cosigned=cosigned)
            if kept is None:
                return None
            note = kept.cosigned if cosigned and kept.cosigned is not None else kept.note
            head = Head(origin, kept.size, kept.root)
            shown = self._verified(head, note)
            if self._log.root(kept.size) == kept.root == shown.root:
                return Signed(head, note, shown.unix_ms)
        except LaborfedError:
            pass
        return None

    def _verified(self, head: Head, note: bytes) -> Checkpoint:
        return verify_checkpoint(note, head.origin, self._keys[0].public)

    def _missing(self, signed: Signed, judge: Known) -> int:
        """How many co-signatures the quorum of ``judge`` still lacks; counted once, for speed."""
        key = signed.note, judge.digest
        if key not in self._counted:
            done = cosigners(signed.note, judge.membership)
            if len(self._counted) >= MOST_COUNTED:
                self._counted.clear()
            self._counted[key] = judge.membership.witness_quorum - len(done)
        return self._counted[key]


def _not_witnessed(note: bytes, judge: Known, faults: Mapping[str, str]) -> PeerError:
    membership = judge.membership
    done = cosigners(note, membership)
    absent = ", ".join(
        f"{division} ({faults.get(division, 'not asked')})"
        for division in membership.witnesses
        if division not in done
    )
    return PeerError(
        Reason.NOT_WITNESSED,
        f"it is logged, and given away once {membership.witness_quorum} witnesses have co-signed "
        f"the log's head: {len(done)} did, missing are {absent}",
    )
