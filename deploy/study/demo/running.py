"""Charters and their runs in a founded federation, and what came of them in every city.

Lives here: drafting, signing, running and checking, all by command line. Must not know: how any of
it is shown.
"""

import json
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from statistics import median
from typing import Any

from deploy.study.demo.failure import StepFailed, tail_of
from deploy.study.demo.founding import FEDERATION, Ground, sign_and_submit
from deploy.study.market.cities import City
from federation.documents.releases import ModelRelease
from node.cli.common import opened
from node.matching.own_city import model_in_use

INDICATOR = "supply-demand/occupation"
CAUGHT_UP_S = 60.0  # in which a city must have read the log to its end

Event = Mapping[str, Any]
Watch = Callable[[Event], None]


@dataclass
class Run:
    """What was seen of a run: ``seconds`` of each round, the last ``epsilon``, the outcome."""

    rounds: int = 0
    seconds: list[float] = field(default_factory=list)
    epsilon: float = 0.0
    outcome: str = ""
    reason: str = ""

    @property
    def seconds_per_round(self) -> float:
        """Median of a round, seconds."""
        return median(self.seconds)

    def note(self, event: Event) -> None:
        """Take one line of ``run start --json`` into account."""
        if "outcome" in event:
            self.outcome, self.reason = event["outcome"], event["reason"]
            return
        self.rounds = max(self.rounds, event["rounds"])
        self.epsilon = max(self.epsilon, event["epsilon"])
        if event["seconds"]:
            self.seconds.append(event["seconds"])


def draft_statistics(ground: Ground, epsilon: float) -> Path:
    """Draft a charter for the catalogue's first indicator, have it signed and log it."""
    draft = ground.places.drafts / "statistics.envelope"
    purpose = "Openings and seekers by occupation group, for training offers"
    ground.federation(
        *("charter", "draft", "statistics", "--out", draft, "--purpose", purpose),
        *("--indicator", INDICATOR, "--epsilon", str(epsilon)),
    )
    sign_and_submit(ground, draft)
    return draft


def draft_training(ground: Ground, epsilon: float, workers: int) -> Path:
    """Draft a charter that trains the match model, have it signed and log it."""
    draft = ground.places.drafts / "training.envelope"
    ground.federation(
        *("charter", "draft", "training", "--out", draft),
        *("--purpose", "A match model that all member cities learn together"),
        *("--epsilon", str(epsilon), "--workers", str(workers)),
    )
    sign_and_submit(ground, draft)
    return draft


def run(ground: Ground, charter: Path, watch: Watch) -> Run:
    """Start a charter's run and hand each event to ``watch``.

    Raises StepFailed unless it ends in a release.
    """
    seen = Run()
    start = ("run", "start", charter, "--json", "--home", ground.places.federation)
    # code 1 says that there is no release, or that there was no run: then nothing tells an outcome
    with ground.shell.lines(FEDERATION, *start, codes=(0, 1)) as lines:
        for line in lines:
            event = json.loads(line)
            seen.note(event)
            watch(event)
    if not seen.outcome:
        told = tail_of(ground.places.commands)
        raise StepFailed("the run did not come to an end", ground.places.commands, told)
    if seen.outcome != "released":
        raise StepFailed(f"the run ended {seen.outcome}: {seen.reason}", ground.places.commands)
    return seen


def log_size(ground: Ground) -> int:
    """Return how many entries the log has."""
    head = ground.federation("log", "show", "--last", "1", shown=False).splitlines()[0]
    return int(head.partition(": ")[2].partition(" ")[0])


@dataclass(frozen=True)
class Audit:
    """What ``labor-federation audit`` found after re-deriving every entry."""

    ok: bool
    entries: int


def audit(ground: Ground) -> Audit:
    """Re-derive everything the log says; StepFailed when anything does not hold."""
    told = ground.federation("audit").splitlines()
    entries = next(line for line in told if line.startswith("entries:"))
    return Audit("everything holds" in told, int(entries.partition(":")[2]))


def wait_until_read(ground: Ground, cities: Sequence[City], entries: int) -> None:
    """Wait until every city has read and believed ``entries`` entries; StepFailed otherwise."""
    deadline = time.monotonic() + CAUGHT_UP_S
    for city in cities:
        # each question takes the better part of a second: no further pause is needed
        while (seen := status(ground, city))["next_index"] < entries:
            ground.services.check()
            if time.monotonic() > deadline:
                raise StepFailed(
                    f"{city.name} has read {seen['next_index']} of {entries} entries",
                    ground.places.log_of(f"node-{city.code}"),
                )
        if seen["refused_entries"] or seen["alarms"]:
            raise StepFailed(
                f"{city.name} does not believe everything:\n{ground.node(city.code, 'alarms')}"
            )


def status(ground: Ground, city: City) -> dict[str, Any]:
    """Return what a node says of itself."""
    found: dict[str, Any] = json.loads(ground.node(city.code, "status", "--json", shown=False))
    return found


def spent(ground: Ground, city: City) -> float:
    """Return the ε per worker that a city's ledger says was used this year."""
    told = json.loads(ground.node(city.code, "budget", "--json", shown=False))
    used: float = told["used"]
    return used


def accepted_release(ground: Ground, city: City) -> ModelRelease:
    """Return the release a city's node has in use, from its own store; StepFailed when none is.

    Only what passed acceptance and verification there is ever in use.
    """
    with opened(ground.places.node(city.code)) as office, office.store.read() as connection:
        used = model_in_use(connection)
    if used.release is None:
        raise StepFailed(f"{city.name} uses no released model", ground.places.commands)
    return used.release
