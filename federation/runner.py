"""One run at a time, in its own thread, watched by whoever started it.

Lives here: the thread and the rule that there is one. Must not know: how a run is conducted, or
over what its events travel.
"""

import threading
from collections.abc import Callable
from concurrent.futures import Future

import structlog

from federation.acceptance import Accepted
from federation.documents.charter import Charter
from federation.errors import CallerError, Reason, Refused
from federation.rounds.events import Report
from federation.watch import eventlog

Conduct = Callable[[Accepted[Charter], Report, "Future[None]"], object]


class Runner:
    """Starts ``conduct(charter, report, stop)`` in a thread of its own.

    ``stop`` is done once the run is to end. Safe to share between threads.

    Flower makes messages from a process-global identity, hence one run at a time in a process.
    """

    def __init__(self, conduct: Conduct) -> None:
        self._conduct = conduct
        self._lock = threading.Lock()
        self._active: bytes | None = None
        self._stop: Future[None] = Future()

    @property
    def active(self) -> bytes | None:
        """The digest of the charter that is being run, if one is."""
        with self._lock:
            return self._active

    def start(
        self, charter: Accepted[Charter], report: Report, conduct: Conduct | None = None
    ) -> "Future[None]":
        """Begin, or take up again, the charter's run; the future ends with it or with its error.

        ``report`` is called in the run's thread; ``conduct`` stands in for the runner's own.
        Refused(RUN_ACTIVE) while another run is on.
        """
        with self._lock:
            if self._active is not None:
                raise Refused(Reason.RUN_ACTIVE, f"run {self._active.hex()[:16]}… is on")
            self._active = charter.digest
            stop = self._stop = Future()
        ended: Future[None] = Future()
        # a daemon: what a stopping coordinator leaves unfinished is taken up again later
        threading.Thread(
            target=self._run,
            args=(conduct or self._conduct, charter, report, stop, ended),
            name="run",
            daemon=True,
        ).start()
        return ended

    def stop(self, charter_digest: bytes) -> None:
        """Ask the run to close at its next step; Refused(NOT_FOUND) when it is not on."""
        with self._lock:
            if self._active != charter_digest:
                raise Refused(Reason.NOT_FOUND, f"run {charter_digest.hex()[:16]}… is not on")
            if not self._stop.done():
                self._stop.set_result(None)

    def _run(
        self,
        conduct: Conduct,
        charter: Accepted[Charter],
        report: Report,
        stop: "Future[None]",
        ended: "Future[None]",
    ) -> None:
        try:
            conduct(charter, report, stop)
        except Exception as error:  # noqa: BLE001 handed on: whoever waits for the run raises it
            _log(charter.digest, error)  # nobody may be waiting any more
            self._finish()
            ended.set_exception(error)
        else:
            self._finish()
            ended.set_result(None)

    def _finish(self) -> None:
        with self._lock:
            self._active = None


def _log(charter_digest: bytes, error: Exception) -> None:
    log = structlog.get_logger().bind(charter=charter_digest.hex())
    if isinstance(error, CallerError):
        log.warning("run_refused", **eventlog.said_of(error))
    else:
        log.error("run_failed", **eventlog.traced(error))
