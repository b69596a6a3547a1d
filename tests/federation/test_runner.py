"""One run at a time: begun in its own thread, stopped when asked, its error handed on."""

import threading
from concurrent.futures import Future
from dataclasses import dataclass, field
from pathlib import Path

import pytest
from structlog.testing import capture_logs
from support.federation import Federation

from federation.acceptance import Accepted
from federation.documents.charter import Charter
from federation.errors import Reason, Refused, StorageFault
from federation.rounds.events import Report, RunEvent
from federation.runner import Runner

EVENT = RunEvent(at_ms=1, stage="asking", attempt=1, round=1, rounds=2)
PATIENCE_S = 30.0


@pytest.fixture
def charter(tmp_path: Path) -> Accepted[Charter]:
    return Federation(tmp_path).publish_charter()


@dataclass
class Conducting:
    """A run that ends when the test lets it, or when it is stopped."""

    begun: threading.Event = field(default_factory=threading.Event)
    fault: Exception | None = None
    thread: str = ""

    def __call__(self, charter: Accepted[Charter], report: Report, stop: "Future[None]") -> None:
        self.thread = threading.current_thread().name
        report(EVENT)
        self.begun.set()
        stop.result(PATIENCE_S)
        if self.fault is not None:
            raise self.fault


def ignore(event: RunEvent) -> None:
    assert event is EVENT


def test_a_run_is_watched_and_stopped(charter: Accepted[Charter]) -> None:
    conducting, told = Conducting(), list[RunEvent]()
    runner = Runner(conducting)
    assert runner.active is None
    ended = runner.start(charter, told.append)
    assert conducting.begun.wait(PATIENCE_S)
    assert runner.active == charter.digest
    assert not ended.done()
    runner.stop(charter.digest)
    assert ended.result(PATIENCE_S) is None
    assert runner.active is None
    assert told == [EVENT]
    assert conducting.thread == "run"


def test_a_second_run_waits_for_the_first(charter: Accepted[Charter]) -> None:
    conducting = Conducting()
    runner = Runner(conducting)
    ended = runner.start(charter, ignore)
    with pytest.raises(Refused) as raised:
        runner.start(charter, ignore)
    assert raised.value.reason is Reason.RUN_ACTIVE
    runner.stop(charter.digest)
    ended.result(PATIENCE_S)
    # a fresh run has not been told to stop
    conducting.begun.clear()
    again = runner.start(charter, ignore)
    assert conducting.begun.wait(PATIENCE_S)
    assert not again.done()
    runner.stop(charter.digest)
    again.result(PATIENCE_S)


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
        ended = runner.start(charter, ignore)
        runner.stop(charter.digest)
        with pytest.raises(type(fault)) as raised:
            ended.result(PATIENCE_S)
    assert raised.value is fault
    assert runner.active is None
    assert [(e["event"], e["charter"]) for e in events] == [(logged, charter.digest.hex())]


def test_what_is_not_on_cannot_be_stopped(charter: Accepted[Charter]) -> None:
    conducting = Conducting()
    runner = Runner(conducting)
    with pytest.raises(Refused) as raised:
        runner.stop(charter.digest)
    assert raised.value.reason is Reason.NOT_FOUND
    ended = runner.start(charter, ignore)
    with pytest.raises(Refused):
        runner.stop(bytes(32))
    assert not ended.done()
    runner.stop(charter.digest)
    runner.stop(charter.digest)
    ended.result(PATIENCE_S)
