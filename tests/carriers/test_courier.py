"""The courier on a stock deployment: whose node is whose, what counts, what is sent again."""

import copy

import pytest
from flwr.app import Message
from flwr.app.message import make_message

from carriers.named import NamedGrid
from deploy.flower.courier import Courier
from federation.carriage import Request
from federation.rounds import flower
from node import client_app

SHENZHEN, CHENGDU = "440300", "510100"
NAMES = {11: SHENZHEN, 12: CHENGDU}
SEEN = {"src_node_id", "run_id"}  # forgeries that point at a message that was sent


class Desk:
    """A courier, the grid it uses and what it said."""

    def __init__(self, names: dict[int, str]) -> None:
        self.asked: list[bytes] = []
        self.fault: Exception | None = None
        self.grid = NamedGrid(names, dict.fromkeys(names, client_app.client_app(self._answer)))
        self.said: list[str] = []
        self.courier = Courier(self.grid, self.said.append, again_s=0.0)
        self.present = self.courier.present()

    def _answer(self, body: bytes) -> bytes:
        self.asked.append(body)
        if self.fault is not None:
            raise self.fault
        return body[::-1]

    def ask(self, number: int, city: str = SHENZHEN, body: bytes = b"abc") -> Request:
        """Have the courier take a request along."""
        request = Request(number, city, "train", body)
        self.courier.take([request])
        return request


@pytest.fixture
def desk() -> Desk:
    return Desk(NAMES)


def test_a_request_goes_to_the_node_registered_under_the_citys_code(desk: Desk) -> None:
    request, other = desk.ask(1), desk.ask(2, CHENGDU, b"xyz")
    assert desk.present == [SHENZHEN, CHENGDU]
    assert desk.courier.turn() == [(request, b"cba"), (other, b"zyx")]
    assert desk.courier.idle
    assert desk.courier.turn() == []


@pytest.mark.parametrize(
    ("names", "present", "said"),
    [
        ({11: SHENZHEN, 12: SHENZHEN, 13: CHENGDU}, [CHENGDU], "2 nodes are registered as 440300"),
        ({11: SHENZHEN, 12: "gpu-box"}, [SHENZHEN], "'gpu-box': no division code"),
        ({11: SHENZHEN, 12: ""}, [SHENZHEN], "'': no division code"),
    ],
    ids=["two under one code", "another name", "no name"],
)
def test_a_node_that_is_nobodys_is_not_used_and_that_is_said_once(
    names: dict[int, str], present: list[str], said: str
) -> None:
    desk = Desk(names)
    assert desk.courier.present() == desk.present == present
    (sentence,) = desk.said
    assert said in sentence


def test_a_request_waits_for_a_node_that_is_offline(desk: Desk) -> None:
    del desk.grid.names[11]
    desk.courier.present()
    request = desk.ask(1)
    assert desk.courier.turn() == []
    assert desk.asked == []
    desk.grid.names[11] = SHENZHEN
    desk.courier.present()
    assert desk.courier.turn() == [(request, b"cba")]


def test_an_error_is_told_once_and_the_request_sent_again(desk: Desk) -> None:
    desk.fault = RuntimeError("no node answers at /run/p.sock")
    request = desk.ask(1)
    assert desk.courier.turn() == desk.courier.turn() == []
    assert desk.said == ["440300's node answers with an error: no node answers at /run/p.sock"]
    desk.fault = None
    assert desk.courier.turn() == [(request, b"cba")]
    assert desk.asked == [b"abc"] * 3


def test_a_message_that_flower_did_not_take_is_sent_again(desk: Desk) -> None:
    desk.grid.taken = False
    request = desk.ask(1)
    assert desk.courier.turn() == []
    desk.grid.taken = True
    assert desk.courier.turn() == [(request, b"cba")]


def test_a_late_answer_to_a_request_that_was_replaced_counts_for_nothing(desk: Desk) -> None:
    held: list[Message] = []
    desk.grid.arrives = lambda reply: held.append(reply) or ()  # type: ignore[func-returns-value]
    desk.ask(1, body=b"old")
    assert desk.courier.turn() == []
    desk.grid.arrives = lambda reply: (*held, reply)
    newer = desk.ask(2, body=b"new")
    assert desk.courier.turn() == [(newer, b"wen")]


@pytest.mark.parametrize(
    ("field", "value"), [("src_node_id", 12), ("run_id", 8), ("reply_to_message_id", "99")]
)
def test_a_forged_reply_counts_for_nothing_and_the_genuine_one_still_does(
    desk: Desk, field: str, value: object
) -> None:
    def forged_first(reply: Message) -> tuple[Message, Message]:
        metadata = copy.copy(reply.metadata)
        metadata.__dict__ = {**vars(metadata), f"_{field}": value}
        return make_message(metadata=metadata, content=flower.wrap(b"forged")), reply

    desk.grid.arrives = forged_first
    request = desk.ask(1)
    assert desk.courier.turn() == [(request, b"cba")]
    assert any("not counted" in sentence for sentence in desk.said) == (field in SEEN)


def test_a_reply_without_a_body_is_none(desk: Desk) -> None:
    empty = flower.RecordDict()
    desk.grid.arrives = lambda reply: (make_message(metadata=reply.metadata, content=empty),)
    desk.ask(1)
    assert desk.courier.turn() == []
    assert "holds no body" in desk.said[0]
    assert not desk.courier.idle
