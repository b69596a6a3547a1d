"""Vectorised draws shared by postings and workers: bands, weighted picks, skills, wordings, places.

This file must not know which attribute of which side a draw is for.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from deploy.study.market.arrays import FloatArray, IntArray
from deploy.study.market.vocabulary import STYLES, Vocabulary

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
    """How one city words skills: ``favourite[k]`` is the name of skill k most of its employers use,
    ``style`` the way its portal puts names. ``names[k]`` counts names, ``first[k]`` is the
    number of the skill's first wording."""

    favourite: IntArray
    style: int
    names: IntArray
    first: IntArray


def tongues(words: Vocabulary, draw: np.random.Generator, cities: int, same: float) -> list[Tongue]:
    """One tongue per city; with probability ``same`` a city uses the first listed name."""
    names = np.array([len(concept.names) for concept in words.concepts], dtype=np.int64)
    first = np.concatenate([[0], np.cumsum(names * STYLES)[:-1]]).astype(np.int64)
    found = []
    for city in range(cities):
        own = (draw.random(len(names)) * names).astype(np.int64)
        common = draw.random(len(names)) < same
        found.append(Tongue(np.where(common, 0, own), city % STYLES, names, first))
    return found


def word(
    draw: np.random.Generator, tongue: Tongue, concept: IntArray, same: tuple[float, float]
) -> IntArray:
    """Wording numbers: with the probabilities ``same`` the city's favourite name and the city's
    style, else any of the skill's."""
    names, size = tongue.names[concept], len(concept)
    other = (draw.random(size) * names).astype(np.int64)
    name = np.where(draw.random(size) < same[0], tongue.favourite[concept], other)
    style = np.where(draw.random(size) < same[1], tongue.style, draw.integers(0, STYLES, size))
    return np.asarray(tongue.first[concept] + name * STYLES + style)


def pick_skills(
    draw: np.random.Generator, weights: FloatArray, row_of: IntArray, counts: IntArray
) -> NDArray[np.int64]:
    """(M, 2) pairs (person, concept): ``counts[i]`` distinct ones from ``weights[row_of[i]]``.

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
    """(county number, longitude, latitude): scattered round invented centres in a real city."""
    layout = np.random.Generator(np.random.PCG64(seed))
    shifts = layout.normal(0.0, COUNTY_KM / DEGREE_KM, (counties, 2))
    county = draw.integers(0, counties, size)
    spot = shifts[county] + draw.normal(0.0, SPREAD_KM / DEGREE_KM, (size, 2))
    stretch = np.cos(np.radians(centre[1]))
    longitude = np.round(centre[0] + spot[:, 0] / stretch, 5)
    return county, longitude, np.round(centre[1] + spot[:, 1], 5)
