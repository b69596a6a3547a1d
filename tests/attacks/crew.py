"""Jobs played by several players at once, with a line of progress for each that is done.

Lives here: who plays what when, and how long the rest will take. Must not know: what a job is.
"""

import contextlib
import json
import os
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor, as_completed
from queue import SimpleQueue
from typing import TypeVar

from attacks.copies import copied
from attacks.player import Player
from attacks.probes import Probe
from attacks.touching import TOUCHED, WATCHED

Job = TypeVar("Job")
Result = TypeVar("Result")
AT_ONCE = min(2, os.cpu_count() or 1)


@contextlib.contextmanager
def crew(*tests: str, count: int = AT_ONCE) -> Iterator[list[Player]]:
    """Yield players, each with a copy of its own."""
    with contextlib.ExitStack() as stack:
        roots = [stack.enter_context(copied(*tests)) for _ in range(count)]
        yield [stack.enter_context(Player(root)) for root in roots]


def done(
    players: Sequence[Player], jobs: Sequence[Job], play: Callable[[Player, Job], Result]
) -> Iterator[tuple[str, Job, Result]]:
    """Play jobs, as many at once as there are players; yield each as it ends, with the progress."""
    free: SimpleQueue[Player] = SimpleQueue()
    for player in players:
        free.put(player)

    def played(job: Job) -> Result:
        player = free.get()
        try:
            return play(player, job)
        finally:
            free.put(player)

    with ThreadPoolExecutor(len(players)) as pool:
        waiting = {pool.submit(played, job): job for job in jobs}
        ended = ((waiting[one], one.result()) for one in as_completed(waiting))
        for progress, (job, result) in progressing(ended, len(jobs)):
            yield progress, job, result


def progressing(outcomes: Iterable[Result], count: int) -> Iterator[tuple[str, Result]]:
    """Yield each outcome with how many of ``count`` there were and how long the rest will take."""
    began = time.monotonic()
    for number, one in enumerate(outcomes, start=1):
        left = (time.monotonic() - began) / number * (count - number)
        yield f"[{number}/{count}, {left / 60:.0f} min left]", one


def touched(
    players: Sequence[Player], probes: Iterable[Probe], *tests: str
) -> dict[str, frozenset[str]]:
    """Play tests unbroken, each player its part; return what each case calls and the probes' names.

    RuntimeError when a case fails.
    """
    watched = [(p.function, p.name, p.first, p.last, p.whole, p.broken) for p in set(probes)]

    def play(player: Player, part: int) -> dict[str, list[str]]:
        said = {"part": part, "parts": len(players), "probes": watched}
        (player.root / WATCHED).write_text(json.dumps(said), encoding="utf-8")
        if player.failures("-p", "attacks.touching", *tests):
            raise RuntimeError(f"the unbroken copy fails already:\n{player.told}")
        noted: dict[str, list[str]] = json.loads((player.root / TOUCHED).read_text("utf-8"))
        return noted

    parts = done(players, range(len(players)), play)
    return {case: frozenset(said) for _, _, noted in parts for case, said in noted.items()}
