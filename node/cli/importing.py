"""Importing a city's own files.

Lives here: progress and the report. Must not know: formats, rules or tables.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Annotated

import typer
from rich.progress import (
    BarColumn,
    MofNCompleteColumn,
    Progress,
    ProgressColumn,
    Task,
    TaskID,
    TextColumn,
    TimeRemainingColumn,
)
from rich.text import Text

from federation.errors import Misconfigured, Reason
from federation.terminal import complain, complaints, say
from node.cli.common import HomeOption, Office, opened, today
from node.ingest.importing import (
    MOST_SPELLED,
    Importer,
    ImportReport,
    RowsRejected,
    files_of,
)
from node.ingest.importing import Progress as Told
from node.ingest.validating import Rejection
from node.privacy.pseudonyms import Pseudonyms

# Bad rows listed one by one; the count tells the rest.
MOST_LISTED = 50

CsvFile = Path | None


def import_records(
    folder: Annotated[
        CsvFile,
        typer.Argument(
            help="Folder with jobs.csv, workers.csv, outcomes.csv; node.toml's if left out."
        ),
    ] = None,
    *,
    home: HomeOption,
    jobs: Annotated[CsvFile, typer.Option(help="CSV file of jobs.")] = None,
    workers: Annotated[CsvFile, typer.Option(help="CSV file of workers.")] = None,
    outcomes: Annotated[CsvFile, typer.Option(help="CSV file of outcomes.")] = None,
    max_rejects: Annotated[
        int, typer.Option(min=0, help="Leave out up to this many bad rows, listed beside the file.")
    ] = 0,
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="Check and count everything, change nothing.")
    ] = False,
) -> None:
    """Import jobs, workers and outcomes: all files in one transaction, or nothing.

    The same files again change nothing. Every bad row is named by file, row, field and rule.
    Works while the node serves.
    """
    given = {"jobs": jobs, "workers": workers, "outcomes": outcomes}
    named = {kind: path for kind, path in given.items() if path is not None}
    if folder is not None and named:
        raise Misconfigured(
            Reason.CONFIGURATION, "give a folder or some of --jobs, --workers, --outcomes"
        )
    with opened(home) as office, _progress() as told:
        config = office.home.config
        paths = named or files_of(folder or config.locate(office.home.path, "imports"))
        importer = _importer(office, max_rejects, dry_run, told)
        try:
            reports = importer.import_files(paths)
        except RowsRejected as refusal:
            if len(refusal.rejections) > MOST_SPELLED:
                _list(refusal.rejections, paths)
            raise
    for report in reports:
        _tell(report)
        _list(report.rejected, paths)
    say("dry run: nothing was changed" if dry_run else "imported")


def _importer(office: Office, max_rejects: int, dry_run: bool, told: Told) -> Importer:
    pseudonyms = Pseudonyms(office.home.record_key())
    return Importer(office.store, pseudonyms, today(), max_rejects, dry_run, told)


class _Rate(ProgressColumn):
    """Rows a second."""

    def render(self, task: Task) -> Text:
        return Text(f"{task.speed:,.0f} rows/s" if task.speed else "")


@contextmanager
def _progress() -> Iterator[Told]:
    """Draw one bar a file on a terminal, and nothing in files and pipes."""
    columns = (
        TextColumn("{task.description:9}"),
        BarColumn(),
        MofNCompleteColumn(),
        _Rate(),
        TimeRemainingColumn(),
    )
    tasks: dict[str, TaskID] = {}
    with Progress(*columns, console=complaints, disable=not complaints.is_terminal) as bars:
        reading = bars.add_task("checking", total=None)

        def told(kind: str, done: int, total: int) -> None:
            bars.update(reading, visible=False)
            if kind not in tasks:
                tasks[kind] = bars.add_task(kind, total=total)
            bars.update(tasks[kind], completed=done)

        yield told


def _tell(report: ImportReport) -> None:
    say(
        f"{report.kind:9} {report.read} read, {report.inserted} inserted, {report.updated} updated,"
        f" {report.unchanged} unchanged, {len({r.place for r in report.rejected})} rejected"
    )


def _list(rejections: tuple[Rejection, ...], paths: dict[str, Path]) -> None:
    for rejection in rejections[:MOST_LISTED]:
        complain(f"{paths[rejection.kind].name} {rejection}")
    if len(rejections) > MOST_LISTED:
        complain(f"… and {len(rejections) - MOST_LISTED} more")
