"""Vectorised draws shared by postings and workers: bands, weighted picks, skills, wordings, places.

This file must not know which attribute of which side a draw is for.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from deploy.study.market.arrays import FloatArray, IntArray
from deploy.study.market.vocabulary import Vocabulary

#: Degrees of latitude per kilometre, and how far people and firms lie from their county's centre.
DEGREE_KM = 111.2
SPREAD_KM = 5.0
#: How far the invented county centres lie from the city's real centre, km (standard deviation).
COUNTY_KM = 11.0


def choose(draw: np.random.Generator, weights: FloatArray, size: int) -> IntArray:
    """``size`` indices drawn with probability proportional to ``weights``."""
    edges = np.cumsum(weights / weights.sum())
    drawn = np.searchsorted(edges, draw.random(size), side="right")
    return np.minimum(drawn, len(weights) - 1).astype(np.int64)


def from_table(
    draw: np.random.Generator, table: tuple[tuple[int, float], ...], size: int
) -> IntArray:
    """Values drawn with the shares of a (value, share) table."""
    picked = choose(draw, np.array([share for _, share in table]), size)
    return np.array([value for value, _ in table], dtype=np.int64)[picked]


@dataclass(frozen=True)
class Tongue:
    """How one city words skills: ``favourite[k]`` is the wording most of its employers use."""

    favourite: IntArray
    first: IntArray
    forms: IntArray


def tongues(words: Vocabulary, draw: np.random.Generator, cities: int, same: float) -> list[Tongue]:
    """One tongue per city; with probability ``same`` a city uses the first listed wording."""
    forms = np.array([len(concept.wordings) for concept in words.concepts], dtype=np.int64)
    first = np.concatenate([[0], np.cumsum(forms)[:-1]]).astype(np.int64)
    found = []
    for _ in range(cities):
        own = (draw.random(len(forms)) * forms).astype(np.int64)
        common = draw.random(len(forms)) < same
        found.append(Tongue(np.where(common, 0, own), first, forms))
    return found


def word(draw: np.random.Generator, tongue: Tongue, concept: IntArray, same: float) -> IntArray:
    """Wording numbers: the city's favourite with probability ``same``, else any of the skill's."""
    forms = tongue.forms[concept]
    other = (draw.random(len(concept)) * forms).astype(np.int64)
    usual = draw.random(len(concept)) < same
    return tongue.first[concept] + np.where(usual, tongue.favourite[concept], other)


def pick_skills(
    draw: np.random.Generator, weights: FloatArray, row_of: IntArray, counts: IntArray
) -> NDArray[np.int64]:
    """(M, 2) pairs (person, concept): ``counts[i]`` concepts without repeats from ``weights[row_of[i]]``.

    Weighted sampling without replacement by the largest Gumbel keys (Efraimidis and Spirakis 2006).
    """
    pairs = []
    for row in np.unique(row_of):
        people = np.flatnonzero(row_of == row)
        usable = np.flatnonzero(weights[row] > 0)
        keys = np.log(weights[row, usable]) + draw.gumbel(size=(len(people), len(usable)))
        order = np.argsort(-keys, axis=1, kind="stable")
        taken = np.arange(len(usable))[None, :] < counts[people, None]
        who = np.broadcast_to(people[:, None], order.shape)[taken]
        pairs.append(np.stack([who, usable[order[taken]]], axis=1))
    return np.concatenate(pairs).astype(np.int64)


def ragged(pairs: IntArray, people: int, concepts: int) -> tuple[IntArray, IntArray]:
    """(flat concepts, start) of (person, concept) pairs, repeats removed, in person order."""
    keys = np.unique(pairs[:, 0] * concepts + pairs[:, 1])
    who = keys // concepts
    start = np.concatenate([[0], np.cumsum(np.bincount(who, minlength=people))])
    return keys % concepts, start.astype(np.int64)


def places(
    draw: np.random.Generator, centre: tuple[float, float], counties: int, size: int, seed: int
) -> tuple[IntArray, FloatArray, FloatArray]:
    """(county number, longitude, latitude): scattered round invented county centres of a real city."""
    layout = np.random.Generator(np.random.PCG64(seed))
    shifts = layout.normal(0.0, COUNTY_KM / DEGREE_KM, (counties, 2))
    county = draw.integers(0, counties, size)
    spot = shifts[county] + draw.normal(0.0, SPREAD_KM / DEGREE_KM, (size, 2))
    stretch = np.cos(np.radians(centre[1]))
    longitude = np.round(centre[0] + spot[:, 0] / stretch, 5)
    return county, longitude, np.round(centre[1] + spot[:, 1], 5)
