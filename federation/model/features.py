"""The list of pair features: name, the part of the score it belongs to, public initial weight.

A table and nothing else; pairs.py computes the columns in this order, the digest binds it.
"""

from dataclasses import dataclass
from typing import Final


@dataclass(frozen=True)
class Feature:
    """One number of a (worker, job) pair, scaled to about [-1, 1] by a public constant."""

    name: str
    part: str  # the line of an explanation it is added to
    initial: float  # weight before any training, in logits
    by_sector: bool = False  # whether each occupation sector also has a weight of its own


FEATURES: Final = (
    Feature("base", "base", -2.0, True),
    Feature("skill_exact", "skills", 1.0, True),
    Feature("skill_close", "skills", 1.0, True),
    Feature("skill_missing", "skills", -0.5, True),
    Feature("occupation_unit", "occupation", 0.3, True),
    Feature("occupation_minor", "occupation", 0.3, True),
    Feature("occupation_sector", "occupation", 0.2, True),
    Feature("occupation_major", "occupation", 0.1),
    Feature("occupation_close", "occupation", 0.5, True),
    Feature("experience_short", "experience", -0.5, True),
    Feature("experience_spare", "experience", 0.0, True),
    Feature("experience_years", "experience", 0.0, True),
    Feature("pay_below_wish", "pay", -0.5, True),
    Feature("pay_above_wish", "pay", 0.2, True),
    Feature("pay_ratio", "pay", 0.0, True),
    Feature("pay_level", "pay", 0.0, True),
    Feature("hours_over", "hours", -0.3, True),
    Feature("hours_under", "hours", 0.0, True),
    Feature("hours_level", "hours", 0.0, True),
    Feature("shift_unwanted", "shift", -0.5, True),
    Feature("shift_night", "shift", 0.0, True),
    Feature("shift_rotating", "shift", 0.0, True),
    Feature("shift_flexible", "shift", 0.0, True),
    Feature("contract_short", "contract", -0.3, True),
    Feature("contract_none", "contract", 0.0, True),
    Feature("contract_labour", "contract", 0.0, True),
    Feature("insurance_short", "insurance", -0.3, True),
    Feature("insurance_none", "insurance", 0.0, True),
    Feature("insurance_full", "insurance", 0.0, True),
    Feature("distance_share", "distance", -0.3, True),
    Feature("distance_beyond", "distance", -1.0),
    # no city sees outcomes elsewhere: these two keep their public start, common sense not data
    Feature("move_unwilling", "distance", -6.0),
    Feature("move_willing", "distance", -0.5),
    Feature("recency", "recency", 0.0),
)

NAMES: Final = tuple(feature.name for feature in FEATURES)
POSITION: Final = {name: column for column, name in enumerate(NAMES)}
SECTOR_COLUMNS: Final = tuple(c for c, feature in enumerate(FEATURES) if feature.by_sector)
PARTS: Final = (*dict.fromkeys(feature.part for feature in FEATURES),)
