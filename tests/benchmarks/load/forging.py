"""``python -m benchmarks.load.forging PLAN COUNT``: a member city floods with forgeries.

Lives here: the kinds of forgery, and sending them as fast as they are taken. Must not know: who
else is served. Prints ``flooding`` when it begins, and at the end one line of JSON: how often
each reason was given.
"""

import asyncio
import json
import os
import secrets
import sys
import time
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import replace
from itertools import cycle, islice
from pathlib import Path

import grpc

from benchmarks.load.founding import Member, Plan
from federation.crypto.envelope import Envelope, Signature, sign
from federation.crypto.keys import SigningKey
from federation.terminal import say
from federation.wire.channel import REASON_KEY
from federation.wire.codec import decode_envelope, encode_envelope
from federation.wire.v1 import exchange_pb2, exchange_pb2_grpc

CONNECTIONS = 4
AT_ONCE = 16  # on each connection: as many streams as the coordinator allows one
OVERSIZED_BYTES = 2 * 1024 * 1024
NICENESS = 10  # attackers have machines of their own: this one's processors go to the others first

Forgery = Callable[[Envelope, SigningKey], bytes]


def garbage(genuine: Envelope, own: SigningKey) -> bytes:
    """Bytes that are no envelope."""
    return secrets.token_bytes(4096)


def altered(genuine: Envelope, own: SigningKey) -> bytes:
    """A genuine charter with a byte of its payload changed."""
    spoilt = genuine.payload[:-1] + bytes([genuine.payload[-1] ^ 1])
    return encode_envelope(replace(genuine, payload=spoilt))


def wrongly_signed(genuine: Envelope, own: SigningKey) -> bytes:
    """A charter under administrators' key ids and signatures of nobody."""
    signatures = tuple(Signature(one.key_id, secrets.token_bytes(64)) for one in genuine.signatures)
    return encode_envelope(replace(genuine, signatures=signatures))


def signed_by_a_city(genuine: Envelope, own: SigningKey) -> bytes:
    """A charter that the flooding city signed itself."""
    return encode_envelope(sign(genuine.payload_type, genuine.payload, own))


def signed_by_many(genuine: Envelope, own: SigningKey) -> bytes:
    """A charter with a signature more than there are administrators."""
    strangers = tuple(
        Signature(secrets.token_bytes(32), secrets.token_bytes(64)) for _ in range(64)
    )
    return encode_envelope(replace(genuine, signatures=(*genuine.signatures, *strangers)))


def oversized(genuine: Envelope, own: SigningKey) -> bytes:
    """An envelope that no city has reason to send."""
    return bytes(OVERSIZED_BYTES)


#: Most are small, as a flood's are; one in sixteen is large.
KINDS: tuple[Forgery, ...] = (
    *(garbage, altered, wrongly_signed, signed_by_a_city, signed_by_many) * 3,
    oversized,
)


def forged(member: Member, count: int) -> Iterator[bytes]:
    """Yield ``count`` forged envelopes, made of the member's genuine one; few are made anew."""
    genuine = decode_envelope(bytes.fromhex(member.envelopes[0]))
    made = [kind(genuine, member.signing) for _ in range(8) for kind in KINDS]
    return islice(cycle(made), count)


async def flood(plan: Plan, count: int) -> Counter[str]:
    """Send them over several connections, as many at once as each allows; count the reasons."""
    waiting, reasons = forged(plan.members[0], count), Counter[str]()

    async def send(stub: exchange_pb2_grpc.ExchangeStub) -> None:
        for envelope in waiting:
            try:
                await stub.Publish(exchange_pb2.PublishRequest(envelope=envelope))
            except grpc.aio.AioRpcError as refused:
                told = dict(refused.trailing_metadata() or ())
                reasons[str(told.get(REASON_KEY, refused.code().name))] += 1
            else:
                reasons["accepted"] += 1

    channels = [_connect(plan) for _ in range(CONNECTIONS)]
    stubs = [exchange_pb2_grpc.ExchangeStub(channel) for channel in channels]
    await asyncio.gather(*(send(stub) for stub in stubs for _ in range(AT_ONCE)))
    for channel in channels:
        await channel.close()
    return reasons


def _connect(plan: Plan) -> grpc.aio.Channel:
    key, chain = plan.members[0].identity
    credentials = grpc.ssl_channel_credentials(plan.authority.encode(), key, chain)
    options = [
        ("grpc.ssl_target_name_override", plan.server_name),
        ("grpc.use_local_subchannel_pool", 1),  # a connection of its own
        ("grpc.enable_retries", 0),
        ("grpc.enable_http_proxy", 0),
    ]
    return grpc.aio.secure_channel(plan.address, credentials, options=options)


if __name__ == "__main__":
    os.nice(NICENESS)
    told_plan, number = Plan.load(Path(sys.argv[1])), int(sys.argv[2])
    say("flooding")
    begun = time.monotonic()
    refusals = asyncio.run(flood(told_plan, number))
    say("result " + json.dumps({"reasons": refusals, "seconds": time.monotonic() - begun}))
