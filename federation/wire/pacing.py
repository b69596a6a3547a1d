"""What is remembered of each caller: how often it called, how many calls it has under way.

Lives here: token buckets and counts, time handed in. Must not know: gRPC, or who a caller is.
"""

import asyncio
from collections import OrderedDict
from dataclasses import dataclass, field

from federation.errors import Reason, TooMany
from federation.wire.limits import (
    FAULTS,
    MAX_WAITING,
    REFUSED_APART_S,
    REFUSED_HELD_S,
    MethodLimits,
    Rate,
)


@dataclass
class Bucket:
    """Tokens that come back with time; ``now_s`` is any clock that never goes back, seconds."""

    rate: Rate
    tokens: float
    at_s: float

    @classmethod
    def full(cls, rate: Rate, now_s: float) -> "Bucket":
        """Return a bucket that nothing was taken from."""
        return cls(rate, rate.burst, now_s)

    def wait_s(self, now_s: float) -> float:
        """Return the seconds until there is a token, 0 when there is one now."""
        gained = max(now_s - self.at_s, 0.0) * self.rate.per_s
        self.tokens = min(self.tokens + gained, self.rate.burst)
        self.at_s = now_s
        return max(1.0 - self.tokens, 0.0) / self.rate.per_s

    def take(self, now_s: float) -> float:
        """Take a token and return 0, or take none and return the seconds until there is one."""
        wait_s = self.wait_s(now_s)
        if wait_s == 0.0:
            self.tokens -= 1.0
        return wait_s


@dataclass
class _Turns:
    """One method's calls of one caller: its bucket, and the slots for calls at once."""

    bucket: Bucket
    free: asyncio.Semaphore


@dataclass(eq=False)
class Caller:
    """One caller's pace; ``held`` refusals are not told yet, the last of them at ``told_at_s``."""

    faults: Bucket
    turns: dict[str, _Turns] = field(default_factory=dict)
    waiting: int = 0
    under_way: int = 0
    held: int = 0
    told_at_s: float = 0.0
    warned_s: float | None = None

    @property
    def idle(self) -> bool:
        """Whether nothing of it is under way."""
        return not (self.under_way or self.waiting or self.held)

    def hold_s(self, now_s: float) -> float:
        """Return in how many seconds to tell a refusal: late, and one after the other.

        All told at the same moment would come back at the same moment, again and again, and
        everybody else would wait behind them.
        """
        self.told_at_s = max(now_s + REFUSED_HELD_S, self.told_at_s + REFUSED_APART_S)
        return self.told_at_s - now_s


class Callers:
    """All callers, of whom those seen longest ago are forgotten. Belongs to one event loop.

    ``pace`` multiplies every rate; ``most`` callers are remembered, those with calls besides.
    """

    def __init__(self, pace: float, most: int) -> None:
        self._pace = pace
        self._most = most
        self._known: OrderedDict[bytes, Caller] = OrderedDict()

    def __len__(self) -> int:
        return len(self._known)

    def of(self, key: bytes, now_s: float) -> Caller:
        """Return the caller of this key, a new one with a full bucket if it is not known."""
        caller = self._known.get(key)
        if caller is None:
            caller = self._known[key] = Caller(Bucket.full(self._paced(FAULTS), now_s))
            self._forget()
        self._known.move_to_end(key)
        return caller

    async def enter(
        self, caller: Caller, method: str, limits: MethodLimits, now_s: float, *, waits: bool
    ) -> None:
        """Take a turn, waiting for it if ``waits``; :meth:`leave` gives it back.

        TooMany(RATE_LIMITED) when the caller was refused too often before, calls this method too
        often, or has as many calls of it under way as it may.
        """
        _require(caller.faults.wait_s(now_s), "too many calls were refused before this one")
        turns = self._turns(caller, method, limits, now_s)
        _require(turns.bucket.take(now_s), f"{method} is called too often")
        if turns.free.locked() and not (waits and caller.waiting < MAX_WAITING):
            raise TooMany(
                Reason.RATE_LIMITED, f"{limits.at_once} calls of {method} are under way already"
            )
        caller.waiting += 1
        try:
            await turns.free.acquire()
        finally:
            caller.waiting -= 1
        caller.under_way += 1

    def leave(self, caller: Caller, method: str) -> None:
        """End a turn."""
        caller.under_way -= 1
        caller.turns[method].free.release()

    def _turns(self, caller: Caller, method: str, limits: MethodLimits, now_s: float) -> _Turns:
        found = caller.turns.get(method)
        if found is None:
            bucket = Bucket.full(self._paced(limits.rate), now_s)
            found = caller.turns[method] = _Turns(bucket, asyncio.Semaphore(limits.at_once))
        return found

    def _paced(self, rate: Rate) -> Rate:
        return Rate(rate.per_s * self._pace, max(1, round(rate.burst * self._pace)))

    def _forget(self) -> None:
        surplus = len(self._known) - self._most
        for key in [key for key, one in self._known.items() if one.idle][: max(surplus, 0)]:
            del self._known[key]


def _require(wait_s: float, why: str) -> None:
    if wait_s > 0.0:
        raise TooMany(Reason.RATE_LIMITED, f"{why}: ask again in {wait_s:.1f} s", wait_s)
