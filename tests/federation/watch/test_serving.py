"""A coordinator's process seen from outside: figures, life, readiness, and a disk that is full."""

import asyncio
import socket
import subprocess
from contextlib import suppress
from dataclasses import replace
from pathlib import Path

import grpc
import pytest
from grpc_health.v1 import health_pb2, health_pb2_grpc
from support.administration import PROGRAM, Desk, served, typed
from support.exchange import now_ms
from support.scraping import free_port, full_disk, get, scraped, until

from federation import founding
from federation.coordinator import reading
from federation.crypto.certificates import LIFETIME, generate_tls_key, tls_key_pem
from federation.errors import Reason
from federation.home import Home
from federation.wire.channel import Endpoint, connect

pytestmark = pytest.mark.journey
PATIENCE_S = 60.0
STATUS = health_pb2.HealthCheckResponse.ServingStatus


def watched(desk: Desk) -> str:
    """Have figures shown on a free port of this machine; return host:port."""
    address = f"127.0.0.1:{free_port()}"
    file = Home(desk.home).configuration_file
    text = file.read_text(encoding="utf-8").replace('metrics = ""', f'metrics = "{address}"')
    assert address in text
    file.write_text(text, encoding="utf-8")
    return address


@pytest.fixture
def desk(tmp_path: Path) -> Desk:
    folder = tmp_path / "federation"
    folder.mkdir()
    return Desk(folder)


async def watch_health(home: Home, address: str) -> "asyncio.Queue[int]":
    """Follow the health answer as anybody with a certificate can; every change comes."""
    key, authority = generate_tls_key(), home.keys().authority
    chain = authority.issue_bootstrap(key, "440300", now_ms(), LIFETIME)
    endpoint = Endpoint(address, home.configuration().hosts[0], authority.pem)
    seen: asyncio.Queue[int] = asyncio.Queue()

    async def follow() -> None:
        async with connect(endpoint, (tls_key_pem(key), chain)) as channel:
            stub = health_pb2_grpc.HealthStub(channel)
            try:
                async for said in stub.Watch(health_pb2.HealthCheckRequest(service="")):
                    seen.put_nowait(said.status)
            except grpc.aio.AioRpcError:
                return

    task = asyncio.create_task(follow())
    seen.task = task  # type: ignore[attr-defined]  # kept alive with what it fills
    return seen


async def become(seen: "asyncio.Queue[int]", wanted: str) -> None:
    async with asyncio.timeout(PATIENCE_S):
        while await seen.get() != STATUS.Value(wanted):
            pass


def next_membership(desk: Desk) -> Path:
    """A signed version 2 that changes nothing but its dates."""
    with reading(Home(desk.home)) as log:
        current = log.trust.current
        following = replace(
            current,
            version=2,
            previous_digest=log.trust.current_digest,
            issued_ms=now_ms(),
            expires_ms=current.expires_ms + 1000,
        )
    file = desk.folder / "membership-2.envelope"
    file.write_bytes(founding.draft(following))
    desk.sign(file, "chen", "li")
    return file


def test_health_follows_the_disk_and_comes_back(desk: Desk) -> None:
    desk.found()
    page, following = watched(desk), next_membership(desk)

    async def scenario(process: "subprocess.Popen[str]", address: str) -> None:
        seen = await watch_health(Home(desk.home), address)
        await become(seen, "SERVING")
        assert (await asyncio.to_thread(get, page, "/readyz")).status == 200
        with full_disk(process.pid):
            refused = await asyncio.to_thread(typed, "submit", following, "--home", desk.home)
            assert f"[{Reason.STORAGE}]" in refused.stderr
            await become(seen, "NOT_SERVING")
            told = await asyncio.to_thread(get, page, "/readyz")
            assert told.status == 503
            assert told.body["conditions"]["log_writable"] == f"failed: {Reason.STORAGE}"
            assert told.body["conditions"]["log_readable"] == "holds"
            assert (await asyncio.to_thread(get, page, "/healthz")).status == 200
            figures = await asyncio.to_thread(scraped, page)
            assert figures["laborfed_coordinator_ready"] == {(): 0.0}
            assert figures["laborfed_coordinator_log_size"] == {(): 1.0}
        await become(seen, "SERVING")
        assert "entry 1" in await asyncio.to_thread(desk.submit, following)
        figures = await asyncio.to_thread(scraped, page)
        assert figures["laborfed_coordinator_log_entries_total"] == {("membership",): 2.0}

    with served(desk.home) as (process, address):
        asyncio.run(scenario(process, address))


def test_a_coordinator_that_is_not_founded_is_alive_and_not_ready(desk: Desk) -> None:
    desk.begin()
    page = watched(desk)
    desk.sign(desk.membership, "chen", "li")
    with served(desk.home):
        told = get(page, "/readyz")
        assert told.status == 503
        assert told.body["conditions"]["founded"] == "membership 1 is not logged yet"
        assert get(page, "/healthz").status == 200
        assert "laborfed_coordinator_membership_expiry_timestamp_seconds" not in scraped(page)
        desk.submit(desk.membership)
        until(lambda: get(page, "/readyz").status == 200)  # an answer may be a second old
        expiry = scraped(page)["laborfed_coordinator_membership_expiry_timestamp_seconds"]
        assert expiry[()] > now_ms() / 1000


def test_pages_answer_get_and_nothing_else(desk: Desk) -> None:
    desk.found()
    page = watched(desk)
    with served(desk.home):
        assert get(page, "/", "GET").status == 404
        for path in ("/metrics", "/healthz", "/readyz"):
            assert get(page, path, "POST").status == 405
            assert get(page, path, "DELETE").status == 405


def open_in(process: int) -> set[str]:
    """What a process has open; a file it closes meanwhile, as it loads modules, is not open."""
    found = set()
    for link in Path(f"/proc/{process}/fd").iterdir():
        with suppress(FileNotFoundError):
            found.add(link.readlink().name)
    return found


def test_nothing_listens_unless_configuration_names_an_address(desk: Desk) -> None:
    desk.found()
    with served(desk.home) as (process, address):
        net = Path(f"/proc/{process.pid}/net")
        lines = [
            (net / name).read_text(encoding="ascii").splitlines()[1:] for name in ("tcp", "tcp6")
        ]
        port = int(address.rpartition(":")[2])
        inodes = open_in(process.pid)
        rows = [line.split() for table in lines for line in table]
        own = [row[1] for row in rows if row[3] == "0A" and f"socket:[{row[9]}]" in inodes]
        assert [int(one.rpartition(":")[2], 16) for one in own] == [port]


def test_an_address_that_is_taken_is_told(desk: Desk) -> None:
    desk.found()
    page = watched(desk)
    with socket.create_server(("127.0.0.1", int(page.rpartition(":")[2]))):
        command: list[str | Path] = [PROGRAM, "serve", "--home", desk.home]
        refused = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)
    assert refused.returncode == 1
    assert "error: metrics: cannot listen on" in refused.stderr
    assert f"[{Reason.CONFIGURATION}]" in refused.stderr
