"""Administrative divisions of China: six-digit codes of GB/T 2260, provinces to counties.

This file must not know geometry (the table has no coordinates) nor which divisions are members.
"""

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from functools import lru_cache

from federation.codes.tables import packaged_bytes, rows, table_digest
from federation.errors import Malformed, Reason

COLUMNS = ("code", "name", "level", "parent")
LEVELS = ("province", "prefecture", "county")
CODE = re.compile(r"[1-9][0-9]{5}")


@dataclass(frozen=True)
class Division:
    """One division; ``province`` is the province's code, ``parent`` the next listed one above."""

    code: str
    name: str
    level: str
    province: str
    parent: str

    def __post_init__(self) -> None:
        if not CODE.fullmatch(self.code):
            raise Malformed(Reason.CODE_TABLE, f"division code {self.code!r} is not six digits")
        if self.level not in LEVELS:
            raise Malformed(Reason.CODE_TABLE, f"{self.code}: level must be {', '.join(LEVELS)}")


@dataclass(frozen=True)
class Divisions(Mapping[str, Division]):
    """The whole table, by code, in code order."""

    by_code: Mapping[str, Division]
    _digest: bytes = field(repr=False)

    def __getitem__(self, code: str) -> Division:
        return self.by_code[code]

    def __iter__(self) -> Iterator[str]:
        return iter(self.by_code)

    def __len__(self) -> int:
        return len(self.by_code)

    def __hash__(self) -> int:
        return hash(self._digest)

    def require(self, code: str) -> Division:
        """The division with this code.

        :raises Malformed: ``codes.unknown`` when the table has no such code.
        """
        found = self.by_code.get(code)
        if found is None:
            raise Malformed(
                Reason.UNKNOWN_CODE, f"division code {code!r} is not in the GB/T 2260 table"
            )
        return found

    def prefecture(self, code: str) -> Division:
        """The prefecture ``code`` lies in; what a province governs directly is its own.

        :raises Malformed: ``codes.unknown`` when the table has no such code.
        """
        found = self.require(code)
        parent = self.by_code.get(found.parent)
        return parent if parent is not None and parent.level == "prefecture" else found

    def counties(self, code: str) -> tuple[Division, ...]:
        """County-level divisions directly under ``code``, in code order; empty where none exist."""
        return tuple(
            row for row in self.by_code.values() if row.parent == code and row.level == "county"
        )

    def digest(self) -> bytes:
        """SHA-256 of the table's bytes."""
        return self._digest


def parse(table: bytes) -> Divisions:
    """Read a table of :data:`COLUMNS`; every parent must be a row of the same table.

    :raises Malformed: ``codes.table`` naming line and rule.
    """
    found: dict[str, Division] = {}
    for number, (code, name, level, parent) in rows(table, COLUMNS):
        if code in found:
            raise Malformed(Reason.CODE_TABLE, f"line {number}: code {code} occurs twice")
        found[code] = Division(code, name, level, f"{code[:2]}0000", parent)
    for row in found.values():
        if row.parent and row.parent not in found:
            raise Malformed(Reason.CODE_TABLE, f"{row.code}: parent {row.parent} is not listed")
    return Divisions(dict(sorted(found.items())), table_digest(table))


@lru_cache(maxsize=1)
def load() -> Divisions:
    """The packaged table: 34 provinces, 333 prefectures and their counties."""
    return parse(packaged_bytes("divisions"))
