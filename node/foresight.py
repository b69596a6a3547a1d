"""A charter's cost, composed when the charter arrives and not when somebody waits for a consent.

Lives here: when to compose ahead. Must not know: how costs are composed or what they decide.
"""

from collections.abc import Callable
from concurrent.futures import Executor
from dataclasses import dataclass

import structlog

from federation.acceptance import Accepted
from federation.documents.charter import Charter
from federation.documents.types import Document
from federation.errors import LaborfedError
from federation.pauses import settle
from node.gate import Gate


@dataclass(frozen=True)
class Foresight:
    """Called with each accepted document; ``threads`` compose beside whatever goes on."""

    gate: Gate
    threads: Executor
    clock_ms: Callable[[], int]

    def __call__(self, accepted: Accepted[Document]) -> None:
        """Have the cost of a charter composed that may still run."""
        charter = accepted.document
        if isinstance(charter, Charter) and self.clock_ms() < charter.not_after_ms:
            self.threads.submit(self._compose, accepted.of(Charter))

    def _compose(self, charter: Accepted[Charter]) -> None:
        try:
            self.gate.foresee(charter)
        except LaborfedError as error:  # a consent will meet it again, and answer it
            structlog.get_logger().warning("cost_not_foreseen", reason=error.reason)
        settle()  # the accountant is loaded with the first charter
