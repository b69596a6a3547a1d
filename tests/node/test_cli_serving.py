"""A serving process, and the commands that work beside it."""

import asyncio
import json
import signal
from pathlib import Path

import pytest
from support.exchange import running_exchange
from support.office import Office
from support.records import job, outcome, worker, write
from support.serving import enrolled, ready, served

from federation.errors import Reason

CITY, CITIES = "440300", ("330100", "340100", "441900")

pytestmark = pytest.mark.journey


def test_a_node_serves_while_its_office_works_and_stops_when_told(tmp_path: Path) -> None:
    files = tmp_path / "files"
    files.mkdir()
    write(files, "jobs", [job(1, closes_on="2099-12-31")])
    write(files, "workers", [worker(1)])
    write(files, "outcomes", [outcome(1)])

    def work(office: Office) -> None:
        """Every command that a person may type while the node serves."""
        assert "1 inserted" in office.told("import", str(files))
        assert "ask → auto" in office.told("policy", "set", "statistics.mode", "auto")
        assert "1. 维修" in office.told("match", "w1")
        told = json.loads(office.told("status", "--json"))
        assert (told["serving"], told["presence"]["state"]) == (True, "connected")
        assert told["records"] == {"jobs": 1, "workers": 1, "outcomes": 1}
        for words in ("alarms", "budget", "consent list", "egress list", "model show"):
            office.told(*words.split())
        assert f"[{Reason.IN_USE}]" in office.refused("serve")

    async def scenario() -> None:
        async with running_exchange(tmp_path, *CITIES) as exchange:
            office = await enrolled(exchange, tmp_path, CITY)
            async with served(office) as process:
                await ready(process, CITY, "connected")
                await asyncio.to_thread(work, office)
                process.send_signal(signal.SIGTERM)
                _, events = await process.communicate()
                assert process.returncode == 0, events.decode()
            assert json.loads(office.told("status", "--json"))["serving"] is False

    asyncio.run(asyncio.wait_for(scenario(), 120))


def test_a_node_serves_on_while_the_coordinator_is_away(tmp_path: Path) -> None:
    async def scenario() -> None:
        async with running_exchange(tmp_path, *CITIES) as exchange:
            office = await enrolled(exchange, tmp_path, CITY)
        async with served(office) as process:
            await ready(process, CITY, "away")
            told = await asyncio.to_thread(office.told, "status")
            assert "coordinator: away since" in told
            assert f"[{Reason.UNREACHABLE}]" in told

    asyncio.run(asyncio.wait_for(scenario(), 120))
