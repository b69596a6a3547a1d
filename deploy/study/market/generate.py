"""From a seed to a market: the order in which everything is drawn.

This file must not know how anything is written to disk.
"""

from dataclasses import dataclass

import numpy as np

from deploy.study.market import vocabulary, world
from deploy.study.market.arrays import IntArray, Jobs, Workers
from deploy.study.market.behaviour import Events, applications, events
from deploy.study.market.cities import DEVELOPMENT as DEVELOPMENT_CITIES
from deploy.study.market.cities import REPORTING as REPORTING_CITIES
from deploy.study.market.cities import City
from deploy.study.market.demand import population
from deploy.study.market.draws import tongues
from deploy.study.market.fit import Market
from deploy.study.market.rule import DEVELOPMENT, REPORTING
from deploy.study.market.supply import postings
from deploy.study.market.vocabulary import Vocabulary
from federation.codes import divisions

#: Postings per city, (open, past), for a city of size 1.
POSTINGS = (1700, 2600)
#: Workers of each city whose outcomes are kept from everybody for reporting: share and at least.
HELD_OUT, HELD_OUT_LEAST = 0.10, 400
#: Month of the reference day.
TODAY_MONTH = 9
KINDS = {
    "demo": (DEVELOPMENT, DEVELOPMENT_CITIES + REPORTING_CITIES),
    "second": (REPORTING, REPORTING_CITIES + DEVELOPMENT_CITIES),
}


@dataclass(frozen=True)
class Drawn:
    """A whole market; ``held_out`` lists workers without recorded outcomes."""

    kind: str
    seed: int
    words: Vocabulary
    cities: tuple[City, ...]
    market: Market
    events: Events
    held_out: IntArray


def _held_out(sizes: list[int], draw: np.random.Generator) -> IntArray:
    """Sorted worker numbers, drawn in each city."""
    found, first = [], 0
    for size in sizes:
        count = min(max(int(HELD_OUT * size), HELD_OUT_LEAST), size // 2)
        found.append(first + np.sort(draw.permutation(size)[:count]))
        first += size
    return np.concatenate(found)


def _events(market: Market, held_out: IntArray, seeds: list[np.random.SeedSequence]) -> Events:
    """Events of everybody who is not held out, city by city."""
    parts = []
    for city, seed in enumerate(seeds):
        draw = np.random.Generator(np.random.PCG64(seed))
        people = np.setdiff1d(np.flatnonzero(market.workers.city == city), held_out)
        past = np.flatnonzero((market.jobs.city == city) & (market.jobs.closes < 0))
        parts.append(events(market, applications(market, people, past, draw), draw))
    return Events(
        *(
            np.concatenate([getattr(part, name) for part in parts])
            for name in ("worker", "job", "event", "day")
        )
    )


def generate(seed: int, workers: int, cities: int, kind: str = "demo") -> Drawn:
    """Draw a market of ``cities`` cities with at least ``workers`` workers each."""
    rule, every_city = KINDS[kind]
    chosen = every_city[:cities]
    words = vocabulary.load()
    facts_of_world = world.build(words, rule.world_seed)
    shared, *each = np.random.SeedSequence(seed).spawn(1 + 2 * cities)
    draw = np.random.Generator(np.random.PCG64(shared))
    speak = tongues(words, draw, cities, rule.same_dialect)
    table = divisions.load()
    smallest = min(city.size for city in chosen)
    supply: list[Jobs] = []
    demand: list[Workers] = []
    for number, city in enumerate(chosen):
        own = np.random.Generator(np.random.PCG64(each[number]))
        place = (number, max(len(table.counties(city.code)), 1))
        counts = (int(POSTINGS[0] * city.size), int(POSTINGS[1] * city.size))
        supply.append(
            postings(
                words, facts_of_world, rule, city, place, speak[number], counts, TODAY_MONTH, own
            )
        )
        size = round(workers * city.size / smallest)
        demand.append(
            population(words, facts_of_world, rule, city, place, speak[number], size, own)
        )
    market = Market(
        rule=rule,
        world=facts_of_world,
        jobs=Jobs.join(supply),
        workers=Workers.join(demand),
        general=np.array([concept.trade < 0 for concept in words.concepts]),
        province=np.array([int(table[city.code].province) for city in chosen]),
    )
    held_out = _held_out([len(part.city) for part in demand], draw)
    return Drawn(
        kind, seed, words, chosen, market, _events(market, held_out, each[cities:]), held_out
    )
