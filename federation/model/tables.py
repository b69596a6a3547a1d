"""The frozen public tables: what every city must hold byte for byte the same.

Built once from the occupation classification's texts by deploy/study/build_tables.py; this file
only loads them and must not know how profiles use them.
"""

import hashlib
from dataclasses import dataclass
from functools import cache
from importlib.resources import files
from typing import Final

import numpy as np
from numpy.typing import NDArray

BUCKETS: Final = 1 << 14  # rows of the hashed n-gram table
WIDTH: Final = 48  # dimensions of the public space
DATA_FILE: Final = "space.npz"


@dataclass(frozen=True)
class FrozenTables:
    """Int8 tables and the occupation codes, sorted, that index the second one."""

    buckets: NDArray[np.int8]  # (BUCKETS, WIDTH), one hashed n-gram a row
    occupations: NDArray[np.int8]  # (codes, WIDTH)
    codes: tuple[str, ...]  # CSCO-2022 codes of every level, ascending

    def digest(self) -> bytes:
        """Return SHA-256 over the tables' shapes, bytes and codes."""
        hasher = hashlib.sha256(b"laborfed/tables/v1")
        for part in (self.buckets, self.occupations):
            hasher.update(repr(part.shape).encode())
            hasher.update(np.ascontiguousarray(part).tobytes())
        hasher.update("\n".join(self.codes).encode())
        return hasher.digest()


@cache
def frozen_tables() -> FrozenTables:
    """Load the packaged tables once."""
    with files("federation.model").joinpath("data", DATA_FILE).open("rb") as handle:
        stored = np.load(handle, allow_pickle=False)
        return FrozenTables(
            buckets=stored["buckets"],
            occupations=stored["occupations"],
            codes=tuple(code.decode() for code in stored["codes"].tolist()),
        )


@cache
def sectors() -> tuple[str, ...]:
    """Return the classification's second level, ``4-10`` and the like, ascending."""
    return tuple(sorted({code[:4] for code in frozen_tables().codes if code[2:4] != "00"}))


@cache
def sector_index() -> dict[str, int]:
    """Return sector → row; a sector outside the table takes row len(sectors())."""
    return {sector: row for row, sector in enumerate(sectors())}


@cache
def _occupation_rows() -> dict[str, int]:
    return {code: row for row, code in enumerate(frozen_tables().codes)}


def ancestors(code: str) -> tuple[str, ...]:
    """Return the code and its groups, finest first: 4-10-08-01, 4-10-08-00, 4-10-00-00, …"""
    parts = code.split("-")
    return tuple("-".join(parts[:kept] + ["00"] * (4 - kept)) for kept in (4, 3, 2, 1))


def occupation_vector(code: str) -> NDArray[np.float64]:
    """Return the unit vector of a code, of its nearest known group when the code is unknown."""
    rows = _occupation_rows()
    row = next((rows[group] for group in ancestors(code) if group in rows), None)
    if row is None:
        return np.zeros(WIDTH)
    stored = frozen_tables().occupations[row].astype(np.float64)
    vector: NDArray[np.float64] = stored / max(float(np.linalg.norm(stored)), 1.0)
    return vector
