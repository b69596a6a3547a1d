"""Runs over Flower's simulation engine: its virtual nodes hand requests to real participants.

Lives here: the engine's start, and which virtual node is which city. Must not know: what is run, or
how participants answer; the engine moves its apps between processes, keys and ledgers stay where
the participants are.
"""

# isort: off
import federation.rounds.offline  # noqa: F401 before Flower reads the environment

# isort: on
import asyncio
import os
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, TypeVar

from flwr.app import Context, Message
from flwr.clientapp import ClientApp
from flwr.serverapp import Grid
from flwr.simulation import run_simulation

from federation.errors import PeerError, Reason
from federation.exchange.participant_socket import ask_participant
from federation.rounds.desk import Carrier
from federation.rounds.flower import App, Numbering, server_app, unwrap, wrap

R = TypeVar("R")

# Ray gives its processes half a minute to start; a machine with other work needs longer.
os.environ.update(
    RAY_raylet_start_wait_time_s="120",
    RAY_worker_register_timeout_seconds="300",
)

WHO = "who"  # asked by a message of type "query.who", answered with the division code
STARTED_S = 120.0  # for the engine to bring up its nodes, and for each to say who it is
LOOK_S = 0.05  # between looks at how many there are; the engine starts the app before its nodes
#: Two processors are shared by the virtual nodes; nothing of the engine's own is shown.
ENGINE: Mapping[str, Mapping[str, Any]] = {
    "init_args": {"num_cpus": 2, "include_dashboard": False, "logging_level": "error"},
    "client_resources": {"num_cpus": 1, "num_gpus": 0.0},
}


def simulate(app: Callable[[Carrier], App[R]], participants: Mapping[str, Path]) -> R:
    """Run ``app`` with one virtual node for each city; return what it came to.

    ``participants``: each city's participant socket. Raises what ``app`` raised.
    """
    server, result = server_app(app, lambda grid: numbered(grid, len(participants)))
    run_simulation(
        server_app=server,
        client_app=client_app(tuple(sorted(participants.items()))),
        num_supernodes=len(participants),
        backend_config={key: dict(value) for key, value in ENGINE.items()},
    )
    return result.result(timeout=0)


def client_app(participants: tuple[tuple[str, Path], ...]) -> ClientApp:
    """Return the app of every virtual node; the engine tells each its place among them."""
    app = ClientApp()

    def own(context: Context) -> tuple[str, Path]:
        return participants[int(context.node_config["partition-id"])]

    @app.query(WHO)  # type: ignore[untyped-decorator]  # Flower ships no types mypy may follow
    def who(message: Message, context: Context) -> Message:
        return Message(wrap(own(context)[0].encode()), reply_to=message)

    def forward(message: Message, context: Context) -> Message:
        asked = (message.metadata.message_type, unwrap(message))
        answer = asyncio.run(ask_participant(own(context)[1], *asked))
        return Message(wrap(answer), reply_to=message)

    for register in (app.query, app.train, app.evaluate):
        register()(forward)
    return app


def numbered(grid: Grid, number: int) -> Numbering:
    """Ask the engine's nodes, whose numbers it draws at random, which city each is.

    PeerError(UNREACHABLE) when the engine does not bring up so many.
    """
    deadline = time.monotonic() + STARTED_S
    while len(nodes := list(grid.get_node_ids())) < number:
        if time.monotonic() > deadline:
            raise PeerError(Reason.UNREACHABLE, f"{len(nodes)} of {number} virtual nodes came up")
        time.sleep(LOOK_S)
    asked = [grid.create_message(wrap(b""), f"query.{WHO}", node, "") for node in nodes]
    cities = {
        reply.metadata.src_node_id: unwrap(reply).decode()
        for reply in grid.send_and_receive(asked, timeout=STARTED_S)
    }
    return Numbering({city: node for node, city in cities.items()}.__getitem__, cities.__getitem__)
