"""A small market in which every private field of every record holds a canary of its own.

Lives here: cutting a drawn market down, and writing canaries in. A canary has at least 16
characters and stands nowhere else; what a field's rule does not let hold one is listed, and is a
number or a date.
"""

import csv
from datetime import date
from pathlib import Path

from deploy.study.demo.residue import private_fields
from deploy.study.market.cities import DEVELOPMENT, City
from deploy.study.market.generate import generate
from deploy.study.market.written import write
from node.records import RECORDS

CITIES: tuple[City, ...] = DEVELOPMENT
WORKERS, SEED = 300, 7
LEAST_CHARACTERS = 16
KEPT_JOBS = 12  # one in so many of the postings that nobody applied to

# Private fields whose rule admits nothing of 16 characters.
NUMBERS = frozenset(
    {"experience_years", "wish_pay", "wish_hours", "max_distance_km"}
    | {"birth_date", "occurred_on"}
)
# Drawn so that each is unique already, and 18 characters long: a canary must keep the check digit.
UNIQUE = frozenset({"id_number"})

Row = dict[str, str]


def write_market(folder: Path, today: date) -> None:
    """Write four cities' files, truth left out, private fields replaced by canaries."""
    write(generate(SEED, WORKERS, len(CITIES)), folder, today)
    for city in CITIES:
        _rewrite(folder / city.code)


def canaries(folder: Path) -> dict[str, str]:
    """Return every canary of a city's folder and what it stands for: table, row, column."""
    found = {}
    for table in RECORDS:
        for row in read(folder, table):
            for column in set(private_fields(table)) - NUMBERS:
                text = row[column].rpartition(";")[2]
                found[text] = f"{folder.name} {table} {row[f'{table[:-1]}_id']} {column}"
    return found


def read(folder: Path, table: str) -> list[Row]:
    """Return the rows of one file."""
    with (folder / f"{table}.csv").open(encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file))


def _rewrite(folder: Path) -> None:
    tables = {table: read(folder, table) for table in RECORDS}
    met = {row["job_id"] for row in tables["outcomes"]}
    tables["jobs"] = [
        row for n, row in enumerate(tables["jobs"]) if n % KEPT_JOBS == 0 or row["job_id"] in met
    ]
    named: dict[str, str] = {}  # identifiers as drawn, and what stands for them
    for table, rows in tables.items():
        for number, row in enumerate(rows):
            for column in set(private_fields(table)) - NUMBERS - UNIQUE:
                _write_in(row, column, f"{folder.name}-{table}-{column}-{number:05d}", named)
        with (folder / f"{table}.csv").open("w", encoding="utf-8", newline="") as file:
            writer = csv.DictWriter(file, list(rows[0]), lineterminator="\n")
            writer.writeheader()
            writer.writerows(rows)


def _write_in(row: Row, column: str, text: str, named: dict[str, str]) -> None:
    digits = "".join(c for c in text if c.isdigit())
    canary = f"金丝雀-{text}"
    match column:
        case "job_id" | "worker_id":
            row[column] = named.setdefault(row[column], canary)
        case "phone":
            row[column] = f"+{digits:0>17}"
        case "longitude":  # 15 significant digits: what a float's text gives back
            row[column] = f"{row[column]}{digits[-5:]}01"
        case "latitude":
            row[column] = f"{row[column]}{digits[-5:]}001"
        case "skills":  # beside the real ones, so that there is something to learn
            row[column] = f"{row[column]};{canary}"
        case _:
            row[column] = canary
