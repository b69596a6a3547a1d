"""The steps from one schema to the next, and the one function that walks them."""

from pathlib import Path

from alembic import command
from alembic.config import Config
from alembic.runtime.migration import MigrationContext
from alembic.script import ScriptDirectory
from sqlalchemy import Connection, Engine
from sqlalchemy.exc import DBAPIError

from federation.errors import Reason, StorageFault
from node.store.engine import BEGIN


def migrate(engine: Engine, revision: str = "head") -> None:
    """Bring the database to ``revision``, up, or down to ``base`` (empty), in one transaction.

    Raises StorageFault(STORAGE) when lock or disk fail; nothing has changed then.
    """
    config = _config()
    walk = command.downgrade if revision == "base" else command.upgrade
    try:
        with (
            engine.connect().execution_options(**{BEGIN: "BEGIN IMMEDIATE"}) as connection,
            connection.begin(),
        ):
            config.attributes["connection"] = connection
            walk(config, revision)
    except DBAPIError as error:
        raise StorageFault(Reason.STORAGE, f"database: {error.orig}") from error


def is_current(connection: Connection) -> bool:
    """Whether the schema is this program's, and not an older one or none.

    Raises StorageFault(STORAGE) when it is of a newer program.
    """
    script = ScriptDirectory.from_config(_config())
    held = MigrationContext.configure(connection).get_current_revision()
    if held is not None and held not in {step.revision for step in script.walk_revisions()}:
        raise StorageFault(
            Reason.STORAGE, f"the store has schema {held}, made by a newer version of this program"
        )
    return held == script.get_current_head()


def _config() -> Config:
    config = Config()
    config.set_main_option("script_location", str(Path(__file__).parent))
    return config
