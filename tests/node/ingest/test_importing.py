"""Importing through files and a real store: all or nothing, repeatable, every fault named."""

import csv
import hashlib
import sqlite3
import time
from collections.abc import Callable, Iterable
from datetime import date
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import text
from support.records import job, outcome, worker, write

from federation.errors import Malformed, Reason
from node.ingest.importing import Importer, ImportReport, RowsRejected
from node.privacy.pseudonyms import Pseudonyms
from node.records import columns
from node.store import records
from node.store.engine import Store

TODAY = date(2025, 6, 1)
Rows = list[list[str]]


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    made = tmp_path / "import"
    made.mkdir()
    write(made, "jobs", [job(1), job(2)])
    write(made, "workers", [worker(1), worker(2)])
    write(made, "outcomes", [outcome(1), outcome(2, "w2", "j2", event="completed")])
    return made


@pytest.fixture
def importer(store: Store) -> Importer:
    return Importer(store, Pseudonyms(b"k" * 32), TODAY)


def rows_held(store: Store) -> dict[str, int]:
    with store.read() as connection:
        return records.counts(connection)


def dump(store: Store, tmp_path: Path) -> str:
    with sqlite3.connect(tmp_path / "store" / "node.db") as connection:
        digest = hashlib.sha256("\n".join(connection.iterdump()).encode()).hexdigest()
    connection.close()
    return digest


def figures(reports: Iterable[ImportReport]) -> list[tuple[Any, ...]]:
    return [(r.kind, r.read, r.inserted, r.updated, r.unchanged, r.rejected) for r in reports]


def test_a_folder_is_imported_and_the_same_again_changes_nothing(
    importer: Importer, folder: Path, store: Store, tmp_path: Path
) -> None:
    assert figures(importer.import_folder(folder)) == [
        ("jobs", 2, 2, 0, 0, ()),
        ("workers", 2, 2, 0, 0, ()),
        ("outcomes", 2, 2, 0, 0, ()),
    ]
    before = dump(store, tmp_path)
    assert figures(importer.import_folder(folder)) == [
        ("jobs", 2, 0, 0, 2, ()),
        ("workers", 2, 0, 0, 2, ()),
        ("outcomes", 2, 0, 0, 2, ()),
    ]
    assert dump(store, tmp_path) == before


def test_a_changed_row_is_updated_and_the_rest_left_alone(importer: Importer, folder: Path) -> None:
    importer.import_folder(folder)
    path = write(folder, "jobs", [job(1), job(2, pay_high="9000"), job(3)])
    assert figures([importer.import_csv("jobs", path)]) == [("jobs", 3, 1, 1, 1, ())]


def test_no_identity_number_or_phone_is_on_disk(
    importer: Importer, folder: Path, store: Store, tmp_path: Path
) -> None:
    importer.import_folder(folder)
    with store.read() as connection:
        row = connection.execute(
            text("SELECT name, id_number_hash, phone_hash FROM workers WHERE worker_id = 'w1'")
        ).one()
    assert row.name == "李1"
    assert len(row.id_number_hash) == len(row.phone_hash) == 32
    store.close()
    for path in (tmp_path / "store").iterdir():
        content = path.read_bytes()
        assert b"11010519491231002X" not in content
        assert b"13800138000" not in content


def test_a_new_key_renews_the_hashes_of_an_unchanged_file(
    importer: Importer, folder: Path, store: Store
) -> None:
    importer.import_folder(folder)
    renewed = Importer(store, Pseudonyms(b"n" * 32), TODAY)
    assert figures(renewed.import_folder(folder))[1] == ("workers", 2, 0, 2, 0, ())


def test_a_byte_order_mark_and_another_column_order_are_allowed(
    importer: Importer, folder: Path
) -> None:
    path = folder / "outcomes.csv"
    path.write_text(
        "event,job_id,worker_id,occurred_on,outcome_id\nhired,j1,w1,2025-05-20,o1\n",
        encoding="utf-8-sig",
    )
    assert figures(importer.import_folder(folder))[2] == ("outcomes", 1, 1, 0, 0, ())


def test_a_dry_run_reports_what_would_happen_and_changes_nothing(
    store: Store, folder: Path, tmp_path: Path
) -> None:
    write(folder, "jobs", [job(1), job(2), job(3, shift="x")])
    before = dump(store, tmp_path)
    importer = Importer(store, Pseudonyms(b"k" * 32), TODAY, max_rejects=1, dry_run=True)
    report = importer.import_folder(folder)
    assert [(r.read, r.inserted, len(r.rejected)) for r in report] == [
        (3, 2, 1),
        (2, 2, 0),
        (2, 2, 0),
    ]
    assert dump(store, tmp_path) == before
    assert not (folder / "jobs.rejects.csv").exists()


