"""The true fit: the probability that a worker and a posting would work out.

This file must not know outcomes, models or files; it is the truth that models are measured by, and
deliberately none of their forms: thresholds, interactions and traits that nobody states.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.special import expit

from deploy.study.market.arrays import FloatArray, IntArray, Jobs, Workers
from deploy.study.market.rule import Rule
from deploy.study.market.world import World

#: Kilometres per degree of latitude.
DEGREE_KM = 111.2
NIGHT = (1, 2)
FLEXIBLE = 3
#: Hours a week from which work counts as overtime; ratio of pay that shows it depends on results.
OVERTIME, BY_RESULTS = 50, 1.75


@dataclass(frozen=True)
class Market:
    """Everything the true fit depends on. ``general[k]`` says whether concept k is a general skill;
    ``province[c]`` is the province code of city c."""

    rule: Rule
    world: World
    jobs: Jobs
    workers: Workers
    general: NDArray[np.bool_]
    province: IntArray


def kilometres(market: Market, worker: IntArray, job: IntArray) -> FloatArray:
    """Distance from home to work (equirectangular; cities are small); both indices broadcast."""
    people, jobs = market.workers, market.jobs
    north = jobs.latitude[job] - people.latitude[worker]
    middle = np.radians((jobs.latitude[job] + people.latitude[worker]) / 2)
    east = (jobs.longitude[job] - people.longitude[worker]) * np.cos(middle)
    return np.asarray(DEGREE_KM * np.hypot(north, east))


def flat_positions(begin: IntArray, lengths: IntArray) -> IntArray:
    """Positions of consecutive runs: for every i, begin[i], …, begin[i] + lengths[i] - 1."""
    ends = np.cumsum(lengths)
    return np.arange(ends[-1]) + np.repeat(begin - ends + lengths, lengths)


def _share(market: Market, known: FloatArray, needed: IntArray, lengths: IntArray) -> FloatArray:
    """Weighted mean of ``known`` (…, N) over each run of ``needed``, mixed with the weakest one."""
    begin = np.cumsum(lengths) - lengths
    general, rule = market.general[needed], market.rule
    weight = np.where(general, rule.general_weight, 1.0)
    mean = np.add.reduceat(known * weight, begin, axis=-1) / np.add.reduceat(weight, begin)
    if rule.weakest == 0.0:
        return np.asarray(mean)
    least = np.minimum.reduceat(np.where(general, 1.0, known), begin, axis=-1)
    return np.asarray((1 - rule.weakest) * mean + rule.weakest * least)


def coverage(market: Market, worker: IntArray, job: IntArray) -> FloatArray:
    """(W, J) share of each posting's required skills that each worker covers, 0–1.

    A required skill counts as far as the worker's best related skill stands in for it; the rule
    says how much the weakest one weighs.
    """
    people, jobs = market.workers, market.jobs
    lengths = jobs.start[job + 1] - jobs.start[job]
    needed = jobs.concept[flat_positions(jobs.start[job], lengths)]
    best = [
        market.world.stands_in[people.concept[people.start[w] : people.start[w + 1]]].max(axis=0)
        for w in worker
    ]
    return _share(market, np.stack(best)[:, needed], needed, lengths)


def pair_coverage(market: Market, worker: IntArray, job: IntArray) -> FloatArray:
    """(P,) coverage of posting ``job[p]`` by ``worker[p]``."""
    people, jobs = market.workers, market.jobs
    lengths = jobs.start[job + 1] - jobs.start[job]
    needed = jobs.concept[flat_positions(jobs.start[job], lengths)]
    who = np.repeat(worker, lengths)
    skills = people.start[who + 1] - people.start[who]
    held = people.concept[flat_positions(people.start[who], skills)]
    related = market.world.stands_in[held, np.repeat(needed, skills)]
    known = np.maximum.reduceat(related, np.cumsum(skills) - skills)
    return _share(market, known, needed, lengths)


def skilled(market: Market, worker: IntArray, job: IntArray, covered: FloatArray) -> FloatArray:
    """Probability of no skill failure: a steep threshold on coverage, moved by related practice."""
    people, jobs, rule, world = market.workers, market.jobs, market.rule, market.world
    related = world.prepares[people.trade[worker], jobs.trade[job]]
    years = people.experience[worker] * related
    seasoned = np.minimum(people.experience[worker] / rule.practice_years, 1.0)
    practice = rule.practice * (related - rule.practice_from) * (0.4 + 0.6 * seasoned)
    missing = np.clip(jobs.experience[job] - years, 0.0, 4.0)
    ability = covered + practice - world.experience_gap[jobs.trade[job]] * missing
    return np.asarray(expit((ability - rule.covered) / rule.softness))


def paid(market: Market, worker: IntArray, job: IntArray) -> FloatArray:
    """Probability of no arrears: the employer's hidden ways, contract, cover, pay too good."""
    jobs, rule = market.jobs, market.rule
    middle = (jobs.pay_low[job] + jobs.pay_high[job]) / 2
    risk = (
        market.world.arrears[jobs.trade[job]]
        + jobs.unreliable[job]
        + rule.no_contract * (jobs.contract[job] == 0)
        + rule.insured * (jobs.insurance[job] == 2)
        + rule.too_good * (np.log(middle / jobs.usual_pay[job]) > 0.45)
    )
    return np.asarray(expit(-risk)) * np.ones(np.shape(worker))


