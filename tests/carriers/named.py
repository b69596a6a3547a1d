"""A Flower ``Grid`` whose nodes have names, as SuperLink's have; a test says what each answers.

Lives here: the grid alone. Must not know: the courier that is tested with it.
"""

from collections.abc import Callable, Iterable, Mapping
from typing import NamedTuple

from flwr.app import Message
from flwr.clientapp import ClientApp

from carriers.memory import MemoryGrid
from federation.rounds import flower

RUN_ID = 7


class NamedNode(NamedTuple):
    """What Flower's ``NodeInfo`` tells of a node."""

    node_id: int
    name: str


class NamedGrid(MemoryGrid):
    """Nodes under the names they were registered with, each running an app.

    A test may change ``names``, whether messages are ``taken`` and what ``arrives`` of a reply.
    """

    def __init__(self, names: Mapping[int, str], apps: Mapping[int, ClientApp]) -> None:
        by_number = {flower.division_of(node): app for node, app in apps.items()}
        super().__init__(RUN_ID, by_number, self._arrive)
        self.names = dict(names)
        self.taken = True
        self.arrives: Callable[[Message], Iterable[Message]] = lambda reply: (reply,)

    def get_nodes(self) -> list[NamedNode]:
        return [NamedNode(node, name) for node, name in self.names.items()]

    def push_messages(self, messages: Iterable[Message]) -> list[str]:
        pushed = super().push_messages(messages)
        # Flower gives None for a message that it did not take
        return pushed if self.taken else [None for _ in pushed]  # type: ignore[misc]

    def _arrive(self, reply: Message) -> Iterable[Message]:
        return self.arrives(reply)
