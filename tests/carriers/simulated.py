"""``python -m carriers.simulated FOLDER CITIES CHARTER…``: runs over Flower's simulation engine.

A process of its own, as the engine leaves threads, loggers and processes behind in its host.
"""

import sys
from collections.abc import Iterable
from concurrent.futures import Future
from functools import partial
from pathlib import Path

from carriers.ground import Ground
from carriers.standing import while_standing
from deploy.study.simulation import simulate
from federation.coordinator import Coordinator
from federation.rounds.desk import Carrier


class InTurn:
    """Conducts several charters' runs over one carrier: the engine takes long to start."""

    def __init__(self, coordinator: Coordinator, charters: Iterable[bytes], over: Carrier) -> None:
        self._coordinator = coordinator
        self._charters = charters
        self._carrier = over

    def conduct(self) -> list[str]:
        """Run each to its end; return what each came to."""
        return [self._conduct(digest) for digest in self._charters]

    def _conduct(self, digest: bytes) -> str:
        stop: Future[None] = Future()
        charter = self._coordinator.find_charter(digest)
        app = self._coordinator.app(charter, lambda _: None, stop)
        closure = app(self._carrier).conduct()
        return closure.outcome if closure else ""


def by_simulation(ground: Ground) -> None:
    """Conduct every charter's run with the engine's virtual nodes as cities."""

    def conduct(coordinator: Coordinator) -> None:
        sockets = {division: ground.socket(division) for division in ground.cities}
        charters = ground.charters.values()
        outcomes = simulate(partial(InTurn, coordinator, charters), sockets)
        assert outcomes == ["released"] * len(charters), outcomes

    while_standing(ground, conduct)


if __name__ == "__main__":
    folder, cities, *charters = sys.argv[1:]
    by_simulation(
        Ground(Path(folder), tuple(cities.split(",")), {c: bytes.fromhex(c) for c in charters})
    )
