"""Two heads that one log cannot both have: what each says, and what anybody can check of it.

Lives here: the two signed notes side by side, as a value and as text. Must not know: how they were
met, or what their finder does about it.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime

from federation.crypto.keys import VerifyingKey
from federation.errors import CallerError, Malformed
from federation.log.checkpoint import Checkpoint, read_text, split_note, verify_checkpoint

ROOT_DIGITS = 16


@dataclass(frozen=True)
class Conflict:
    """The note that was ``kept``, the one that was ``shown``, both as they came, and ``why``.

    Either is empty when there was none.
    """

    kept: bytes
    shown: bytes
    why: str

    @property
    def sentence(self) -> str:
        """Name both heads by size, the beginning of the root, and time."""
        return f"{self.why}: kept {told(self.kept)}, shown {told(self.shown)}"


def told(note: bytes) -> str:
    """Return what a note says of its tree, in words; its signature is not looked at."""
    if not note:
        return "nothing"
    try:
        head = read_text(split_note(note)[0])
    except Malformed:
        return "a note that is no head"
    at = datetime.fromtimestamp(head.unix_ms / 1000, UTC).isoformat(timespec="seconds")
    return f"{head.size} entries under {head.root.hex()[:ROOT_DIGITS]} of {at}"


@dataclass(frozen=True, kw_only=True)
class Told:
    """A conflict as it is kept and handed out: ``log_keys`` (hex) are those believed then.

    ``kept`` and ``shown`` are the signed notes' texts, ``sentence`` what their finder made of it.
    """

    at_ms: int
    sentence: str
    log_origin: str
    log_keys: Sequence[str]
    kept: str
    shown: str


@dataclass(frozen=True)
class Verdict:
    """What two signed heads prove to anybody: ``proven`` when they cannot both be one log's."""

    proven: bool
    sentence: str


def signed_by(note: bytes, origin: str, keys: Iterable[VerifyingKey]) -> Checkpoint | None:
    """Return the head if one of ``keys`` signed it for ``origin``, None otherwise."""
    for key in keys:
        try:
            return verify_checkpoint(note, origin, key)
        except CallerError:
            continue
    return None


def verdict_on(kept: Checkpoint | None, shown: Checkpoint | None) -> Verdict:
    """Judge two heads, each None unless the log signed it."""
    if kept is None or shown is None:
        return Verdict(False, "the log did not sign both: this proves nothing against it")
    if kept.size == shown.size:
        if kept.root == shown.root:
            return Verdict(False, "both say the same")
        return Verdict(True, "PROVEN: the log signed two different trees of one size")
    first, second = sorted((kept, shown), key=lambda head: head.size)
    if first.unix_ms > second.unix_ms:
        return Verdict(True, "PROVEN: the log signed a smaller tree after a larger one")
    return Verdict(
        False,
        f"the log must prove that its tree of {second.size} entries extends that of {first.size}: "
        "if it cannot, these are two histories",
    )
