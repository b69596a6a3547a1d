"""Which file each maker makes."""

from collections.abc import Callable, Mapping
from typing import Any

from vectors.making import bodies, documents, log, rounds

MADE: Mapping[str, Callable[[], dict[str, Any]]] = {
    "documents.json": documents.vectors,
    "bodies.json": bodies.vectors,
    "log.json": log.vectors,
    "rounds.json": rounds.vectors,
}
