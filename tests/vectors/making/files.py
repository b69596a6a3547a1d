"""Which file each maker makes."""

from collections.abc import Callable, Mapping
from typing import Any

from vectors.making import documents, log, rounds

MADE: Mapping[str, Callable[[], dict[str, Any]]] = {
    "documents.json": documents.vectors,
    "log.json": log.vectors,
    "rounds.json": rounds.vectors,
}
