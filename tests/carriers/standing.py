"""A coordinator and its cities' nodes, standing: real TLS on loopback, in one process.

Lives here: bringing them up, each node with its participant's socket. Must not know: what is run.
"""

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import ExitStack, asynccontextmanager

from carriers.ground import Ground, parts_of
from federation.coordinator import Coordinator, open_coordinator, serving
from federation.runner import Task
from federation.wire.local import LocalSocket
from node.app import attend, open_node
from node.identity import open_home

CONNECT_S = 60.0


@asynccontextmanager
async def standing(ground: Ground) -> AsyncIterator[Coordinator]:
    """Serve the coordinator and have every city attend inside the block."""
    stop = asyncio.Event()
    with ExitStack() as open_:
        coordinator = open_.enter_context(open_coordinator(ground.coordinator))
        homes = {division: open_home(ground.node(division)) for division in ground.cities}
        nodes = {d: open_.enter_context(open_node(home)) for d, home in homes.items()}
        async with serving(coordinator), asyncio.TaskGroup() as group:
            for division, node in nodes.items():
                socket = LocalSocket(ground.socket(division))
                parts = parts_of(division)
                group.create_task(
                    attend(node, lambda _: None, stop, parts=parts, participant_socket=socket)
                )
            mailbox = coordinator.meeting.mailbox
            assert await asyncio.to_thread(mailbox.wait_present, ground.cities, CONNECT_S)
            try:
                yield coordinator
            finally:
                stop.set()


def while_standing(ground: Ground, work: Callable[[Coordinator], object]) -> None:
    """Do blocking work in a thread while everything stands."""

    async def stand() -> None:
        async with standing(ground) as coordinator:
            await asyncio.to_thread(work, coordinator)

    asyncio.run(stand())


def by_exchange(ground: Ground, kind: str) -> None:
    """Conduct one charter's run over the exchange."""

    def conduct(coordinator: Coordinator) -> None:
        coordinator.conduct(Task(coordinator.find_charter(ground.charters[kind])))

    while_standing(ground, conduct)
