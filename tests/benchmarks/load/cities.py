"""``python -m benchmarks.load.cities PLAN``: some cities' streams and calls, in one process.

Lives here: what a city does when it is there: follow, attend, look at the head, publish. Must not
know: how the coordinator is served, or what the other processes do. Prints ``ready`` once every
city attends, and at the end one line of JSON.
"""

import asyncio
import json
import sys
import time
from collections import Counter
from collections.abc import Awaitable
from contextlib import aclosing
from dataclasses import dataclass, field
from pathlib import Path

from benchmarks.load.founding import Member, Plan
from federation.crypto.envelope import sign
from federation.crypto.keys import VerifyingKey, digest
from federation.documents.exchanged import ConsentRequest, Refusal
from federation.errors import LaborfedError, Reason
from federation.exchange.client import ExchangeClient
from federation.log import merkle
from federation.log.bundle import Bundle
from federation.log.checkpoint import verify_checkpoint
from federation.terminal import say
from federation.wire.codec import (
    decode_document,
    decode_envelope,
    encode_document,
    encode_envelope,
)

LOOK_EVERY_S = 1.0
CATCH_UP_S = 60.0  # in which a stream must show what was logged last


@dataclass
class Seen:
    """What all cities of this process saw, together."""

    errors: Counter[str] = field(default_factory=Counter)
    seconds: dict[str, list[float]] = field(default_factory=dict)
    receipts: list[tuple[int, str]] = field(default_factory=list)
    followed: int = 0
    answered: int = 0
    lost: int = 0

    async def timed(self, kind: str, call: Awaitable[Bundle | object]) -> object | None:
        """Await a call, note how long it took, or why it failed."""
        begun = time.perf_counter()
        try:
            reply = await call
        except LaborfedError as error:
            self.errors[f"{kind}: {error.reason}"] += 1
            return None
        self.seconds.setdefault(kind, []).append(time.perf_counter() - begun)
        return reply


class City:
    """One city's connection: two streams for as long as the plan says, calls beside them."""

    def __init__(self, member: Member, plan: Plan, seen: Seen, offset: float) -> None:
        self._member = member
        self._plan = plan
        self._seen = seen
        self._offset = offset  # of its own moments between two others', a fraction
        self._log_key = VerifyingKey(bytes.fromhex(plan.log_key))
        self._entries: dict[int, str] = {}
        self._receipts: list[tuple[int, str]] = []
        self._grown = asyncio.Condition()
        self.attending = asyncio.Event()

    async def run(self, begin: asyncio.Event) -> None:
        """Stand for ``plan.seconds`` after ``begin``, then wait until the streams showed all."""
        async with ExchangeClient.connect(self._plan.endpoint, self._member.identity) as client:
            streams = [
                asyncio.create_task(self._stream("follow", self._follow(client))),
                asyncio.create_task(self._stream("attend", self._attend(client))),
            ]
            await begin.wait()
            async with asyncio.TaskGroup() as group:
                group.create_task(self._look(client))
                group.create_task(self._publish(client))
            await self._compare()
            for task in streams:
                task.cancel()
            await asyncio.gather(*streams, return_exceptions=True)

    async def _stream(self, kind: str, stream: Awaitable[None]) -> None:
        try:
            await stream
        except LaborfedError as error:
            self._seen.errors[f"{kind}: {error}"] += 1
        else:
            self._seen.errors[f"{kind}: ended"] += 1
        self.attending.set()  # it never will: what happened is told at the end

    async def _follow(self, client: ExchangeClient) -> None:
        async with aclosing(client.follow(0, 0)) as feed:
            async for bundle in feed:
                if bundle.leaf_index != len(self._entries):
                    self._seen.errors["follow: out of order"] += 1
                async with self._grown:
                    self._entries[bundle.leaf_index] = digest(bundle.envelope).hex()
                    self._seen.followed += 1
                    self._grown.notify_all()

    async def _attend(self, client: ExchangeClient) -> None:
        async def refuse(message_type: str, body: bytes) -> bytes:
            asked = decode_envelope(body)
            request = decode_document(asked.payload_type, asked.payload)
            assert isinstance(request, ConsentRequest)
            refusal = Refusal(
                charter_digest=request.charter_digest,
                attempt_nonce=request.attempt_nonce,
                city=self._member.division,
                reason=Reason.POLICY,
                message="a city under load takes part in nothing",
            )
            self._seen.answered += 1
            return encode_envelope(sign(*encode_document(refusal), self._member.signing))

        await client.attend(refuse, self.attending.set)

    async def _look(self, client: ExchangeClient) -> None:
        await asyncio.sleep(self._offset * LOOK_EVERY_S)
        for _ in range(int(self._plan.seconds / LOOK_EVERY_S)):
            await self._seen.timed("checkpoint", client.checkpoint(0))
            await asyncio.sleep(LOOK_EVERY_S)

    async def _publish(self, client: ExchangeClient) -> None:
        await asyncio.sleep(self._offset * self._plan.publish_every_s)
        for envelope in self._member.envelopes:
            raw = bytes.fromhex(envelope)
            bundle = await self._seen.timed("publish", client.publish(raw))
            if isinstance(bundle, Bundle):
                self._keep(raw, bundle)
            await asyncio.sleep(self._plan.publish_every_s)

    def _keep(self, raw: bytes, bundle: Bundle) -> None:
        """Take a receipt for one, once its proof holds."""
        origin = self._plan.log_origin
        head = verify_checkpoint(bundle.checkpoint, origin, self._log_key)
        leaf = merkle.leaf_hash(digest(raw))
        merkle.verify_inclusion(
            leaf, bundle.leaf_index, head.size, bundle.inclusion_path, head.root
        )
        self._receipts.append((bundle.leaf_index, digest(raw).hex()))
        self._seen.receipts.append(self._receipts[-1])

    async def _compare(self) -> None:
        """Count own receipts whose entry the stream does not show, or shows with other bytes."""
        last = max((index for index, _ in self._receipts), default=-1)
        try:
            async with asyncio.timeout(CATCH_UP_S), self._grown:
                await self._grown.wait_for(lambda: last in self._entries or last < 0)
        except TimeoutError:
            self._seen.errors["follow: behind"] += 1
        self._seen.lost += sum(self._entries.get(index) != told for index, told in self._receipts)


async def stand(plan: Plan) -> Seen:
    """Have every city of the plan stand; return what they saw."""
    seen, begin = Seen(), asyncio.Event()
    cities = [
        City(member, plan, seen, number / len(plan.members))
        for number, member in enumerate(plan.members)
    ]
    standing = [asyncio.create_task(city.run(begin)) for city in cities]
    for city in cities:
        await city.attending.wait()
    say("ready")
    begin.set()
    await asyncio.gather(*standing)
    return seen


if __name__ == "__main__":
    found = asyncio.run(stand(Plan.load(Path(sys.argv[1]))))
    say(
        "result "
        + json.dumps(
            {
                "errors": found.errors,
                "seconds": found.seconds,
                "receipts": found.receipts,
                "followed": found.followed,
                "answered": found.answered,
                "lost": found.lost,
            }
        )
    )
