"""The log as one snapshot shows it: entries, and proofs over stored subtrees.

Lives here: every question to entries and tree that changes nothing. Must not know: who asks, or
how long a transaction lasts.
"""

from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property
from typing import TypeVar

import sqlalchemy as sql

from federation.errors import Malformed, Reason
from federation.log import database, merkle
from federation.log.database import Head, corrupt, entries
from federation.log.entry import LogEntry

Result = TypeVar("Result")

_INDEX_OF = sql.select(entries.c.index).where(
    entries.c.replay_identity == sql.bindparam("identity")
)
_STATED = sql.select(entries).where(entries.c.replay_identity == sql.bindparam("identity"))
_ENTRIES = (
    sql.select(entries)
    .where(entries.c.index >= sql.bindparam("start"))
    .order_by(entries.c.index)
    .limit(sql.bindparam("most"))
)


@dataclass(frozen=True, kw_only=True, slots=True)
class Proven:
    """An entry's proof in one tree, and that tree's from an older one with ``old_root``."""

    inclusion: merkle.Proof
    consistency: merkle.Proof
    old_root: bytes


class Reading:
    """One snapshot of the log; of no use once its transaction is over."""

    def __init__(self, connection: sql.Connection) -> None:
        self._connection = connection

    @cached_property
    def head(self) -> Head:
        """The head; StorageFault(LOG_CORRUPT) when the file holds none."""
        return database.read_head(self._connection)

    def index_of(self, replay_identity: bytes) -> int | None:
        """Return the index of the entry with this replay identity, if there is one."""
        found: int | None = self._connection.scalar(_INDEX_OF, {"identity": replay_identity})
        return found

    def stated(self, replay_identity: bytes) -> LogEntry | None:
        """Return the entry with this replay identity, if there is one; raises as entries."""
        found = self._connection.execute(_STATED, {"identity": replay_identity}).mappings()
        return next(map(_entry, found), None)

    def entry(self, index: int) -> LogEntry:
        """Return one entry; Malformed(NOT_FOUND) when the log does not reach so far."""
        found = self.entries(index, 1)
        if not found or found[0].index != index:
            raise Malformed(Reason.NOT_FOUND, f"the log has no entry {index}")
        return found[0]

    def entries(self, start: int, limit: int) -> list[LogEntry]:
        """Return up to ``limit`` entries from index ``start``, in order.

        StorageFault(LOG_CORRUPT) when a stored one cannot be an entry.
        """
        found = self._connection.execute(_ENTRIES, {"start": start, "most": limit})
        return [_entry(row) for row in found.mappings()]

    def root(self, size: int) -> bytes:
        """Return the root the log had at ``size`` leaves; Malformed(NOT_FOUND) beyond the head."""
        return self._prove(size, lambda node: merkle.root(size, node))

    def inclusion(self, index: int, size: int) -> merkle.Proof:
        """Return the proof that entry ``index`` is in the tree of ``size`` (RFC 9162 §2.1.3.1).

        Malformed(NOT_FOUND) unless 0 ≤ index < size ≤ head.
        """
        _check_in_tree(index, size)
        return self._prove(size, lambda node: merkle.inclusion_proof(index, size, node))

    def consistency(self, old: int, new: int) -> merkle.Proof:
        """Return the proof that the tree of ``new`` extends that of ``old`` (RFC 9162 §2.1.4.1).

        Malformed(NOT_FOUND) unless 0 ≤ old ≤ new ≤ head.
        """
        _check_extends(old, new)
        return self._prove(new, lambda node: merkle.consistency_proof(old, new, node))

    def proven(self, index: int, old: int, new: int) -> Proven:
        """Return :meth:`inclusion` in the tree of ``new`` with :meth:`consistency` from ``old``.

        Raises as both; subtrees that both need are read once.
        """
        _check_in_tree(index, new)
        _check_extends(old, new)
        return self._prove(new, lambda node: prove(index, old, new, node))

    def _prove(self, size: int, compute: Callable[[merkle.NodeReader], Result]) -> Result:
        if not 0 <= size <= self.head.size:
            raise Malformed(Reason.NOT_FOUND, f"the log has {self.head.size} entries, not {size}")
        return database.with_nodes(self._connection, compute)


def prove(index: int, old: int, new: int, node: merkle.NodeReader) -> Proven:
    """Return what places entry ``index`` in the tree of ``new`` and that after ``old``."""
    return Proven(
        inclusion=merkle.inclusion_proof(index, new, node),
        consistency=merkle.consistency_proof(old, new, node),
        old_root=merkle.root(old, node),
    )


def _check_in_tree(index: int, size: int) -> None:
    if not 0 <= index < size:
        raise Malformed(Reason.NOT_FOUND, f"no entry {index} in a tree of {size}")


def _check_extends(old: int, new: int) -> None:
    if not 0 <= old <= new:
        raise Malformed(Reason.NOT_FOUND, f"a tree of {new} does not extend one of {old}")


def _entry(row: sql.RowMapping) -> LogEntry:
    # SQLite keeps any type in any column
    if not all(isinstance(row[name], bytes) for name in ("digest", "envelope", "replay_identity")):
        raise corrupt(f"entry {row['index']} holds what are no bytes")
    try:
        return LogEntry(**row)
    except Malformed as error:
        raise corrupt(f"entry {row['index']}: {error.message}") from error
