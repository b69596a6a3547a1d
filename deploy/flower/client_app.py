"""The ClientApp of a stock SuperNode: hands each request to the node's own participant.

Lives here: finding the participant's socket and forwarding. Must not know: what a request asks. No
key, record or ledger is in this process; an app that a hub pushed in its place would reach no more
than this socket.
"""

# isort: off
import federation.rounds.offline  # noqa: F401 before Flower reads the environment

# isort: on
import asyncio
from pathlib import Path

from flwr.app import Context, Message
from flwr.clientapp import ClientApp

from federation.errors import Misconfigured, Reason
from federation.exchange.participant_socket import ask_participant
from federation.rounds.flower import unwrap, wrap

SOCKET = "participant-socket"  # its name in SuperNode's --node-config

app = ClientApp()


def forward(message: Message, context: Context) -> Message:
    """Return the participant's answer as the reply.

    What is raised here travels to the hub as Flower's error: it never quotes the answer's making.
    """
    socket = context.node_config.get(SOCKET)
    if not isinstance(socket, str):
        raise Misconfigured(Reason.CONFIGURATION, f"--node-config lacks {SOCKET}='\"…\"'")
    asked = (message.metadata.message_type, unwrap(message))
    answer = asyncio.run(ask_participant(Path(socket), *asked))
    return Message(wrap(answer), reply_to=message)


for register in (app.query, app.train, app.evaluate):
    register()(forward)
