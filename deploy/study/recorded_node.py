"""``python -m deploy.study.recorded_node HOME RECORDING``: a city's node whose wire is recorded.

Assembled for the demonstration and for tests only: the node itself is ``node.app``'s, with
interceptors that write down every message both ways. No setting of a real node leads here.
"""

import asyncio
import signal
import sys
from pathlib import Path

from deploy.study.capture import Recorder, recording_interceptors
from federation.errors import LaborfedError
from federation.process import keep_secrets_in
from federation.terminal import complain, say
from federation.watch import eventlog
from node.app import Node, attend, open_node
from node.identity import open_home


def serve(home: Path, recording: Path) -> None:
    """Serve a home until SIGTERM or SIGINT; raises what :func:`node.app.open_node` raises."""
    place = open_home(home)
    eventlog.configure(place.config.log_level)
    recorder = Recorder(recording)
    try:
        with open_node(place) as node:
            asyncio.run(_until_signalled(node, recorder))
    finally:
        recorder.close()


async def _until_signalled(node: Node, recorder: Recorder) -> None:
    stop, loop = asyncio.Event(), asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stop.set)
    await attend(node, say, stop, recording_interceptors(recorder))


if __name__ == "__main__":
    keep_secrets_in()
    try:
        serve(Path(sys.argv[1]), Path(sys.argv[2]))
    except LaborfedError as error:
        complain(f"error: {error}")
        sys.exit(1)
