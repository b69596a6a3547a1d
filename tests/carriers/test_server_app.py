"""The ServerApp of a stock SuperLink: it carries a run to its end, and tells Flower the truth."""

import asyncio
import logging
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from flwr.app import Context, Message
from flwr.clientapp import ClientApp

from carriers import memory
from carriers.ground import Ground, Sums, of_kind
from carriers.named import RUN_ID, NamedGrid
from deploy.flower import server_app
from federation.coordinator import serving
from federation.errors import Misconfigured, PeerError, Reason, Refused
from federation.rounds.flower import COORDINATOR_NODE, context_of
from federation.wire.local import LocalSocket

Wrap = Callable[[ClientApp], ClientApp]


def context(**settings: str) -> Context:
    """Return what Flower gives the app: its run's configuration."""
    given = context_of(RUN_ID, COORDINATOR_NODE)
    given.run_config = {name.replace("_", "-"): of for name, of in settings.items()}
    return given


class Stand:
    """A coordinator with a carrier's socket, and cities behind a grid that names its nodes."""

    def __init__(self, founded: Ground, folder: Path) -> None:
        self.place = founded.copy(folder / "g")
        self.socket = folder / "c.sock"

    def run(self, kind: str, online: int = 3, wrap: Wrap = lambda app: app) -> None:
        """Let the app carry one charter's run; raises what it raised.

        ``wrap`` stands before the first city's app.
        """

        async def whole() -> None:
            with memory.offices(self.place) as (coordinator, offices):
                nodes = dict(enumerate(self.place.cities[:online], start=11))
                apps = {node: offices[city] for node, city in nodes.items()}
                grid = NamedGrid(nodes, {**apps, 11: wrap(apps[11])})
                async with serving(coordinator, LocalSocket(self.socket)):
                    settings: dict[str, Any] = {
                        "charter": self.place.charters[kind].hex(),
                        "carrier_socket": str(self.socket),
                    }
                    await asyncio.to_thread(server_app.app, grid, context(**settings))

        asyncio.run(whole())


@pytest.fixture
def stand(founded: Ground, tmp_path: Path) -> Stand:
    return Stand(founded, tmp_path)


def test_it_carries_a_run_to_its_release(stand: Stand, expected: Sums) -> None:
    stand.run("statistics")
    assert stand.place.outcome("statistics") == "released"
    assert stand.place.sums() == of_kind(expected, "statistics")


def test_a_node_that_fails_once_is_asked_again(
    stand: Stand, expected: Sums, caplog: pytest.LogCaptureFixture
) -> None:
    failures = iter([PeerError(Reason.UNREACHABLE, "no node answers at /run/p.sock")])

    def flaky(honest: ClientApp) -> ClientApp:
        app = ClientApp()

        def reply(message: Message, given: Context) -> Message:
            for failure in failures:
                raise failure
            answered: Message = honest(message, given)
            return answered

        for register in (app.query, app.train):
            register()(reply)
        return app

    with caplog.at_level(logging.WARNING, "flwr"):
        stand.run("statistics", wrap=flaky)
    assert stand.place.sums() == of_kind(expected, "statistics")
    assert "no node answers at /run/p.sock" in caplog.text


def test_a_run_that_was_not_started_is_no_success_to_flower(stand: Stand) -> None:
    with pytest.raises(Refused, match="nothing was released: it was not started"):
        stand.run("statistics", online=2)
    assert stand.place.outcome("statistics") == ""


def test_a_run_that_was_closed_before_is_told(stand: Stand) -> None:
    stand.run("statistics")
    with pytest.raises(Refused, match=Reason.CHARTER_CLOSED):
        stand.run("statistics")


@pytest.mark.parametrize("charter", ["", "abc", "Z" * 64, "AB" * 32])
def test_a_charter_that_is_no_digest_is_told(charter: str) -> None:
    grid = NamedGrid({}, {})
    with pytest.raises(Misconfigured, match="must be a charter's digest"):
        server_app.app(grid, context(charter=charter))


def test_a_coordinator_that_offers_no_socket_is_told(tmp_path: Path) -> None:
    grid = NamedGrid({}, {})
    settings = {"charter": "ab" * 32, "carrier_socket": str(tmp_path / "c.sock")}
    with pytest.raises(Misconfigured, match="labor-federation serve --carrier-socket"):
        server_app.app(grid, context(**settings))
