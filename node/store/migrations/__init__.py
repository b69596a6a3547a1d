"""The steps from one schema to the next, and the one function that walks them."""

from pathlib import Path

from alembic import command
from alembic.config import Config
from sqlalchemy import Engine

from node.store.engine import BEGIN


def migrate(engine: Engine, revision: str = "head") -> None:
    """Bring the database to ``revision``, up, or down to ``base`` (empty), in one transaction."""
    config = Config()
    config.set_main_option("script_location", str(Path(__file__).parent))
    walk = command.downgrade if revision == "base" else command.upgrade
    with (
        engine.connect().execution_options(**{BEGIN: "BEGIN IMMEDIATE"}) as connection,
        connection.begin(),
    ):
        config.attributes["connection"] = connection
        walk(config, revision)
