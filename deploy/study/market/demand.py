"""The workers of one city: who they are, what they can do, what they wish.

This file must not know postings, outcomes or what a good match is.
"""

import numpy as np

from deploy.study.market import facts
from deploy.study.market.arrays import FloatArray, IntArray, Workers
from deploy.study.market.cities import City
from deploy.study.market.draws import Tongue, choose, from_table, pick_skills, places, ragged, word
from deploy.study.market.rule import Rule
from deploy.study.market.supply import general_weights, occupations_in, trade_shares, usual_pay
from deploy.study.market.vocabulary import Vocabulary
from deploy.study.market.world import GIG_TRADES, MEN_BY_TRADE, World

#: Share of workers whose trade follows their city's industry; the others learnt theirs elsewhere
#: (returned migrants) or belong to what every city has.
HOME_TRADE = 0.45
#: Share who also list skills of an earlier trade.
SECOND_TRADE = 0.35
#: Standard deviations (log): of wished over usual pay, of the reservation wage over the wish.
WISH_SD, RESERVATION_SD = 0.22, 0.12
#: Kilometres people say they would travel to work (km, share).
DISTANCES = ((5, 0.1), (10, 0.25), (15, 0.2), (20, 0.2), (30, 0.15), (50, 0.1))


def _ages(draw: np.random.Generator, gig: FloatArray) -> IntArray:
    """Years; platform work is done by younger people (weights of our own choice)."""
    weights = np.array([share for _, _, share in facts.AGE_BANDS])
    young = weights * np.array([2.0, 1.4, 0.7, 0.2])
    size = len(gig)
    band = np.where(gig > 0, choose(draw, young, size), choose(draw, weights, size))
    low = np.array([first for first, _, _ in facts.AGE_BANDS])[band]
    high = np.array([below for _, below, _ in facts.AGE_BANDS])[band]
    years: IntArray = (low + draw.random(size) * (high - low)).astype(np.int64)
    return years


def _moves(draw: np.random.Generator, age: IntArray, region: str) -> IntArray:
    """0 no, 1 within the province, 2 anywhere; the old move less, the mean is published."""
    tilt = 1.0 + 0.25 * (42.0 - age) / 20.0
    willing = draw.random(len(age)) < np.clip(facts.MOVERS * tilt / tilt.mean(), 0.0, 0.98)
    far = draw.random(len(age)) < facts.LEAVE_PROVINCE[region]
    return np.where(willing, np.where(far, 2, 1), 0).astype(np.int64)


def _skills(
    words: Vocabulary,
    world: World,
    draw: np.random.Generator,
    occupation: IntArray,
    experience: IntArray,
) -> tuple[IntArray, IntArray]:
    """(flat concepts, start): the occupation's, some of an earlier trade, some anyone lists."""
    size = len(occupation)
    kept = np.minimum(2 + draw.integers(0, 3, size) + experience // 6, 6)
    own = pick_skills(draw, world.profile, occupation, kept)
    earlier = draw.integers(0, len(words.occupations), size)
    two = np.where(draw.random(size) < SECOND_TRADE, draw.integers(1, 3, size), 0)
    other = pick_skills(draw, world.profile, earlier, two)
    nobody = np.zeros(size, dtype=np.int64)
    anyone = pick_skills(draw, general_weights(words), nobody, draw.integers(1, 4, size))
    return ragged(np.concatenate([own, other, anyone]), size, len(words.concepts))


def _wishes(
    draw: np.random.Generator, gig: FloatArray
) -> tuple[IntArray, IntArray, IntArray, IntArray]:
    """(hours, shift, contract, insurance)."""
    size = len(gig)
    full = from_table(draw, ((40, 0.1), (48, 0.25), (54, 0.25), (60, 0.25), (72, 0.15)), size)
    hours = np.where((gig > 0) & (draw.random(size) < 0.5), draw.integers(4, 9, size) * 5, full)
    shift = choose(draw, np.array([0.5, 0.4, 0.02, 0.05, 0.03]), size)
    shift = np.where((gig > 0) & (draw.random(size) < 0.5), 4, shift)
    contract = choose(draw, np.array([0.55, 0.2, 0.25]), size)
    insurance = choose(draw, np.array([0.5, 0.3, 0.2]), size)
    return hours, shift, contract, insurance


def population(
    words: Vocabulary,
    world: World,
    rule: Rule,
    city: City,
    place: tuple[int, int],
    tongue: Tongue,
    size: int,
    draw: np.random.Generator,
) -> Workers:
    """``size`` workers of the city; ``place`` is (number of the city, counties)."""
    number, counties = place
    everywhere = np.full(len(words.trades), 1 / len(words.trades))
    mix = HOME_TRADE * trade_shares(words, city) + (1 - HOME_TRADE) * everywhere
    trade = choose(draw, mix, size)
    occupation = occupations_in(words, draw, trade)
    gig = np.isin(trade, [words.trades.index(key) for key in GIG_TRADES]).astype(np.float64)
    age = _ages(draw, gig)
    men = np.array([MEN_BY_TRADE.get(key, facts.MEN) for key in words.trades])
    male = (draw.random(size) < men[trade]).astype(np.int64)
    working = np.maximum(age - 18, 0)
    experience = np.floor(working * draw.beta(1.1, 2.2, size)).astype(np.int64)
    concept, start = _skills(words, world, draw, occupation, experience)
    hours, shift, contract, insurance = _wishes(draw, gig)
    usual = usual_pay(words, city)[trade] * (1 + 0.02 * np.minimum(experience, 15))
    usual = usual * np.clip(hours / 54, 0.45, 1.25) ** 0.8
    wish = usual * np.exp(draw.normal(-0.05, WISH_SD, size))
    county, longitude, latitude = places(
        draw, (city.longitude, city.latitude), counties, size, int(city.code)
    )
    parents = np.interp(age, [20, 30, 38, 50, 62], [0.05, 0.5, 0.65, 0.2, 0.05])
    return Workers(
        city=np.full(size, number, dtype=np.int64),
        occupation=occupation,
        trade=trade,
        male=male,
        born=-(age * 365.25 + draw.integers(0, 365, size)).astype(np.int64),
        age=age,
        county=county,
        longitude=longitude,
        latitude=latitude,
        experience=experience,
        wish_pay=(np.round(wish / 100) * 100).astype(np.int64),
        wish_hours=hours,
        wish_shift=shift,
        wish_contract=contract,
        wish_insurance=insurance,
        max_distance=from_table(draw, DISTANCES, size),
        move=_moves(draw, age, city.region),
        seeking=(draw.random(size) < 0.7).astype(np.int64),
        consent=(draw.random(size) < 0.93).astype(np.int64),
        reservation=wish * np.exp(draw.normal(-0.05, RESERVATION_SD, size)),
        parent=(draw.random(size) < parents).astype(np.int64),
        taste=draw.normal(0.0, 1.0, (size, 4)),
        concept=concept,
        wording=word(draw, tongue, concept, (rule.same_name, rule.same_style)),
        start=start,
    )
