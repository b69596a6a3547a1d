"""The runs of a coordinator: started, paused, gone on with, closed, and taken up after a restart.

Lives here: what an operator may do with a run, and what is kept of it so that a restart does the
same. Must not know: how a run is conducted, or over what an operator speaks.
"""

import threading
from collections.abc import Callable

import structlog

from federation.acceptance import Accepted
from federation.documents.charter import Charter
from federation.documents.runs import Closure
from federation.errors import LaborfedError, Reason, Refused, StorageFault
from federation.rounds.desk import Stop
from federation.rounds.events import Report, RunEvent
from federation.rounds.store import RunStore, Standing, Stands
from federation.runner import Runner, Task
from federation.watch import eventlog

FindCharter = Callable[[bytes], Accepted[Charter]]
# None: the run was paused, or not started
Conduct = Callable[[Task], Closure | None]


class Runs:
    """Every run of one coordinator. Safe to share between threads."""

    def __init__(
        self,
        store: RunStore,
        find_charter: FindCharter,
        conduct: Conduct,
        logged_charter: FindCharter | None = None,
    ) -> None:
        self._store = store
        self._find_charter = find_charter
        # at the start nobody attends yet: what is logged is taken up without waiting for witnesses
        self._logged_charter = logged_charter or find_charter
        self._conduct = conduct
        self._runner = Runner(self._conducted)
        self._lock = threading.Lock()  # what is kept of a run changes together with the run

    def start(self, charter_digest: bytes, report: Report, *, begun: bool = False) -> Task:
        """Begin a run, go on with it, or watch it when it is on.

        ``begun``: only one that was started before. Raises Refused: NOT_FOUND when the log has no
        such charter or it was not started before, RUN_ACTIVE while another run is on,
        CHARTER_CLOSED; Malformed(UNEXPECTED_TYPE) when it is no charter.
        """
        charter = self._find_charter(charter_digest)
        with self._lock:
            stands = self._store.standings().get(charter_digest)
            if begun and stands is None:
                raise Refused(
                    Reason.NOT_FOUND, f"run {charter_digest.hex()[:16]}… was never started"
                )
            closing = stands is not None and stands.standing is Standing.CLOSING
            task = self._runner.start(charter, report, Stop.CLOSE if closing else None)
            if not closing:
                self._store.stand(charter_digest, Standing.ON)
        return task

    def carry(self, charter: Accepted[Charter], report: Report, conduct: Conduct) -> Task:
        """Begin a run, or go on with it, over a carrier of its own, which ``conduct`` knows.

        After a restart it waits for that carrier: over another one its cities would be missed.
        Refused(RUN_ACTIVE) while any run is on, this one included.
        """
        with self._lock:
            if self._runner.task(charter.digest) is not None:
                raise Refused(Reason.RUN_ACTIVE, f"run {charter.digest.hex()[:16]}… is on")
            task = self._runner.start(charter, report, conduct=conduct)
            self._store.stand(charter.digest, Standing.CARRIED)
        return task

    def stop(self, charter_digest: bytes, how: Stop) -> None:
        """Pause or close a run at its next step; one that rests is paused or closed now.

        Raises Refused: NOT_FOUND when it was never started, CHARTER_CLOSED when it is over,
        RUN_ACTIVE when it rests, is to be closed, and another run is on.
        """
        with self._lock:
            stands = self._store.standings().get(charter_digest)
            if stands is None:
                raise Refused(
                    Reason.NOT_FOUND, f"run {charter_digest.hex()[:16]}… was never started"
                )
            if stands.standing is Standing.OVER:
                raise Refused(Reason.CHARTER_CLOSED, "this run is over")
            if how is Stop.CLOSE and self._runner.task(charter_digest) is None:
                self._runner.start(self._find_charter(charter_digest), how=how)
            wanted = Standing.PAUSED if how is Stop.PAUSE else Standing.CLOSING
            self._store.stand(charter_digest, wanted)
            self._runner.stop(charter_digest, how)

    def take_up(self) -> None:
        """Go on with every run that was on when the coordinator ended, one after the other."""
        with self._lock:
            for charter_digest, stands in self._store.standings().items():
                how = Stop.CLOSE if stands.standing is Standing.CLOSING else None
                if stands.standing is Standing.ON or how:
                    self._take_up(charter_digest, how)

    def _take_up(self, charter_digest: bytes, how: Stop | None) -> None:
        log = structlog.get_logger().bind(charter=charter_digest.hex())
        try:
            self._runner.take_up(self._logged_charter(charter_digest), how)
        except LaborfedError as error:  # one that cannot go on keeps none of the others waiting
            log.error("run_not_taken_up", **eventlog.said_of(error))
        else:
            log.info("run_taken_up")

    def active(self) -> tuple[bytes, RunEvent | None] | None:
        """The charter whose run is on and what it told last; None when none is."""
        task = self._runner.active
        return None if task is None else (task.charter.digest, task.last)

    def _conducted(self, task: Task) -> None:
        charter_digest = task.charter.digest
        try:
            closure = (task.conduct or self._conduct)(task)
        except LaborfedError as error:
            over = error.reason in {Reason.CHARTER_CLOSED, Reason.CHARTER_WINDOW}
            self._note(charter_digest, str(error), over=over)
            raise
        except Exception as error:
            self._note(charter_digest, f"a defect: {error!r}", over=False)
            raise
        with self._lock:
            stands = self._standing(charter_digest)
            if closure is not None or stands.standing is not Standing.PAUSED:
                self._store.stand(charter_digest, Standing.OVER)

    def _note(self, charter_digest: bytes, fault: str, *, over: bool) -> None:
        try:
            with self._lock:
                standing = Standing.OVER if over else self._standing(charter_digest).standing
                self._store.stand(charter_digest, standing, fault)
        except StorageFault as error:  # perhaps the very fault that is to be noted
            structlog.get_logger().error("fault_not_kept", **eventlog.said_of(error))

    def _standing(self, charter_digest: bytes) -> Stands:
        return self._store.standings().get(charter_digest, Stands(Standing.ON))
