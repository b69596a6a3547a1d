"""Where a run stands, told to people: read off what is kept of it, beside whoever conducts it.

Lives here: the facts of one run and what they are called. Must not know: terminals, sockets, or how
a run is conducted.
"""

from dataclasses import dataclass

from federation.acceptance import Accepted
from federation.documents.charter import Charter
from federation.rounds import results, terms
from federation.rounds.events import RunEvent
from federation.rounds.position import Position, outline
from federation.rounds.store import RunStore, Standing, Stands


@dataclass(frozen=True, kw_only=True)
class Overview:
    """One run. ``charter``: its digest, 64 hexadecimal digits.

    ``state``: running, waiting (for its turn, its carrier or the coordinator), paused, closing, not
    started, or the outcome of its closure; ``stage``: while it is running; ``round``: the last one
    completed of ``rounds``, the evaluation counted; ``epsilon``: spent so far per worker;
    ``fault``: the sentence of what it ended with last, empty when nothing went wrong.
    """

    charter: str
    purpose: str
    kind: str
    state: str
    stage: str
    round: int
    rounds: int
    attempt: int
    cities: tuple[str, ...]
    dropped: tuple[str, ...]
    epsilon: float
    repeats_left: int
    fault: str


def overview(
    charter: Accepted[Charter], stands: Stands, runs: RunStore, on: bool, last: RunEvent | None
) -> Overview:
    """The run of ``charter``; ``on``: it is being conducted now, and ``last`` told this."""
    document = charter.document
    position = outline(runs.documents(charter.digest))
    repeats = max(position.attempts - 1, 0)
    return Overview(
        charter=charter.digest.hex(),
        purpose=document.purpose,
        kind=document.kind,
        state=_state(position, stands, on),
        stage=last.stage if on and last else "",
        round=position.completed,
        rounds=terms.last_round(document),
        attempt=position.attempts,
        cities=tuple(city for city in position.consents if city not in position.dropped),
        dropped=tuple(sorted(position.dropped)),
        epsilon=results.cost(document, position) if position.attempts else 0.0,
        repeats_left=max(document.max_repeats - repeats, 0),
        fault=stands.fault or (position.closure.reason if position.closure else ""),
    )


def _state(position: Position, stands: Stands, on: bool) -> str:
    if position.closure is not None:
        return position.closure.outcome.replace("_", " ")
    if stands.standing is Standing.OVER:
        return "not started"
    if stands.standing in {Standing.ON, Standing.CARRIED}:
        return "running" if on else "waiting"
    return stands.standing.value
