"""Requests on their way through a Flower ``Grid`` whose nodes a SuperLink numbered.

Lives here: which node is which city, sending, sending again, and what counts as an answer. Must not
know: where requests come from, or what bodies mean.
"""

import time
from collections import Counter
from collections.abc import Callable, Iterable
from dataclasses import dataclass

from flwr.app import Message
from flwr.serverapp import Grid

from federation.carriage import Request
from federation.codes import divisions
from federation.errors import PeerError
from federation.rounds.flower import answers, unwrap, wrap

AGAIN_S = 3.0  # after a node that answered with an error, or is not there yet
TTL_S = 3600.0  # Flower forgets a message after this; deadlines are the conductor's

Answer = tuple[Request, bytes]


@dataclass
class _Underway:
    request: Request
    message: Message | None = None
    again_at: float = 0.0


class Courier:
    """Carries one run's requests, each city's newest only. Used by one thread at a time.

    A node is the city whose division code it was registered under (``flwr supernode register
    --name``); a name that two nodes bear, or that is no code, is nobody's. ``say`` gets a sentence
    whenever something keeps a city from answering; after ``again_s`` seconds it is asked again.
    """

    def __init__(self, grid: Grid, say: Callable[[str], None], again_s: float = AGAIN_S) -> None:
        self._grid = grid
        self._say = say
        self._again_s = again_s
        self._nodes: dict[str, int] = {}
        self._underway: dict[str, _Underway] = {}
        self._said: dict[str, str] = {}

    @property
    def idle(self) -> bool:
        """Whether nothing is under way."""
        return not self._underway

    def present(self) -> list[str]:
        """Return the cities whose nodes are online now."""
        named = [(node.name, node.node_id) for node in self._grid.get_nodes()]
        times = Counter(name for name, _ in named)
        for name, node in named:
            if name not in divisions.load():
                self._note(str(node), f"node {node} is registered as {name!r}: no division code")
            elif times[name] > 1:
                self._note(name, f"{times[name]} nodes are registered as {name}: none is used")
        self._nodes = {
            name: node for name, node in named if times[name] == 1 and name in divisions.load()
        }
        return sorted(self._nodes)

    def take(self, requests: Iterable[Request]) -> None:
        """Take requests along; one to a city that has one open takes its place."""
        for request in requests:
            self._underway[request.city] = _Underway(request)

    def turn(self) -> list[Answer]:
        """Send what waits, fetch what came, and return the answers among it."""
        self._send()
        sent = {
            one.message.metadata.message_id: one
            for one in self._underway.values()
            if one.message is not None
        }
        if not sent:
            return []
        found = []
        for reply in self._grid.pull_messages(list(sent)):
            one = sent.get(reply.metadata.reply_to_message_id)
            if one is not None and (body := self._body(one, reply)) is not None:
                found.append((one.request, body))
                del self._underway[one.request.city]
                self._said.pop(one.request.city, None)
        return found

    def _send(self) -> None:
        now = time.monotonic()
        due = [
            one
            for city, one in self._underway.items()
            if one.message is None and city in self._nodes and one.again_at <= now
        ]
        messages = [
            self._grid.create_message(
                wrap(one.request.body),
                one.request.message_type,
                self._nodes[one.request.city],
                "",
                TTL_S,
            )
            for one in due
        ]
        if not messages:
            return
        for one, message, pushed in zip(
            due, messages, self._grid.push_messages(messages), strict=True
        ):
            # Flower gives None for a message that it did not take
            one.message, one.again_at = message if pushed else None, now + self._again_s

    def _body(self, one: _Underway, reply: Message) -> bytes | None:
        """Return a reply's body; None for one that is none, which has the request sent again."""
        city, message = one.request.city, one.message
        if message is None:
            return None
        if reply.has_content() and not answers(reply, message):
            self._note(city, f"a reply for {city} is from another node or run: not counted")
            return None  # the node's own may still come
        try:
            if reply.has_content():
                return unwrap(reply)
            self._note(city, f"{city}'s node answers with an error: {reply.error.reason}")
        except PeerError as error:
            self._note(city, f"{city}'s node answers: {error.message}")
        one.message, one.again_at = None, time.monotonic() + self._again_s
        return None

    def _note(self, about: str, sentence: str) -> None:
        """Say a sentence, once while it stays the last one about this."""
        if self._said.get(about) != sentence:
            self._said[about] = sentence
            self._say(sentence)
