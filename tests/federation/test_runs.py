"""What an operator may do with a run, and what a restarted coordinator makes of it."""

import threading
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

import pytest
from support.federation import Federation
from support.runs import Run

from federation.acceptance import Accepted
from federation.documents.charter import Charter
from federation.documents.runs import Closure
from federation.errors import LaborfedError, Reason, Refused, StorageFault
from federation.rounds.desk import Stop
from federation.rounds.events import RunEvent
from federation.rounds.store import RunStore, Standing, Stands, open_run_store
from federation.runner import Task
from federation.runs import Runs

PATIENCE_S = 30.0


def ignore(_event: RunEvent) -> None:
    """Watch and say nothing."""


@dataclass
class Coordinator:
    """A coordinator whose runs end as a test says: paused, closed, not started or with a fault.

    ``ending`` tells what a run that is not stopped comes to; it waits for ``let_go``.
    """

    federation: Federation
    store: RunStore
    ending: Callable[[Task], Closure | None] | None = None
    conducted: list[Task] = field(default_factory=list)
    begun: threading.Event = field(default_factory=threading.Event)

    def __post_init__(self) -> None:
        self.runs = self.restarted()

    def restarted(self) -> Runs:
        """Return the runs as a restarted coordinator has them."""
        return Runs(self.store, self.find, self.conduct)

    def find(self, digest: bytes) -> Accepted[Charter]:
        return self.federation.publisher.find(digest).of(Charter)

    def conduct(self, task: Task) -> Closure | None:
        self.conducted.append(task)
        self.begun.set()
        if self.ending is not None:
            return self.ending(task)
        how = task.stop.result(PATIENCE_S)
        return closure(self, task) if how is Stop.CLOSE else None

    @property
    def stands(self) -> list[Stands]:
        return list(self.store.standings().values())


def closure(coordinator: Coordinator, task: Task) -> Closure:
    return Run(coordinator.federation, task.charter).closure("stopped")


@pytest.fixture
def coordinator(tmp_path: Path) -> Coordinator:
    return Coordinator(Federation(tmp_path), open_run_store(tmp_path / "runs.sqlite"))


@pytest.fixture
def charter(coordinator: Coordinator) -> bytes:
    return coordinator.federation.publish_charter().digest


def test_a_paused_run_stays_paused_over_a_restart_until_it_is_resumed(
    coordinator: Coordinator, charter: bytes
) -> None:
    task = coordinator.runs.start(charter, ignore)
    assert coordinator.begun.wait(PATIENCE_S)
    assert coordinator.stands == [Stands(Standing.ON)]
    coordinator.runs.stop(charter, Stop.PAUSE)
    task.ended.result(PATIENCE_S)
    assert coordinator.stands == [Stands(Standing.PAUSED)]

    runs = coordinator.restarted()
    runs.take_up()
    assert runs.active() is None
    task = runs.start(charter, ignore, begun=True)
    assert coordinator.stands == [Stands(Standing.ON)]
    runs.stop(charter, Stop.CLOSE)
    task.ended.result(PATIENCE_S)
    assert coordinator.stands == [Stands(Standing.OVER)]


def test_what_was_on_is_taken_up_in_the_order_it_began(
    coordinator: Coordinator, charter: bytes
) -> None:
    other = coordinator.federation.publish_charter(nonce=b"another charter.").digest
    coordinator.store.stand(charter, Standing.ON)
    coordinator.store.keep(other, b"a roster")  # as an earlier version kept it: documents only
    coordinator.runs.take_up()
    for digest in (other, charter):
        assert coordinator.begun.wait(PATIENCE_S)
        coordinator.begun.clear()
        assert coordinator.conducted[-1].charter.digest == digest
        assert coordinator.conducted[-1].taken_up
        coordinator.runs.stop(digest, Stop.CLOSE)
        coordinator.conducted[-1].ended.result(PATIENCE_S)
    assert coordinator.stands == [Stands(Standing.OVER)] * 2


def test_a_run_whose_closing_was_asked_for_is_closed_after_a_restart(
    coordinator: Coordinator, charter: bytes
) -> None:
    coordinator.store.stand(charter, Standing.CLOSING)
    coordinator.runs.take_up()
    assert coordinator.begun.wait(PATIENCE_S)
    (task,) = coordinator.conducted
    task.ended.result(PATIENCE_S)
    assert task.stop.result() is Stop.CLOSE
    assert coordinator.stands == [Stands(Standing.OVER)]


