"""What crosses the exchange port is counted, by method and by what came of it."""

import asyncio
from pathlib import Path

import pytest
from prometheus_client import CollectorRegistry
from support.exchange import RunningExchange, running_exchange

from federation.errors import LaborfedError, Reason
from federation.exchange.client import ExchangeClient
from federation.watch.calls import CallMeasures

CITY, OTHER = "440300", "441900"


def value(registry: CollectorRegistry, name: str, **labels: str) -> float:
    return registry.get_sample_value(f"laborfed_coordinator_{name}", labels) or 0.0


async def refused(client: ExchangeClient) -> Reason:
    with pytest.raises(LaborfedError) as raised:
        await client.blob(bytes(32))
    return raised.value.reason


def test_calls_are_counted_by_method_and_outcome(tmp_path: Path) -> None:
    registry, faults = CollectorRegistry(), []
    calls = CallMeasures(registry, lambda: faults.append("fault"))

    async def scenario(exchange: RunningExchange) -> None:
        digest = exchange.meeting.blobs.put(b"x" * 1000)
        async with exchange.client(CITY) as client:
            await client.checkpoint(0)
            assert await client.blob(digest) == b"x" * 1000
            assert await refused(client) is Reason.NOT_FOUND
            feed = client.follow(0, 0)
            bundle = await anext(feed)
            await feed.aclose()
            assert bundle.leaf_index == 0

    async def staged() -> None:
        async with running_exchange(tmp_path, CITY, OTHER, interceptors=(calls,)) as exchange:
            await scenario(exchange)

    asyncio.run(asyncio.wait_for(staged(), 60))
    assert value(registry, "calls_total", method="GetCheckpoint", outcome="ok") == 1
    assert value(registry, "calls_total", method="GetBlob", outcome="ok") == 1
    assert value(registry, "calls_total", method="GetBlob", outcome=Reason.NOT_FOUND) == 1
    assert value(registry, "calls_total", method="Follow", outcome="cancelled") == 1
    assert value(registry, "call_duration_seconds_count", method="GetBlob") == 2
    assert value(registry, "call_duration_seconds_count", method="Follow") == 0
    assert value(registry, "sent_messages_total", method="Follow") == 1
    assert value(registry, "sent_messages_total", method="GetBlob") == 1
    assert 1000 < value(registry, "sent_bytes_total", method="GetBlob") < 1100
    assert 2 * 32 < value(registry, "received_bytes_total", method="GetBlob") < 2 * 50
    assert faults == []


def test_a_fault_of_this_side_is_told_at_once(tmp_path: Path) -> None:
    registry, faults = CollectorRegistry(), []
    calls = CallMeasures(registry, lambda: faults.append("fault"))

    async def staged() -> None:
        async with running_exchange(tmp_path, CITY, OTHER, interceptors=(calls,)) as exchange:
            (tmp_path / "home" / "exchange.sqlite").write_bytes(b"no database" * 1000)
            async with exchange.client(CITY) as client:
                assert await refused(client) is Reason.STORAGE

    asyncio.run(asyncio.wait_for(staged(), 60))
    assert faults == ["fault"]
    assert value(registry, "calls_total", method="GetBlob", outcome=Reason.STORAGE) == 1
