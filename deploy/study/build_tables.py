"""Builds federation/model/data/space.npz from the occupation classification's public texts.

Run once by a maintainer, ``python -m deploy.study.build_tables CSV OUT``; every change of the
result changes the model's digest, so it must not know cities, postings or people.
"""

import csv
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Final

import numpy as np
from numpy.typing import NDArray
from scipy import sparse
from scipy.sparse.linalg import svds

from federation.model.tables import BUCKETS, WIDTH, ancestors
from federation.model.text import bucket_counts

# Weight of each text in its occupation's document; names and aliases say most per character.
TEXT_WEIGHTS: Final = {"name": 2.0, "alias": 2.0, "definition": 0.2, "tasks": 0.1}
GROUP_WEIGHT: Final = 0.5  # names of the groups above
Row = Mapping[str, str]


def main(arguments: Sequence[str]) -> None:
    """Read the classification at arguments[0] and write the tables to arguments[1]."""
    source, target = Path(arguments[0]), Path(arguments[1])
    with source.open(encoding="utf-8", newline="") as handle:
        rows = {row["code"]: row for row in csv.DictReader(handle)}
    buckets, occupations, codes = build(rows)
    encoded = np.array([code.encode() for code in codes])
    np.savez_compressed(target, buckets=buckets, occupations=occupations, codes=encoded)


def build(rows: Mapping[str, Row]) -> tuple[NDArray[np.int8], NDArray[np.int8], list[str]]:
    """Return bucket vectors, occupation vectors and the sorted codes these belong to."""
    listed = sorted(rows)
    counts = _document_matrix([_document(rows, code) for code in listed])
    frequency = np.bincount(counts.indices, minlength=BUCKETS)
    rarity = np.log((1 + len(listed)) / (1 + frequency))
    grams = _gram_vectors(counts, rarity)
    vectors = {code: _unit(_name_counts(rows[code]) @ grams) for code in listed}
    vectors |= _missing_groups(vectors)
    codes = sorted(vectors)
    return _to_int8(grams), _to_int8(np.stack([vectors[code] for code in codes])), codes


def _document(rows: Mapping[str, Row], code: str) -> dict[int, float]:
    weights: dict[int, float] = {}
    texts = [(rows[code][field], weight) for field, weight in TEXT_WEIGHTS.items()]
    texts += [(rows[up]["name"], GROUP_WEIGHT) for up in ancestors(code)[1:] if up in rows]
    for text, weight in texts:
        for bucket, count in bucket_counts(_without_mark(text)).items():
            weights[bucket] = weights.get(bucket, 0.0) + weight * count
    return weights


def _document_matrix(documents: Sequence[Mapping[int, float]]) -> sparse.csr_matrix:
    lengths = [len(document) for document in documents]
    values = np.log1p([weight for document in documents for weight in document.values()])
    columns = [bucket for document in documents for bucket in document]
    starts = np.concatenate([[0], np.cumsum(lengths)])
    return sparse.csr_matrix((values, columns, starts), shape=(len(documents), BUCKETS))


def _gram_vectors(counts: sparse.csr_matrix, rarity: NDArray[np.float64]) -> NDArray[np.float64]:
    weighted = counts @ sparse.diags_array(rarity)
    norms = np.sqrt(np.asarray(weighted.multiply(weighted).sum(axis=1))).ravel()
    documents = sparse.diags_array(1 / np.maximum(norms, 1e-12)) @ weighted
    _, values, right = svds(documents, k=WIDTH, v0=np.ones(min(documents.shape)))
    order = np.argsort(-values)
    rows = right[order].T * np.sqrt(values[order])
    vectors: NDArray[np.float64] = _unit(rows) * (rarity / rarity.max())[:, None]
    return vectors


def _name_counts(row: Row) -> NDArray[np.float64]:
    counts = np.zeros(BUCKETS)
    for name in {row["name"], *row["alias"].split(",")}:
        for bucket, count in bucket_counts(_without_mark(name)).items():
            counts[bucket] += count
    return counts


def _missing_groups(vectors: Mapping[str, NDArray[np.float64]]) -> dict[str, NDArray[np.float64]]:
    members: dict[str, list[NDArray[np.float64]]] = {}
    for code, vector in vectors.items():
        for group in ancestors(code)[1:]:
            if group not in vectors:
                members.setdefault(group, []).append(vector)
    return {group: _unit(np.mean(below, axis=0)) for group, below in members.items()}


def _unit(rows: NDArray[np.float64]) -> NDArray[np.float64]:
    lengths = np.linalg.norm(rows, axis=-1, keepdims=True)
    unit: NDArray[np.float64] = rows / np.where(lengths > 1e-9, lengths, np.inf)
    return unit


def _to_int8(rows: NDArray[np.float64]) -> NDArray[np.int8]:
    # unit rows: one shared scale keeps every component below 127
    return np.round(rows * 127).astype(np.int8)


def _without_mark(name: str) -> str:
    # the classification marks green (L) and digital (S) occupations behind the name
    return name.rstrip("LS")


if __name__ == "__main__":
    main(sys.argv[1:])
