"""How much, how many and how often: every limit of what may arrive over the network.

Lives here: the numbers, each with its unit and reason. Must not know: how they are kept
(``wire.door``), or who a caller is. ``docs/operating.md`` shows the same table to operators.
"""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field

KIB, MIB = 1024, 1024 * 1024

# The transport's own bound, the largest any method takes: a contribution of 1,000,000 values of
# 64 bits, or initial parameters of as many, is 8 MB.
MAX_MESSAGE_BYTES = 16 * MIB
MAX_METADATA_BYTES = 16 * KIB  # headers of one call; ours are below 1 KiB, sentences included
MAX_STREAMS = 16  # calls of one connection at once; a city needs two, and a few short ones
HANDSHAKE_S = 10  # to finish TLS; gRPC's own two minutes let strangers hold connections
IDLE_S = 600  # a connection without any call is closed; a city's never is without
READ_S = 20.0  # in which a request must have arrived whole
REFUSED_HELD_S = 0.5  # a refusal for pace is told this late, so that a flood has to wait for it
REFUSED_APART_S = 0.01  # between two that are told to one caller: they return as they were told
MAX_HELD = 512  # refusals of one caller that are held at once; further ones are told at once
MAX_WAITING = 32  # calls of one caller that wait for their turn; further ones are refused
MAX_CALLERS = 4096  # TLS keys that paces are kept for; a federation has at most 512 cities
MAX_RETRY_AFTER_S = 60.0  # the longest pause that a refused caller asks of itself
MAX_STRAY_ANSWERS = 64  # answers on one stream that nobody waits for any more
MAX_PENDING_REQUESTS = 64  # of the coordinator to one city; a run asks one at a time
REQUESTS_HANDLED_AT_ONCE = 4  # in a city; while so many are, no further one is read


@dataclass(frozen=True)
class Rate:
    """A token bucket: ``per_s`` calls a second in the long run, ``burst`` of them at once."""

    per_s: float
    burst: int


@dataclass(frozen=True)
class MethodLimits:
    """Of one method: bytes of a message each way; calls of one caller at once, and how often."""

    request_bytes: int
    reply_bytes: int
    at_once: int
    rate: Rate
    reason: str


#: The exchange's methods, for each caller (each TLS key).
EXCHANGE: Mapping[str, MethodLimits] = {
    "Publish": MethodLimits(
        MIB, 2 * MIB, 2, Rate(10, 50), "a membership of 512 cities has a quarter of a MiB"
    ),
    "Follow": MethodLimits(
        KIB, MAX_MESSAGE_BYTES, 3, Rate(1, 20), "one, and those of connections not yet given up"
    ),
    "GetCheckpoint": MethodLimits(KIB, 512 * KIB, 4, Rate(20, 100), "small and quickly answered"),
    "GetBlob": MethodLimits(
        KIB, MAX_MESSAGE_BYTES, 2, Rate(50, 200), "a city that returns reads a sum for each round"
    ),
    "Attend": MethodLimits(
        MAX_MESSAGE_BYTES, MAX_MESSAGE_BYTES, 2, Rate(1, 20), "one; the mailbox refuses a second"
    ),
    "Renew": MethodLimits(
        16 * KIB, 64 * KIB, 1, Rate(0.1, 10), "once in half a certificate's life"
    ),
    "Enrol": MethodLimits(
        16 * KIB, 64 * KIB, 1, Rate(1, 20), "asked every two seconds until approved"
    ),
}

#: What is not in a table: health checks, and methods added since.
OTHERS = MethodLimits(64 * KIB, 64 * KIB, 4, Rate(10, 50), "health checks")

#: Calls refused as malformed, oversized or not trusted: a caller who used these up is let in again
#: when some have come back. Guesses of invitation codes and forged envelopes count here.
FAULTS = Rate(0.5, 30)

#: The operator's own socket: bounded against scripts gone wild, not against people.
CONTROL: Mapping[str, MethodLimits] = {
    "Submit": MethodLimits(
        MAX_MESSAGE_BYTES, MAX_MESSAGE_BYTES, 1, Rate(50, 500), "a charter with its parameters"
    ),
    "StartRun": MethodLimits(KIB, 64 * KIB, 8, Rate(10, 100), "a digest; one watcher each"),
    "StopRun": MethodLimits(KIB, KIB, 4, Rate(10, 100), "a digest"),
}


class LimitSettings(BaseModel):
    """``[limits]`` of the coordinator's config.toml; unknown keys are refused.

    ``connections``: TCP connections at once, all callers together. ``pace``: what every rate and
    burst is multiplied by. ``stalled_s``: seconds in which a reader must take a message that waits
    for it. ``keepalive_s``: seconds of silence after which a connection is asked for a sign of
    life, and in which the sign must come.
    """

    model_config = ConfigDict(extra="forbid", frozen=True, strict=True)

    connections: Annotated[int, Field(ge=16, le=65_536)] = 2048
    pace: Annotated[float, Field(ge=0.1, le=1000)] = 1.0
    stalled_s: Annotated[int, Field(ge=1, le=3600)] = 60
    keepalive_s: Annotated[int, Field(ge=1, le=300)] = 12


DEFAULTS = LimitSettings()


def reply_limits() -> str:
    """Return gRPC's service config that bounds what the coordinator may answer, by method."""
    service = "federation.wire.v1.{}"
    return json.dumps(
        {
            "methodConfig": [
                {
                    "name": [
                        {"service": service.format(name), "method": method}
                        for name in ("Exchange", "Enrolment")
                    ],
                    "maxResponseMessageBytes": limits.reply_bytes,
                }
                for method, limits in EXCHANGE.items()
            ]
        }
    )
