"""A city's node as its own process, enrolled at an exchange in this one."""

import asyncio
import sys
from asyncio.subprocess import PIPE, Process
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

from federation.exchange.enrolment import fingerprint
from support.exchange import RunningExchange
from support.office import Office


@asynccontextmanager
async def served(office: Office) -> AsyncIterator[Process]:
    """Serve a home in a process of its own."""
    words = ("-m", "node.cli", "serve", "--home", str(office.home.path))
    process = await asyncio.create_subprocess_exec(sys.executable, *words, stdout=PIPE, stderr=PIPE)
    try:
        yield process
    finally:
        if process.returncode is None:
            process.kill()
        await process.wait()


async def ready(process: Process, division: str, state: str) -> None:
    """Wait for the line that tells how a node stands."""
    assert process.stdout is not None
    while line := (await process.stdout.readline()).decode():
        if line.strip() == f"ready division={division} coordinator={state}":
            return
    raise AssertionError(f"the process ended before it was {state}")


async def enrolled(exchange: RunningExchange, folder: Path, division: str) -> Office:
    """Make a home that is a member of the exchange's federation."""
    office = Office(folder / "city", division)
    invitation = folder / "invitation.json"
    invitation.write_text(exchange.invitation(division).to_json(), encoding="utf-8")
    await asyncio.to_thread(office.told, "enrol", str(invitation), "--no-wait")
    exchange.approve(fingerprint(office.home.identity().city))
    await asyncio.to_thread(office.told, "enrol", str(invitation))
    return office
