"""The participant inside Flower's programming model: a ``ClientApp`` that hands requests over.

Lives here: everything of Flower on a city's side. Must not know: what a request asks. The app is
always this installed code: nothing that came over the wire is executed.
"""

import time
from collections.abc import Callable

from flwr.app import Context, Message, Metadata
from flwr.app.message import make_message
from flwr.clientapp import ClientApp

from federation.errors import Malformed, Reason
from federation.rounds.flower import COORDINATOR_NODE, context_of, node_id, unwrap, wrap
from federation.rounds.terms import EVALUATE, QUERY, TRAIN

# The participant: a signed request's bytes in, the signed answer's bytes out.
Answer = Callable[[bytes], bytes]
TTL_S = 3600.0  # informs Flower only: deadlines are the conductor's


def client_app(answer: Answer) -> ClientApp:
    """Return the app that answers each of Flower's three kinds of message with ``answer``."""
    app = ClientApp()

    def reply(message: Message, _context: Context) -> Message:
        return Message(wrap(answer(unwrap(message))), reply_to=message)

    for register in (app.query, app.train, app.evaluate):
        register()(reply)
    return app


def invoke(app: ClientApp, division: str, message_type: str, body: bytes) -> bytes:
    """Run the app in place on one request that came by the exchange; return the answer's bytes.

    Malformed(PROTOCOL) for a message type that is none of the three.
    """
    if message_type not in (QUERY, TRAIN, EVALUATE):
        raise Malformed(Reason.PROTOCOL, f"a request of type {message_type[:32]!r} is unknown")
    node = node_id(division)
    metadata = Metadata(
        run_id=0,
        message_id="request",
        src_node_id=COORDINATOR_NODE,
        dst_node_id=node,
        reply_to_message_id="",
        group_id="",
        created_at=time.time(),
        ttl=TTL_S,
        message_type=message_type,
    )
    message = make_message(metadata=metadata, content=wrap(body))
    answered: bytes = unwrap(app(message, context_of(0, node)))
    return answered
