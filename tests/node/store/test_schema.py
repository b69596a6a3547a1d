"""Every column is graded as its record is, and migrations lead to exactly this schema."""

import subprocess
import sys
from pathlib import Path

import pytest
from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext
from sqlalchemy import MetaData, Table, create_engine, insert, inspect, text

from federation.errors import Misconfigured, Reason, StorageFault
from federation.vectors import Place
from federation.wal import LONGEST_PAGES
from node.records import RECORDS, Grade, columns, grade_of
from node.store.answers import Answer, Question, committed_answer
from node.store.engine import Store, open_store
from node.store.migrations import migrate, newest
from node.store.schema import HASHED, RECORD_TABLES, cells, metadata

CLEAR_NAMES = {stored: imported for imported, stored in HASHED.items()}
ALL_COLUMNS = [
    pytest.param(column, id=f"{table.name}.{column.name}")
    for table in metadata.tables.values()
    for column in table.columns
]


@pytest.mark.parametrize("column", ALL_COLUMNS)
def test_every_stored_column_has_a_grade(column) -> None:  # type: ignore[no-untyped-def]
    assert isinstance(column.info.get("grade"), Grade)


@pytest.mark.parametrize("table", RECORDS)
def test_grades_of_records_and_schema_are_the_same(table: str) -> None:
    stored = {
        CLEAR_NAMES.get(column.name, column.name): column.info["grade"]
        for column in RECORD_TABLES[table].columns
    }
    assert stored == {name: grade_of(table, name) for name in columns(table)}


@pytest.mark.parametrize(
    ("table", "column", "grade"),
    [
        ("jobs", "title", Grade.PUBLIC),
        ("jobs", "employer_name", Grade.INTERNAL),
        ("jobs", "contact", Grade.PERSONAL),
        ("workers", "worker_id", Grade.INTERNAL),
        ("workers", "name", Grade.PERSONAL),
        ("workers", "id_number", Grade.SENSITIVE),
        ("outcomes", "event", Grade.PERSONAL),
    ],
)
def test_grades_are_those_of_the_import_format(table: str, column: str, grade: Grade) -> None:
    assert grade_of(table, column) is grade


def test_identity_numbers_and_phones_have_no_clear_column() -> None:
    assert not {"id_number", "phone"} & set(RECORD_TABLES["workers"].columns.keys())


def test_migrations_lead_to_the_schema_and_back(store: Store) -> None:
    with store.read() as connection:
        assert compare_metadata(MigrationContext.configure(connection), metadata) == []
    migrate(store.engine, "base")
    with store.read() as connection:
        assert set(inspect(connection).get_table_names()) == {"alembic_version"}
    migrate(store.engine)
    with store.read() as connection:
        assert compare_metadata(MigrationContext.configure(connection), metadata) == []


def test_an_answer_from_before_vectors_is_given_again_without_one(store: Store) -> None:
    question, request = Question(b"a" * 32, 1, "training"), b"q" * 32
    migrate(store.engine, "0003")
    row = {**vars(question), "request_digest": request, "answer": b"envelope", "committed_ms": 1}
    with store.write() as connection:
        connection.execute(insert(Table("answers", MetaData(), autoload_with=connection)), row)
    migrate(store.engine)
    with store.read() as connection:
        assert committed_answer(connection, question, request) == Answer(b"envelope", Place(0, 0))


def test_migrated_checks_and_foreign_keys_are_those_of_the_schema(store: Store) -> None:
    direct = create_engine("sqlite://")
    metadata.create_all(direct)
    with store.read() as migrated, direct.connect() as created:
        for table in metadata.tables:
            for facts in ("get_check_constraints", "get_foreign_keys", "get_unique_constraints"):
                expected = getattr(inspect(created), facts)(table)
                found = getattr(inspect(migrated), facts)(table)
                assert sorted(map(str, found)) == sorted(map(str, expected))
    direct.dispose()


def test_migrating_twice_changes_nothing(store: Store) -> None:
    migrate(store.engine)
    with store.read() as connection:
        assert compare_metadata(MigrationContext.configure(connection), metadata) == []


@pytest.mark.parametrize(
    ("pragma", "value"),
    [
        ("journal_mode", "wal"),
        ("synchronous", 2),
        ("foreign_keys", 1),
        ("busy_timeout", 15_000),
        ("secure_delete", 1),
        ("wal_autocheckpoint", LONGEST_PAGES),
    ],
)
def test_every_connection_is_durable_and_strict(store: Store, pragma: str, value: object) -> None:
    with store.read() as connection:
        assert connection.execute(text(f"PRAGMA {pragma}")).scalar() == value


def test_database_files_are_for_this_account_alone(store: Store, tmp_path: Path) -> None:
    with store.write() as connection:
        connection.execute(text("INSERT INTO cells VALUES ('a', x'00')"))
    modes = {path.name: path.stat().st_mode & 0o777 for path in (tmp_path / "store").iterdir()}
    assert modes == {"node.db": 0o600, "node.db-wal": 0o600, "node.db-shm": 0o600}
    assert (tmp_path / "store").stat().st_mode & 0o777 == 0o700


@pytest.mark.parametrize(("what", "mode"), [("node.db", 0o640), ("node.db", 0o604), (".", 0o750)])
def test_a_store_open_to_others_is_refused(tmp_path: Path, what: str, mode: int) -> None:
    folder = tmp_path / "store"
    open_store(folder / "node.db").close()
    (folder / what).chmod(mode)
    with pytest.raises(Misconfigured) as caught:
        open_store(folder / "node.db")
    assert caught.value.reason is Reason.PERMISSIONS


def test_a_failed_transaction_leaves_nothing_and_names_no_values(store: Store) -> None:
    def write_twice() -> None:
        with store.write() as connection:
            connection.execute(insert(cells).values(name="secret", value=b""))
            connection.execute(insert(cells).values(name="secret", value=b""))

    with pytest.raises(StorageFault) as caught:
        write_twice()
    assert "secret" not in str(caught.value)
    with store.read() as connection:
        assert connection.execute(text("SELECT count(*) FROM cells")).scalar() == 0


def test_a_reader_keeps_its_snapshot_while_a_writer_commits(store: Store) -> None:
    with store.read() as reading:
        before = reading.execute(text("SELECT count(*) FROM cells")).scalar()
        with store.write() as writing:
            writing.execute(text("INSERT INTO cells VALUES ('a', x'00')"))
        assert reading.execute(text("SELECT count(*) FROM cells")).scalar() == before == 0


def test_the_newest_schema_is_where_the_steps_lead(store: Store) -> None:
    with store.read() as connection:
        assert MigrationContext.configure(connection).get_current_revision() == newest()


def test_a_store_that_is_up_to_date_is_opened_without_walking(store: Store) -> None:
    """A serving node holds no library that it needs once in a year."""
    program = (
        "import sys; from pathlib import Path; from node.store.engine import open_store;"
        " from node.store.migrations import migrate; migrate(open_store(Path(sys.argv[1])).engine);"
        " print('alembic' in sys.modules)"
    )
    done = subprocess.run(
        [sys.executable, "-c", program, str(store.engine.url.database)],
        capture_output=True,
        check=True,
        text=True,
    )
    assert done.stdout == "False\n"
