"""A second implementation of the reader's side, written from docs/protocol.md.

It shares nothing with the program but the .proto files: Python's standard library and
``cryptography`` only. Where the text and the program disagree, the vectors fail here.
"""


class Refused(Exception):
    """What was handed over is refused; ``step`` is 0 where no step of acceptance is meant."""

    def __init__(self, reason: str, step: int = 0) -> None:
        super().__init__(f"{reason} at step {step}")
        self.reason = reason
        self.step = step


def require(holds: bool, reason: str, step: int = 0) -> None:
    """Refuse unless ``holds``."""
    if not holds:
        raise Refused(reason, step)
