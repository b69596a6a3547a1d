"""``python -m benchmarks.rounds.city HOME``: a city's node that echoes and adds no noise.

Assembled for benchmarks only, from ``node.app``: everything else a node does, it does. No charter,
setting or environment of a real node leads here.
"""

import asyncio
import signal
import sys
from pathlib import Path

import numpy as np

from federation.documents.charter import Charter
from federation.errors import LaborfedError, Reason, Refused
from federation.terminal import complain, say
from federation.watch import eventlog
from node.app import Node, Parts, attend, open_node
from node.identity import open_home
from node.training import Integers


class Echo:
    """:class:`node.training.Work` that gives back the parameters it was asked with."""

    def supports(self, charter: Charter) -> None:
        """Any training charter."""
        if charter.training is None:
            raise Refused(Reason.CHARTER_UNSUPPORTED, "an echo has no statistics")

    def training(self, charter_digest: bytes, charter: Charter, parameters: Integers) -> Integers:
        """Return ``parameters``, int64 [charter.length]."""
        return parameters

    def evaluation(
        self, charter_digest: bytes, charter: Charter, candidate: Integers, current: Integers
    ) -> Integers:
        """A candidate that is no worse, on one held-out worker, int64 [2]."""
        return np.array([0, charter.privacy.evaluation_scale], dtype=np.int64)

    def statistics(self, charter: Charter) -> Integers:
        """Refused(CHARTER_UNSUPPORTED)."""
        raise Refused(Reason.CHARTER_UNSUPPORTED, "an echo has no statistics")

    def forget(self, charter_digest: bytes) -> None:
        """Nothing was read."""


def silent(values: Integers, _: float) -> Integers:
    """Return ``values`` without noise: others' rounds, which ours are compared with, add none."""
    return values


ECHOING = Parts(work=lambda _: Echo(), noise=silent)


def serve(path: Path) -> None:
    """Serve a home until SIGTERM or SIGINT; raises what :func:`node.app.open_node` raises."""
    home = open_home(path)
    eventlog.configure(home.config.log_level)
    with open_node(home) as node:
        asyncio.run(_until_signalled(node))


async def _until_signalled(node: Node) -> None:
    stop, loop = asyncio.Event(), asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stop.set)
    await attend(node, say, stop, parts=ECHOING)


if __name__ == "__main__":
    try:
        serve(Path(sys.argv[1]))
    except LaborfedError as error:
        complain(f"error: {error}")
        sys.exit(1)
