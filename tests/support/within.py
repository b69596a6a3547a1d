"""A city's whole node in this process, served against a real exchange over real TLS.

Lives here: its home, enrolled; serving it inside a block; waiting for what it does. Nothing of the
node is replaced.
"""

import asyncio
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager, contextmanager
from pathlib import Path

from federation.crypto.keys import SealingKey
from node.app import Node, attend, open_node
from node.identity import Association, Home, create_home, replace_file
from node.policyfile import policy_text
from support.cities import WILLING
from support.exchange import RunningExchange, Site

DIVISION = "310000"
PATIENCE_S = 30.0


def new_home(folder: Path) -> tuple[Home, Site]:
    """Return a city's fresh home and the same city as an exchange is founded with it."""
    home = create_home(folder, DIVISION, "上海市")
    replace_file(home.policy, policy_text(WILLING).encode())
    keys = home.identity()
    sealing = SealingKey.load(home.config.locate(home.path, "keys") / "sealing.pem")
    return home, Site(DIVISION, keys.signing, sealing, keys.tls)


def enrol(home: Home, exchange: RunningExchange) -> None:
    """Give the home what enrolment gives: where the coordinator is, the pin, a certificate."""
    pin = exchange.publisher.trust.pin
    home.save_association(
        Association(
            federation="demo",
            address=exchange.endpoint.address,
            server_name=exchange.endpoint.server_name,
            tls_authority=exchange.endpoint.authority.decode(),
            membership_digest=pin.membership_digest.hex(),
            log_origin=pin.log_origin,
            log_key=pin.log_key.hex(),
        )
    )
    home.save_certificate(exchange.sites[DIVISION].identity(exchange.keys.authority)[1])


@contextmanager
def at_rest(home: Home) -> Iterator[Node]:
    """Open the node without serving it, as a restarted one is before it connects."""
    with open_node(home) as node:
        yield node


@asynccontextmanager
async def served(home: Home) -> AsyncIterator[Node]:
    """Serve the node inside the block."""
    with open_node(home) as node:
        stop = asyncio.Event()
        serving = asyncio.create_task(attend(node, lambda _line: None, stop))
        try:
            yield node
        finally:
            stop.set()
            await serving


async def until(seen: Callable[[], object]) -> None:
    """Wait until a store or a log shows what is looked for."""
    async with asyncio.timeout(PATIENCE_S):
        while not await asyncio.to_thread(seen):
            await asyncio.sleep(0.01)
