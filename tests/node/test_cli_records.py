"""A city's own files typed in, refused row by row, and ranked for one of its workers."""

import json
import re
from collections.abc import Callable
from pathlib import Path

import pytest
from support.office import Office
from support.records import job, outcome, worker, write

from federation.errors import Reason
from node.store import records
from node.store.engine import open_store
from node.store.migrations import migrate

LATER = "2099-12-31"


@pytest.fixture
def office(tmp_path: Path) -> Office:
    return Office(tmp_path / "city")


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    made = tmp_path / "files"
    made.mkdir()
    jobs = [
        job(1, closes_on=LATER),
        job(2, closes_on=LATER, occupation="4-10-08-01", skills="烹饪", title="厨[bold]师[/]"),
        job(3, closes_on=LATER, pay_low="3000", pay_high="3500", shift="night"),
        job(4),
    ]
    write(made, "jobs", jobs)
    write(made, "workers", [worker(1), worker(2)])
    write(made, "outcomes", [outcome(1), outcome(2, "w2", "j2", event="completed")])
    return made


def held(office: Office) -> dict[str, int]:
    store = open_store(office.home.database)
    with store.read() as connection:
        found = records.counts(connection)
    store.close()
    return found


NOTHING = {"jobs": 0, "workers": 0, "outcomes": 0}


def test_a_folder_is_imported_and_the_same_again_changes_nothing(
    office: Office, folder: Path
) -> None:
    first = office.told("import", str(folder))
    assert "jobs      4 read, 4 inserted, 0 updated, 0 unchanged, 0 rejected" in first
    assert "outcomes  2 read, 2 inserted, 0 updated, 0 unchanged, 0 rejected" in first
    again = office.told("import", str(folder))
    assert "workers   2 read, 0 inserted, 0 updated, 2 unchanged, 0 rejected" in again
    assert "4 jobs, 2 workers, 2 outcomes" in office.told("status")


def test_files_may_be_named_one_by_one(office: Office, folder: Path) -> None:
    postings = (folder / "jobs.csv").rename(folder / "postings.csv")
    office.told("import", "--jobs", str(postings), "--workers", str(folder / "workers.csv"))
    office.told("import", "--outcomes", str(folder / "outcomes.csv"))
    assert held(office) == {"jobs": 4, "workers": 2, "outcomes": 2}


def test_a_dry_run_counts_and_changes_nothing(office: Office, folder: Path) -> None:
    told = office.told("import", str(folder), "--dry-run")
    assert "jobs      4 read, 4 inserted" in told
    assert "nothing was changed" in told
    assert held(office) == NOTHING


