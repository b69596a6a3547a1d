"""A node's process seen from outside: figures, life, readiness, and a disk that is full."""

import asyncio
import json
from pathlib import Path

import pytest
from support.exchange import now_ms, running_exchange
from support.office import Office
from support.records import worker, write
from support.scraping import free_port, full_disk, get, scraped, until
from support.serving import enrolled, ready, served

from federation.errors import Reason
from node.config import FILE

CITY, CITIES = "440300", ("330100", "340100", "441900")
HOUR_S = 3600

pytestmark = pytest.mark.journey


def watched(office: Office) -> str:
    """Have figures shown on a free port of this machine; return host:port."""
    address = f"127.0.0.1:{free_port()}"
    file = office.home.path / FILE
    file.write_text(f'{file.read_text(encoding="utf-8")}metrics = "{address}"\n', encoding="utf-8")
    return address


def test_a_node_is_ready_while_its_coordinator_is_away(tmp_path: Path) -> None:
    async def scenario() -> None:
        async with running_exchange(tmp_path, *CITIES) as exchange:
            office = await enrolled(exchange, tmp_path, CITY)
            page = watched(office)
            entries = exchange.publisher.size
            async with served(office) as process:
                await ready(process, CITY, "connected")
                await asyncio.to_thread(connected, page, entries, office)
                await exchange.server.stop(0)
                await ready(process, CITY, "away")
                await asyncio.to_thread(away, page)

    asyncio.run(asyncio.wait_for(scenario(), 120))


def connected(page: str, entries: int, office: Office) -> None:
    until(lambda: scraped(page)["laborfed_node_log_entries_read_total"] == {(): entries})
    told = get(page, "/readyz")
    assert (told.status, told.body["ready"], told.body["coordinator"]) == (200, True, "connected")
    assert set(told.body["conditions"].values()) == {"holds"}
    found = scraped(page)
    assert found["laborfed_measures_unreadable"] == {(): 0.0}
    assert found["laborfed_node_ready"] == found["laborfed_node_coordinator_connected"] == {(): 1.0}
    assert found["laborfed_node_distrusted"] == found["laborfed_node_alarms"] == {(): 0.0}
    budget = json.loads(office.told("budget", "--json"))
    for name in ("used", "reserved"):
        assert found[f"laborfed_node_budget_{name}_epsilon"] == {(): budget[name]}
    allowance = budget["allowance"]["epsilon"]
    assert found["laborfed_node_budget_allowance_epsilon"] == {(): allowance}
    now_s = now_ms() / 1000
    (signed,) = found["laborfed_node_checkpoint_timestamp_seconds"].values()
    assert now_s - HOUR_S < signed <= now_s
    for name in ("certificate", "membership"):
        (ends,) = found[f"laborfed_node_{name}_expiry_timestamp_seconds"].values()
        assert ends > now_s + HOUR_S


def away(page: str) -> None:
    until(lambda: get(page, "/readyz").body["coordinator"] == "away")
    assert get(page, "/readyz").status == 200
    assert scraped(page)["laborfed_node_coordinator_connected"] == {(): 0.0}


def test_a_disk_that_is_full_is_told_until_it_is_not(tmp_path: Path) -> None:
    def fill(page: str, pid: int) -> None:
        assert get(page, "/readyz").status == 200
        with full_disk(pid):
            until(lambda: get(page, "/readyz").status == 503)
            told = get(page, "/readyz").body["conditions"]
            assert told.pop("store_writable") == f"failed: {Reason.STORAGE}"
            assert set(told.values()) == {"holds"}
            assert get(page, "/healthz").status == 200
            assert scraped(page)["laborfed_node_ready"] == {(): 0.0}
        until(lambda: get(page, "/readyz").status == 200)
        assert scraped(page)["laborfed_node_ready"] == {(): 1.0}

    async def scenario() -> None:
        async with running_exchange(tmp_path, *CITIES) as exchange:
            office = await enrolled(exchange, tmp_path, CITY)
        page = watched(office)
        async with served(office) as process:
            await ready(process, CITY, "away")
            await asyncio.to_thread(fill, page, process.pid)

    asyncio.run(asyncio.wait_for(scenario(), 120))


def test_no_figure_tells_how_many_records_there_are(tmp_path: Path) -> None:
    """Importing changes no figure but the file's size, which is told to be the city's own."""

    def compare(page: str, office: Office) -> None:
        before = steady(page)
        files = tmp_path / "files"
        files.mkdir()
        write(files, "workers", [worker(number) for number in range(1, 41)])
        office.told("import", str(files))
        assert steady(page) == before

    async def scenario() -> None:
        async with running_exchange(tmp_path, *CITIES) as exchange:
            office = await enrolled(exchange, tmp_path, CITY)
        page = watched(office)
        async with served(office) as process:
            await ready(process, CITY, "away")
            await asyncio.to_thread(compare, page, office)

    asyncio.run(asyncio.wait_for(scenario(), 120))


def steady(page: str) -> dict[str, dict[tuple[str, ...], float]]:
    found = scraped(page)
    return {name: values for name, values in found.items() if name != "laborfed_node_store_bytes"}
