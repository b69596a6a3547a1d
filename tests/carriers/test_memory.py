"""What a grid hands over and must not be believed: failures, late replies, forged ones."""

import copy
from collections.abc import Callable, Iterable
from pathlib import Path

import pytest
from flwr.app import Context, Message
from flwr.app.message import make_message
from flwr.clientapp import ClientApp

from carriers import ground, memory
from carriers.ground import Ground
from federation.documents.releases import StatisticsRelease
from federation.documents.runs import DropRecord, Roster
from federation.rounds import flower
from federation.rounds.terms import TRAIN


@pytest.fixture
def four(tmp_path: Path) -> Ground:
    """Four cities, of which a run may lose one."""
    return ground.found(tmp_path / "g", 4)


def failing(app: ClientApp) -> ClientApp:
    """Return an app that consents and then fails at every round."""
    failed = ClientApp()

    @failed.query()
    def query(message: Message, context: Context) -> Message:
        reply: Message = app(message, context)
        return reply

    @failed.train()
    def train(message: Message, _context: Context) -> Message:
        raise RuntimeError("no answer from here")

    return failed


def went_on_without_the_last(place: Ground) -> None:
    """Check that the run released the sum of three cities and named the fourth."""
    last = place.cities[-1]
    assert [drop.cities for drop in place.logged(DropRecord)] == [(last,)]
    assert [len(roster.consents) for roster in place.logged(Roster)] == [4, 3]
    (release,) = place.logged(StatisticsRelease)
    assert release.cities == place.cities[:-1]


def test_a_failing_city_is_dropped_and_the_run_goes_on(four: Ground) -> None:
    memory.run(four, "statistics", failing=failing)
    assert four.outcome("statistics") == "released"
    went_on_without_the_last(four)


def changed(reply: Message, **fields: object) -> Message:
    """Return a reply that says something else of where it comes from and belongs."""
    metadata = copy.copy(reply.metadata)
    metadata.__dict__ = {**vars(metadata), **{f"_{name}": of for name, of in fields.items()}}
    return make_message(metadata=metadata, content=flower.wrap(flower.unwrap(reply)))


class LastCity:
    """Tampers with what arrives of the last city's answers to rounds."""

    def __init__(self, place: Ground, arrives: Callable[[Message], Iterable[Message]]) -> None:
        self._node = flower.node_id(place.cities[-1])
        self._arrives = arrives
        self.tampered = 0

    def __call__(self, reply: Message) -> Iterable[Message]:
        mine = reply.metadata.src_node_id == self._node
        if not mine or reply.metadata.message_type != TRAIN:
            return (reply,)
        self.tampered += 1
        return self._arrives(reply)


FORGERIES = {
    "from another node": {"src_node_id": 310000},
    "of another run": {"run_id": 8},
    "to another message": {"reply_to_message_id": "1"},
}


@pytest.mark.parametrize("fields", FORGERIES.values(), ids=FORGERIES)
def test_a_reply_that_is_not_to_what_was_asked_counts_for_nothing(
    four: Ground, fields: dict[str, object]
) -> None:
    last = LastCity(four, lambda reply: (changed(reply, **fields),))
    memory.run(four, "statistics", tamper=last)
    assert last.tampered == 1
    went_on_without_the_last(four)


def test_a_forged_reply_does_not_keep_the_genuine_one_out(four: Ground) -> None:
    def twice(reply: Message) -> Iterable[Message]:
        return changed(reply, run_id=8), changed(reply, src_node_id=1), reply, reply

    last = LastCity(four, twice)
    memory.run(four, "statistics", tamper=last)
    assert last.tampered == 1
    assert four.logged(DropRecord) == []
    assert len(four.sums()) == 1


def test_a_late_reply_counts_for_no_later_question(four: Ground) -> None:
    held: list[Message] = []

    def late(reply: Message) -> Iterable[Message]:
        held.append(reply)
        return ()

    last = LastCity(four, late)

    def tamper(reply: Message) -> Iterable[Message]:
        # what was held back arrives with the next answer of anybody
        waiting, held[:] = list(held), []
        return (*waiting, *last(reply))

    memory.run(four, "statistics", tamper=tamper)
    assert (last.tampered, held) == (1, [])
    went_on_without_the_last(four)
