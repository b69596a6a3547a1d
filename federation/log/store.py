"""The log's store: entries, complete subtrees and one head that move together, in SQLite.

Knows 32-byte digests and opaque bytes; must not know what an envelope says, how its digest came
about, who signs the head, or what time it is.
"""

import os
import tempfile
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TypeVar

import sqlalchemy as sql
from sqlalchemy.exc import IntegrityError

from federation.crypto.keys import DIGEST_BYTES
from federation.errors import Malformed, Misconfigured, Reason, Stale, StorageFault
from federation.log import database, merkle, signed
from federation.log.checkpoint import is_key_name
from federation.log.database import Head, corrupt, entries
from federation.log.signed import SignedHead, signed_heads

Result = TypeVar("Result")
Sign = Callable[[Head], bytes]

PAGE = 1000  # entries read at a time while re-deriving the tree

_INDEX_OF = sql.select(entries.c.index).where(
    entries.c.replay_identity == sql.bindparam("identity")
)
_ENTRIES = (
    sql.select(entries)
    .where(entries.c.index >= sql.bindparam("start"))
    .order_by(entries.c.index)
    .limit(sql.bindparam("most"))
)
_APPEND, _APPEND_NODES = entries.insert(), database.nodes.insert()
_MOVE_HEAD = (
    database.head.update()
    .where(
        database.head.c.size == sql.bindparam("old_size"),
        database.head.c.root == sql.bindparam("old_root"),
    )
    .values(size=sql.bindparam("size"), root=sql.bindparam("root"))
)


@dataclass(frozen=True)
class NewEntry:
    """What is appended: ``digest`` becomes the leaf, ``replay_identity`` may occur only once.

    Both have 32 bytes, else Malformed; ``envelope`` is kept as it came.
    """

    digest: bytes
    payload_type: str
    envelope: bytes
    replay_identity: bytes

    def __post_init__(self) -> None:
        if not len(self.digest) == len(self.replay_identity) == DIGEST_BYTES:
            raise Malformed(
                Reason.INVALID_DOCUMENT, "log entry: digest and replay_identity have 32 bytes"
            )


@dataclass(frozen=True)
class LogEntry(NewEntry):
    """An entry with its ``index`` (from 0) and the log's clock at its append, Unix ms."""

    index: int
    appended_ms: int


def create_log(path: Path, origin: str) -> None:
    """Make an empty log, whole or not at all, file mode 0600.

    The only way a history begins: Misconfigured(LOG_EXISTS) when ``path`` is taken,
    Misconfigured(CONFIGURATION) when ``origin`` cannot be a checkpoint's key name.
    """
    if not is_key_name(origin):
        raise Misconfigured(Reason.CONFIGURATION, f"origin {origin!r} cannot name a log")
    with tempfile.TemporaryDirectory(dir=path.parent, prefix=f".{path.name}.") as beside:
        draft = Path(beside) / path.name
        os.close(os.open(draft, os.O_CREAT | os.O_EXCL, 0o600))
        engine = database.engine(draft)
        with database.transaction(engine, write=True) as connection:
            database.metadata.create_all(connection)
            empty = {"only": 1, "origin": origin, "size": 0, "root": merkle.EMPTY_ROOT}
            connection.execute(database.head.insert(), empty)
        engine.dispose()
        try:
            os.link(draft, path)
        except FileExistsError:
            raise Misconfigured(
                Reason.LOG_EXISTS, f"{path} exists: a log is begun only once"
            ) from None


