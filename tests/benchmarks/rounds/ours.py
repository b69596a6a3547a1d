"""``python -m benchmarks.rounds.ours``: rounds of our own coordinator and cities, real processes.

Lives here: starting them, submitting the charter, and reading times off the run's events. Must not
know: how any other system is measured. Everything is signed, masked, committed and logged as in
production; only the cities' work and noise are the benchmark's (``benchmarks.rounds.city``).
"""

import asyncio
import json
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import aclosing, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

import typer

from benchmarks import memory
from benchmarks.memory import Memory
from benchmarks.python import python_with_tests
from benchmarks.rounds.founding import Founded, Signed, found, signed_charter
from benchmarks.rounds.result import Rounds
from deploy.study.demo.founding import FEDERATION, free_port
from deploy.study.demo.processes import Service, Services
from federation.cli.running import closure_of
from federation.control import control_client
from federation.rounds.events import RunEvent
from federation.rounds.stages import Stage
from node.identity import Home as NodeHome

SYSTEM = "ours"
COORDINATOR = "coordinator"

Say = Callable[[str], None]
AtRest = Callable[[Mapping[str, int]], None]


@dataclass(frozen=True)
class Up:
    """A federation that is up and idle; ``pids``: by ``coordinator`` or division."""

    founded: Founded
    pids: Mapping[str, int]

    def memory(self) -> dict[str, Memory]:
        """What each process holds now."""
        return {name: memory.of_process(pid) for name, pid in self.pids.items()}


@contextmanager
def up(folder: Path, sites: int) -> Iterator[Up]:
    """Found a federation in the empty ``folder`` and keep its processes up inside the block."""
    founded = found(folder, sites, free_port())
    with Services() as services:
        serve = ("serve", "--home", founded.coordinator.path)
        log = folder / f"{COORDINATOR}.log"
        coordinator = services.add(Service.of("the coordinator", log, FEDERATION, *serve))
        coordinator.wait_for("ready")
        nodes = {home.config.division: services.add(city_service(home)) for home in founded.cities}
        for division, node in nodes.items():
            node.wait_for(f"ready division={division} coordinator=connected")
        pids = {division: node.pid for division, node in nodes.items()}
        yield Up(founded, {COORDINATOR: coordinator.pid, **pids})


def measure(sites: int, rounds: int, at_rest: AtRest = lambda _: None) -> Rounds:
    """Measure one run of ``rounds`` rounds; ``at_rest`` is called once all processes are idle."""
    # a short path: the control socket's has 107 bytes at most
    with tempfile.TemporaryDirectory(prefix="bench-") as folder, up(Path(folder), sites) as ours:
        charter = signed_charter(ours.founded, rounds)
        at_rest(ours.pids)
        idle = ours.memory()
        submitted_ms, events, held = asyncio.run(_run(ours, charter, rounds))
        closure = closure_of(ours.founded.coordinator, charter.digest)
        if closure is None or closure.outcome != "released":
            raise RuntimeError(f"the run ended {closure}")
    begun, *recorded = _moments(events, rounds)
    return Rounds(
        system=SYSTEM,
        sites=sites,
        seconds=[
            (after - before) / 1000
            for before, after in zip((begun, *recorded[:-1]), recorded, strict=True)
        ],
        first_round_s=(begun - submitted_ms) / 1000,
        memory={"idle": idle, "run": held},
    )


async def _run(
    ours: Up, charter: Signed, rounds: int
) -> tuple[float, list[RunEvent], dict[str, Memory]]:
    """Submit and start; return when that was, all events, and memory after the last round."""
    events: list[RunEvent] = []
    held: dict[str, Memory] = {}
    async with control_client(ours.founded.coordinator.socket) as client:
        submitted_ms = time.time_ns() / 1e6
        await client.submit(charter.envelope, (charter.parameters,))
        async with aclosing(client.start_run(charter.digest)) as told:
            async for event in told:
                events.append(event)
                if event.stage == Stage.RECORDING and event.round == rounds:
                    held = ours.memory()
    return submitted_ms, events, held


def _moments(events: list[RunEvent], rounds: int) -> list[int]:
    """When round 1 began and when each round's record was logged, Unix milliseconds.

    A round begins where the one before was recorded: nothing between two rounds is left out.
    """
    rostered = [e.at_ms for e in events if e.stage == Stage.ROSTERING]
    recorded = [e.at_ms for e in events if e.stage == Stage.RECORDING and e.round <= rounds]
    if len(rostered) != 1 or len(recorded) != rounds:
        raise RuntimeError(f"{len(recorded)} of {rounds} rounds in {len(rostered)} attempts")
    return [*rostered, *recorded]


def city_service(home: NodeHome) -> Service:
    """Start a city's echoing node."""
    argv = [*python_with_tests(), "-m", "benchmarks.rounds.city", str(home.path)]
    log = home.path.with_suffix(".log")
    return Service(f"node {home.config.division}", argv, log)


def main(
    sites: Annotated[int, typer.Option(min=3, max=8, help="Cities.")] = 5,
    rounds: Annotated[int, typer.Option(min=1, max=1000, help="Rounds of one run.")] = 20,
    as_json: Annotated[bool, typer.Option("--json", help="Every figure as one object.")] = False,
    pause: Annotated[bool, typer.Option(help="Wait for a line on stdin before the run.")] = False,
) -> None:
    """Measure rounds of 130,000 values over real processes; process ids go to stderr."""

    def at_rest(pids: Mapping[str, int]) -> None:
        typer.echo(" ".join(f"{name}={pid}" for name, pid in pids.items()), err=True)
        if pause:
            typer.echo("idle: press Enter to start the run", err=True)
            sys.stdin.readline()

    found_out = measure(sites, rounds, at_rest)
    if as_json:
        typer.echo(json.dumps(found_out.to_json()))
        return
    spread = found_out.spread
    typer.echo(
        f"{sites} sites: median {spread.median * 1000:.0f} ms a round, 90th percentile"
        f" {spread.p90 * 1000:.0f} ms ({spread.ratio:.2f} × the median);"
        f" first round after {found_out.first_round_s:.2f} s"
    )
    for moment, processes in found_out.memory.items():
        for name, one in processes.items():
            mb = 1024 * 1024
            typer.echo(f"{moment:5} {name:12} PSS {one.pss / mb:6.1f} RSS {one.rss / mb:6.1f} MB")


if __name__ == "__main__":
    app = typer.Typer(pretty_exceptions_show_locals=False)
    app.command()(main)
    app()
