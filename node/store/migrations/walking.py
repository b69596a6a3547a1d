"""Walking the steps from one schema to the next, by Alembic.

Imported when there is something to walk and not before: most starts find the newest schema.
"""

from pathlib import Path

from alembic import command
from alembic.config import Config
from alembic.script import ScriptDirectory
from sqlalchemy import Engine

from node.store.engine import begun


def walk(engine: Engine, revision: str) -> None:
    """Bring the database to ``revision``, up, or down to ``base`` (empty), in one transaction.

    Raises StorageFault(STORAGE) when lock or disk fail; nothing has changed then.
    """
    config = _config()
    go = command.downgrade if revision == "base" else command.upgrade
    with begun(engine, "BEGIN IMMEDIATE") as connection:
        config.attributes["connection"] = connection
        go(config, revision)


def is_known(revision: str) -> bool:
    """Whether this program has a step that leads to ``revision``."""
    script = ScriptDirectory.from_config(_config())
    return revision in {step.revision for step in script.walk_revisions()}


def _config() -> Config:
    config = Config()
    config.set_main_option("script_location", str(Path(__file__).parent))
    return config
