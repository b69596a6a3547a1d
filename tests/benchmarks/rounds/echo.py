"""Rounds of bare gRPC: one server and as many processes, the same vector there and back, no more.

Lives here: the yardstick that no system on gRPC can beat, with the TLS settings of the product's
own channel. Must not know: documents, keys of cities, or rounds of any system.
"""

import asyncio
import json
import os
import sys
import tempfile
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import grpc

from benchmarks.python import python_with_tests
from benchmarks.rounds.result import Rounds
from deploy.study.demo.processes import Service, Services
from federation.coordinator import ServerIdentity, now_ms
from federation.crypto.certificates import Authority, generate_tls_key, tls_key_pem
from federation.wire import channel
from federation.wire.limits import DEFAULTS

SYSTEM = "echo"
SERVICE, METHOD = "benchmark.Echo", "Attend"
HOST = "127.0.0.1"
VALUE_BYTES = 4  # float32, as every system sends a value at least
CONNECTED_S = 60.0

Context = grpc.aio.ServicerContext[Any, Any]


def measure(sites: int, rounds: int, length: int) -> Rounds:
    """Measure ``rounds`` rounds of ``length`` float32 values over ``sites`` processes."""
    payload = os.urandom(length * VALUE_BYTES)
    with tempfile.TemporaryDirectory(prefix="bench-echo-") as folder, Services() as services:
        seconds = asyncio.run(_measure(Path(folder), services, sites, rounds, payload))
    return Rounds(system=SYSTEM, sites=sites, seconds=seconds)


async def _measure(
    folder: Path, services: Services, sites: int, rounds: int, payload: bytes
) -> list[float]:
    authority = Authority.create("benchmark", now_ms())
    async with _serving(authority, sites) as (port, attending):
        for number in range(sites):
            services.add(_site(folder, number, authority, port))
        await asyncio.wait_for(attending.full.wait(), CONNECTED_S)
        await attending.ask(payload)  # connections reach their full window
        seconds = []
        for _ in range(rounds):
            begun = time.perf_counter()
            await attending.ask(payload)
            seconds.append(time.perf_counter() - begun)
        attending.over.set()
    return seconds


class _Attending:
    """The streams of all sites."""

    def __init__(self, sites: int) -> None:
        self.full, self.over = asyncio.Event(), asyncio.Event()
        self._sites = sites
        self._contexts: list[Context] = []

    async def attend(self, _: AsyncIterator[bytes], context: Context) -> None:
        """Keep one site's stream until all is over."""
        self._contexts.append(context)
        if len(self._contexts) == self._sites:
            self.full.set()
        await self.over.wait()

    async def ask(self, payload: bytes) -> None:
        """Send the same to all and wait for all."""
        await asyncio.gather(*(self._ask_one(context, payload) for context in self._contexts))

    async def _ask_one(self, context: Context, payload: bytes) -> None:
        await context.write(payload)
        if await context.read() != payload:
            raise RuntimeError("an echo came back changed")


@asynccontextmanager
async def _serving(authority: Authority, sites: int) -> AsyncIterator[tuple[int, _Attending]]:
    identity = ServerIdentity(authority, [HOST])
    credentials = channel.server_credentials(authority.pem, identity.current, identity.renewed)
    attending = _Attending(sites)
    handler = grpc.stream_stream_rpc_method_handler(attending.attend)
    server = grpc.aio.server(
        options=channel.server_options(DEFAULTS), compression=grpc.Compression.NoCompression
    )
    server.add_generic_rpc_handlers(
        (grpc.method_handlers_generic_handler(SERVICE, {METHOD: handler}),)
    )
    port = server.add_secure_port(f"{HOST}:0", credentials)
    await server.start()
    try:
        yield port, attending
    finally:
        await server.stop(1.0)


def _site(folder: Path, number: int, authority: Authority, port: int) -> Service:
    key = generate_tls_key()
    told = {
        "address": f"{HOST}:{port}",
        "authority": authority.pem.decode(),
        "key": tls_key_pem(key).decode(),
        "certificate": authority.issue_city(key, "310000", now_ms()).decode(),
    }
    settings = folder / f"{number}.json"
    settings.touch(mode=0o600)
    settings.write_text(json.dumps(told), encoding="utf-8")
    words = [*python_with_tests(), "-m", "benchmarks.rounds.echo", str(settings)]
    return Service(f"echo {number}", words, folder / f"{number}.log")


async def attend(settings: Path) -> None:
    """Be a site: send back whatever comes until the server ends the call."""
    told = json.loads(settings.read_text(encoding="utf-8"))
    endpoint = channel.Endpoint(told["address"], HOST, told["authority"].encode())
    identity = told["key"].encode(), told["certificate"].encode()
    async with channel.connect(endpoint, identity) as opened:
        call = opened.stream_stream(f"/{SERVICE}/{METHOD}")()
        while (message := await call.read()) is not grpc.aio.EOF:
            await call.write(message)
        await call.done_writing()


if __name__ == "__main__":
    asyncio.run(attend(Path(sys.argv[1])))
