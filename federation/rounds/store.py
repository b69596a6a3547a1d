"""What the coordinator keeps of runs: progress, round records, every signed contribution.

Lives here: the tables and their queries; each round is one durable transaction. Must not know:
the order of a run or what an envelope says.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import sqlalchemy as sql
from sqlalchemy.dialects import sqlite

from federation.crypto.keys import digest
from federation.log import database
from federation.log.database import transaction

metadata = sql.MetaData()
_DIGEST = sql.LargeBinary(32)

progress = sql.Table(
    "progress",
    metadata,
    sql.Column("charter_digest", _DIGEST, primary_key=True),
    sql.Column("attempts", sql.Integer, nullable=False),
    sql.Column("dropped", sql.Text, nullable=False),
)
records = sql.Table(
    "records",
    metadata,
    sql.Column("charter_digest", _DIGEST, primary_key=True),
    sql.Column("round", sql.Integer, primary_key=True, autoincrement=False),
    sql.Column("envelope", sql.LargeBinary, nullable=False),
)
contributions = sql.Table(
    "contributions",
    metadata,
    sql.Column("digest", _DIGEST, primary_key=True),
    sql.Column("charter_digest", _DIGEST, nullable=False, index=True),
    sql.Column("round", sql.Integer, nullable=False),
    sql.Column("city", sql.String(6), nullable=False),
    sql.Column("envelope", sql.LargeBinary, nullable=False),
)
outcomes = sql.Table(
    "outcomes",
    metadata,
    sql.Column("charter_digest", _DIGEST, primary_key=True),
    sql.Column("kind", sql.Text, primary_key=True),
    sql.Column("envelope", sql.LargeBinary, nullable=False),
)
releases = sql.Table(
    "releases",
    metadata,
    sql.Column("version", sql.Integer, primary_key=True, autoincrement=False),
    sql.Column("digest", _DIGEST, nullable=False),
)


@dataclass(frozen=True)
class Progress:
    """How far a run is. ``attempts``: rosters made; ``dropped``: cities out of the run."""

    attempts: int = 0
    dropped: frozenset[str] = frozenset()


class RunStore:
    """Runs in the database of ``engine``. Raises StorageFault(STORAGE) when it fails."""

    def __init__(self, engine: sql.Engine) -> None:
        self._engine = engine

    def progress(self, charter_digest: bytes) -> Progress:
        """How far a run is; a fresh one when the charter never ran."""
        query = sql.select(progress).where(progress.c.charter_digest == charter_digest)
        with transaction(self._engine) as connection:
            row = connection.execute(query).one_or_none()
        if row is None:
            return Progress()
        return Progress(row.attempts, frozenset(row.dropped.split(",")) - {""})

    def keep_progress(self, charter_digest: bytes, now: Progress) -> None:
        """Replace a run's progress, durably."""
        values = {"attempts": now.attempts, "dropped": ",".join(sorted(now.dropped))}
        row = sqlite.insert(progress).values(charter_digest=charter_digest, **values)
        kept = row.on_conflict_do_update(index_elements=["charter_digest"], set_=values)
        with transaction(self._engine, write=True) as connection:
            connection.execute(kept)

    def keep_round(
        self, charter_digest: bytes, number: int, record: bytes, envelopes: Mapping[str, bytes]
    ) -> None:
        """Keep a completed round, durably: its record's envelope and each city's contribution."""
        rows = [
            {
                "digest": digest(envelope),
                "charter_digest": charter_digest,
                "round": number,
                "city": city,
                "envelope": envelope,
            }
            for city, envelope in envelopes.items()
        ]
        row = {"charter_digest": charter_digest, "round": number, "envelope": record}
        with transaction(self._engine, write=True) as connection:
            connection.execute(sqlite.insert(contributions).on_conflict_do_nothing(), rows)
            connection.execute(sql.insert(records), row)

    def records(self, charter_digest: bytes) -> list[bytes]:
        """Envelopes of a run's round records, by round."""
        query = sql.select(records.c.envelope).where(records.c.charter_digest == charter_digest)
        with transaction(self._engine) as connection:
            return list(connection.scalars(query.order_by(records.c.round)))

    def contribution(self, wanted: bytes, /) -> bytes | None:
        """A contribution's envelope by its SHA-256, None when it is not kept."""
        query = sql.select(contributions.c.envelope).where(contributions.c.digest == wanted)
        with transaction(self._engine) as connection:
            found: bytes | None = connection.execute(query).scalar_one_or_none()
        return found

    def keep_outcome(self, charter_digest: bytes, kind: str, envelope: bytes) -> bytes:
        """Keep a run's one document of a kind; returns the one kept first, durably."""
        row = {"charter_digest": charter_digest, "kind": kind, "envelope": envelope}
        with transaction(self._engine, write=True) as connection:
            connection.execute(sqlite.insert(outcomes).on_conflict_do_nothing(), row)
        return self.outcome(charter_digest, kind) or envelope

    def outcome(self, charter_digest: bytes, kind: str) -> bytes | None:
        """The envelope kept of a kind, None when there is none."""
        query = sql.select(outcomes.c.envelope).where(
            outcomes.c.charter_digest == charter_digest, outcomes.c.kind == kind
        )
        with transaction(self._engine) as connection:
            found: bytes | None = connection.execute(query).scalar_one_or_none()
        return found

    def keep_release(self, version: int, release_digest: bytes) -> None:
        """Note a logged model release; the same one again changes nothing."""
        row = sqlite.insert(releases).values(version=version, digest=release_digest)
        with transaction(self._engine, write=True) as connection:
            connection.execute(row.on_conflict_do_nothing())

    def latest_release(self) -> tuple[int, bytes]:
        """Version and document digest of the last model release, (0, b"") before the first."""
        query = sql.select(releases.c.version, releases.c.digest)
        with transaction(self._engine) as connection:
            row = connection.execute(query.order_by(releases.c.version.desc()).limit(1)).first()
        return (0, b"") if row is None else (row.version, row.digest)


def open_run_store(path: Path) -> RunStore:
    """Open or create the file ``path`` (mode 0600). Raises StorageFault(STORAGE)."""
    path.touch(mode=0o600)
    engine = database.engine(path)
    with transaction(engine, write=True) as connection:
        metadata.create_all(connection)
    return RunStore(engine)
