"""Every constant chosen by us: of the true fit, of wording, and what calibrates the study.

This file must not hold published figures: those are in `facts.py`.
"""

from dataclasses import dataclass


@dataclass(frozen=True)
class Rule:
    """One market's true fit and wording habits; effects are in units of log-odds unless said.

    ``covered`` is the market's threshold of covered required skills (a share), used by the fit and
    by the mismatch rate alike. ``same_name`` and ``same_style`` are the probabilities that a
    worker's tag has the name and the style that the city's employers prefer, ``same_dialect``
    that a city names a skill as most cities do: ``covered``, these and ``relocation`` are what the
    study's figures are calibrated with.
    """

    world_seed: int
    covered: float
    same_name: float
    same_style: float
    same_dialect: float
    relocation: float
    #: Width of the skill threshold (share of skills) and weight of the weakest required skill.
    softness: float = 0.05
    weakest: float = 0.0
    #: Weight of a general skill among the required ones.
    general_weight: float = 0.35
    #: How far related practice moves ability (share of skills), and years until it counts in full.
    practice: float = 0.05
    #: Relatedness of trades (0–1) at which practice neither helps nor hurts.
    practice_from: float = 0.35
    practice_years: float = 3.0
    #: Pay: slope on log pay over the reservation wage, where it saturates, share that is per hour.
    pay: float = 2.4
    pay_ceiling: float = 0.35
    hourly: float = 0.0
    #: Staying: level, slope of the sum, liking for related work, spread of each worker's taste.
    stay: float = 1.1
    stay_slope: float = 1.5
    related: float = 1.6
    taste: float = 0.35
    #: Commuting: cost at the stated limit, cliff beyond it, share of it that good pay makes up for.
    commute: float = 0.5
    too_far: float = 1.6
    pay_for_distance: float = 0.6
    #: Shifts: against the wish; nights for those past 50 and for parents.
    shift: float = 1.5
    night_old: float = 1.1
    night_parent: float = 0.8
    #: Hours above the wish, each; beyond 12 more; too few hours.
    hours: float = 0.04
    long_hours: float = 0.6
    few_hours: float = 0.8
    #: Contract and insurance one level under the wish; multiplied for those past 35.
    cover: float = 0.45
    cover_older: float = 1.5
    #: Arrears: spread of employers, no contract, full insurance, pay too good to be true.
    unreliable: float = 0.9
    no_contract: float = 0.8
    insured: float = -0.4
    too_good: float = 1.2


DEVELOPMENT = Rule(
    world_seed=20220101,
    covered=0.44,
    same_name=0.85,
    same_style=0.25,
    same_dialect=0.8,
    relocation=0.3,
)
#: Another fit: the weakest required skill counts, pay is weighed by the hour, other strengths.
REPORTING = Rule(
    world_seed=20230607,
    covered=0.36,
    same_name=0.85,
    same_style=0.25,
    same_dialect=0.8,
    relocation=0.3,
    weakest=0.35,
    hourly=0.7,
    pay=1.9,
    pay_ceiling=0.5,
    related=1.2,
    practice=0.3,
    commute=0.8,
    too_far=1.2,
    shift=1.2,
    night_old=1.4,
    cover=0.6,
    softness=0.09,
    taste=0.45,
)
