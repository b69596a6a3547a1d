"""Files of records into the store: everything or nothing, and the same again changes nothing.

Lives here: order, references between files, the transaction and the report. Rules of fields are in
node/records.py, SQL is in node/store.
"""

import csv
import os
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import date
from pathlib import Path
from typing import Any

from sqlalchemy import Connection

from federation.errors import Malformed, Reason
from node.ingest.reading import read_csv
from node.ingest.validating import Accepted, Rejection, judge, reject
from node.privacy.pseudonyms import Pseudonyms
from node.records import KEYS, RECORDS, Record, columns
from node.store import records
from node.store.engine import Store
from node.store.schema import HASHED

# Rows between two calls of the progress callback.
PROGRESS_ROWS = 1_000
# Rejections spelled out in the error of a refused import.
MOST_SPELLED = 5

Progress = Callable[[str, int, int], None]  # kind, rows written, rows in all


@dataclass(frozen=True)
class ImportReport:
    """What importing one file did, in rows. ``rejected`` is empty unless rejects were allowed."""

    kind: str
    read: int
    inserted: int
    updated: int
    unchanged: int
    rejected: tuple[Rejection, ...]


class RowsRejected(Malformed):
    """More rows break a rule than allowed: nothing was imported.

    ``rejections``: all of them, maybe several of one row.
    """

    def __init__(self, rejections: tuple[Rejection, ...], files: Mapping[str, str]) -> None:
        self.rejections = rejections
        rows = len({(r.kind, r.place) for r in rejections})
        spelled = "; ".join(f"{files[r.kind]} {r}" for r in rejections[:MOST_SPELLED])
        more = "; …" if len(rejections) > MOST_SPELLED else ""
        super().__init__(
            Reason.IMPORT_ROW, f"{rows} bad rows, nothing was imported: {spelled}{more}"
        )


@dataclass(frozen=True)
class Importer:
    """Imports into one store. ``today`` bounds dates; ``max_rejects`` is per file set.

    With ``max_rejects`` above 0, bad rows are left out and listed in ``<name>.rejects.csv`` beside
    the file; with 0 (the default) one bad row refuses everything. With ``dry_run`` everything is
    tried, the store's own rules included, and then taken back.
    """

    store: Store
    pseudonyms: Pseudonyms
    today: date
    max_rejects: int = 0
    dry_run: bool = False
    progress: Progress = lambda _kind, _done, _total: None

    def import_folder(self, folder: Path) -> tuple[ImportReport, ...]:
        """Import what :func:`files_of` finds there, in one transaction.

        Raises Malformed(IMPORT_FILE), RowsRejected, StorageFault; nothing has changed then.
        """
        return self.import_files(files_of(folder))

    def import_csv(self, kind: str, path: Path) -> ImportReport:
        """Import one file of jobs, workers or outcomes. Raises as :meth:`import_folder` does."""
        if kind not in RECORDS:
            raise Malformed(Reason.IMPORT_FILE, f"kind must be {', '.join(RECORDS)}, not {kind!r}")
        return self.import_files({kind: path})[0]

    def import_files(self, paths: Mapping[str, Path]) -> tuple[ImportReport, ...]:
        """Import a file for each kind given, in one transaction. Raises as :meth:`import_folder`.

        Files are taken in the order in which their references can be resolved.
        """
        accepted: dict[str, list[Accepted]] = {}
        rejected: dict[str, list[Rejection]] = {}
        given = {kind: paths[kind] for kind in RECORDS if kind in paths}
        for kind, path in given.items():
            file = read_csv(path, columns(kind))
            accepted[kind], rejected[kind] = judge(kind, file, self.today)
        transaction = self.store.rehearsal if self.dry_run else self.store.write
        with transaction() as connection:
            if "outcomes" in accepted:
                _drop_strays(connection, accepted, rejected)
            self._settle_rejections(given, rejected)
            return tuple(
                self._write(connection, kind, accepted[kind], rejected[kind]) for kind in given
            )

    def _settle_rejections(
        self, paths: Mapping[str, Path], rejected: Mapping[str, list[Rejection]]
    ) -> None:
        everything = tuple(r for rejections in rejected.values() for r in rejections)
        if len({(r.kind, r.place) for r in everything}) > self.max_rejects:
            raise RowsRejected(everything, {kind: path.name for kind, path in paths.items()})
        if self.max_rejects and not self.dry_run:
            for kind, path in paths.items():
                _write_rejects(path.with_name(f"{path.stem}.rejects.csv"), rejected[kind])

    def _write(
        self,
        connection: Connection,
        kind: str,
        accepted: list[Accepted],
        rejected: list[Rejection],
    ) -> ImportReport:
        inserted = updated = unchanged = 0
        for start in range(0, len(accepted), PROGRESS_ROWS):
            chunk = accepted[start : start + PROGRESS_ROWS]
            rows = [stored_values(row.record, self.pseudonyms) for row in chunk]
            changes = records.upsert(connection, kind, rows)
            inserted += changes.inserted
            updated += changes.updated
            unchanged += changes.unchanged
            self.progress(kind, start + len(chunk), len(accepted))
        bad_rows = len({r.place for r in rejected})
        read = len(accepted) + bad_rows
        return ImportReport(kind, read, inserted, updated, unchanged, tuple(rejected))


def files_of(folder: Path) -> dict[str, Path]:
    """Whichever of jobs.csv, workers.csv, outcomes.csv a folder holds, by kind.

    Raises Malformed(IMPORT_FILE) when it holds none.
    """
    paths = {kind: folder / f"{kind}.csv" for kind in RECORDS}
    present = {kind: path for kind, path in paths.items() if path.exists()}
    if not present:
        names = ", ".join(path.name for path in paths.values())
        raise Malformed(Reason.IMPORT_FILE, f"{folder} holds none of {names}")
    return present


def stored_values(record: Record, pseudonyms: Pseudonyms) -> dict[str, Any]:
    """A record as the store holds it: tags joined, identity number and phone as keyed hashes."""
    values = dict(record)
    if "skills" in values:
        values["skills"] = ";".join(values["skills"])
    for field in HASHED.keys() & values.keys():
        values[HASHED[field]] = pseudonyms.of(field, values.pop(field))
    return values


def _drop_strays(
    connection: Connection,
    accepted: dict[str, list[Accepted]],
    rejected: dict[str, list[Rejection]],
) -> None:
    """Move outcomes whose worker or job is neither stored nor imported now to the rejections."""
    known = {
        KEYS[kind]: records.known_ids(connection, kind)
        | {getattr(row.record, KEYS[kind]) for row in accepted.get(kind, ())}
        for kind in ("workers", "jobs")
    }
    kept = []
    for row in accepted["outcomes"]:
        strays = [
            reject("outcomes", row.place, field, "is not known here", getattr(row.record, field))
            for field, ids in known.items()
            if getattr(row.record, field) not in ids
        ]
        rejected["outcomes"].extend(strays)
        if not strays:
            kept.append(row)
    accepted["outcomes"] = kept


def _write_rejects(path: Path, rejections: list[Rejection]) -> None:
    descriptor = os.open(path, os.O_CREAT | os.O_WRONLY | os.O_TRUNC, 0o600)
    with open(descriptor, "w", encoding="utf-8", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(("row", "line", "field", "rule"))
        writer.writerows((r.place.row, r.place.line, r.field, r.rule) for r in rejections)
