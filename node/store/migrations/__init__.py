"""The schema a store has, and bringing it to this program's.

Lives here: which schema is the newest and whether a store has it. Must not know: what a step does.
"""

from pathlib import Path

from sqlalchemy import Connection, Engine
from sqlalchemy.exc import DBAPIError

from federation.errors import Reason, StorageFault

_STEPS = Path(__file__).parent / "versions"
_VERSIONED = "SELECT count(*) FROM sqlite_master WHERE name = 'alembic_version'"
_VERSION = "SELECT version_num FROM alembic_version"


def migrate(engine: Engine, revision: str = "head") -> None:
    """Bring the database to ``revision``, up, or down to ``base`` (empty), in one transaction.

    Raises StorageFault(STORAGE) when lock or disk fail; nothing has changed then.
    """
    try:
        with engine.connect() as connection:
            held = _held(connection)
    except DBAPIError as error:
        raise StorageFault(Reason.STORAGE, f"database: {error.orig}") from error
    if revision == "head" and held == newest():
        return
    # Alembic takes 10 MB and a tenth of a second
    from node.store.migrations.walking import walk  # noqa: PLC0415

    walk(engine, revision)


def is_current(connection: Connection) -> bool:
    """Whether the schema is this program's, and not an older one or none.

    Raises StorageFault(STORAGE) when it is of a newer program.
    """
    held = _held(connection)
    if held is None or held == newest():
        return held is not None
    from node.store.migrations.walking import is_known  # noqa: PLC0415 as above

    if not is_known(held):
        raise StorageFault(
            Reason.STORAGE, f"the store has schema {held}, made by a newer version of this program"
        )
    return False


def newest() -> str:
    """The newest schema's revision: the number in the last step's file name, as ``0001``."""
    return max(path.name[1:5] for path in _STEPS.glob("v[0-9]*.py"))


def _held(connection: Connection) -> str | None:
    """The revision a store has, None before its first schema."""
    if not connection.exec_driver_sql(_VERSIONED).scalar_one():
        return None
    held: str | None = connection.exec_driver_sql(_VERSION).scalar_one_or_none()
    return held
