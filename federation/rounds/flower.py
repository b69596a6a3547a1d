"""The conductor inside Flower's programming model: a ``ServerApp`` over any ``Grid``, and ours.

Lives here: everything of Flower on the coordinator's side. Must not know: documents, stages, or
what the bodies it carries mean.
"""

# isort: off
import federation.rounds.offline  # noqa: F401 before Flower reads the environment

# isort: on
import time
from collections.abc import Callable, Iterable, Iterator, Mapping
from concurrent.futures import FIRST_COMPLETED, Future, wait
from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol, TypeVar, cast

from flwr.app import ConfigRecord, Context, Message, Metadata, RecordDict
from flwr.app.message import make_message
from flwr.serverapp import Grid, ServerApp
from flwr.supercore.run import Run

from federation.errors import PeerError, Reason
from federation.exchange.mailbox import Mailbox

if TYPE_CHECKING:  # a stock SuperNode starts a process for every message: little is loaded here
    from federation.rounds.desk import Carrier, Stop

R_co = TypeVar("R_co", covariant=True)

RECORD, BODY = "laborfed", "body"  # where a message's one body lies in its RecordDict
COORDINATOR_NODE = 1  # Flower's identifier for the server side; cities' have six digits
CHECK_S = 3600.0  # a wait without a limit looks around this often


class App(Protocol[R_co]):
    """What is run over a carrier."""

    def conduct(self) -> R_co:
        """Run to the end."""
        ...


def wrap(body: bytes) -> RecordDict:
    """Return the content of a message with this body."""
    return RecordDict({RECORD: ConfigRecord({BODY: body})})


def unwrap(message: Message) -> bytes:
    """Return a message's body; PeerError(PROTOCOL) when it holds none, or an error instead."""
    if not message.has_content():
        raise PeerError(Reason.PROTOCOL, "a city's app answered with an error")
    records = message.content.config_records
    body = records[RECORD].get(BODY) if RECORD in records else None
    if not isinstance(body, bytes):
        raise PeerError(Reason.PROTOCOL, "a message holds no body")
    return body


def node_id(division: str) -> int:
    """Return Flower's identifier of a city's node: its division code as a number."""
    return int(division)


def division_of(node: int) -> str:
    """Return the division code of a city's node."""
    return f"{node:06d}"


def context_of(run: int, node: int) -> Context:
    """Return an empty Flower context."""
    return Context(run_id=run, node_id=node, node_config={}, state=RecordDict(), run_config={})


@dataclass(frozen=True)
class Numbering:
    """Which Flower node is which city's: on our grids the one whose number is its division."""

    node_of: Callable[[str], int] = node_id
    city_of: Callable[[int], str] = division_of


def conduct(grid: Grid, app: "Callable[[Carrier], App[R_co]]") -> R_co:
    """Run ``app`` as a Flower ServerApp over ``grid`` and return what it came to."""
    server, result = server_app(app)
    server(grid, context_of(grid.run.run_id, COORDINATOR_NODE))
    return result.result()


def server_app(
    app: "Callable[[Carrier], App[R_co]]",
    numbering: Callable[[Grid], Numbering] = lambda _: Numbering(),
) -> "tuple[ServerApp, Future[R_co]]":
    """Return a ServerApp that runs ``app`` over whichever grid it is given, and what it comes to.

    An error is the result's: an engine that runs the app may report success all the same.
    """
    server, result = ServerApp(), Future[R_co]()

    @server.main()  # type: ignore[untyped-decorator]  # Flower ships no types mypy may follow
    def main(grid: Grid, _context: Context) -> None:
        try:
            result.set_result(app(GridCarrier(grid, numbering(grid))).conduct())
        except Exception as error:  # noqa: BLE001 handed on: whoever asks for the result raises it
            result.set_exception(error)

    return server, result


class GridCarrier:
    """:class:`~federation.rounds.desk.Carrier` over any Flower ``Grid``."""

    def __init__(self, grid: Grid, numbering: Numbering = Numbering()) -> None:
        self._grid = grid
        self._numbering = numbering

    def present(self) -> frozenset[str]:
        """Return the divisions whose nodes the grid lists."""
        return frozenset(self._numbering.city_of(node) for node in self._grid.get_node_ids())

    def ask(
        self, bodies: Mapping[str, bytes], message_type: str, timeout_s: float
    ) -> Iterator[tuple[str, bytes]]:
        """Yield (city, answer) as the grid hands them over.

        A reply counts once, and only from the node that was asked, in this run, to this message;
        one without a body is none.
        """
        asked = {
            city: self._grid.create_message(
                wrap(body), message_type, self._numbering.node_of(city), ""
            )
            for city, body in bodies.items()
        }
        for reply in self._grid.send_and_receive(list(asked.values()), timeout=timeout_s):
            city = self._numbering.city_of(reply.metadata.src_node_id)
            if city in asked and answers(reply, asked[city]) and reply.has_content():
                del asked[city]
                yield city, unwrap(reply)


