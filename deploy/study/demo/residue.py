"""Whether any private field of any record stands in what the nodes sent and received.

Lives here: which fields are searched for, and which of the wire's recordings. Must not know: what
messages mean, or how the search is done.
"""

import csv
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal, get_args, get_origin

from deploy.study.capture import LEAST_BYTES, found_values, recorded
from node.records import RECORDS, Grade, grade_of

#: Fields whose values are codes of public lists: they say nothing by being on the wire.
CODES = frozenset({"division", "occupation"})


@dataclass(frozen=True)
class Residue:
    """``searched``: distinct private values looked for; ``short``: those too short to be told from
    chance; ``found``: values that stand in the recordings, ``messages`` of ``size`` bytes in all.
    """

    searched: int
    short: int
    messages: int
    size: int
    found: frozenset[str]


def residue(markets: Sequence[Path], recordings: Sequence[Path]) -> Residue:
    """Search all ``recordings`` for every private value of the cities' folders ``markets``."""
    values = {value for folder in markets for value in private_values(folder)}
    long = {value for value in values if len(value.encode()) >= LEAST_BYTES}
    messages = [message for path in recordings for message in recorded(path)]
    return Residue(
        searched=len(long),
        short=len(values) - len(long),
        messages=len(messages),
        size=sum(map(len, messages)),
        found=found_values(messages, long),
    )


def private_values(folder: Path) -> Iterator[str]:
    """Yield every non-empty value of grade ≥ 2 in a city's CSV files; tags one by one."""
    for table in RECORDS:
        names = private_fields(table)
        with (folder / f"{table}.csv").open(encoding="utf-8", newline="") as file:
            for row in csv.DictReader(file):
                for name in names:
                    cell = row[name]
                    yield from filter(None, cell.split(";") if name == "skills" else (cell,))


def private_fields(table: str) -> list[str]:
    """Return the columns of one table that are graded above public and hold no public code."""
    return [
        name
        for name, field in RECORDS[table].model_fields.items()
        if grade_of(table, name) > Grade.PUBLIC
        and name not in CODES
        and get_origin(field.annotation) is not Literal
        and bool not in (field.annotation, *get_args(field.annotation))
    ]
