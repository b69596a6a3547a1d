"""Publishing the policy by command line: what is put there, and what is said of it."""

import asyncio
import json
from pathlib import Path

from support.exchange import running_exchange
from support.office import Office
from support.within import enrol, new_home, served, until

from federation.documents.notices import PolicyNotice
from federation.errors import Reason
from federation.wire.codec import decode_document, decode_envelope
from node.store import outbox
from node.store.outbox import Item, State


def test_a_node_that_has_read_no_membership_publishes_nothing(tmp_path: Path) -> None:
    office = Office(tmp_path / "office")
    assert office.told("outbox", "list") == "nothing was published\n"
    assert Reason.NO_MEMBERSHIP in office.refused("policy", "publish")
    assert json.loads(office.told("outbox", "list", "--json")) == {"items": []}


def test_the_policy_is_published_beside_a_serving_node(tmp_path: Path) -> None:
    async def scenario() -> None:
        home, site = new_home(tmp_path / "node")
        office = Office.__new__(Office)
        office.home = home
        async with running_exchange(tmp_path, site) as exchange:
            enrol(home, exchange)
            async with served(home) as node:
                await until(lambda: node.documents.next_index == 1)

                def items() -> list[Item]:
                    with node.store.read() as connection:
                        return outbox.items(connection)

                for number, mode in enumerate(("auto", "refuse"), start=1):
                    await asyncio.to_thread(office.told, "policy", "set", "training.mode", mode)
                    await asyncio.to_thread(office.told, "policy", "publish")
                    await until(lambda: [i.state for i in items()] == [State.DELIVERED] * number)  # noqa: B023
                    envelope = decode_envelope(items()[-1].envelope)
                    notice = decode_document(envelope.payload_type, envelope.payload)
                    assert isinstance(notice, PolicyNotice)
                    assert notice.version == number
                    assert notice.kinds[1].mode == mode
                told = await asyncio.to_thread(office.told, "outbox", "list")
                assert told.count("delivered  entry") == 2
                listed = json.loads(
                    await asyncio.to_thread(office.told, "outbox", "list", "--json")
                )
                assert [item["leaf_index"] for item in listed["items"]] == [1, 2]

    asyncio.run(scenario())
