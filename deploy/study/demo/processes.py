"""Real processes: commands as a person types them, and programs that stay up.

Lives here: starting, reading lines, waiting for one, logs and stopping. Must not know: what any
command is for.
"""

import os
import shlex
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import IO

from deploy.study.demo.failure import StepFailed, tail_of

BIN = Path(sys.executable).parent
START_S = 60.0  # in which a program must say the line that is waited for
STOP_S = 15.0  # in which a program told to stop must be gone
TAIL_LINES = 15

Echo = Callable[[str], None]


def near(path: Path) -> str:
    """Return a path as it is typed from the folder this process was started in."""
    try:
        return str(path.absolute().relative_to(Path.cwd()))
    except ValueError:
        return str(path)


def typed(program: str, *arguments: str | Path) -> str:
    """Return a command line that works when pasted into the shell this was started from."""
    words = [near(BIN / program), *(near(a) if isinstance(a, Path) else a for a in arguments)]
    return shlex.join(words)


def _argv(program: str, arguments: Sequence[str | Path]) -> list[str]:
    return [str(BIN / program), *(near(a) if isinstance(a, Path) else a for a in arguments)]


def _environment() -> Mapping[str, str]:
    # lines of a program are read by others: no colours, no wrapping at a terminal's width
    return {**os.environ, "NO_COLOR": "1", "TERM": "dumb", "COLUMNS": "400"}


class Shell:
    """Runs commands; each is shown with ``echo`` and kept, with all it printed, in ``log``."""

    def __init__(self, log: Path, echo: Echo) -> None:
        self._log = log
        self._echo = echo
        self._writing = threading.Lock()

    def run(
        self, program: str, *arguments: str | Path, shown: bool = True, codes: Sequence[int] = (0,)
    ) -> str:
        """Run a command to its end and return what it printed.

        Raises StepFailed with its last lines when it ends with none of ``codes``.
        """
        line = typed(program, *arguments)
        if shown:
            self._echo(line)
        done = subprocess.run(
            _argv(program, arguments),
            stdin=subprocess.DEVNULL,
            capture_output=True,
            encoding="utf-8",
            env=_environment(),
            check=False,
        )
        self._note(line, done.stdout + done.stderr)
        if done.returncode not in codes:
            told = (done.stdout + done.stderr).splitlines()[-TAIL_LINES:]
            raise StepFailed(f"ended with code {done.returncode}: {line}", self._log, told)
        return done.stdout

    @contextmanager
    def lines(
        self, program: str, *arguments: str | Path, codes: Sequence[int] = (0,)
    ) -> Iterator[Iterator[str]]:
        """Run a command and yield its lines as they come; its end is judged as by :meth:`run`."""
        line = typed(program, *arguments)
        self._echo(line)
        self._note(line, "")
        with (
            self._log.open("a", encoding="utf-8") as log,
            subprocess.Popen(
                _argv(program, arguments),
                stdin=subprocess.DEVNULL,
                stdout=subprocess.PIPE,
                stderr=log,
                encoding="utf-8",
                env=_environment(),
            ) as process,
        ):
            assert process.stdout is not None  # noqa: S101 it was asked for
            try:
                yield (text.rstrip("\n") for text in process.stdout)
            except BaseException:
                process.terminate()
                raise
        if process.returncode not in codes:
            raise StepFailed(
                f"ended with code {process.returncode}: {line}", self._log, tail_of(self._log)
            )

    def _note(self, line: str, output: str) -> None:
        with self._writing, self._log.open("a", encoding="utf-8") as log:
            log.write(f"$ {line}\n{output}")


