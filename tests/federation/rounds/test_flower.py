"""What we use of Flower, pinned; and our grid over a mailbox that a test's cities answer.

The first half is a contract: when a new flwr breaks one of these tests, ``flower.py``,
``client_app.py``, ``deploy/flower`` and ``deploy/study/simulation.py`` are what has to change.
"""

import inspect
import os
import threading
from collections.abc import Iterator
from concurrent.futures import Future
from importlib.metadata import version
from typing import Any

import pytest
from flwr.app import ConfigRecord, Context, Error, Message, RecordDict
from flwr.clientapp import ClientApp
from flwr.proto.control_pb2 import RegisterNodeRequest
from flwr.proto.fleet_pb2 import ActivateNodeRequest
from flwr.proto.node_pb2 import NodeInfo
from flwr.serverapp import Grid, ServerApp
from flwr.simulation import run_simulation
from flwr.supercore.run import Run

from federation.errors import Malformed, PeerError, Reason
from federation.exchange.mailbox import Mailbox
from federation.rounds import flower, offline
from federation.rounds.flower import ExchangeGrid, GridCarrier, conduct
from node import client_app

SHENZHEN, FOSHAN, CHENGDU = "440300", "440600", "510100"
CHARTER = bytes(range(32))

# the contract with flwr


def test_the_pinned_version_is_installed() -> None:
    assert version("flwr") == "1.41.0"


def test_flower_is_told_to_make_no_network_calls_of_its_own() -> None:
    assert {name: os.environ[name] for name in offline.SWITCHES} == offline.SWITCHES


def test_grid_asks_for_these_methods_and_no_others() -> None:
    assert Grid.__abstractmethods__ == {
        "set_run",
        "run",
        "create_message",
        "get_node_ids",
        "push_messages",
        "pull_messages",
        "send_and_receive",
    }
    signature = inspect.signature(Grid.create_message)
    assert [*signature.parameters] == [
        "self",
        "content",
        "message_type",
        "dst_node_id",
        "group_id",
        "ttl",
    ]


def test_a_message_can_be_made_without_flowers_process_identity() -> None:
    grid = ExchangeGrid(Mailbox(), CHARTER, Future())
    message = grid.create_message(flower.wrap(b"body"), "train", 440300, "")
    assert (message.metadata.dst_node_id, message.metadata.message_type) == (440300, "train")
    assert flower.unwrap(message) == b"body"


def test_a_reply_points_back_at_its_message() -> None:
    grid = ExchangeGrid(Mailbox(), CHARTER, Future())
    asked = grid.create_message(flower.wrap(b"body"), "train", 440300, "")
    reply = Message(flower.wrap(b"answer"), reply_to=asked)
    assert reply.metadata.reply_to_message_id == asked.metadata.message_id
    assert reply.metadata.src_node_id == 440300
    assert reply.metadata.message_type == "train"


def test_a_server_app_hands_its_main_the_grid_and_the_context() -> None:
    app, seen = ServerApp(), list[Any]()

    @app.main()
    def main(grid: Grid, context: Context) -> None:
        seen.extend((grid, context.run_id))

    grid = ExchangeGrid(Mailbox(), CHARTER, Future())
    app(grid, flower.context_of(7, 1))
    assert seen == [grid, 7]


@pytest.mark.parametrize("message_type", ["query", "train", "evaluate"])
def test_a_client_app_answers_each_kind_of_message(message_type: str) -> None:
    app = client_app.client_app(lambda body: body[::-1])
    assert isinstance(app, ClientApp)
    assert client_app.invoke(app, SHENZHEN, message_type, b"abc") == b"cba"


@pytest.mark.parametrize("message_type", ["", "train.evil", "system", "fit", "x" * 1000])
def test_a_request_of_another_type_never_reaches_the_participant(message_type: str) -> None:
    asked: list[bytes] = []

    def answer(body: bytes) -> bytes:
        asked.append(body)
        return body

    with pytest.raises(Malformed, match=Reason.PROTOCOL):
        client_app.invoke(client_app.client_app(answer), SHENZHEN, message_type, b"abc")
    assert asked == []


@pytest.mark.parametrize(
    "content",
    [
        RecordDict(),
        RecordDict({"laborfed": ConfigRecord({"other": b""})}),
        RecordDict({"laborfed": ConfigRecord({"body": "text"})}),
    ],
    ids=["no record", "no body", "body is text"],
)
def test_a_message_without_a_body_is_a_broken_protocol(content: RecordDict) -> None:
    grid = ExchangeGrid(Mailbox(), CHARTER, Future())
    with pytest.raises(PeerError, match=Reason.PROTOCOL):
        flower.unwrap(grid.create_message(content, "train", 440300, ""))


def test_an_error_reply_is_a_broken_protocol() -> None:
    grid = ExchangeGrid(Mailbox(), CHARTER, Future())
    asked = grid.create_message(flower.wrap(b""), "train", 440300, "")
    with pytest.raises(PeerError, match=Reason.PROTOCOL):
        flower.unwrap(Message(Error(1, "failed"), reply_to=asked))


def test_nodes_that_a_superlink_lists_have_a_name_and_an_identifier() -> None:
    assert {"node_id", "name"} <= set(NodeInfo.DESCRIPTOR.fields_by_name)
    assert "name" in RegisterNodeRequest.DESCRIPTOR.fields_by_name
    # whoever joins says nothing of its own name: it is the one it was registered under
    assert "name" not in ActivateNodeRequest.DESCRIPTOR.fields_by_name


