"""The hidden facts of a market: which skill stands in for which, which trade prepares for which.

Nothing here is written to what a city holds; it must not know any worker or posting.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from deploy.study.market.vocabulary import Vocabulary

FloatArray = NDArray[np.float64]
#: Kind of work whose published pay a trade follows (keys of `facts.PAY`), as in skills.txt.
PAY_KIND = {
    "delivery": "courier",
    "driving": "transport",
    "warehouse": "transport",
    "catering": "hospitality",
    "domestic": "resident",
    "beauty": "resident",
    "retail": "trade",
    "ecommerce": "clerk",
    "software": "it",
    "design": "professional",
    "electronics": "manufacturing",
    "appliance": "manufacturing",
    "machining": "manufacturing",
    "furniture": "manufacturing",
    "ceramics": "manufacturing",
    "garment": "manufacturing",
    "food": "manufacturing",
    "building": "construction",
    "repair": "manufacturing",
    "security": "resident",
    "clerical": "clerk",
    "health": "professional",
    "education": "clerk",
    "chemical": "manufacturing",
    "farm": "farm",
    "robotics": "professional",
}
#: Trades done through platforms: hours and shifts are the worker's own.
GIG_TRADES = ("delivery", "driving")
#: Share of men by trade where it is far from the mean (own choice, after common observation).
MEN_BY_TRADE = {
    "domestic": 0.12,
    "beauty": 0.25,
    "health": 0.2,
    "education": 0.25,
    "garment": 0.35,
    "clerical": 0.3,
    "building": 0.93,
    "driving": 0.95,
    "delivery": 0.9,
    "security": 0.9,
    "machining": 0.88,
    "repair": 0.95,
    "catering": 0.5,
    "retail": 0.45,
    "electronics": 0.55,
}


@dataclass(frozen=True)
class World:
    """``stands_in[h, k]`` (K, K): how far concept h covers k, 0–1, not symmetric.

    ``prepares[a, b]`` (T, T): how far practice in trade a counts in b, 0–1. ``profile[o, k]``
    (O, K): weight of concept k in occupation o. Per trade: ``experience_gap`` (cost of a missing
    year, share of skills), ``pleasant`` (log-odds of staying), ``arrears`` (log-odds), ``flavour``
    (T, 4) what tastes refer to, and how much more than usual pay, time, cover and distance matter
    (factors round 1). ``customs`` (T, 4): liking, in log-odds, of overtime (it is paid), of nights,
    of a labour contract and of pay that depends on results, as each trade is used to.
    """

    stands_in: FloatArray
    prepares: FloatArray
    profile: FloatArray
    experience_gap: FloatArray
    pleasant: FloatArray
    arrears: FloatArray
    flavour: FloatArray
    pay_matters: FloatArray
    time_matters: FloatArray
    cover_matters: FloatArray
    distance_matters: FloatArray
    customs: FloatArray


def _stands_in(words: Vocabulary, draw: np.random.Generator) -> FloatArray:
    """Related skills by family and parent, and hidden links between families."""
    count = len(words.concepts)
    trade = np.array([concept.trade for concept in words.concepts])
    parent = np.array([concept.parent for concept in words.concepts])
    names = sorted({concept.family for concept in words.concepts})
    family = np.array([names.index(concept.family) for concept in words.concepts])
    same_family = family[:, None] == family[None, :]
    same_trade = trade[:, None] == trade[None, :]
    near = draw.normal(0.35, 0.1, (count, count))
    far = draw.normal(0.28, 0.12, (count, count))
    linked = (draw.random((len(names), len(names))) < 0.08) * draw.uniform(
        0.3, 0.75, (1, len(names))
    )
    hidden = linked[family[:, None], family[None, :]] * draw.uniform(0.7, 1.1, (count, count))
    related = np.clip(np.where(same_family, np.where(same_trade, near, far), hidden), 0.0, 0.9)
    kin = (parent[:, None] == np.arange(count)) | (parent[None, :] == np.arange(count)[:, None])
    related = np.maximum(related, kin * draw.uniform(0.5, 0.8, (count, count)))
    anyone = trade < 0
    related[anyone[:, None] | anyone[None, :]] *= 0.4
    np.fill_diagonal(related, 1.0)
    return np.asarray(related)


def _prepares(words: Vocabulary, stands_in: FloatArray, draw: np.random.Generator) -> FloatArray:
    """Half what the trades' skills say, half hidden ways that only careers show."""
    cores = [np.array(core) for core in words.core]
    shared = np.array([[stands_in[np.ix_(a, b)].max(axis=0).mean() for b in cores] for a in cores])
    count = len(cores)
    ways = (draw.random((count, count)) < 0.22) * draw.uniform(0.5, 0.9, (count, count))
    known = 0.4 * shared + 0.2 * draw.random((count, count))
    mixed = np.clip(np.maximum(known, ways), 0.0, 0.95)
    np.fill_diagonal(mixed, 1.0)
    return np.asarray(mixed)


def _profile(words: Vocabulary, draw: np.random.Generator) -> FloatArray:
    """Each occupation uses its trade's skills unequally: few much, most little."""
    weights = np.zeros((len(words.occupations), len(words.concepts)))
    for number, trade in enumerate(words.trade_of):
        core = list(words.core[trade])
        weights[number, core] = draw.lognormal(0.0, 1.3, len(core))
        tail = list(words.tail[number])
        weights[number, tail] = 0.8 * draw.lognormal(0.0, 0.8, len(tail))
    return weights


def build(words: Vocabulary, seed: int) -> World:
    """The same world for the same seed, however many workers are drawn into it."""
    draw = np.random.Generator(np.random.PCG64(seed))
    stands_in = _stands_in(words, draw)
    count = len(words.trades)
    arrears = draw.normal(-3.1, 0.5, count)
    arrears[words.trades.index("building")] = -1.7
    return World(
        stands_in=stands_in,
        prepares=_prepares(words, stands_in, draw),
        profile=_profile(words, draw),
        experience_gap=np.maximum(draw.normal(0.03, 0.06, count), 0.0),
        pleasant=draw.normal(0.0, 1.2, count),
        arrears=arrears,
        flavour=draw.normal(0.0, 0.5, (count, 4)),
        pay_matters=draw.lognormal(0.0, 0.95, count),
        time_matters=draw.lognormal(0.0, 0.95, count),
        cover_matters=draw.lognormal(0.0, 0.95, count),
        distance_matters=draw.lognormal(0.0, 0.6, count),
        customs=draw.normal(0.0, 1.0, (count, 4)) * np.array([2.5, 2.1, 1.8, 1.3]),
    )
