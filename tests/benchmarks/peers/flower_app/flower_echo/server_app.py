"""Plain averaging over all sites that notes when rounds begin. Knows Flower only."""

import time
from collections.abc import Iterable
from pathlib import Path

import numpy as np
from flwr.app import ArrayRecord, ConfigRecord, Context, Message
from flwr.serverapp import Grid, ServerApp
from flwr.serverapp.strategy import FedAvg

app = ServerApp()


class Noting(FedAvg):
    """FedAvg that writes the beginning of every round to ``moments``, Unix nanoseconds."""

    def __init__(self, moments: Path, sites: int) -> None:
        super().__init__(
            fraction_train=1.0,
            fraction_evaluate=0.0,
            min_train_nodes=sites,
            min_evaluate_nodes=0,
            min_available_nodes=sites,
        )
        self._moments = moments

    def configure_train(
        self, server_round: int, arrays: ArrayRecord, config: ConfigRecord, grid: Grid
    ) -> Iterable[Message]:
        """Note the time, then ask as FedAvg does."""
        self.note()
        return super().configure_train(server_round, arrays, config, grid)

    def note(self) -> None:
        """Write down the time."""
        with self._moments.open("a", encoding="ascii") as file:
            file.write(f"{time.time_ns()}\n")


@app.main()
def main(grid: Grid, context: Context) -> None:
    """Average what sites echo, round after round."""
    config = context.run_config
    strategy = Noting(Path(str(config["moments"])), int(config["sites"]))
    draw = np.random.default_rng(1)
    first = draw.standard_normal(int(config["length"])).astype(np.float32)
    rounds = int(config["num-server-rounds"])
    strategy.start(grid=grid, initial_arrays=ArrayRecord([first]), num_rounds=rounds)
    strategy.note()
