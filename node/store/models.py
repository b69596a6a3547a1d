"""Released model parameters: the active ones and the ones before, kept for roll-back.

Only accepted releases are handed in. This file must not know what parameters mean.
"""

from dataclasses import dataclass

from sqlalchemy import ColumnElement, Connection, delete, insert, select, update

from federation.errors import Reason, Refused
from node.store.schema import models


@dataclass(frozen=True)
class ActiveModel:
    """One release's parameters, int64 little-endian, and when they were activated."""

    release_digest: bytes
    model: str
    parameters: bytes
    activated_ms: int


def activate(connection: Connection, release: ActiveModel) -> None:
    """Make a release the active one; the one before becomes previous, older ones are deleted."""
    held = active(connection, release.model)
    if held is not None and held.release_digest == release.release_digest:
        return
    connection.execute(delete(models).where(_at(release.model, "previous")))
    connection.execute(update(models).where(_at(release.model, "active")).values(place="previous"))
    connection.execute(delete(models).where(models.c.release_digest == release.release_digest))
    connection.execute(insert(models).values(**vars(release), place="active"))


def roll_back(connection: Connection, model: str, at_ms: int) -> ActiveModel:
    """Exchange active and previous; returns the active one. Raises Refused(NOT_FOUND)."""
    now, before = active(connection, model), previous(connection, model)
    if now is None or before is None:
        raise Refused(Reason.NOT_FOUND, f"no earlier release of {model} is kept")
    connection.execute(delete(models).where(models.c.model == model))
    restored = ActiveModel(before.release_digest, model, before.parameters, at_ms)
    connection.execute(insert(models).values(**vars(restored), place="active"))
    connection.execute(insert(models).values(**vars(now), place="previous"))
    return restored


def active(connection: Connection, model: str) -> ActiveModel | None:
    """The release in use."""
    return _find(connection, model, "active")


def previous(connection: Connection, model: str) -> ActiveModel | None:
    """The release in use before."""
    return _find(connection, model, "previous")


def _at(model: str, place: str) -> ColumnElement[bool]:
    return (models.c.model == model) & (models.c.place == place)


def _find(connection: Connection, model: str, place: str) -> ActiveModel | None:
    columns = (models.c[name] for name in ActiveModel.__dataclass_fields__)
    row = connection.execute(select(*columns).where(_at(model, place))).one_or_none()
    return None if row is None else ActiveModel(**row._mapping)