def test_on_a_terminal_a_bar_counts_the_rows(
    office: Office, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert office.type("import", str(folder)).stderr == ""
    monkeypatch.setenv("TTY_COMPATIBLE", "1")
    drawn = office.type("import", str(folder)).stderr
    for kind, rows in (("jobs", "4/4"), ("workers", "2/2"), ("outcomes", "2/2")):
        assert re.search(f"{kind}.*{rows}", drawn), kind


def cut(path: Path) -> None:
    """End the file inside a quoted cell."""
    raw = path.read_bytes()
    path.write_bytes(raw[: raw.rindex(b'"')])


def without_a_column(path: Path) -> None:
    path.write_text(path.read_text(encoding="utf-8").replace("occupation,", "", 1), "utf-8")


def in_another_encoding(path: Path) -> None:
    path.write_bytes(path.read_text(encoding="utf-8").encode("gb18030"))


def a_folder(path: Path) -> None:
    path.unlink()
    path.mkdir()


def with_row(*changes: tuple[str, str]) -> Callable[[Path], None]:
    def damage(path: Path) -> None:
        write(path.parent, "jobs", [job(1), job(2, **dict(changes))])

    return damage


@pytest.mark.parametrize(
    ("damage", "reason", "named"),
    [
        pytest.param(cut, Reason.IMPORT_FILE, "jobs.csv is not a complete", id="truncated"),
        pytest.param(without_a_column, Reason.IMPORT_FILE, "missing 'occupation'", id="no column"),
        pytest.param(in_another_encoding, Reason.IMPORT_FILE, "not UTF-8", id="GB 18030"),
        pytest.param(a_folder, Reason.IMPORT_FILE, "jobs.csv cannot be read", id="no file"),
        pytest.param(
            with_row(("occupation", "9-99-99-99")),
            Reason.IMPORT_ROW,
            "jobs.csv row 2 (line 4) occupation: is not a known occupation code",
            id="unknown occupation",
        ),
        pytest.param(
            with_row(("division", "999999")), Reason.IMPORT_ROW, "division", id="unknown division"
        ),
        pytest.param(
            with_row(("job_id", "j1")), Reason.IMPORT_ROW, "is given in row 1", id="key twice"
        ),
    ],
)
def test_a_bad_file_changes_nothing_and_says_where(
    office: Office, folder: Path, damage: Callable[[Path], None], reason: Reason, named: str
) -> None:
    damage(folder / "jobs.csv")
    said = office.refused("import", str(folder))
    assert f"[{reason}]" in said
    assert named in said
    assert held(office) == NOTHING


def test_many_bad_rows_are_each_named_and_personal_values_are_not(
    office: Office, folder: Path
) -> None:
    write(folder, "workers", [worker(i, wish_pay="secret") for i in range(1, 71)])
    result = office.type("import", "--workers", str(folder / "workers.csv"))
    assert result.exit_code == 1
    assert "workers.csv row 50 (line 51) wish_pay: must be a whole number" in result.stderr
    assert "… and 20 more" in result.stderr
    assert "70 bad rows, nothing was imported" in result.stderr
    assert "secret" not in result.output


def test_bad_rows_may_be_left_out_and_listed(office: Office, folder: Path) -> None:
    write(folder, "workers", [worker(1), worker(2), worker(3, gender="?")])
    result = office.type("import", str(folder), "--max-rejects", "1")
    assert result.exit_code == 0
    assert "workers   3 read, 2 inserted, 0 updated, 0 unchanged, 1 rejected" in result.stdout
    assert "workers.csv row 3 (line 4) gender" in result.stderr
    assert (folder / "workers.rejects.csv").exists()


def test_a_folder_and_files_together_are_refused(office: Office, folder: Path) -> None:
    said = office.refused("import", str(folder), "--jobs", str(folder / "jobs.csv"))
    assert "a folder or some of --jobs, --workers, --outcomes" in said


def test_what_is_left_in_the_homes_own_folder_is_imported(office: Office, folder: Path) -> None:
    assert f"[{Reason.IMPORT_FILE}]" in office.refused("import")
    own = folder.rename(office.home.path / "import")
    own.chmod(0o755)
    assert f"[{Reason.PERMISSIONS}]" in office.refused("import")
    own.chmod(0o700)
    assert "4 inserted" in office.told("import")


def test_a_worker_sees_jobs_with_parts_that_visibly_add_up(office: Office, folder: Path) -> None:
    office.told("import", str(folder))
    told = office.told("match", "w1", "--top", "3")
    assert "the public start, not learned from outcomes: no model has been released" in told
    assert "3 open in this city" in told  # the fourth has closed
    blocks = told.split("\n\n")[1:]
    assert len(blocks) == 3
    for block in blocks:
        lines = re.findall(r"^ +([+-]?\d+\.\d\d)  ", block, re.MULTILINE)
        *parts, score = (round(100 * float(figure)) for figure in lines)
        assert len(parts) == 11
        assert sum(parts) == score
    assert blocks[0].startswith("1. 维修, 电工  [j1]")
    assert "厨[bold]师[/]" in told  # brackets in a title are no markup
    assert "the same occupation" in blocks[0]


def test_matches_are_told_to_scripts_with_exact_parts(office: Office, folder: Path) -> None:
    office.told("import", str(folder))
    told = json.loads(office.told("match", "w1", "--json", "--top", "2", "--language", "zh"))
    assert told["model"] == {"release": None, "version": None}
    assert [one["rank"] for one in told["matches"]] == [1, 2]
    for one in told["matches"]:
        assert sum(p["value"] for p in one["parts"]) == pytest.approx(one["score"], abs=1e-6)
    assert "职业相同" in [p["sentence"] for p in told["matches"][0]["parts"]]


def test_an_unknown_worker_is_refused(office: Office, folder: Path) -> None:
    assert f"[{Reason.NOT_FOUND}]" in office.refused("match", "w1")
    office.told("import", str(folder))
    assert "no worker 'w9'" in office.refused("match", "w9")


def test_a_worker_of_a_city_without_jobs_gets_none(office: Office, folder: Path) -> None:
    office.told("import", "--workers", str(folder / "workers.csv"))
    assert "0 open in this city" in office.told("match", "w1")


def test_a_store_that_is_missing_or_no_database_is_refused(office: Office) -> None:
    office.home.database.write_bytes(b"this is no database, whatever its name says" * 99)
    assert f"[{Reason.STORAGE}]" in office.refused("status")
    office.home.database.unlink()
    assert "is missing" in office.refused("status")
    assert not office.home.database.exists()


def test_a_store_of_a_newer_program_is_refused_and_of_an_older_one_brought_up(
    office: Office, folder: Path
) -> None:
    store = open_store(office.home.database)
    migrate(store.engine, "base")
    assert "0 jobs" in office.told("status")
    with store.write() as connection:
        connection.exec_driver_sql("UPDATE alembic_version SET version_num = 'v9999'")
    store.close()
    assert "a newer version of this program" in office.refused("import", str(folder))
