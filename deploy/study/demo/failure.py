"""What ends a demonstration early, told so that a person can look further."""

from collections.abc import Sequence
from pathlib import Path

TAIL_LINES = 15  # of a log, beside the sentence


class StepFailed(Exception):
    """A step did not come off. ``tail``: the last lines of ``log``, which holds all of them."""

    def __init__(self, sentence: str, log: Path | None = None, tail: Sequence[str] = ()) -> None:
        super().__init__(sentence)
        self.sentence = sentence
        self.log = log
        self.tail = tuple(tail)

    def lines(self) -> list[str]:
        """Return what to print: the sentence, the last lines, where the rest is."""
        told = [self.sentence, *(f"  | {line}" for line in self.tail)]
        return told if self.log is None else [*told, f"the whole log: {self.log}"]


def tail_of(log: Path) -> list[str]:
    """Return the last lines of a log file, none when it was not written."""
    if not log.exists():
        return []
    return log.read_text(encoding="utf-8", errors="replace").splitlines()[-TAIL_LINES:]
