"""The legal order of a run, as one table.

Lives here: stages, what can come of each, and what follows. Must not know: how any stage is done.
"""

from enum import StrEnum
from types import MappingProxyType


class Stage(StrEnum):
    """Where a run is."""

    GATHERING = "gathering"  # consents for a new attempt
    ROSTERING = "rostering"  # the attempt's roster is logged
    ASKING = "asking"  # one round's contributions
    DROPPING = "dropping"  # cities without a contribution are named in the log
    REPEATING = "repeating"  # whether the charter allows one more attempt
    RECORDING = "recording"  # sum, next state, round record
    RELEASING = "releasing"  # votes or figures become a release
    CLOSING = "closing"  # the run's end is logged
    CLOSED = "closed"
    NOT_STARTED = "not_started"  # nothing was logged, the charter stays open
    PAUSED = "paused"  # nothing more is asked until an operator says so


class Outcome(StrEnum):
    """What came of a stage."""

    ENOUGH = "enough"
    TOO_FEW = "too_few"
    TOO_FEW_AT_START = "too_few_at_start"
    ROSTERED = "rostered"
    OUTDATED = "outdated"  # membership moved on while consents came in
    COMPLETE = "complete"
    MISSING = "missing"
    KEYS_LOST = "keys_lost"
    DROPPED = "dropped"
    ALLOWED = "allowed"
    EXHAUSTED = "exhausted"
    MORE = "more"
    LAST = "last"
    OUT_OF_BOUND = "out_of_bound"
    DECIDED = "decided"
    STOPPED = "stopped"
    PAUSED = "paused"
    DONE = "done"


NEXT = MappingProxyType(
    {
        (Stage.GATHERING, Outcome.ENOUGH): Stage.ROSTERING,
        (Stage.GATHERING, Outcome.TOO_FEW_AT_START): Stage.NOT_STARTED,
        (Stage.GATHERING, Outcome.TOO_FEW): Stage.CLOSING,
        (Stage.GATHERING, Outcome.STOPPED): Stage.CLOSING,
        (Stage.GATHERING, Outcome.PAUSED): Stage.PAUSED,
        (Stage.ROSTERING, Outcome.ROSTERED): Stage.ASKING,
        (Stage.ROSTERING, Outcome.OUTDATED): Stage.GATHERING,
        (Stage.ASKING, Outcome.COMPLETE): Stage.RECORDING,
        (Stage.ASKING, Outcome.MISSING): Stage.DROPPING,
        (Stage.ASKING, Outcome.KEYS_LOST): Stage.REPEATING,
        (Stage.ASKING, Outcome.STOPPED): Stage.CLOSING,
        (Stage.ASKING, Outcome.PAUSED): Stage.PAUSED,
        (Stage.DROPPING, Outcome.DROPPED): Stage.REPEATING,
        (Stage.REPEATING, Outcome.ALLOWED): Stage.GATHERING,
        (Stage.REPEATING, Outcome.EXHAUSTED): Stage.CLOSING,
        (Stage.RECORDING, Outcome.MORE): Stage.ASKING,
        (Stage.RECORDING, Outcome.LAST): Stage.RELEASING,
        (Stage.RECORDING, Outcome.OUT_OF_BOUND): Stage.CLOSING,
        (Stage.RELEASING, Outcome.DECIDED): Stage.CLOSING,
        (Stage.CLOSING, Outcome.DONE): Stage.CLOSED,
    }
)
ENDS = frozenset({Stage.CLOSED, Stage.NOT_STARTED, Stage.PAUSED})


def after(stage: Stage, outcome: Outcome) -> Stage:
    """Return the stage that follows; KeyError when this outcome is illegal there."""
    return NEXT[stage, outcome]
