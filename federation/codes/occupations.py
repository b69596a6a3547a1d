"""China's occupation classification (CSCO 2022), or any table in the same four-part code.

This file must not know who carries an occupation: postings, workers and models live above it.
"""

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from functools import lru_cache

from federation.codes.tables import packaged_bytes, rows, table_digest
from federation.errors import Malformed, Reason

COLUMNS = ("code", "level", "name", "aliases", "definition", "tasks")
CODE = re.compile(r"[1-9]-[0-9]{2}-[0-9]{2}-[0-9]{2}")
#: Characters of a code kept at levels 1 (major group), 2 (sub-major) and 3 (minor group).
PREFIX = {1: 1, 2: 4, 3: 7}
FILL = "0-00-00-00"


def prefix(code: str, level: int) -> str:
    """The code of the group of ``level`` (1–3) that ``code`` lies in, whether or not it is listed.

    :raises Malformed: ``codes.unknown`` when ``code`` is not of the form d-dd-dd-dd.
    """
    if not CODE.fullmatch(code):
        raise Malformed(
            Reason.UNKNOWN_CODE, f"occupation code {code!r} must have the form d-dd-dd-dd"
        )
    kept = PREFIX[level]
    return code[:kept] + FILL[kept:]


def ancestors(code: str) -> tuple[str, ...]:
    """Codes of the groups above ``code``, nearest first, derived from its digits.

    CSCO lists some occupations directly under a wider group, so an ancestor may have no row.
    """
    groups = (prefix(code, level) for level in (3, 2, 1))
    return tuple(dict.fromkeys(group for group in groups if group != code))


def group(code: str) -> str:
    """The level-2 group (中类) of ``code``; a level-1 code is its own group."""
    return prefix(code, 2)


@dataclass(frozen=True)
class Occupation:
    """One row of the classification; ``text`` is its definition and tasks, for word features."""

    code: str
    level: int
    name: str
    parent: str
    aliases: tuple[str, ...]
    text: str

    def __post_init__(self) -> None:
        if not CODE.fullmatch(self.code):
            raise Malformed(Reason.CODE_TABLE, f"occupation code {self.code!r} is not d-dd-dd-dd")
        if self.level not in (1, 2, 3, 4):
            raise Malformed(Reason.CODE_TABLE, f"{self.code}: level must be 1, 2, 3 or 4")
        if not self.name:
            raise Malformed(Reason.CODE_TABLE, f"{self.code}: name must not be empty")


@dataclass(frozen=True)
class Occupations(Mapping[str, Occupation]):
    """The whole table, by code, in code order."""

    by_code: Mapping[str, Occupation]
    _digest: bytes = field(repr=False)

    def __getitem__(self, code: str) -> Occupation:
        return self.by_code[code]

    def __iter__(self) -> Iterator[str]:
        return iter(self.by_code)

    def __len__(self) -> int:
        return len(self.by_code)

    def __hash__(self) -> int:
        return hash(self._digest)

    def require(self, code: str) -> Occupation:
        """The occupation with this code.

        :raises Malformed: ``codes.unknown`` when the table has no such code.
        """
        found = self.by_code.get(code)
        if found is None:
            raise Malformed(
                Reason.UNKNOWN_CODE, f"occupation code {code!r} is not in the occupation table"
            )
        return found

    def at_level(self, level: int) -> tuple[Occupation, ...]:
        """All rows of one level, in code order."""
        return tuple(row for row in self.by_code.values() if row.level == level)

    def ancestors(self, code: str) -> tuple[str, ...]:
        """See :func:`ancestors`; the code must be in the table."""
        return ancestors(self.require(code).code)

    def group(self, code: str) -> str:
        """See :func:`group`; the code must be in the table."""
        return group(self.require(code).code)

    def digest(self) -> bytes:
        """SHA-256 of the table's bytes: members compare it before they share code-keyed figures."""
        return self._digest


def parse(table: bytes) -> Occupations:
    """Read a table of :data:`COLUMNS`; aliases are separated by ``|``.

    :raises Malformed: ``codes.table`` naming line and rule.
    """
    found: dict[str, Occupation] = {}
    for number, (code, level, name, aliases, definition, tasks) in rows(table, COLUMNS):
        if code in found:
            raise Malformed(Reason.CODE_TABLE, f"line {number}: code {code} occurs twice")
        if not CODE.fullmatch(code) or not level.isdecimal():
            raise Malformed(
                Reason.CODE_TABLE, f"line {number}: code must be d-dd-dd-dd and level a number"
            )
        found[code] = Occupation(
            code=code,
            level=int(level),
            name=name,
            parent=next(iter(ancestors(code)), ""),
            aliases=tuple(alias for alias in aliases.split("|") if alias),
            text=f"{definition} {tasks}".strip(),
        )
    return Occupations(dict(sorted(found.items())), table_digest(table))


@lru_cache(maxsize=1)
def load() -> Occupations:
    """The packaged CSCO-2022 table (2,047 codes, 1,632 of them occupations)."""
    return parse(packaged_bytes("csco2022"))
