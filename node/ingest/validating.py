"""Rows of text into records, or rejections that name row, field and rule.

A rejected value of grade 3 or 4 is never repeated. This file must not know files or databases.
"""

from dataclasses import dataclass
from datetime import date

from pydantic import ValidationError

from node.ingest.reading import Place, RawFile
from node.records import KEYS, RECORDS, Grade, Record, grade_of

WITHHELD = "(withheld)"
# Characters of a rejected public value that are repeated.
MOST_SHOWN = 60
WHOLE_ROW = "(row)"


@dataclass(frozen=True)
class Rejection:
    """Why a row was not taken; ``value`` is withheld for personal fields."""

    kind: str
    place: Place
    field: str
    rule: str
    value: str

    def __str__(self) -> str:
        return (
            f"row {self.place.row} (line {self.place.line}) {self.field}: {self.rule}, "
            f"value {self.value}"
        )


@dataclass(frozen=True)
class Accepted:
    """A row that keeps every rule which can be judged from the file alone."""

    place: Place
    record: Record


Judged = tuple[list[Accepted], list[Rejection]]


def judge(kind: str, file: RawFile, today: date) -> Judged:
    """Sort the rows of one file into records and rejections; a key given twice is rejected."""
    accepted: list[Accepted] = []
    rejected: list[Rejection] = []
    seen: dict[str, int] = {}
    for row in file.rows:
        if len(row.cells) != len(file.columns):
            rule = f"has {len(row.cells)} cells, {len(file.columns)} expected"
            rejected.append(Rejection(kind, row.place, WHOLE_ROW, rule, WITHHELD))
            continue
        cells = dict(zip(file.columns, row.cells, strict=True))
        faults, record = _record(kind, row.place, cells, today)
        key = cells[KEYS[kind]]
        if key in seen and not faults:
            faults = [reject(kind, row.place, KEYS[kind], f"is given in row {seen[key]}", key)]
        seen.setdefault(key, row.place.row)
        if faults or record is None:
            rejected.extend(faults)
        else:
            accepted.append(Accepted(row.place, record))
    return accepted, rejected


def reject(kind: str, place: Place, field: str, rule: str, value: str) -> Rejection:
    """A rejection of one field, its value withheld from grade 3 on."""
    shown = repr(value[:MOST_SHOWN]) if grade_of(kind, field) < Grade.PERSONAL else WITHHELD
    return Rejection(kind, place, field, rule, shown)


def _record(
    kind: str, place: Place, cells: dict[str, str], today: date
) -> tuple[list[Rejection], Record | None]:
    try:
        return [], RECORDS[kind].model_validate(cells, context={"today": today})
    except ValidationError as error:
        faults = error.errors(include_url=False, include_context=False, include_input=False)
        named = [(str(fault["loc"][0]), _rule(fault["msg"])) for fault in faults]
        return [reject(kind, place, field, rule, cells[field]) for field, rule in named], None


def _rule(message: str) -> str:
    return message.removeprefix("Value error, ")
