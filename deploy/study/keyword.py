"""The matching that portals offer today: the same words, weighed by how rare they are.

This file must not know concepts, fit or outcomes; it sees words only.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.sparse import csr_matrix

FloatArray = NDArray[np.float64]
#: Ties are broken by recency: a step far below any difference between two sums of weights.
RECENCY_STEP = 1e-9


@dataclass(frozen=True)
class KeywordIndex:
    """Postings by word: ``weights`` (J, V) holds each word's inverse document frequency."""

    words: dict[str, int]
    weights: csr_matrix
    recency: FloatArray


def index(postings: Sequence[Sequence[str]], posted: Sequence[int]) -> KeywordIndex:
    """Index postings (title and skill tags) with their posting days, later days being greater.

    A word's weight is ln(1 + J / postings with it): Spärck Jones's inverse document frequency,
    smoothed; a repeated word counts once.
    """
    words = {word: i for i, word in enumerate(sorted({w for tags in postings for w in tags}))}
    rows = [row for row, tags in enumerate(postings) for _ in set(tags)]
    columns = [words[word] for tags in postings for word in sorted(set(tags))]
    shape = (len(postings), len(words))
    ones = csr_matrix((np.ones(len(rows)), (rows, columns)), shape=shape)
    seen = np.asarray(ones.sum(axis=0)).ravel()
    weights = csr_matrix(ones.multiply(np.log1p(len(postings) / seen)))
    return KeywordIndex(words, weights, _recency(np.asarray(posted, dtype=np.int64)))


def _recency(posted: NDArray[np.int64]) -> FloatArray:
    """One distinct small number per posting: later days higher, then earlier rows higher."""
    order = np.lexsort((-np.arange(len(posted)), posted))
    rank = np.empty(len(posted))
    rank[order] = np.arange(len(posted))
    return rank * RECENCY_STEP


def scores(known: KeywordIndex, people: Sequence[Sequence[str]]) -> FloatArray:
    """(W, J) summed weights of the words a person and a posting share, newest first of equals."""
    pairs = [
        (row, known.words[word])
        for row, tags in enumerate(people)
        for word in sorted(set(tags))
        if word in known.words
    ]
    rows, columns = zip(*pairs, strict=True) if pairs else ((), ())
    shape = (len(people), len(known.words))
    asked = csr_matrix((np.ones(len(pairs)), (rows, columns)), shape=shape)
    return np.asarray((asked @ known.weights.T).toarray() + known.recency)
