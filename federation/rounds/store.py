"""What the coordinator keeps of runs: its own documents in order, every signed contribution, and
whether a run is to go on.

Lives here: the tables and their queries. Must not know: the order of a run or what an envelope
says. A document is kept here before it is logged, so that a restart logs the very same bytes.
"""

from collections.abc import Mapping
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, field
from enum import StrEnum
from pathlib import Path

import sqlalchemy as sql
from sqlalchemy.dialects import sqlite

from federation.crypto.envelope import Body
from federation.crypto.keys import digest
from federation.errors import Reason, StorageFault
from federation.log import database
from federation.log.database import transaction
from federation.vectors import Place, VectorFile

metadata = sql.MetaData()
_DIGEST = sql.LargeBinary(32)

journal = sql.Table(
    "journal",
    metadata,
    sql.Column("number", sql.Integer, primary_key=True),
    sql.Column("charter_digest", _DIGEST, nullable=False, index=True),
    sql.Column("envelope", sql.LargeBinary, nullable=False),
)
contributions = sql.Table(
    "contributions",
    metadata,
    sql.Column("digest", _DIGEST, primary_key=True),
    sql.Column("charter_digest", _DIGEST, nullable=False, index=True),
    sql.Column("city", sql.String(6), nullable=False),
    sql.Column("envelope", sql.LargeBinary, nullable=False),
    sql.Column("start", sql.Integer, nullable=False),
    sql.Column("size", sql.Integer, nullable=False),
)
sums = sql.Table(
    "sums",
    metadata,
    sql.Column("digest", _DIGEST, primary_key=True),
    sql.Column("start", sql.Integer, nullable=False),
    sql.Column("size", sql.Integer, nullable=False),
)
standings = sql.Table(
    "standings",
    metadata,
    sql.Column("charter_digest", _DIGEST, primary_key=True),
    sql.Column("standing", sql.String(16), nullable=False),
    sql.Column("fault", sql.Text, nullable=False),
)


class Standing(StrEnum):
    """Whether a run is to go on."""

    ON = "on"  # it goes on, after a restart as well
    CARRIED = "carried"  # as on, and after a restart it waits for its carrier
    PAUSED = "paused"  # it waits for an operator
    CLOSING = "closing"  # an operator wants its end logged
    OVER = "over"  # it is closed, or was not started: nothing is left to do


@dataclass(frozen=True)
class Stands:
    """A run's standing, and the sentence of what stopped it last, empty when nothing did."""

    standing: Standing
    fault: str = ""


@dataclass(frozen=True)
class Summed:
    """What a round's record is about: every contribution, by city, and the bytes of their sum.

    ``laid``: vectors that :meth:`RunStore.lay_down` is putting on disk already, by city.
    """

    contributions: Mapping[str, Body]
    total: bytes
    laid: Mapping[str, "Future[Place]"] = field(default_factory=dict)


@dataclass(frozen=True)
class _Rows:
    """What is written of a round: nothing for a document that records none."""

    contributions: list[dict[str, object]] = field(default_factory=list)
    sum: dict[str, object] = field(default_factory=dict)


_KEEP_SUM = sqlite.insert(sums).on_conflict_do_nothing()
_KEEP_CONTRIBUTIONS = sqlite.insert(contributions).on_conflict_do_nothing()
_KEEP_DOCUMENT = sql.insert(journal)