def log_pay(market: Market, worker: IntArray, job: IntArray) -> FloatArray:
    """Log of offered over reservation pay, by the month or (``rule.hourly``) by the hour."""
    people, jobs = market.workers, market.jobs
    middle = (jobs.pay_low[job] + jobs.pay_high[job]) / 2
    monthly = np.log(middle / people.reservation[worker])
    per_hour = np.log(people.wish_hours[worker] / jobs.hours[job])
    return np.asarray(monthly + market.rule.hourly * per_hour)


def _place(market: Market, worker: IntArray, job: IntArray, gain: FloatArray) -> FloatArray:
    """Commuting at home, moving elsewhere; good pay makes up for part of either."""
    people, jobs, rule = market.workers, market.jobs, market.rule
    relief = 1.0 - rule.pay_for_distance * np.clip(gain / 0.3, 0.0, 1.0)
    share = kilometres(market, worker, job) / people.max_distance[worker]
    home = rule.commute * np.minimum(share, 2.5) ** 2 * relief + rule.too_far * (share > 1.0)
    move = people.move[worker]
    there, here = market.province[jobs.city[job]], market.province[people.city[worker]]
    allowed = (move == 2) | ((move == 1) & (there == here))
    away = rule.relocation * (1.0 + 0.6 * people.parent[worker]) * relief
    away = away + 0.5 * rule.relocation * (jobs.insurance[job] == 0)
    elsewhere = jobs.city[job] != people.city[worker]
    return np.asarray(np.where(elsewhere, np.where(allowed, away, 5.0), home))


def _time(market: Market, worker: IntArray, job: IntArray) -> FloatArray:
    """Shifts against wish, age and family; hours too many or too few."""
    people, jobs, rule = market.workers, market.jobs, market.rule
    wish, shift = people.wish_shift[worker], jobs.shift[job]
    night = np.isin(jobs.shift, NIGHT)[job]
    cost = rule.shift * (night & (wish == 1)) + 0.9 * ((wish == 4) & (shift != FLEXIBLE))
    cost = cost + 0.3 * (~night & ((wish == 2) | (wish == 3)))
    cost = cost + night * (
        rule.night_old * (people.age[worker] >= 50) + rule.night_parent * people.parent[worker]
    )
    more = jobs.hours[job] - people.wish_hours[worker]
    cost = cost + rule.hours * np.maximum(more, 0) + rule.long_hours * (more > 12)
    return np.asarray(cost + rule.few_hours * (more < -15))


def _cover(market: Market, worker: IntArray, job: IntArray) -> FloatArray:
    """Contract and insurance below the wish, worse for those past 35."""
    people, jobs, rule = market.workers, market.jobs, market.rule
    short = np.maximum(people.wish_contract[worker] - jobs.contract[job], 0)
    short = short + np.maximum(people.wish_insurance[worker] - jobs.insurance[job], 0)
    older = np.where(people.age[worker] >= 35, rule.cover_older, 1.0)
    return np.asarray(rule.cover * short * older)


def _customs(market: Market, job: IntArray) -> FloatArray:
    """What the trade's people are used to: overtime, nights, labour contracts, pay by results."""
    jobs = market.jobs
    habits = market.world.customs[jobs.trade[job]]
    traits = np.stack(
        [
            jobs.hours[job] > OVERTIME,
            np.isin(jobs.shift, NIGHT)[job],
            jobs.contract[job] == 2,
            jobs.pay_high[job] > BY_RESULTS * jobs.pay_low[job],
        ],
        axis=-1,
    )
    return np.asarray((habits * (traits - 0.3)).sum(axis=-1))


def stays(market: Market, worker: IntArray, job: IntArray) -> FloatArray:
    """Probability of not quitting within 30 days."""
    people, jobs, rule, world = market.workers, market.jobs, market.rule, market.world
    gain = log_pay(market, worker, job)
    trade = jobs.trade[job]
    related = world.prepares[people.trade[worker], trade]
    taste = np.einsum("...d,...d->...", people.taste[worker], world.flavour[trade])
    idle = (people.experience[worker] * related - jobs.experience[job] > 10) & (gain < 0.1)
    comfort = (
        rule.stay
        + rule.pay * world.pay_matters[trade] * np.clip(gain, -0.7, rule.pay_ceiling)
        + world.pleasant[trade]
        + _customs(market, job)
        + rule.related * (related - 0.5)
        + rule.taste * taste
        - 0.5 * idle
        - world.distance_matters[trade] * _place(market, worker, job, gain)
        - world.time_matters[trade] * _time(market, worker, job)
        - world.cover_matters[trade] * _cover(market, worker, job)
    )
    return np.asarray(expit(rule.stay_slope * comfort))


def fit(market: Market, worker: IntArray, job: IntArray, covered: FloatArray) -> FloatArray:
    """True fit probability: no skill failure, no arrears, no quitting. Shapes broadcast."""
    return np.asarray(
        skilled(market, worker, job, covered)
        * paid(market, worker, job)
        * stays(market, worker, job)
    )
