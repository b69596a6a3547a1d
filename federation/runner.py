"""One run at a time, in its own thread; others wait their turn; anybody may watch.

Lives here: the thread, the queue, and the rule that one run is on. Must not know: how a run is
conducted, what is kept of it, or over what its events travel.
"""

import threading
from collections.abc import Callable
from concurrent.futures import Future
from dataclasses import dataclass, field

import structlog

from federation.acceptance import Accepted
from federation.documents.charter import Charter
from federation.errors import CallerError, Reason, Refused
from federation.rounds.desk import Stop
from federation.rounds.events import Report, RunEvent
from federation.watch import eventlog


@dataclass(eq=False)
class Task:
    """One run that is on or waits for its turn.

    ``stop`` is done once it is to stop; ``taken_up``: begun by a restarted coordinator, whose
    cities are coming back; ``conduct`` stands in for the runner's own; ``ended`` is done with
    the run or with its error.
    """

    charter: Accepted[Charter]
    taken_up: bool = False
    conduct: "Conduct | None" = None
    stop: "Future[Stop]" = field(default_factory=Future)
    ended: "Future[None]" = field(default_factory=Future)
    _watchers: tuple[Report, ...] = ()
    _last: RunEvent | None = None
    _telling: threading.Lock = field(default_factory=threading.Lock)

    def report(self, event: RunEvent) -> None:
        """Tell everybody who watches."""
        with self._telling:
            self._last, watchers = event, self._watchers
        for watch in watchers:
            watch(event)

    def watch(self, report: Report) -> None:
        """Tell ``report`` every event from the last one on."""
        with self._telling:
            self._watchers = (*self._watchers, report)
            last = self._last
        if last is not None:
            report(last)

    def leave(self, report: Report) -> None:
        """Tell ``report`` no more."""
        with self._telling:
            self._watchers = tuple(w for w in self._watchers if w is not report)

    def halt(self, how: Stop) -> None:
        """Have the run stop at its next step; the first word counts."""
        if not self.stop.done():
            self.stop.set_result(how)

    @property
    def last(self) -> RunEvent | None:
        """What it told last."""
        return self._last


Conduct = Callable[[Task], object]


class Runner:
    """Conducts tasks, each in a thread of its own. Safe to share between threads.

    Flower makes messages from a process-global identity, hence one run at a time in a process.
    """

    def __init__(self, conduct: Conduct) -> None:
        self._conduct = conduct
        self._lock = threading.Lock()
        self._tasks: dict[bytes, Task] = {}  # in turn; the first one is on

    def task(self, charter_digest: bytes) -> Task | None:
        """The run of this charter, if it is on or waits for its turn."""
        with self._lock:
            return self._tasks.get(charter_digest)

    @property
    def active(self) -> Task | None:
        """The run that is on, if one is."""
        with self._lock:
            return next(iter(self._tasks.values()), None)

    def start(
        self,
        charter: Accepted[Charter],
        report: Report | None = None,
        how: Stop | None = None,
        conduct: "Conduct | None" = None,
    ) -> Task:
        """Begin a run, or take it up again; who starts one that is on or waits, watches it.

        ``report`` is called in the run's thread; ``how``: it is to stop at its first step;
        ``conduct`` stands in for the runner's own.
        Refused(RUN_ACTIVE) while another run is on.
        """
        with self._lock:
            known = self._tasks.get(charter.digest)
            if known is None and self._tasks:
                on = next(iter(self._tasks))
                raise Refused(Reason.RUN_ACTIVE, f"run {on.hex()[:16]}… is on")
            task = known or Task(charter, conduct=conduct)
            if report is not None:
                task.watch(report)
            if how is not None:
                task.halt(how)
            if known is None:
                self._add(task)
        return task

    def take_up(self, charter: Accepted[Charter], how: Stop | None = None) -> None:
        """Have a run go on, in its turn, after a restart of the coordinator."""
        task = Task(charter, taken_up=True)
        if how is not None:
            task.halt(how)
        with self._lock:
            if charter.digest not in self._tasks:
                self._add(task)

    def stop(self, charter_digest: bytes, how: Stop) -> bool:
        """Have a run stop at its next step; whether it was on or waiting."""
        task = self.task(charter_digest)
        if task is not None:
            task.halt(how)
        return task is not None

    def _add(self, task: Task) -> None:
        self._tasks[task.charter.digest] = task
        if len(self._tasks) == 1:
            self._begin(task)

    def _begin(self, task: Task) -> None:
        # a daemon: what a stopping coordinator leaves unfinished is taken up again later
        threading.Thread(target=self._run, args=(task,), name="run", daemon=True).start()

    def _run(self, task: Task) -> None:
        error: Exception | None = None
        try:
            self._conduct(task)
        except Exception as raised:  # noqa: BLE001 handed on: whoever waits for the run raises it
            error = raised
            _log(task.charter.digest, raised)  # nobody may be waiting any more
        with self._lock:
            del self._tasks[task.charter.digest]
            following = next(iter(self._tasks.values()), None)
            if following is not None:
                self._begin(following)
        if error is None:
            task.ended.set_result(None)
        else:
            task.ended.set_exception(error)


def _log(charter_digest: bytes, error: Exception) -> None:
    log = structlog.get_logger().bind(charter=charter_digest.hex())
    if isinstance(error, CallerError):
        log.warning("run_refused", **eventlog.said_of(error))
    else:
        log.error("run_failed", **eventlog.traced(error))