class RunStore:
    """Runs in the existing database ``path``. Raises StorageFault(STORAGE) when it fails."""

    def __init__(self, path: Path) -> None:
        self._engine = database.engine(path)
        self._vectors = VectorFile(path)
        self._laying = ThreadPoolExecutor(1, thread_name_prefix="vectors")

    def close(self) -> None:
        """Close every connection."""
        self._laying.shutdown()
        self._engine.dispose()

    def lay_down(self, vector: bytes) -> "Future[Place]":
        """Begin to put a vector on disk, while others are awaited: :meth:`keep` names its place.

        After :meth:`close`, when a run goes on until its process ends, it is done at once.
        """
        try:
            return self._laying.submit(self._lay, vector)
        except RuntimeError:
            done: Future[Place] = Future()
            done.set_result(self._lay(vector))
            return done

    def _lay(self, vector: bytes) -> Place:
        return self._vectors.append([vector])[0]

    def keep(self, charter_digest: bytes, envelope: bytes, round_: Summed | None = None) -> None:
        """Keep one of the coordinator's documents, durably, after all others of its run.

        ``round_``: what it records, with it or not at all.
        """
        entry = {"charter_digest": charter_digest, "envelope": envelope}
        rows = _Rows() if round_ is None else self._rows_of(charter_digest, round_)
        with transaction(self._engine, write=True) as connection:
            if rows.contributions:
                connection.execute(_KEEP_CONTRIBUTIONS, rows.contributions)
                connection.execute(_KEEP_SUM, rows.sum)
            connection.execute(_KEEP_DOCUMENT, entry)

    def _rows_of(self, charter_digest: bytes, round_: Summed) -> "_Rows":
        """Put a round's vectors on disk; return the rows that name them."""
        bodies, laid = round_.contributions, round_.laid
        under_way = [laid.get(city) or self.lay_down(body.vector) for city, body in bodies.items()]
        last = self.lay_down(round_.total).result()
        contributions = [
            {
                "digest": digest(body.envelope),
                "charter_digest": charter_digest,
                "city": city,
                "envelope": body.envelope,
                **vars(place.result()),
            }
            for (city, body), place in zip(bodies.items(), under_way, strict=True)
        ]
        return _Rows(contributions, {"digest": digest(round_.total), **vars(last)})

    def forget_last(self, charter_digest: bytes) -> None:
        """Forget the last document of a run; what it was about stays kept."""
        mine = journal.c.charter_digest == charter_digest
        last = sql.select(sql.func.max(journal.c.number)).where(mine).scalar_subquery()
        with transaction(self._engine, write=True) as connection:
            connection.execute(sql.delete(journal).where(journal.c.number == last))

    def documents(self, charter_digest: bytes) -> list[bytes]:
        """Envelopes of a run's documents, in the order they were kept."""
        query = sql.select(journal.c.envelope).where(journal.c.charter_digest == charter_digest)
        with transaction(self._engine) as connection:
            return list(connection.scalars(query.order_by(journal.c.number)))

    def charters(self) -> list[bytes]:
        """Digests of the charters whose runs are kept, oldest first."""
        query = sql.select(journal.c.charter_digest).group_by(journal.c.charter_digest)
        with transaction(self._engine) as connection:
            return list(connection.scalars(query.order_by(sql.func.min(journal.c.number))))

    def prove_writable(self) -> None:
        """Write to the file without keeping anything; StorageFault(STORAGE) when that fails."""
        database.prove_writable(self._engine)

    def stand(self, charter_digest: bytes, standing: Standing, fault: str = "") -> None:
        """Keep how a run stands, durably."""
        values = {"standing": standing.value, "fault": fault}
        new = sqlite.insert(standings).values(charter_digest=charter_digest, **values)
        with transaction(self._engine, write=True) as connection:
            connection.execute(new.on_conflict_do_update(set_=values))

    def standings(self) -> dict[bytes, Stands]:
        """How every run stands that was ever started, the oldest first.

        One of which only documents are kept is on.
        """
        begun = sql.select(journal.c.charter_digest).group_by(journal.c.charter_digest)
        with transaction(self._engine) as connection:
            kept = {
                row.charter_digest: Stands(Standing(row.standing), row.fault)
                for row in connection.execute(sql.select(standings))
            }
            first = sql.func.min(journal.c.number)
            order = list(connection.scalars(begun.order_by(first)))
        order += [charter_digest for charter_digest in kept if charter_digest not in order]
        return {digest: kept.get(digest, Stands(Standing.ON)) for digest in order}

    def contribution(self, wanted: bytes, /) -> Body | None:
        """A contribution by its envelope's SHA-256, None when it is not kept."""
        kept = contributions.c
        query = sql.select(kept.envelope, kept.start, kept.size).where(kept.digest == wanted)
        with transaction(self._engine) as connection:
            row = connection.execute(query).one_or_none()
        if row is None:
            return None
        return Body(row.envelope, self._vectors.read(Place(row.start, row.size)))

    def sum_of(self, wanted: bytes, /) -> bytes | None:
        """A recorded sum's bytes by their SHA-256, None when they are not kept.

        StorageFault(STORAGE) when others lie in their place.
        """
        query = sql.select(sums.c.start, sums.c.size).where(sums.c.digest == wanted)
        with transaction(self._engine) as connection:
            row = connection.execute(query).one_or_none()
        if row is None:
            return None
        found = self._vectors.read(Place(*row))
        if digest(found) != wanted:
            raise StorageFault(Reason.STORAGE, f"the kept sum {wanted.hex()[:16]}… is damaged")
        return found


def open_run_store(path: Path) -> RunStore:
    """Open or create the file ``path`` (mode 0600).

    Raises StorageFault(STORAGE), also for a file of an earlier version, which kept vectors in rows.
    """
    path.touch(mode=0o600)
    engine = database.engine(path)
    with transaction(engine, write=True) as connection:
        metadata.create_all(connection)
        found = sql.inspect(connection).get_columns(contributions.name)
    engine.dispose()
    if {column["name"] for column in found} != set(contributions.columns.keys()):
        raise StorageFault(
            Reason.STORAGE,
            f"{path.name} is of an earlier version, whose runs cannot go on: begin a new home",
        )
    return RunStore(path)
