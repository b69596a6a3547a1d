"""How a packaged code table is read: tab-separated text, a header row, compressed with gzip.

This file must not know what the codes of any table mean.
"""

import gzip
import hashlib
from importlib.resources import files

from federation.errors import Malformed, Reason


def packaged_bytes(name: str) -> bytes:
    """Uncompressed bytes of the packaged table ``name`` (without its ``.tsv.gz``)."""
    return gzip.decompress((files("federation.codes") / "data" / f"{name}.tsv.gz").read_bytes())


def table_digest(table: bytes) -> bytes:
    """SHA-256 of the uncompressed table: independent of the compressor's version."""
    return hashlib.sha256(table).digest()


def rows(table: bytes, columns: tuple[str, ...]) -> list[tuple[int, tuple[str, ...]]]:
    """Rows of ``table`` with their line numbers (header is line 1).

    :raises Malformed: ``codes.table`` when it is not UTF-8, the header differs or a row is ragged.
    """
    try:
        lines = table.decode("utf-8").removesuffix("\n").split("\n")
    except UnicodeDecodeError as error:
        raise Malformed(
            Reason.CODE_TABLE, f"the code table is not UTF-8: {error.reason}"
        ) from error
    if not lines or tuple(lines[0].split("\t")) != columns:
        raise Malformed(Reason.CODE_TABLE, f"line 1 must name the columns {', '.join(columns)}")
    found = []
    for number, line in enumerate(lines[1:], start=2):
        cells = tuple(line.split("\t"))
        if len(cells) != len(columns):
            raise Malformed(
                Reason.CODE_TABLE, f"line {number} has {len(cells)} cells, not {len(columns)}"
            )
        found.append((number, cells))
    return found
