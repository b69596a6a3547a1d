"""Employers and the postings they make in one city.

This file must not know workers, outcomes or what a good match is.
"""

import numpy as np

from deploy.study.market import facts
from deploy.study.market.arrays import FloatArray, IntArray, Jobs
from deploy.study.market.cities import City
from deploy.study.market.draws import (
    Tongue,
    choose,
    from_table,
    pick_skills,
    places,
    ragged,
    word,
)
from deploy.study.market.rule import Rule
from deploy.study.market.vocabulary import Vocabulary
from deploy.study.market.world import GIG_TRADES, PAY_KIND, World

#: Postings per employer, mean; days an open posting may be old, and how long any stays open.
POSTINGS_PER_EMPLOYER = 3.0
OPEN_DAYS = 45
PAST_DAYS = (60, 425)
#: How strongly an employer keeps to the city's usual names and style.
EMPLOYER_WORDING = (0.85, 0.4)
#: Popularity of general skills: the k-th most usual one weighs k**-GENERAL_DECAY.
GENERAL_DECAY = 1.0


def trade_shares(words: Vocabulary, city: City) -> FloatArray:
    """Share of each trade among the city's postings."""
    weights = np.array([city.weight(trade) for trade in words.trades])
    return np.asarray(weights / weights.sum())


def occupations_in(words: Vocabulary, draw: np.random.Generator, trade: IntArray) -> IntArray:
    """One occupation for each entry of ``trade``, by the shares of skills.txt."""
    occupation = np.zeros(len(trade), dtype=np.int64)
    of, share = np.array(words.trade_of), np.array(words.share)
    for number in np.unique(trade):
        own = np.flatnonzero(of == number)
        rows = np.flatnonzero(trade == number)
        occupation[rows] = own[choose(draw, share[own], len(rows))]
    return occupation


def general_weights(words: Vocabulary) -> FloatArray:
    """(1, K) weights of the skills everybody lists, the most usual ones far ahead."""
    weights = np.zeros((1, len(words.concepts)))
    order = np.random.Generator(np.random.PCG64(len(words.general))).permutation(len(words.general))
    weights[0, np.array(words.general)[order]] = (
        np.arange(1, len(words.general) + 1, dtype=np.float64) ** -GENERAL_DECAY
    )
    return weights


def posted_days(draw: np.random.Generator, size: int, today_month: int) -> IntArray:
    """Days before the reference day (negative) in the past window, thin in January and February."""
    days = np.arange(PAST_DAYS[0], PAST_DAYS[1])
    month = (today_month - 1 - days // 30.44).astype(np.int64) % 12
    return -days[choose(draw, np.array(facts.SEASON)[month], size)]


def usual_pay(words: Vocabulary, city: City) -> FloatArray:
    """(T,) usual monthly pay of each trade in the city, yuan."""
    return np.array([facts.PAY[PAY_KIND[trade]] * city.pay for trade in words.trades])


def _terms(
    draw: np.random.Generator, gig: FloatArray, care: FloatArray
) -> tuple[IntArray, IntArray, IntArray, IntArray]:
    """(hours, shift, contract, insurance); ``care`` is how well the employer treats people."""
    size = len(gig)
    part_time = gig * (draw.random(size) < facts.GIG_PART_TIME)
    hours = np.where(
        part_time > 0, draw.integers(3, 8, size) * 5, 40 + draw.binomial(8, 0.35, size) * 4
    )
    shift = choose(draw, np.array([0.62, 0.1, 0.28]), size)
    shift = np.where((gig > 0) & (draw.random(size) < 0.7), 3, shift)
    contract = np.clip(np.round(1.15 + 0.75 * care - 0.7 * gig + draw.normal(0, 0.5, size)), 0, 2)
    insurance = np.clip(np.round(1.0 + 0.7 * care - 0.4 * gig + draw.normal(0, 0.6, size)), 0, 2)
    return hours, shift, contract.astype(np.int64), insurance.astype(np.int64)


def _skills(
    words: Vocabulary, world: World, draw: np.random.Generator, occupation: IntArray
) -> tuple[IntArray, IntArray]:
    """(flat concepts, start): two to five of the occupation, one to three that anyone lists."""
    size = len(occupation)
    own = pick_skills(draw, world.profile, occupation, draw.integers(2, 6, size))
    anyone = pick_skills(
        draw, general_weights(words), np.zeros(size, dtype=np.int64), draw.integers(1, 4, size)
    )
    return ragged(np.concatenate([own, anyone]), size, len(words.concepts))


def postings(
    words: Vocabulary,
    world: World,
    rule: Rule,
    city: City,
    place: tuple[int, int],
    tongue: Tongue,
    counts: tuple[int, int],
    today_month: int,
    draw: np.random.Generator,
) -> Jobs:
    """``counts`` (open, past) postings of the city; ``place`` is (number of the city, counties)."""
    number, counties = place
    size = sum(counts)
    firms = max(int(size / POSTINGS_PER_EMPLOYER), 1)
    firm_trade = choose(draw, trade_shares(words, city), firms)
    care = draw.normal(0.0, 1.0, firms)
    unreliable = rule.unreliable * (0.8 * draw.normal(0.0, 1.0, firms) - 0.5 * care)
    firm_pay = draw.normal(0.0, 0.12, firms)
    employer = draw.integers(0, firms, size)
    trade = firm_trade[employer]
    occupation = occupations_in(words, draw, trade)
    concept, start = _skills(words, world, draw, occupation)
    gig = np.isin(trade, [words.trades.index(key) for key in GIG_TRADES]).astype(np.float64)
    hours, shift, contract, insurance = _terms(draw, gig, care[employer])
    experience = from_table(draw, facts.EXPERIENCE_ASKED, size)
    usual = usual_pay(words, city)[trade]
    rest = np.sqrt(facts.PAY_LOG_SD**2 - 0.12**2)
    spread = firm_pay[employer] + draw.normal(0.0, rest, size) + 0.05 * np.minimum(experience, 8)
    spread += np.log(np.clip(hours / 48, 0.4, 1.4)) * 0.8
    ratio = np.exp(draw.normal(np.log(facts.PAY_RANGE), 0.15, size).clip(0.05))
    low = np.round(usual * np.exp(spread) / np.sqrt(ratio) / 100) * 100
    county, longitude, latitude = places(
        draw, (city.longitude, city.latitude), counties, size, int(city.code)
    )
    past = np.arange(size) >= counts[0]
    posted = np.where(
        past, posted_days(draw, size, today_month), -draw.integers(0, OPEN_DAYS, size)
    )
    closes = np.where(past, posted + 30, posted + OPEN_DAYS + draw.integers(1, 30, size))
    return Jobs(
        city=np.full(size, number, dtype=np.int64),
        occupation=occupation,
        trade=trade,
        employer=employer,
        unreliable=unreliable[employer],
        county=county,
        longitude=longitude,
        latitude=latitude,
        experience=experience,
        pay_low=low.astype(np.int64),
        pay_high=(np.round(low * ratio / 100) * 100).astype(np.int64),
        usual_pay=usual,
        hours=hours,
        shift=shift,
        contract=contract,
        insurance=insurance,
        openings=from_table(draw, facts.OPENINGS, size),
        posted=posted,
        closes=closes,
        title=draw.integers(0, 1 << 30, size),
        concept=concept,
        wording=word(draw, tongue, concept, EMPLOYER_WORDING),
        start=start,
    )