class LogStore:
    """An open log. Safe to share between threads; several processes may append to one file.

    Raises Misconfigured(LOG_MISSING) when there is no file at ``path``: opening never begins a log.
    Every method raises StorageFault(STORAGE) when the database fails.
    """

    def __init__(self, path: Path) -> None:
        if not path.is_file():
            raise Misconfigured(Reason.LOG_MISSING, f"there is no log at {path}")
        self._engine = database.engine(path)
        self.head()  # a file without one is no log, and is not made one below
        if not sql.inspect(self._engine).has_table(signed_heads.name):
            # a log of an earlier version: from now on it keeps what it signs
            with database.transaction(self._engine, write=True) as connection:
                signed_heads.create(connection, checkfirst=True)

    def close(self) -> None:
        """Close every connection."""
        self._engine.dispose()

    def head(self) -> Head:
        """Return the head; StorageFault(LOG_CORRUPT) when the file holds none."""
        with database.transaction(self._engine) as connection:
            return database.read_head(connection)

    def check_head(self) -> Head:
        """Return the head once the subtrees under it gave its root; StorageFault(LOG_CORRUPT)."""
        head = self.head()
        if self.root(head.size) != head.root:
            raise corrupt("stored subtrees do not add up to the head")
        return head

    def prove_writable(self) -> None:
        """Write to the log's file without appending; StorageFault(STORAGE) when that fails."""
        database.prove_writable(self._engine)

    def count_by_type(self, start: int = 0) -> dict[str, int]:
        """Return how many entries from index ``start`` on are of each payload type."""
        query = sql.select(entries.c.payload_type, sql.func.count()).where(entries.c.index >= start)
        with database.transaction(self._engine) as connection:
            rows = connection.execute(query.group_by(entries.c.payload_type))
            return {str(kind): int(count) for kind, count in rows}

    def append(self, batch: Sequence[NewEntry], now_ms: int, sign: Sign | None = None) -> list[int]:
        """Append the batch durably and return its indexes: all of it or, on any error, nothing.

        ``sign`` returns the signed note of the new head, which is kept in the same commit.
        Stale(REPLAYED) names the index a replay identity already has; StorageFault(HEAD_MOVED) when
        the head is not the one the new root was built on, LOG_CORRUPT when stored subtrees do not
        add up to the head.
        """
        try:
            with database.transaction(self._engine, write=True) as connection:
                return _append(connection, batch, now_ms, sign)
        except IntegrityError as error:
            self._refuse_replays(batch)
            raise StorageFault(Reason.LOG_CORRUPT, f"the log refuses an entry: {error}") from error

    def sign_head(self, sign: Sign) -> tuple[Head, bytes]:
        """Have the head as it is now signed, keep the note durably and return both.

        Heads are signed by whoever holds the write lock, as in :meth:`append`: no smaller tree is
        ever signed after a larger one.
        """
        try:
            with database.transaction(self._engine, write=True) as connection:
                head = database.read_head(connection)
                note = sign(head)
                signed.keep(connection, SignedHead(size=head.size, root=head.root, note=note))
        except IntegrityError as error:
            raise StorageFault(Reason.STORAGE, f"the log refuses a head: {error.orig}") from error
        return head, note

    def keep_signed(self, head: SignedHead) -> None:
        """Keep durably what was gathered under a head, before anybody is given it."""
        with database.transaction(self._engine, write=True) as connection:
            signed.keep(connection, head)

    def latest_signed(self, *, cosigned: bool = False) -> SignedHead | None:
        """Return what is kept of the largest tree (that witnesses co-signed), if anything."""
        with database.transaction(self._engine) as connection:
            return signed.latest(connection, cosigned=cosigned)

    def signed_heads(self) -> Iterator[SignedHead]:
        """Yield everything this log ever signed of itself, by size and root.

        StorageFault(LOG_CORRUPT) for a row that cannot be a head.
        """
        after = -1
        while True:
            with database.transaction(self._engine) as connection:
                page = list(signed.every(connection, after, PAGE))
            if not page:
                return
            yield from page
            after = page[-1].size

    def index_of(self, replay_identity: bytes) -> int | None:
        """Return the index of the entry with this replay identity, if there is one."""
        with database.transaction(self._engine) as connection:
            found: int | None = connection.scalar(_INDEX_OF, {"identity": replay_identity})
        return found

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
        wanted = {"start": start, "most": limit}
        with database.transaction(self._engine) as connection:
            return [_entry(row) for row in connection.execute(_ENTRIES, wanted).mappings()]

    def root(self, size: int) -> bytes:
        """Return the root the log had at ``size`` leaves; Malformed(NOT_FOUND) beyond the head."""
        return self._prove(size, lambda node: merkle.root(size, node))

    def inclusion(self, index: int, size: int) -> merkle.Proof:
        """Return the proof that entry ``index`` is in the tree of ``size`` (RFC 9162 §2.1.3.1).

        Malformed(NOT_FOUND) unless 0 ≤ index < size ≤ head.
        """
        if not 0 <= index < size:
            raise Malformed(Reason.NOT_FOUND, f"no entry {index} in a tree of {size}")
        return self._prove(size, lambda node: merkle.inclusion_proof(index, size, node))

    def consistency(self, old: int, new: int) -> merkle.Proof:
        """Return the proof that the tree of ``new`` extends that of ``old`` (RFC 9162 §2.1.4.1).

        Malformed(NOT_FOUND) unless 0 ≤ old ≤ new ≤ head.
        """
        if not 0 <= old <= new:
            raise Malformed(Reason.NOT_FOUND, f"a tree of {new} does not extend one of {old}")
        return self._prove(new, lambda node: merkle.consistency_proof(old, new, node))

    def rebuild_root(self) -> Iterator[Head]:
        """Re-derive the tree from the entries alone, yielding the head after each 1,000 of them.

        The last one yielded is the stored head. StorageFault(LOG_CORRUPT) when an entry is missing,
        lies beyond the head, or a stored subtree or root is not what the entries give.
        """
        with database.transaction(self._engine) as connection:
            head = database.read_head(connection)
            count, beyond = connection.execute(
                sql.select(sql.func.count(), sql.func.max(entries.c.index))
            ).one()
        if count != head.size or (beyond if beyond is not None else -1) != head.size - 1:
            raise corrupt(f"{count} entries up to index {beyond} under a head of {head.size}")
        size, known, rebuilt = 0, dict[merkle.Coordinate, bytes](), merkle.EMPTY_ROOT
        while size < head.size:
            page = self.entries(size, min(PAGE, head.size - size))
            if not page or page[-1].index != size + len(page) - 1:
                raise corrupt(f"entries are missing after index {size}")
            made = merkle.extend(size, (merkle.leaf_hash(e.digest) for e in page), known)
            self._compare(made)
            size += len(page)
            known = {at: made[at] if at in made else known[at] for at in merkle.frontier(size)}
            rebuilt = merkle.root(size, known.__getitem__)
            yield Head(head.origin, size, rebuilt)
        if rebuilt != head.root:
            raise corrupt("the entries do not give the stored root")

    def roots(self) -> Iterator[bytes]:
        """Yield the root of every size from 0 on, from the entries alone, as far as they go."""
        size, known = 0, dict[merkle.Coordinate, bytes]()
        yield merkle.EMPTY_ROOT
        while page := self.entries(size, PAGE):
            for entry in page:
                if entry.index != size:
                    return
                made = merkle.extend(size, [merkle.leaf_hash(entry.digest)], known)
                size += 1
                known = {at: made[at] if at in made else known[at] for at in merkle.frontier(size)}
                yield merkle.root(size, known.__getitem__)

    def _compare(self, made: dict[merkle.Coordinate, bytes]) -> None:
        with database.transaction(self._engine) as connection:
            stored = database.read_nodes(connection, list(made))
        for (level, position), value in made.items():
            if stored[level, position] != value:
                raise corrupt(f"subtree {position} of level {level} is not what its entries give")

    def _prove(self, size: int, compute: Callable[[merkle.NodeReader], Result]) -> Result:
        with database.transaction(self._engine) as connection:
            head = database.read_head(connection)
            if not 0 <= size <= head.size:
                raise Malformed(Reason.NOT_FOUND, f"the log has {head.size} entries, not {size}")
            return database.with_nodes(connection, compute)

    def _refuse_replays(self, batch: Sequence[NewEntry]) -> None:
        seen: set[bytes] = set()
        for number, new in enumerate(batch, start=1):
            earlier = self.index_of(new.replay_identity)
            if earlier is not None:
                raise Stale(Reason.REPLAYED, f"the same statement is entry {earlier} of the log")
            if new.replay_identity in seen:
                raise Stale(Reason.REPLAYED, f"statement {number} of the batch is in it twice")
            seen.add(new.replay_identity)