def test_files_given_one_by_one_are_taken_in_the_order_of_their_references(
    importer: Importer, folder: Path, tmp_path: Path
) -> None:
    elsewhere = folder.rename(tmp_path / "elsewhere")
    kinds = ("outcomes", "workers", "jobs")
    reports = importer.import_files({kind: elsewhere / f"{kind}.csv" for kind in kinds})
    assert [(r.kind, r.inserted) for r in reports] == [("jobs", 2), ("workers", 2), ("outcomes", 2)]


def test_progress_is_told_by_kind(store: Store, folder: Path) -> None:
    told: list[tuple[str, int, int]] = []
    importer = Importer(
        store, Pseudonyms(b"k" * 32), TODAY, progress=lambda *step: told.append(step)
    )
    importer.import_folder(folder)
    assert told == [("jobs", 2, 2), ("workers", 2, 2), ("outcomes", 2, 2)]


BAD_ROWS: list[Any] = [
    pytest.param(
        "workers", worker(2, birth_date="1890-01-01"), "birth_date", id="impossible birth"
    ),
    pytest.param("workers", worker(2, id_number="1"), "id_number", id="bad identity number"),
    pytest.param("jobs", job(2, pay_high="1"), "pay_high", id="pay out of order"),
    pytest.param("jobs", job(1), "job_id", id="key given twice"),
    pytest.param("jobs", [*job(2), "extra"], "(row)", id="one cell too many"),
    pytest.param("jobs", job(2)[:-1], "(row)", id="one cell too few"),
    pytest.param("outcomes", outcome(2, worker_id="w9"), "worker_id", id="unknown worker"),
    pytest.param("outcomes", outcome(2, job_id="j9"), "job_id", id="unknown job"),
]
GOOD: dict[str, Callable[[int], list[str]]] = {"jobs": job, "workers": worker, "outcomes": outcome}


@pytest.mark.parametrize(("kind", "bad", "field"), BAD_ROWS)
def test_one_bad_row_refuses_everything_and_is_named(
    store: Store, folder: Path, kind: str, bad: list[str], field: str
) -> None:
    importer = Importer(store, Pseudonyms(b"k" * 32), TODAY)
    write(folder, kind, [GOOD[kind](1), bad])
    if kind != "outcomes":
        (folder / "outcomes.csv").unlink()
    with pytest.raises(RowsRejected) as caught:
        importer.import_folder(folder)
    assert caught.value.reason is Reason.IMPORT_ROW
    assert [(r.kind, r.place.row, r.field) for r in caught.value.rejections] == [(kind, 2, field)]
    assert f"{kind}.csv row 2" in str(caught.value)
    assert rows_held(store) == {"jobs": 0, "workers": 0, "outcomes": 0}


@pytest.mark.parametrize(("kind", "bad", "field"), BAD_ROWS)
def test_with_rejects_allowed_the_rest_is_imported_and_the_row_listed(
    store: Store, folder: Path, kind: str, bad: list[str], field: str
) -> None:
    write(folder, kind, [GOOD[kind](1), bad])
    if kind != "outcomes":
        (folder / "outcomes.csv").unlink()
    importer = Importer(store, Pseudonyms(b"k" * 32), TODAY, max_rejects=1)
    report = {r.kind: r for r in importer.import_folder(folder)}[kind]
    assert (report.read, report.inserted, len(report.rejected)) == (2, 1, 1)
    rejects = folder / f"{kind}.rejects.csv"
    with rejects.open(encoding="utf-8") as file:
        listed = list(csv.DictReader(file))
    assert [(r["row"], r["field"]) for r in listed] == [("2", field)]
    assert rejects.stat().st_mode & 0o777 == 0o600


def test_more_rejects_than_allowed_refuse_everything(store: Store, folder: Path) -> None:
    write(folder, "jobs", [job(1), job(2, shift="x"), job(3, shift="x")])
    importer = Importer(store, Pseudonyms(b"k" * 32), TODAY, max_rejects=1)
    # Two postings and the outcome that refers to one of them.
    with pytest.raises(RowsRejected, match="3 bad rows"):
        importer.import_folder(folder)
    assert rows_held(store)["workers"] == 0


def test_an_outcome_of_a_rejected_worker_is_rejected_too(store: Store, folder: Path) -> None:
    write(folder, "workers", [worker(1), worker(2, gender="?")])
    importer = Importer(store, Pseudonyms(b"k" * 32), TODAY, max_rejects=2)
    outcomes = importer.import_folder(folder)[2]
    assert [(r.place.row, r.field) for r in outcomes.rejected] == [(2, "worker_id")]


