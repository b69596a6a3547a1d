"""``python -m benchmarks``: every benchmark in turn, then docs/benchmarks.md and build/bench.json.

Lives here: the order, what is left out, progress. Must not know: how anything is measured.
"""

import json
import shlex
import sys
from collections.abc import Callable, Iterator
from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer

from benchmarks import machine
from benchmarks.page import page
from benchmarks.peers.environment import ROOT, environment
from benchmarks.rates import acceptance, appends, proofs
from benchmarks.rates.pairs import Rate
from benchmarks.results import Results
from benchmarks.rounds import echo, flower, nvflare, ours
from benchmarks.rounds.founding import LENGTH
from benchmarks.rounds.result import Rounds
from benchmarks.targets import verdicts

SITES = (3, 5)
LOGS = ROOT / "build" / "bench-logs"
LOAD = ROOT / "build" / "load.json"


class Part(StrEnum):
    """What can be left out."""

    ECHO = "echo"
    OURS = "ours"
    NVFLARE = "nvflare"
    FLOWER = "flower"
    RATES = "rates"


def main(
    only: Annotated[list[Part] | None, typer.Option(help="Only these; give one for each.")] = None,
    repeats: Annotated[int, typer.Option(min=1, help="Repetitions, systems taking turns.")] = 3,
    rounds: Annotated[int, typer.Option(min=1, max=1000, help="Rounds of each run.")] = 20,
    flower_rounds: Annotated[
        int, typer.Option(min=1, help="Rounds of Flower, in the last repetition only.")
    ] = 20,
    out: Annotated[Path, typer.Option(help="Results as JSON.")] = ROOT / "build" / "bench.json",
    write: Annotated[Path, typer.Option(help="The page.")] = ROOT / "docs" / "benchmarks.md",
) -> None:
    """Measure and compare; nothing else should run on this machine meanwhile."""
    parts = frozenset(only or Part)
    results = Results(machine.machine(), {**machine.versions(), **_versions_of_peers(parts)})
    results.commands.append(" ".join(("make bench", *_given())))
    for repetition in range(1, repeats + 1):
        last = repetition == repeats
        runs = _runs(parts, rounds, flower_rounds if last else 0)
        found = [_told(f"{repetition}/{repeats} {name}", run) for name, run in runs]
        results.rounds.append(found)
        results.write(out)  # what was measured stays, whatever happens later
    if Part.RATES in parts:
        results.rates = [_said(rate) for rate in _rates()]
    if LOAD.is_file():
        results.load = json.loads(LOAD.read_text(encoding="utf-8"))
    results.write(out)
    write.write_text(page(results), encoding="utf-8")
    for verdict in verdicts(results):
        _say(f"{'met    ' if verdict.met else 'NOT MET'} {verdict.ratio:8.3f}  {verdict.name}")
    _say(f"written: {out} and {write}")


def _runs(
    parts: frozenset[Part], rounds: int, flower_rounds: int
) -> Iterator[tuple[str, Callable[[], Rounds]]]:
    for sites in SITES:
        for part, name, run in (
            (Part.ECHO, "echo", lambda n: echo.measure(n, rounds, LENGTH)),
            (Part.OURS, "ours", lambda n: ours.measure(n, rounds)),
            (Part.NVFLARE, "nvflare", lambda n: nvflare.measure(n, rounds, LENGTH)),
            (
                Part.NVFLARE,
                "nvflare mended",
                lambda n: nvflare.measure(n, rounds, LENGTH, nvflare.MENDED),
            ),
            (Part.FLOWER, "flower", lambda n: flower.measure(n, flower_rounds, LENGTH)),
        ):
            if part in parts and (part is not Part.FLOWER or flower_rounds):
                yield f"{name}, {sites} sites", lambda run=run, sites=sites: run(sites)


def _rates() -> Iterator[Rate]:
    yield acceptance.measure(chunks=25)
    for size, pairs in ((100, 40), (1_000, 12)):
        yield appends.measure(size, pairs)
    yield from proofs.measure(LOGS, 1_000_000, 40)


def _versions_of_peers(parts: frozenset[Part]) -> dict[str, str]:
    """Install what will be compared with, before anything is measured."""
    named = ((Part.NVFLARE, "nvflare", "nvflare"), (Part.FLOWER, "flower", "flwr"))
    return {
        f"{package} (its own environment)": environment(name).version(package)
        for part, name, package in named
        if part in parts
    }


def _told(name: str, run: Callable[[], Rounds]) -> Rounds:
    _say(f"{name} …")
    found = run()
    spread = found.spread
    _say(
        f"{name}: {spread.median * 1000:.1f} ms, p90 {spread.p90 * 1000:.1f} ms,"
        f" first round after {found.first_round_s:.2f} s"
    )
    return found


def _said(rate: Rate) -> Rate:
    _say(f"{rate.name}: {rate.ours_per_s:,.0f}/s against {rate.bare_per_s:,.0f}/s")
    return rate


def _given() -> list[str]:
    return [f'ARGS="{shlex.join(sys.argv[1:])}"'] if sys.argv[1:] else []


def _say(text: str) -> None:
    typer.echo(text, err=True)


if __name__ == "__main__":
    app = typer.Typer(pretty_exceptions_show_locals=False, add_completion=False)
    app.command()(main)
    app()
