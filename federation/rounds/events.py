"""What a run tells those who watch it.

Lives here: the event only. Must not know: who listens, or anything derived from a city's records.
"""

from collections.abc import Callable
from dataclasses import dataclass


@dataclass(frozen=True, kw_only=True, slots=True)
class RunEvent:
    """One step of a run.

    ``city`` is empty when all are concerned; ``epsilon``: spent per worker under this charter as
    far as it is accounted; ``seconds``: of the round, when one was completed, else 0.
    """

    at_ms: int
    stage: str
    attempt: int
    round: int
    rounds: int
    city: str = ""
    text: str = ""
    epsilon: float = 0.0
    seconds: float = 0.0


Report = Callable[[RunEvent], None]
