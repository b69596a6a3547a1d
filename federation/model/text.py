"""Short texts as points of the public space: character n-grams hashed into a frozen table.

Knows the frozen table and nothing of profiles; two cities embed a tag alike without a vocabulary.
"""

import hashlib
import unicodedata
import zlib
from functools import lru_cache
from typing import Final

import numpy as np
from numpy.typing import NDArray

from federation.model.tables import BUCKETS, WIDTH, frozen_tables

LONGEST_GRAM: Final = 2  # characters; most Chinese words have two
SKETCH: Final = 96  # cells that a tag's letters are counted into, with signs (count sketch)


def normalise(text: str) -> str:
    """Return the text in NFKC, case-folded, letters only (no digits, punctuation or spaces)."""
    folded = unicodedata.normalize("NFKC", text).casefold()
    return "".join(ch for ch in folded if ch.isalpha())


def bucket_counts(text: str) -> dict[int, int]:
    """Return bucket → occurrences of the text's character 1- and 2-grams (CRC-32 mod BUCKETS)."""
    letters = normalise(text)
    counts: dict[int, int] = {}
    for size in range(1, LONGEST_GRAM + 1):
        for start in range(len(letters) - size + 1):
            bucket = zlib.crc32(letters[start : start + size].encode()) % BUCKETS
            counts[bucket] = counts.get(bucket, 0) + 1
    return counts


@lru_cache(maxsize=65_536)
def embed(text: str) -> NDArray[np.float64]:
    """Return the text's unit vector, shape (WIDTH,); the zero vector when no gram is known."""
    total = np.zeros(WIDTH)
    for bucket, count in bucket_counts(text).items():
        total += count * frozen_tables().buckets[bucket].astype(np.float64)
    length = float(np.linalg.norm(total))
    vector = total / length if length > 0 else total
    vector.setflags(write=False)
    return vector


@lru_cache(maxsize=65_536)
def sketch(text: str) -> NDArray[np.float64]:
    """Return the unit count sketch of the text's 1- and 2-grams, shape (SKETCH,); zero for none.

    Inner products estimate shared letters (Charikar, Chen and Farach-Colton 2002), whether or not
    the classification knows the words; a pair of letters weighs twice a single one.
    """
    letters = normalise(text)
    total = np.zeros(SKETCH)
    for size in range(1, LONGEST_GRAM + 1):
        for start in range(len(letters) - size + 1):
            hashed = zlib.crc32(letters[start : start + size].encode())
            total[hashed % SKETCH] += size if hashed >> 31 else -size
    length = float(np.linalg.norm(total))
    vector = total / length if length > 0 else total
    vector.setflags(write=False)
    return vector


@lru_cache(maxsize=65_536)
def tag_identity(tag: str) -> int:
    """Return the 63-bit identity under which equal tags are found, never 0 (which pads rows)."""
    folded = unicodedata.normalize("NFKC", tag).casefold().strip()
    digest = hashlib.blake2b(folded.encode(), digest_size=8).digest()
    return int.from_bytes(digest, "big") >> 1 or 1