def test_outcomes_may_refer_to_what_was_imported_before(importer: Importer, folder: Path) -> None:
    importer.import_folder(folder)
    path = write(folder, "outcomes", [outcome(7, "w2", "j1")])
    assert importer.import_csv("outcomes", path).inserted == 1


def test_a_personal_value_is_withheld_and_a_public_one_shown(
    importer: Importer, folder: Path
) -> None:
    write(folder, "workers", [worker(1, address="x" * 201, wish_pay="secret")])
    write(folder, "jobs", [job(1, shift="sometimes")])
    with pytest.raises(RowsRejected) as caught:
        importer.import_folder(folder)
    assert "'sometimes'" in str(caught.value)
    assert "secret" not in str(caught.value)
    assert "xxx" not in str(caught.value)


def test_rows_and_lines_are_counted_as_an_editor_shows_them(
    importer: Importer, folder: Path
) -> None:
    write(folder, "jobs", [job(1), job(2), job(3, shift="x")])
    with pytest.raises(RowsRejected) as caught:
        importer.import_csv("jobs", folder / "jobs.csv")
    place = caught.value.rejections[0].place
    # Header on line 1, two postings of two lines each.
    assert (place.row, place.line) == (3, 6)


HEADER = ",".join(columns("outcomes"))
FIRST = "o1,w1,j1,hired,2025-05-20"


@pytest.mark.parametrize(
    ("content", "named"),
    [
        pytest.param(b"", "is empty", id="empty file"),
        pytest.param(HEADER.replace("event,", "").encode(), "missing 'event'", id="missing column"),
        pytest.param(f"{HEADER},colour".encode(), "unknown 'colour'", id="unknown column"),
        pytest.param(f"{HEADER},event".encode(), "duplicate 'event'", id="duplicate column"),
        pytest.param(f'{HEADER}\no1,w1,j1,"hir'.encode(), "complete", id="cut inside quotes"),
        pytest.param(f"{HEADER}\n{FIRST}\n".encode() + b"o\0", "NUL", id="NUL byte"),
        pytest.param(f"{HEADER}\n电工".encode("gb18030"), "UTF-8", id="GB 18030"),
        pytest.param(f"{HEADER}\n{FIRST}".encode("utf-16"), "UTF-8", id="UTF-16"),
        pytest.param(f"{HEADER}\n{'x' * 16_001}".encode(), "over 16000", id="huge cell"),
        pytest.param(f"{HEADER}\n{'x' * 200_000}".encode(), "field larger", id="monstrous cell"),
    ],
)
def test_a_broken_file_is_refused_whole(
    importer: Importer, folder: Path, content: bytes, named: str
) -> None:
    importer.import_folder(folder)
    path = folder / "outcomes.csv"
    path.write_bytes(content)
    with pytest.raises(Malformed, match=named) as caught:
        importer.import_csv("outcomes", path)
    assert caught.value.reason is Reason.IMPORT_FILE


def test_missing_files_and_unknown_kinds_are_named(importer: Importer, tmp_path: Path) -> None:
    empty = tmp_path / "empty"
    empty.mkdir()
    with pytest.raises(Malformed, match=r"jobs\.csv, workers\.csv, outcomes\.csv"):
        importer.import_folder(empty)
    with pytest.raises(Malformed, match="does not exist"):
        importer.import_csv("jobs", empty / "jobs.csv")
    with pytest.raises(Malformed, match="cannot be read"):
        importer.import_csv("jobs", empty)
    with pytest.raises(Malformed, match="kind must be"):
        importer.import_csv("people", empty / "jobs.csv")


def test_a_quarter_of_a_city_is_imported_in_a_second(importer: Importer, tmp_path: Path) -> None:
    city = tmp_path / "city"
    city.mkdir()
    write(city, "jobs", (job(i) for i in range(500)))
    write(city, "workers", (worker(i) for i in range(1_250)))
    write(city, "outcomes", (outcome(i, f"w{i % 1250}", f"j{i % 500}") for i in range(10_000)))
    begun = time.process_time()
    reports = importer.import_folder(city)
    assert [r.inserted for r in reports] == [500, 1_250, 10_000]
    assert time.process_time() - begun < 4.0  # CPU seconds; about one on a small machine


def test_sources_are_left_as_they_were(importer: Importer, folder: Path) -> None:
    before = {path.name: path.read_bytes() for path in folder.iterdir()}
    importer.import_folder(folder)
    assert {path.name: path.read_bytes() for path in folder.iterdir()} == before
