"""One run at a time: begun in its own thread, stopped when asked, watched by anybody, in turn."""

import threading
from dataclasses import dataclass, field
from pathlib import Path

import pytest
from structlog.testing import capture_logs
from support.federation import Federation

from federation.acceptance import Accepted
from federation.documents.charter import Charter
from federation.errors import Reason, Refused, StorageFault
from federation.rounds.desk import Stop
from federation.rounds.events import RunEvent
from federation.runner import Runner, Task

EVENT = RunEvent(at_ms=1, stage="asking", attempt=1, round=1, rounds=2)
PATIENCE_S = 30.0


@pytest.fixture
def federation(tmp_path: Path) -> Federation:
    return Federation(tmp_path)


@pytest.fixture
def charter(federation: Federation) -> Accepted[Charter]:
    return federation.publish_charter()


@pytest.fixture
def other(federation: Federation) -> Accepted[Charter]:
    return federation.publish_charter(nonce=b"another charter.")


@dataclass
class Conducting:
    """A run that ends when the test lets it, or when it is stopped."""

    begun: threading.Event = field(default_factory=threading.Event)
    fault: Exception | None = None
    threads: list[str] = field(default_factory=list)
    tasks: list[Task] = field(default_factory=list)

    def __call__(self, task: Task) -> None:
        self.threads.append(threading.current_thread().name)
        self.tasks.append(task)
        task.report(EVENT)
        self.begun.set()
        task.stop.result(PATIENCE_S)
        if self.fault is not None:
            raise self.fault


def ignore(event: RunEvent) -> None:
    assert event is EVENT


def test_a_run_is_watched_and_stopped(charter: Accepted[Charter]) -> None:
    conducting, told = Conducting(), list[RunEvent]()
    runner = Runner(conducting)
    assert runner.active is None
    task = runner.start(charter, told.append)
    assert conducting.begun.wait(PATIENCE_S)
    assert runner.active is task
    assert task.last is EVENT
    assert not task.ended.done()
    assert runner.stop(charter.digest, Stop.PAUSE)
    assert task.ended.result(PATIENCE_S) is None
    assert runner.active is None
    assert told == [EVENT]
    assert task.stop.result() is Stop.PAUSE
    assert conducting.threads == ["run"]


def test_who_starts_a_run_that_is_on_watches_it_from_its_last_event_on(
    charter: Accepted[Charter],
) -> None:
    conducting, told = Conducting(), list[RunEvent]()
    runner = Runner(conducting)
    task = runner.start(charter)
    assert conducting.begun.wait(PATIENCE_S)
    assert runner.start(charter, told.append) is task
    assert told == [EVENT]
    seen = list[RunEvent]()

    def here(event: RunEvent) -> None:
        seen.append(event)

    task.watch(here)
    task.leave(here)
    task.report(EVENT)
    assert (len(told), len(seen)) == (2, 1)
    runner.stop(charter.digest, Stop.CLOSE)
    task.ended.result(PATIENCE_S)
    assert len(conducting.tasks) == 1


def test_a_second_run_waits_for_the_first(
    charter: Accepted[Charter], other: Accepted[Charter]
) -> None:
    conducting = Conducting()
    runner = Runner(conducting)
    task = runner.start(charter, ignore)
    with pytest.raises(Refused) as raised:
        runner.start(other, ignore)
    assert raised.value.reason is Reason.RUN_ACTIVE
    runner.stop(charter.digest, Stop.CLOSE)
    task.ended.result(PATIENCE_S)
    # a fresh run has not been told to stop
    conducting.begun.clear()
    again = runner.start(charter, ignore)
    assert conducting.begun.wait(PATIENCE_S)
    assert not again.ended.done()
    runner.stop(charter.digest, Stop.CLOSE)
    again.ended.result(PATIENCE_S)


def test_runs_taken_up_go_on_one_after_the_other(
    charter: Accepted[Charter], other: Accepted[Charter]
) -> None:
    conducting = Conducting()
    runner = Runner(conducting)
    for one in (charter, other, charter):
        runner.take_up(one)
    first, second = runner.task(charter.digest), runner.task(other.digest)
    assert first is not None
    assert second is not None
    assert conducting.begun.wait(PATIENCE_S)
    assert conducting.tasks == [first]
    assert first.taken_up
    conducting.begun.clear()
    runner.stop(charter.digest, Stop.PAUSE)
    assert conducting.begun.wait(PATIENCE_S)
    assert conducting.tasks == [first, second]
    runner.stop(other.digest, Stop.PAUSE)
    second.ended.result(PATIENCE_S)
    assert first.ended.done()


@pytest.mark.parametrize(
    ("fault", "logged"),
    [
        (StorageFault(Reason.STORAGE, "the disk is full"), "run_failed"),
        (Refused(Reason.CHARTER_WINDOW, "too late"), "run_refused"),
        (ZeroDivisionError("nobody foresaw it"), "run_failed"),
    ],
    ids=["a fault", "a refusal", "a defect"],
)
def test_a_run_s_error_is_raised_to_who_waits_and_logged_for_who_does_not(
    charter: Accepted[Charter], fault: Exception, logged: str
) -> None:
    runner = Runner(Conducting(fault=fault))
    with capture_logs() as events:
        task = runner.start(charter, ignore)
        runner.stop(charter.digest, Stop.CLOSE)
        with pytest.raises(type(fault)) as raised:
            task.ended.result(PATIENCE_S)
    assert raised.value is fault
    assert runner.active is None
    assert [(e["event"], e["charter"]) for e in events] == [(logged, charter.digest.hex())]


def test_the_first_word_to_stop_counts(charter: Accepted[Charter]) -> None:
    conducting = Conducting()
    runner = Runner(conducting)
    assert not runner.stop(charter.digest, Stop.CLOSE)
    task = runner.start(charter, ignore)
    assert not runner.stop(bytes(32), Stop.CLOSE)
    assert not task.ended.done()
    runner.stop(charter.digest, Stop.CLOSE)
    runner.stop(charter.digest, Stop.PAUSE)
    task.ended.result(PATIENCE_S)
    assert task.stop.result() is Stop.CLOSE
