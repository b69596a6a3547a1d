"""Small named values: one cell each, last writer wins inside its transaction.

What a value means is its owner's business; names are paths such as ``log/checkpoint``.
"""

from sqlalchemy import Connection, bindparam, delete, select
from sqlalchemy.dialects.sqlite import insert

from node.store.schema import cells

_GET = select(cells.c.value).where(cells.c.name == bindparam("name"))
_new = insert(cells)
_PUT = _new.on_conflict_do_update(index_elements=["name"], set_={"value": _new.excluded.value})


def get(connection: Connection, name: str) -> bytes | None:
    """The value of a cell, or None."""
    value: bytes | None = connection.scalar(_GET, {"name": name})
    return value


def put(connection: Connection, name: str, value: bytes) -> None:
    """Set a cell."""
    connection.execute(_PUT, {"name": name, "value": value})


def remove(connection: Connection, name: str) -> None:
    """Forget a cell; nothing happens when it is not set."""
    connection.execute(delete(cells).where(cells.c.name == name))