def test_a_run_over_another_carrier_waits_for_it_after_a_restart(
    coordinator: Coordinator, charter: bytes
) -> None:
    carried: list[Task] = []

    def conduct(task: Task) -> None:
        carried.append(task)
        task.stop.result(PATIENCE_S)

    task = coordinator.runs.carry(coordinator.find(charter), ignore, conduct)
    assert coordinator.stands == [Stands(Standing.CARRIED)]
    with pytest.raises(Refused) as raised:
        coordinator.runs.carry(coordinator.find(charter), ignore, conduct)
    assert raised.value.reason is Reason.RUN_ACTIVE
    coordinator.restarted().take_up()
    assert coordinator.conducted == []
    coordinator.runs.stop(charter, Stop.PAUSE)
    task.ended.result(PATIENCE_S)
    assert carried == [task]
    assert coordinator.stands == [Stands(Standing.PAUSED)]


def test_a_charter_that_is_not_in_the_log_keeps_no_other_run_waiting(
    coordinator: Coordinator, charter: bytes
) -> None:
    coordinator.store.stand(bytes(32), Standing.ON)
    coordinator.store.stand(charter, Standing.ON)
    coordinator.runs.take_up()
    assert coordinator.begun.wait(PATIENCE_S)
    coordinator.runs.stop(charter, Stop.PAUSE)
    assert [task.charter.digest for task in coordinator.conducted] == [charter]


def test_a_resting_run_is_closed_at_once(coordinator: Coordinator, charter: bytes) -> None:
    coordinator.store.stand(charter, Standing.PAUSED)
    coordinator.runs.stop(charter, Stop.CLOSE)
    assert coordinator.begun.wait(PATIENCE_S)
    (task,) = coordinator.conducted
    task.ended.result(PATIENCE_S)
    assert coordinator.stands == [Stands(Standing.OVER)]


@pytest.mark.parametrize(
    ("fault", "standing"),
    [
        (StorageFault(Reason.STORAGE, "the disk is full"), Standing.ON),
        (Refused(Reason.CHARTER_CLOSED, "closed before"), Standing.OVER),
        (ZeroDivisionError("nobody foresaw it"), Standing.ON),
    ],
    ids=["a fault that passes", "a run that was over", "a defect"],
)
def test_what_a_run_ended_with_is_kept_and_forgotten_when_it_goes_on(
    coordinator: Coordinator, charter: bytes, fault: Exception, standing: Standing
) -> None:
    def fails(_task: Task) -> None:
        raise fault

    coordinator.ending = fails
    task = coordinator.runs.start(charter, ignore)
    with pytest.raises(type(fault)):
        task.ended.result(PATIENCE_S)
    (stands,) = coordinator.stands
    assert stands.standing is standing
    assert str(fault) in stands.fault or repr(fault) in stands.fault
    coordinator.ending = None
    coordinator.runs.start(charter, ignore)
    assert coordinator.stands == [Stands(Standing.ON)]
    coordinator.runs.stop(charter, Stop.PAUSE)


def test_a_run_that_was_not_started_is_over_and_may_be_started_again(
    coordinator: Coordinator, charter: bytes
) -> None:
    coordinator.ending = lambda _task: None
    coordinator.runs.start(charter, ignore).ended.result(PATIENCE_S)
    assert coordinator.stands == [Stands(Standing.OVER)]
    coordinator.restarted().take_up()
    assert len(coordinator.conducted) == 1
    coordinator.runs.start(charter, ignore).ended.result(PATIENCE_S)
    assert len(coordinator.conducted) == 2


def test_what_cannot_be_stopped_or_resumed_is_told(
    coordinator: Coordinator, charter: bytes
) -> None:
    def refused(act: Callable[[], object]) -> Reason:
        with pytest.raises(LaborfedError) as raised:
            act()
        return raised.value.reason

    runs = coordinator.runs
    assert refused(lambda: runs.stop(charter, Stop.PAUSE)) is Reason.NOT_FOUND
    assert refused(lambda: runs.start(charter, ignore, begun=True)) is Reason.NOT_FOUND
    assert refused(lambda: runs.start(bytes(32), ignore)) is Reason.NOT_FOUND
    coordinator.store.stand(charter, Standing.OVER)
    assert refused(lambda: runs.stop(charter, Stop.CLOSE)) is Reason.CHARTER_CLOSED
    assert coordinator.conducted == []
