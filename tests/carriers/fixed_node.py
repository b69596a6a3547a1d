"""``python -m carriers.fixed_node --home …``: ``labor-node serve`` with fixed figures and noise.

Another assembly of the node, for tests alone: no setting of a real node leads here.
"""

import argparse
from pathlib import Path

from carriers.ground import parts_of
from federation.terminal import say
from federation.wire.local import LocalSocket
from node.app import serve
from node.identity import open_home

if __name__ == "__main__":
    taken = argparse.ArgumentParser()
    taken.add_argument("--home", type=Path)
    taken.add_argument("--participant-socket", type=Path)
    taken.add_argument("--participant-group")
    given = taken.parse_args()
    socket = LocalSocket(given.participant_socket, given.participant_group)
    parts = parts_of(open_home(given.home).config.division)
    serve(given.home, say, participant_socket=socket, parts=parts)
