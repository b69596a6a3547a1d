"""What the federated model is worth beside the others, on the market's held-out workers.

Lives here: training the baselines in a process of their own, since they need nothing of the
federation (``python -m deploy.study.demo.figures MARKET FILE``), and the comparison. Must not know:
how a ranking is measured or a baseline trained.
"""

import os
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from deploy.study.baselines import Baselines, train
from deploy.study.dataset import load_market
from deploy.study.demo.places import Places
from deploy.study.demo.processes import Service, near
from deploy.study.evaluate import evaluate
from deploy.study.measures import Estimate
from deploy.study.truth import load
from federation.model.parameters import LENGTH
from federation.rounds.aggregate import from_bytes

PATIENCE_S = 300.0  # for the baselines, once everything else is done
NICENESS = 10  # the federation's own processes go first


@dataclass(frozen=True)
class Compared:
    """NDCG@10 and mismatch rate by ranking; what training together gains in each city."""

    ndcg_at_10: Mapping[str, Estimate]
    mismatch_rate: Mapping[str, Estimate]
    pooled_minus_alone: Mapping[str, Estimate]
    federated_minus_alone: Mapping[str, Estimate]


def begin(places: Places) -> Service:
    """Start training the baselines."""
    files = [near(places.market), near(places.baselines)]
    argv = [sys.executable, "-m", "deploy.study.demo.figures", *files]
    return Service("training the baselines", argv, places.log_of("baselines"))


def compare(places: Places, baselines: Service, released: bytes) -> Compared:
    """Compare an accepted release's parameters with the baselines, once these are there.

    Raises StepFailed when they did not come about.
    """
    baselines.finish(PATIENCE_S)
    report = evaluate(
        load(places.market),
        load_market(places.market),
        _read(places.baselines),
        from_bytes(released, LENGTH),
    )
    return Compared(
        ndcg_at_10={name: found.ndcg_at_10 for name, found in report.rankings.items()},
        mismatch_rate={name: found.mismatch_rate for name, found in report.rankings.items()},
        pooled_minus_alone=report.pooled_minus_alone,
        federated_minus_alone=report.federated_minus_alone,
    )


def _write(baselines: Baselines, file: Path) -> None:
    alone = {f"alone_{division}": own for division, own in baselines.alone.items()}
    with file.open("wb") as opened:
        np.savez(
            opened,
            allow_pickle=False,
            untrained=baselines.untrained,
            pooled=baselines.pooled,
            **alone,
        )


def _read(file: Path) -> Baselines:
    with np.load(file, allow_pickle=False) as arrays:
        return Baselines(
            untrained=arrays["untrained"],
            pooled=arrays["pooled"],
            alone={
                name.removeprefix("alone_"): arrays[name]
                for name in arrays.files
                if name.startswith("alone_")
            },
        )


def main(market: Path, file: Path) -> None:
    """Train the baselines of a market and write them to ``file``."""
    os.nice(NICENESS)
    _write(train(load_market(market), load(market).today), file)


if __name__ == "__main__":
    main(Path(sys.argv[1]), Path(sys.argv[2]))