def _entry(row: sql.RowMapping) -> LogEntry:
    # SQLite keeps any type in any column
    if not all(isinstance(row[name], bytes) for name in ("digest", "envelope", "replay_identity")):
        raise corrupt(f"entry {row['index']} holds what are no bytes")
    try:
        return LogEntry(**row)
    except Malformed as error:
        raise corrupt(f"entry {row['index']}: {error.message}") from error


def _append(
    connection: sql.Connection, batch: Sequence[NewEntry], now_ms: int, sign: Sign | None
) -> list[int]:
    head = database.read_head(connection)
    known = database.read_nodes(connection, merkle.frontier(head.size))
    if merkle.root(head.size, known.__getitem__) != head.root:
        raise corrupt("stored subtrees do not add up to the head")
    indexes = list(range(head.size, head.size + len(batch)))
    if not batch:
        return indexes
    rows = [
        {**vars(new), "index": index, "appended_ms": now_ms}
        for index, new in zip(indexes, batch, strict=True)
    ]
    made = merkle.extend(head.size, (merkle.leaf_hash(new.digest) for new in batch), known)
    inner = [
        {"level": level, "position": position, "hash": value}
        for (level, position), value in made.items()
        if level
    ]
    connection.execute(_APPEND, rows)
    if inner:
        connection.execute(_APPEND_NODES, inner)
    size = head.size + len(batch)
    new_head = Head(head.origin, size, merkle.root(size, (known | made).__getitem__))
    _move_head(connection, head, new_head)
    if sign is not None:
        signed.keep(connection, SignedHead(size=size, root=new_head.root, note=sign(new_head)))
    return indexes


def _move_head(connection: sql.Connection, old: Head, new: Head) -> None:
    sizes = {"old_size": old.size, "old_root": old.root, "size": new.size, "root": new.root}
    if connection.execute(_MOVE_HEAD, sizes).rowcount != 1:
        raise StorageFault(
            Reason.HEAD_MOVED, f"the head is no longer at {old.size}: nothing was appended"
        )