def test_a_reply_tells_an_error_by_its_reason() -> None:
    grid = ExchangeGrid(Mailbox(), CHARTER, Future())
    asked = grid.create_message(flower.wrap(b""), "train", 440300, "")
    reply = Message(Error(1, "failed"), reply_to=asked)
    assert (reply.has_content(), reply.error.reason) == (False, "failed")


def test_the_simulation_engine_takes_two_apps_and_a_number_of_nodes() -> None:
    taken = inspect.signature(run_simulation).parameters
    assert {"server_app", "client_app", "num_supernodes", "backend_config"} <= set(taken)


# our grid


class Cities:
    """Cities whose streams stand on a mailbox; each answers with its name and the body."""

    def __init__(self, *divisions: str) -> None:
        self.mailbox = Mailbox()
        self.silent: set[str] = set()
        self.attendances = {d: self.mailbox.attend(d, self._wake(d)) for d in divisions}

    def _wake(self, division: str) -> Any:
        return lambda: threading.Thread(target=self.serve, args=(division,)).start()

    def serve(self, division: str) -> None:
        for asked in self.mailbox.unsent(self.attendances[division]):
            if division not in self.silent:
                self.mailbox.answer(division, asked.request_id, division.encode() + asked.body)


@pytest.fixture
def cities() -> Cities:
    return Cities(SHENZHEN, FOSHAN, CHENGDU)


def carrier(cities: Cities, stop: "Future[None] | None" = None) -> GridCarrier:
    return GridCarrier(ExchangeGrid(cities.mailbox, CHARTER, stop or Future()))


def test_present_cities_are_the_grids_nodes(cities: Cities) -> None:
    assert carrier(cities).present() == {SHENZHEN, FOSHAN, CHENGDU}
    cities.mailbox.leave(cities.attendances[FOSHAN])
    assert carrier(cities).present() == {SHENZHEN, CHENGDU}


def test_every_answer_comes_with_the_city_that_was_asked(cities: Cities) -> None:
    bodies = {SHENZHEN: b"-1", FOSHAN: b"-2", CHENGDU: b"-3"}
    answers = dict(carrier(cities).ask(bodies, "train", 30))
    assert answers == {city: city.encode() + body for city, body in bodies.items()}


def test_who_is_silent_until_the_deadline_is_withdrawn(cities: Cities) -> None:
    cities.silent = {FOSHAN}
    answers = dict(carrier(cities).ask({SHENZHEN: b"", FOSHAN: b""}, "train", 0.2))
    assert answers == {SHENZHEN: SHENZHEN.encode()}
    assert not cities.mailbox.answer(FOSHAN, 2, b"late")
    assert cities.mailbox.discarded == 1


def test_a_stop_ends_the_wait_at_once(cities: Cities) -> None:
    cities.silent = {SHENZHEN, FOSHAN}
    stop: Future[None] = Future()
    asking = carrier(cities, stop).ask({SHENZHEN: b"", FOSHAN: b""}, "train", 3600)
    found: list[Any] = []
    waiting = threading.Thread(target=lambda: found.extend(asking))
    waiting.start()
    stop.set_result(None)
    waiting.join(60)
    assert not waiting.is_alive()
    assert found == []


def test_a_caller_that_stops_listening_withdraws_the_rest(cities: Cities) -> None:
    cities.silent = {FOSHAN}
    asking = carrier(cities).ask({SHENZHEN: b"", FOSHAN: b""}, "train", 3600)
    assert next(asking)[0] == SHENZHEN
    assert isinstance(asking, Iterator)
    asking.close()  # type: ignore[attr-defined]
    assert not cities.mailbox.answer(FOSHAN, 2, b"late")


def test_push_and_pull_hand_each_reply_over_once(cities: Cities) -> None:
    grid = ExchangeGrid(cities.mailbox, CHARTER, Future())
    grid.set_run(Run.create_empty(5))
    messages = [grid.create_message(flower.wrap(b""), "query", 440300, "")]
    (pushed,) = grid.push_messages(messages)
    replies: list[Message] = []
    while not replies:
        replies = grid.pull_messages([pushed])
    assert (replies[0].metadata.run_id, replies[0].metadata.reply_to_message_id) == (5, pushed)
    assert grid.pull_messages([pushed]) == []


def test_a_reply_from_a_node_that_was_not_asked_counts_for_nothing(cities: Cities) -> None:
    grid = ExchangeGrid(cities.mailbox, CHARTER, Future())
    honest = grid.send_and_receive

    def doubled(messages: Any, *, timeout: float | None = None) -> Iterator[Message]:
        for reply in honest(messages, timeout=timeout):
            stranger = grid.create_message(flower.wrap(b"forged"), "train", 1, "")
            stranger.metadata.__dict__["_src_node_id"] = 510100
            yield from (stranger, reply, reply)

    grid.send_and_receive = doubled  # type: ignore[method-assign]
    assert list(GridCarrier(grid).ask({SHENZHEN: b""}, "train", 30)) == [
        (SHENZHEN, SHENZHEN.encode())
    ]


def test_conduct_runs_an_app_inside_a_server_app_and_returns_its_result(cities: Cities) -> None:
    class App:
        def __init__(self, over: Any) -> None:
            self.over = over

        def conduct(self) -> list[str]:
            return sorted(city for city, _ in self.over.ask({SHENZHEN: b""}, "query", 30))

    assert conduct(ExchangeGrid(cities.mailbox, CHARTER, Future()), App) == [SHENZHEN]