def answers(reply: Message, asked: Message) -> bool:
    """Tell whether a reply is to this message, from the node it went to; others may write both.

    Compared once the message was sent: Flower's grids give it its identifier then.
    """
    to, of = asked.metadata, reply.metadata
    return (of.src_node_id, of.run_id, of.reply_to_message_id) == (
        to.dst_node_id,
        to.run_id,
        to.message_id,
    )


class ExchangeGrid(Grid):  # type: ignore[misc]  # as above
    """Flower's ``Grid`` over the exchange's streams: no polling, replies as they come.

    ``stop`` ends every wait once it is done. A reply's source is the city whose stream it came by.
    """

    def __init__(self, mailbox: Mailbox, charter_digest: bytes, stop: "Future[Stop]") -> None:
        self._mailbox = mailbox
        self._stop = stop
        # Flower's run identifiers are 63 bits
        self._run = Run.create_empty(int.from_bytes(charter_digest[:8], "big") >> 1)
        self._asked: dict[str, tuple[Message, Future[bytes]]] = {}
        self._count = 0

    def set_run(self, run: Run) -> None:
        """Set the run this grid's messages belong to."""
        self._run = run

    @property
    def run(self) -> Run:
        """The run this grid's messages belong to."""
        return self._run

    def create_message(
        self,
        content: RecordDict,
        message_type: str,
        dst_node_id: int,
        group_id: str,
        ttl: float | None = None,
    ) -> Message:
        """Return a message to one node; deadlines are this grid's, so ``ttl`` only informs."""
        self._count += 1
        metadata = Metadata(
            run_id=self._run.run_id,
            message_id=str(self._count),
            src_node_id=COORDINATOR_NODE,
            dst_node_id=dst_node_id,
            reply_to_message_id="",
            group_id=group_id,
            created_at=time.time(),
            ttl=CHECK_S if ttl is None else ttl,
            message_type=message_type,
        )
        return make_message(metadata=metadata, content=content)

    def get_node_ids(self) -> list[int]:
        """Return the nodes whose streams stand now."""
        return sorted(node_id(division) for division in self._mailbox.present())

    def push_messages(self, messages: Iterable[Message]) -> list[str]:
        """Send each message to its node, now or whenever it attends; return their identifiers."""
        pushed = []
        for message in messages:
            meta = message.metadata
            future = self._mailbox.ask(
                division_of(meta.dst_node_id), meta.message_type, unwrap(message)
            )
            self._asked[meta.message_id] = message, future
            pushed.append(meta.message_id)
        return pushed

    def pull_messages(self, message_ids: Iterable[str]) -> list[Message]:
        """Return the replies that are there; each is handed over once."""
        done = [i for i in message_ids if i in self._asked and self._asked[i][1].done()]
        return [self._reply(*self._asked.pop(i)) for i in done]

    def send_and_receive(
        self, messages: Iterable[Message], *, timeout: float | None = None
    ) -> Iterator[Message]:
        """Send messages and yield replies as they come, until all are there or time is over.

        What is still unanswered then, or when the caller stops listening, is withdrawn.
        """
        pushed = self.push_messages(messages)
        deadline = None if timeout is None else time.monotonic() + timeout
        try:
            while (open_ids := [i for i in pushed if i in self._asked]) and not self._stop.done():
                yield from self.pull_messages(open_ids)
                left = CHECK_S if deadline is None else deadline - time.monotonic()
                if left <= 0:
                    return
                self._wait_for_one(open_ids, left)
        finally:
            for message_id in pushed:
                if (asked := self._asked.pop(message_id, None)) is not None:
                    self._mailbox.cancel(asked[1])

    def _wait_for_one(self, message_ids: Iterable[str], timeout_s: float) -> None:
        waiting = [self._asked[i][1] for i in message_ids if i in self._asked]
        if waiting:
            wait([*waiting, cast("Future[bytes]", self._stop)], timeout_s, FIRST_COMPLETED)

    def _reply(self, message: Message, answer: "Future[bytes]") -> Message:
        asked = message.metadata
        metadata = Metadata(
            run_id=asked.run_id,
            message_id=f"{asked.message_id}.reply",
            src_node_id=asked.dst_node_id,
            dst_node_id=asked.src_node_id,
            reply_to_message_id=asked.message_id,
            group_id=asked.group_id,
            created_at=time.time(),
            ttl=asked.ttl,
            message_type=asked.message_type,
        )
        return make_message(metadata=metadata, content=wrap(answer.result()))
