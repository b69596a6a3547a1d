"""CSV files into rows of text, each with its place, or an error naming what the file breaks.

This file must not know what a column means: only names, counts, encoding and size.
"""

import csv
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TextIO

from federation.errors import Malformed, Reason

# Characters of one cell; the longest field of a record has 4,000.
MOST_CELL_CHARS = 16_000


@dataclass(frozen=True)
class Place:
    """Where a data row stands: ``row`` counts data rows from 1, ``line`` lines of the file."""

    row: int
    line: int


@dataclass(frozen=True)
class RawRow:
    """One data row as text; ``cells`` may be more or fewer than the columns."""

    place: Place
    cells: tuple[str, ...]


@dataclass(frozen=True)
class RawFile:
    """A whole file: its columns in file order and its data rows."""

    columns: tuple[str, ...]
    rows: tuple[RawRow, ...]


def read_csv(path: Path, expected: Sequence[str]) -> RawFile:
    """Read a UTF-8 CSV file (RFC 4180, byte order mark allowed) with exactly ``expected`` columns.

    Raises Malformed(IMPORT_FILE) for a missing or unreadable file, another encoding, NUL bytes, an
    unclosed quote, an oversized cell or a header with missing, duplicate or unknown columns.
    """
    try:
        with path.open(encoding="utf-8-sig", newline="") as file:
            rows = list(_rows(file, path))
    except FileNotFoundError as error:
        raise _broken(path, "does not exist") from error
    except OSError as error:
        raise _broken(path, f"cannot be read: {error.strerror}") from error
    except UnicodeDecodeError as error:
        raise _broken(
            path, f"is not UTF-8 (near byte {error.start} of a block); save it as UTF-8"
        ) from error
    except csv.Error as error:
        raise _broken(path, f"is not a complete CSV file: {error}") from error
    if not rows:
        raise _broken(path, "is empty; a header row is expected")
    header = rows[0].cells
    _check_header(path, header, expected)
    return RawFile(header, tuple(rows[1:]))


def _rows(file: TextIO, path: Path) -> Iterator[RawRow]:
    reader = csv.reader(file, strict=True)
    row, line = -1, 0
    for cells in reader:
        first, line = line + 1, reader.line_num
        if not cells:
            continue
        row += 1
        _check_cells(path, first, cells)
        yield RawRow(Place(row, first), tuple(cells))


def _check_cells(path: Path, line: int, cells: Sequence[str]) -> None:
    if any("\0" in cell for cell in cells):
        raise _broken(path, f"holds a NUL byte in line {line}")
    if any(len(cell) > MOST_CELL_CHARS for cell in cells):
        raise _broken(path, f"holds a cell over {MOST_CELL_CHARS} characters in line {line}")


def _check_header(path: Path, header: Sequence[str], expected: Sequence[str]) -> None:
    faults = {
        "missing": [name for name in expected if name not in header],
        "unknown": [name for name in header if name not in expected],
        "duplicate": [name for name, count in Counter(header).items() if count > 1],
    }
    named = [f"{fault} {', '.join(map(repr, names))}" for fault, names in faults.items() if names]
    if named:
        raise _broken(path, f"has a wrong header: {'; '.join(named)}")


def _broken(path: Path, sentence: str) -> Malformed:
    return Malformed(Reason.IMPORT_FILE, f"{path.name} {sentence}")
