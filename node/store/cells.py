"""Small named values: one cell each, last writer wins inside its transaction.

What a value means is its owner's business; names are paths such as ``log/checkpoint``.
"""

from sqlalchemy import Connection, delete, select
from sqlalchemy.dialects.sqlite import insert

from node.store.schema import cells


def get(connection: Connection, name: str) -> bytes | None:
    """The value of a cell, or None."""
    return connection.scalar(select(cells.c.value).where(cells.c.name == name))


def put(connection: Connection, name: str, value: bytes) -> None:
    """Set a cell."""
    row = insert(cells).values(name=name, value=value)
    connection.execute(row.on_conflict_do_update(index_elements=["name"], set_={"value": value}))


def remove(connection: Connection, name: str) -> None:
    """Forget a cell; nothing happens when it is not set."""
    connection.execute(delete(cells).where(cells.c.name == name))
