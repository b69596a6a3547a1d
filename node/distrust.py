"""What this node holds against the log: the notes it was shown, and whether it still believes.

Lives here: two cells of the store, the evidence and the verdict. Must not know: how a conflict was
found, or what stops while it stands.
"""

import json
from collections.abc import Iterable
from dataclasses import asdict

from sqlalchemy import Connection

from federation.crypto.keys import VerifyingKey
from federation.log.checkpoint import MAX_NOTE_BYTES
from federation.log.conflict import Conflict, Told
from node.store import cells

VERDICT = "log/distrust"
EVIDENCE = "log/evidence"
MOST_KEPT = 16  # conflicts; the first ones say most


def evidence_of(conflict: Conflict, origin: str, keys: Iterable[VerifyingKey], at_ms: int) -> Told:
    """Return what is to be kept of a conflict."""
    return Told(
        at_ms=at_ms,
        sentence=conflict.sentence,
        log_origin=origin,
        log_keys=tuple(key.raw.hex() for key in keys),
        kept=_text(conflict.kept),
        shown=_text(conflict.shown),
    )


def keep(connection: Connection, evidence: Told) -> None:
    """Keep a conflict for good; the same two notes are one."""
    held = every(connection)
    if len(held) < MOST_KEPT and (evidence.kept, evidence.shown) not in {
        (one.kept, one.shown) for one in held
    }:
        told = [asdict(one) for one in (*held, evidence)]
        cells.put(connection, EVIDENCE, json.dumps(told, ensure_ascii=False).encode())


def every(connection: Connection) -> list[Told]:
    """All conflicts kept, oldest first."""
    raw = cells.get(connection, EVIDENCE)
    told = [] if raw is None else json.loads(raw)
    return [Told(**{**one, "log_keys": tuple(one["log_keys"])}) for one in told]


def stop(connection: Connection, sentence: str) -> None:
    """Write down that the log is not believed any more, and why."""
    cells.put(connection, VERDICT, sentence.encode())


def verdict(connection: Connection) -> str | None:
    """Why the log is not believed, None while it is."""
    raw = cells.get(connection, VERDICT)
    return None if raw is None else raw.decode()


def lift(connection: Connection) -> None:
    """Believe the log again from the kept head on; the evidence stays."""
    cells.remove(connection, VERDICT)


def _text(note: bytes) -> str:
    return note[:MAX_NOTE_BYTES].decode("utf-8", "replace")
