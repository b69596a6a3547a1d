"""Rounds carried in memory: a Flower ``Grid`` that calls each city's ClientApp in place.

Lives here: the grid, and homes open without a network. Must not know: what is carried.
"""

import time
from collections.abc import Callable, Iterable, Iterator, Mapping
from concurrent.futures import Future
from contextlib import ExitStack, contextmanager

from flwr.app import Error, Message, Metadata, RecordDict
from flwr.app.message import make_message
from flwr.clientapp import ClientApp
from flwr.serverapp import Grid
from flwr.supercore.run import Run

from carriers.ground import Ground, catch_up, parts_of
from federation.coordinator import Coordinator, open_coordinator
from federation.rounds import flower
from node import client_app
from node.app import Node, gate_of, open_node, participant_of
from node.identity import open_home

Tamper = Callable[[Message], Iterable[Message]]


class MemoryGrid(Grid):
    """Calls apps in place, one by one; ``tamper`` turns a reply into what arrives of it."""

    def __init__(
        self,
        run_id: int,
        apps: Mapping[str, ClientApp],
        tamper: Tamper = lambda reply: (reply,),
    ) -> None:
        self._run = Run.create_empty(run_id)
        self._apps = apps
        self._tamper = tamper
        self._replies: dict[str, list[Message]] = {}
        self._count = 0

    def set_run(self, run: Run) -> None:
        self._run = run

    @property
    def run(self) -> Run:
        return self._run

    def create_message(
        self,
        content: RecordDict,
        message_type: str,
        dst_node_id: int,
        group_id: str,
        ttl: float | None = None,
    ) -> Message:
        self._count += 1
        metadata = Metadata(
            run_id=self._run.run_id,
            message_id=str(self._count),
            src_node_id=flower.COORDINATOR_NODE,
            dst_node_id=dst_node_id,
            reply_to_message_id="",
            group_id=group_id,
            created_at=time.time(),
            ttl=3600.0 if ttl is None else ttl,
            message_type=message_type,
        )
        return make_message(metadata=metadata, content=content)

    def get_node_ids(self) -> list[int]:
        return [flower.node_id(division) for division in self._apps]

    def push_messages(self, messages: Iterable[Message]) -> list[str]:
        pushed = []
        for message in messages:
            number = message.metadata.message_id
            self._replies[number] = list(self._tamper(self._replied(message)))
            pushed.append(number)
        return pushed

    def pull_messages(self, message_ids: Iterable[str]) -> list[Message]:
        return [reply for one in message_ids for reply in self._replies.pop(one, [])]

    def send_and_receive(
        self, messages: Iterable[Message], *, timeout: float | None = None
    ) -> Iterator[Message]:
        for one in self.push_messages(messages):
            yield from self.pull_messages([one])

    def _replied(self, message: Message) -> Message:
        node = message.metadata.dst_node_id
        context = flower.context_of(self._run.run_id, node)
        try:
            reply: Message = self._apps[flower.division_of(node)](message, context)
        except Exception as error:  # noqa: BLE001 as Flower answers for an app that fails
            return Message(Error(1, str(error)), reply_to=message)
        return reply


@contextmanager
def offices(ground: Ground) -> Iterator[tuple[Coordinator, dict[str, ClientApp]]]:
    """Open a coordinator and every city's node; a city reads the log as it grows."""
    with ExitStack() as open_:
        coordinator = open_.enter_context(open_coordinator(ground.coordinator))
        homes = {division: open_home(ground.node(division)) for division in ground.cities}
        nodes = {d: open_.enter_context(open_node(home)) for d, home in homes.items()}
        publisher = coordinator.meeting.publisher

        def tell(_: object = None) -> None:
            for node in nodes.values():
                catch_up(node, coordinator)

        publisher.subscribe(tell)
        tell()
        yield coordinator, {d: _app(node, coordinator) for d, node in nodes.items()}


def _app(node: Node, coordinator: Coordinator) -> ClientApp:
    fetch = coordinator.meeting.blobs.get
    participant = participant_of(node, fetch, gate_of(node), parts_of(node.identity.division))
    return client_app.client_app(participant.answer)


def run(
    ground: Ground,
    kind: str,
    tamper: Tamper = lambda reply: (reply,),
    failing: Callable[[ClientApp], ClientApp] | None = None,
) -> None:
    """Conduct one charter's run in memory. ``failing`` stands in for the last city's app."""
    with offices(ground) as (coordinator, apps):
        if failing is not None:
            apps[ground.cities[-1]] = failing(apps[ground.cities[-1]])
        charter = coordinator.find_charter(ground.charters[kind])
        grid = MemoryGrid(7, apps, tamper)
        stop: Future[None] = Future()
        flower.conduct(grid, coordinator.app(charter, lambda _: None, stop))
