"""Small named values: one cell each, last writer wins inside its transaction.

What a value means is its owner's business; names are paths such as ``log/checkpoint``.
"""

from sqlalchemy import Connection, bindparam, delete, select
from sqlalchemy.dialects.sqlite import insert

from node.store.schema import cells

_GET = select(cells.c.value).where(cells.c.name == bindparam("name"))
_new = insert(cells)
_REPLACE = (
    cells.update()
    .where(cells.c.name == bindparam("cell"), cells.c.value == bindparam("previous"))
    .values(value=bindparam("value"))
)
_BEGIN = _new.on_conflict_do_nothing()
_PUT = _new.on_conflict_do_update(index_elements=["name"], set_={"value": _new.excluded.value})


def get(connection: Connection, name: str) -> bytes | None:
    """The value of a cell, or None."""
    value: bytes | None = connection.scalar(_GET, {"name": name})
    return value


def put(connection: Connection, name: str, value: bytes) -> None:
    """Set a cell."""
    connection.execute(_PUT, {"name": name, "value": value})


def replace(connection: Connection, name: str, previous: bytes | None, value: bytes) -> bool:
    """Set a cell that still holds ``previous`` (None: nothing); whether it did."""
    if previous is None:
        done = connection.execute(_BEGIN, {"name": name, "value": value})
    else:
        named = {"cell": name, "previous": previous, "value": value}
        done = connection.execute(_REPLACE, named)
    return done.rowcount == 1


def remove(connection: Connection, name: str) -> None:
    """Forget a cell; nothing happens when it is not set."""
    connection.execute(delete(cells).where(cells.c.name == name))
