"""The log's store: entries, complete subtrees and one head that move together, in SQLite.

Knows 32-byte digests and opaque bytes; must not know what an envelope says, how its digest came
about, who signs the head, or what time it is.
"""

import os
import tempfile
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import sqlalchemy as sql
from sqlalchemy.exc import IntegrityError

from federation.errors import Misconfigured, Reason, Stale, StorageFault
from federation.log import database, merkle, signed
from federation.log.checkpoint import is_key_name
from federation.log.database import Head, corrupt, entries
from federation.log.entry import LogEntry, NewEntry
from federation.log.reading import Proven, Reading, prove
from federation.log.signed import SignedHead, signed_heads

Sign = Callable[[Head], bytes]

PAGE = 1000  # entries read at a time while re-deriving the tree

_APPEND, _APPEND_NODES = entries.insert(), database.nodes.insert()
_MOVE_HEAD = (
    database.head.update()
    .where(
        database.head.c.size == sql.bindparam("old_size"),
        database.head.c.root == sql.bindparam("old_root"),
    )
    .values(size=sql.bindparam("size"), root=sql.bindparam("root"))
)


@dataclass(frozen=True, kw_only=True, slots=True)
class Appended:
    """One entry as it was appended, with the signed ``note`` of the ``head`` that it made.

    ``proven`` places it in that head and shows that this extends the one ``before``.
    """

    entry: LogEntry
    before: Head
    head: Head
    note: bytes
    proven: Proven


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
        grown = self._grow(batch, now_ms, sign)
        return list(range(grown.before.size, grown.head.size))

    def append_one(self, new: NewEntry, on: Head, now_ms: int, sign: Sign) -> Appended:
        """:meth:`append` one entry ``on`` this head alone; return it proven, reading nothing back.

        StorageFault(HEAD_MOVED) when the log has another head: then nothing is signed.
        """
        grown = self._grow([new], now_ms, sign, on)
        index, size = grown.before.size, grown.head.size
        return Appended(
            entry=LogEntry(**vars(new), index=index, appended_ms=now_ms),
            before=grown.before,
            head=grown.head,
            note=grown.note,
            # the frontier before and what the entry completed are all that its proof consists of
            proven=prove(index, index, size, grown.nodes.__getitem__),
        )

    def _grow(
        self, batch: Sequence[NewEntry], now_ms: int, sign: Sign | None, on: Head | None = None
    ) -> "_Grown":
        try:
            with database.transaction(self._engine, write=True) as connection:
                head, known = _frontier(connection)
                if on is not None and head != on:
                    raise StorageFault(Reason.HEAD_MOVED, "somebody else has written to the log")
                return _append(connection, head, known, batch, now_ms, sign)
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

    @contextmanager
    def reading(self) -> Iterator[Reading]:
        """Show the log as it is now, for several questions; each method below asks one."""
        with database.transaction(self._engine) as connection:
            yield Reading(connection)

    def index_of(self, replay_identity: bytes) -> int | None:
        """Answer as :meth:`Reading.index_of`."""
        with self.reading() as snapshot:
            return snapshot.index_of(replay_identity)

    def stated(self, replay_identity: bytes) -> LogEntry | None:
        """Answer as :meth:`Reading.stated`."""
        with self.reading() as snapshot:
            return snapshot.stated(replay_identity)

    def entry(self, index: int) -> LogEntry:
        """Answer as :meth:`Reading.entry`."""
        with self.reading() as snapshot:
            return snapshot.entry(index)

    def entries(self, start: int, limit: int) -> list[LogEntry]:
        """Answer as :meth:`Reading.entries`."""
        with self.reading() as snapshot:
            return snapshot.entries(start, limit)

    def root(self, size: int) -> bytes:
        """Answer as :meth:`Reading.root`."""
        with self.reading() as snapshot:
            return snapshot.root(size)

    def inclusion(self, index: int, size: int) -> merkle.Proof:
        """Answer as :meth:`Reading.inclusion`."""
        with self.reading() as snapshot:
            return snapshot.inclusion(index, size)

    def consistency(self, old: int, new: int) -> merkle.Proof:
        """Answer as :meth:`Reading.consistency`."""
        with self.reading() as snapshot:
            return snapshot.consistency(old, new)

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

    def _refuse_replays(self, batch: Sequence[NewEntry]) -> None:
        seen: set[bytes] = set()
        for number, new in enumerate(batch, start=1):
            earlier = self.index_of(new.replay_identity)
            if earlier is not None:
                raise Stale(Reason.REPLAYED, f"the same statement is entry {earlier} of the log")
            if new.replay_identity in seen:
                raise Stale(Reason.REPLAYED, f"statement {number} of the batch is in it twice")
            seen.add(new.replay_identity)


@dataclass(frozen=True, slots=True)
class _Grown:
    """Two heads, the later one's note (empty without a signer), and the subtrees in between."""

    before: Head
    head: Head
    note: bytes
    nodes: Mapping[merkle.Coordinate, bytes]


def _frontier(connection: sql.Connection) -> tuple[Head, dict[merkle.Coordinate, bytes]]:
    """The head and the complete subtrees it consists of, which must add up to it."""
    head = database.read_head(connection)
    known = database.read_nodes(connection, merkle.frontier(head.size))
    if merkle.root(head.size, known.__getitem__) != head.root:
        raise corrupt("stored subtrees do not add up to the head")
    return head, known


def _append(
    connection: sql.Connection,
    head: Head,
    known: Mapping[merkle.Coordinate, bytes],
    batch: Sequence[NewEntry],
    now_ms: int,
    sign: Sign | None,
) -> _Grown:
    if not batch:
        return _Grown(head, head, b"", known)
    rows = [
        {**vars(new), "index": index, "appended_ms": now_ms}
        for index, new in enumerate(batch, start=head.size)
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
    size, nodes = head.size + len(batch), {**known, **made}
    new_head = Head(head.origin, size, merkle.root(size, nodes.__getitem__))
    _move_head(connection, head, new_head)
    note = b""
    if sign is not None:
        note = sign(new_head)
        signed.keep(connection, SignedHead(size=size, root=new_head.root, note=note))
    return _Grown(head, new_head, note, nodes)


def _move_head(connection: sql.Connection, old: Head, new: Head) -> None:
    sizes = {"old_size": old.size, "old_root": old.root, "size": new.size, "root": new.root}
    if connection.execute(_MOVE_HEAD, sizes).rowcount != 1:
        raise StorageFault(
            Reason.HEAD_MOVED, f"the head is no longer at {old.size}: nothing was appended"
        )