class Service:
    """A program that stays up. Its lines and its log's lines both go to ``log``."""

    def __init__(self, name: str, argv: Sequence[str], log: Path) -> None:
        self.name = name
        self.log = log
        self._changed = threading.Condition()
        self._lines: list[str] = []
        self._ended = False
        with log.open("a", encoding="utf-8") as errors:
            self._process = subprocess.Popen(
                list(argv),
                stdin=subprocess.DEVNULL,
                stdout=subprocess.PIPE,
                stderr=errors,
                encoding="utf-8",
                env=_environment(),
            )
        assert self._process.stdout is not None  # noqa: S101 it was asked for
        self._reader = threading.Thread(target=self._read, args=(self._process.stdout,))
        self._reader.start()

    @classmethod
    def of(cls, name: str, log: Path, program: str, *arguments: str | Path) -> "Service":
        """Start one of our programs."""
        return cls(name, _argv(program, arguments), log)

    def wait_for(self, words: str, timeout_s: float = START_S, *, anywhere: bool = False) -> str:
        """Return the first line that begins so, said already or still to come.

        ``anywhere``: that holds the words, for programs which begin lines with the time.

        Raises StepFailed when the program ends, or time is over, without it.
        """
        deadline = time.monotonic() + timeout_s
        seen = 0
        with self._changed:
            while True:
                for line in self._lines[seen:]:
                    if line.startswith(words) or (anywhere and words in line):
                        return line
                seen = len(self._lines)
                left = deadline - time.monotonic()
                if self._ended or left <= 0:
                    why = "ended" if self._ended else f"said nothing in {timeout_s:g} s"
                    raise self._failed(f"{why}; expected a line {words!r}")
                self._changed.wait(left)

    def wait(self, timeout_s: float = START_S) -> int:
        """Wait for the program's own end and return its code; StepFailed when it stays up."""
        try:
            return self._process.wait(timeout_s)
        except subprocess.TimeoutExpired:
            raise self._failed(f"did not end in {timeout_s:g} s") from None

    def finish(self, timeout_s: float = START_S) -> None:
        """Wait for the program to end well; StepFailed otherwise."""
        code = self.wait(timeout_s)
        self._reader.join()
        if code != 0:
            raise self._failed(f"ended with code {code}")

    def ask_to_stop(self) -> None:
        """Send SIGTERM, if it still runs."""
        if self._process.poll() is None:
            self._process.send_signal(signal.SIGTERM)

    def stop(self) -> None:
        """Ask it to stop and wait; kill it when it does not."""
        self.ask_to_stop()
        try:
            self._process.wait(STOP_S)
        except subprocess.TimeoutExpired:
            self.kill()
        self._reader.join()

    def freeze(self) -> None:
        """Let it stand still, as a machine that hangs does (SIGSTOP); it can still be killed."""
        self._process.send_signal(signal.SIGSTOP)

    def thaw(self) -> None:
        """Let it go on after :meth:`freeze` (SIGCONT)."""
        self._process.send_signal(signal.SIGCONT)

    def kill(self) -> None:
        """End it at once, as a power cut does (SIGKILL)."""
        self._process.kill()
        self._process.wait()
        self._reader.join()

    @property
    def pid(self) -> int:
        """The number the system knows it by."""
        return self._process.pid

    @property
    def running(self) -> bool:
        """Whether it has not ended."""
        return self._process.poll() is None

    def _read(self, lines: IO[str]) -> None:
        with lines, self.log.open("a", encoding="utf-8") as log:
            for line in lines:
                log.write(line)
                log.flush()
                with self._changed:
                    self._lines.append(line.rstrip("\n"))
                    self._changed.notify_all()
        with self._changed:
            self._ended = True
            self._changed.notify_all()

    def _failed(self, why: str) -> StepFailed:
        return StepFailed(f"{self.name} {why}", self.log, tail_of(self.log))


class Services:
    """All programs started; leaving the block stops what still runs, the last started first."""

    def __init__(self) -> None:
        self._staying: list[Service] = []
        self._ending: list[Service] = []

    def add(self, service: Service) -> Service:
        """Look after a program that is to stay up, and return it."""
        self._staying.append(service)
        return service

    def add_ending(self, service: Service) -> Service:
        """Look after a program that ends by itself once it is done, and return it."""
        self._ending.append(service)
        return service

    def check(self) -> None:
        """Raise StepFailed when a program that is to stay up is gone."""
        for service in self._staying:
            if not service.running:
                raise StepFailed(
                    f"{service.name} has ended by itself", service.log, tail_of(service.log)
                )

    def __enter__(self) -> "Services":
        """Return itself."""
        return self

    def __exit__(self, *_: object) -> None:
        """Stop everything: told to all at first, so that they end side by side."""
        latest_first = [*reversed(self._ending), *reversed(self._staying)]
        for service in latest_first:
            service.ask_to_stop()
        for service in latest_first:
            service.stop()
