"""The ``labor-study`` command: make a market, measure rankings on it, show it all at once.

Lives here: which commands there are and what they print. Must not know how anything is measured.
"""

import json
from collections.abc import Mapping
from dataclasses import asdict
from pathlib import Path
from typing import Annotated

import numpy as np
import typer
from rich.table import Table

from deploy.study import baselines, dataset, truth
from deploy.study.demo.command import demo
from deploy.study.evaluate import PER_CITY, Figures, Report, evaluate
from deploy.study.market.generate import KINDS, generate
from deploy.study.market.written import write
from deploy.study.measures import Estimate
from federation.errors import Malformed, Misconfigured, Reason
from federation.model.parameters import LENGTH
from federation.rounds.aggregate import from_bytes
from federation.terminal import Commands, console, read_file, say

CITIES = 4

app = typer.Typer(
    help="A synthetic labour market, and what federated matching is worth on it.",
    no_args_is_help=True,
    add_completion=False,
    cls=Commands,
    pretty_exceptions_enable=False,
)


@app.command()
def market(
    out: Annotated[Path, typer.Option(help="Folder to write; one folder a city, truth apart.")],
    kind: Annotated[str, typer.Option(help="demo, or second: other cities, another fit.")] = "demo",
    seed: Annotated[int, typer.Option(min=0, help="The same seed gives the same bytes.")] = 1,
    workers: Annotated[int, typer.Option(min=50, help="Of each city, at least.")] = 5_000,
) -> None:
    """Write a synthetic market of four cities: jobs.csv, workers.csv and outcomes.csv of each."""
    if kind not in KINDS:
        raise Misconfigured(Reason.CONFIGURATION, f"kind must be {' or '.join(KINDS)}, not {kind}")
    drawn = generate(seed, workers, CITIES, kind)
    write(drawn, out)
    say(f"{out}: a synthetic {kind} market, seed {seed}")
    for number, city in enumerate(drawn.cities):
        people, jobs = drawn.market.workers.city, drawn.market.jobs.city
        say(f"  {city.code} {city.name}: {(people == number).sum()} workers, "
            f"{(jobs == number).sum()} postings")  # fmt: skip


@app.command("evaluate")
def evaluate_market(
    folder: Annotated[Path, typer.Option("--market", help="Folder of labor-study market.")],
    release: Annotated[
        Path | None, typer.Option(help="Parameters of a release: int64, little-endian.")
    ] = None,
    per_city: Annotated[int, typer.Option(min=1, help="Held-out workers of a city.")] = PER_CITY,
    as_json: Annotated[bool, typer.Option("--json", help="Everything, as JSON.")] = False,
) -> None:
    """Train the baselines and measure every ranking on the same held-out workers."""
    if not (folder / "truth" / "market.json").is_file():
        raise Malformed(Reason.IMPORT_FILE, f"{folder} is no market: it has no truth/market.json")
    known, cities = truth.load(folder), dataset.load_market(folder)
    federated = None if release is None else from_bytes(read_file(release), LENGTH)
    trained = baselines.train(cities, known.today)
    report = evaluate(known, cities, trained, federated, per_city)
    if as_json:
        say(json.dumps(asdict(report), indent=1, default=_plain))
    else:
        console.print(_table(report))
        say(f"{report.workers} held-out workers; 95 % bootstrap intervals in brackets")
        _tell("pooled - alone, NDCG@10", report.pooled_minus_alone)
        _tell("federated - alone, NDCG@10", report.federated_minus_alone)


app.command()(demo)


def main() -> None:
    """Run the command line."""
    app()


def _plain(value: object) -> object:
    if isinstance(value, np.generic):
        return value.item()
    raise TypeError(f"{type(value).__name__} has no place in a report")


def _table(report: Report) -> Table:
    table = Table("ranking", "NDCG@10", "recall@20", "mismatch", "cross-region success")
    for name, figures in report.rankings.items():
        table.add_row(name, *_cells(figures))
    return table


def _cells(figures: Figures) -> tuple[str, ...]:
    across = figures.cross_region_success
    return (
        _text(figures.ndcg_at_10),
        _text(figures.recall_at_20),
        _text(figures.mismatch_rate),
        "-" if across is None else _text(across),
    )


def _tell(what: str, by_city: Mapping[str, Estimate]) -> None:
    for city, estimate in by_city.items():
        say(f"{what}, {city}: {_text(estimate)}")


def _text(estimate: Estimate) -> str:
    return f"{estimate.value:.3f} [{estimate.low:.3f}, {estimate.high:.3f}]"
