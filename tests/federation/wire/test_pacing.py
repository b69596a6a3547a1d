"""Token buckets and turns: what a caller may do now, and when it may do more."""

import asyncio
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from federation.errors import Reason, TooMany
from federation.wire.limits import (
    FAULTS,
    MAX_HELD,
    MAX_WAITING,
    REFUSED_APART_S,
    REFUSED_HELD_S,
    MethodLimits,
    Rate,
)
from federation.wire.pacing import Bucket, Callers

LIMITS = MethodLimits(10, 10, at_once=2, rate=Rate(per_s=2, burst=3), reason="a test")
KEY, OTHER = b"one", b"other"


@given(
    st.floats(0.1, 100),
    st.integers(1, 50),
    st.lists(st.floats(0, 5), min_size=1, max_size=100),
)
def test_no_more_is_taken_than_the_burst_and_what_came_back(
    per_s: float, burst: int, pauses: list[float]
) -> None:
    bucket, now_s, taken = Bucket.full(Rate(per_s, burst), 0.0), 0.0, 0
    for pause in pauses:
        now_s += pause
        taken += bucket.take(now_s) == 0.0
    assert taken <= burst + now_s * per_s + 1e-6


def test_who_waits_as_long_as_told_gets_a_token() -> None:
    bucket = Bucket.full(Rate(0.5, 1), 10.0)
    assert bucket.take(10.0) == 0.0
    wait_s = bucket.take(10.5)
    assert wait_s == pytest.approx(1.5)
    assert bucket.take(10.5 + wait_s) == 0.0


def test_a_clock_that_stands_still_gives_nothing_back() -> None:
    bucket = Bucket.full(Rate(1, 1), 5.0)
    bucket.take(5.0)
    assert bucket.take(5.0) > 0
    assert bucket.take(4.0) > 0


def callers(pace: float = 1.0, most: int = 10) -> Callers:
    return Callers(pace, most)


def test_a_method_called_too_often_is_refused_and_says_when_to_come_again() -> None:
    async def scenario() -> None:
        book = callers()
        one = book.of(KEY, 0.0)
        for _ in range(3):
            await book.enter(one, "Publish", LIMITS, 0.0, waits=True)
            book.leave(one, "Publish")
        with pytest.raises(TooMany, match="Publish is called too often") as refused:
            await book.enter(one, "Publish", LIMITS, 0.0, waits=True)
        assert refused.value.reason is Reason.RATE_LIMITED
        assert refused.value.retry_after_s == pytest.approx(0.5)
        await book.enter(one, "GetBlob", LIMITS, 0.0, waits=True)
        await book.enter(book.of(OTHER, 0.0), "Publish", LIMITS, 0.0, waits=True)
        await book.enter(one, "Publish", LIMITS, 0.5, waits=True)

    asyncio.run(scenario())


def test_a_pace_of_two_doubles_rate_and_burst() -> None:
    async def scenario() -> None:
        book = callers(pace=2.0)
        one = book.of(KEY, 0.0)
        for _ in range(6):
            await book.enter(one, "Publish", LIMITS, 0.0, waits=True)
            book.leave(one, "Publish")
        with pytest.raises(TooMany) as refused:
            await book.enter(one, "Publish", LIMITS, 0.0, waits=True)
        assert refused.value.retry_after_s == pytest.approx(0.25)

    asyncio.run(scenario())


def test_a_short_call_waits_for_its_turn_and_a_stream_is_refused_one() -> None:
    async def scenario() -> None:
        book = callers()
        one = book.of(KEY, 0.0)
        for _ in range(2):
            await book.enter(one, "Follow", LIMITS, 0.0, waits=False)
        waiting = asyncio.create_task(book.enter(one, "Follow", LIMITS, 100.0, waits=True))
        await asyncio.sleep(0)
        assert not waiting.done()
        with pytest.raises(TooMany, match="2 calls of Follow are under way"):
            await book.enter(one, "Follow", LIMITS, 100.0, waits=False)
        book.leave(one, "Follow")
        await asyncio.wait_for(waiting, 5)

    asyncio.run(scenario())


def test_few_calls_wait_and_who_gives_up_waiting_leaves_no_gap() -> None:
    async def scenario() -> None:
        book, rate = callers(), Rate(1000, 1000)
        limits = MethodLimits(10, 10, at_once=1, rate=rate, reason="a test")
        one = book.of(KEY, 0.0)
        await book.enter(one, "Publish", limits, 0.0, waits=True)
        waiting = [
            asyncio.create_task(book.enter(one, "Publish", limits, 0.0, waits=True))
            for _ in range(MAX_WAITING)
        ]
        await asyncio.sleep(0)
        with pytest.raises(TooMany, match="under way already"):
            await book.enter(one, "Publish", limits, 0.0, waits=True)
        for task in waiting[:-1]:
            task.cancel()
        await asyncio.gather(*waiting[:-1], return_exceptions=True)
        book.leave(one, "Publish")
        await asyncio.wait_for(waiting[-1], 5)
        assert (one.waiting, one.under_way) == (0, 1)

    asyncio.run(scenario())


def test_who_was_refused_too_often_is_let_into_nothing_until_some_time_has_passed() -> None:
    async def scenario() -> None:
        book = callers()
        one = book.of(KEY, 0.0)
        for _ in range(FAULTS.burst):
            one.faults.take(0.0)
        with pytest.raises(TooMany, match="too many calls were refused"):
            await book.enter(one, "GetCheckpoint", LIMITS, 0.0, waits=True)
        await book.enter(one, "GetCheckpoint", LIMITS, 1 / FAULTS.per_s, waits=True)

    asyncio.run(scenario())


@given(st.lists(st.floats(0, 2), min_size=2, max_size=MAX_HELD))
def test_refusals_are_told_late_and_never_two_at_once(pauses: list[float]) -> None:
    one, now_s, told = callers().of(KEY, 0.0), 100.0, []
    for pause in pauses:
        now_s += pause
        told.append(now_s + one.hold_s(now_s))
        assert told[-1] >= now_s + REFUSED_HELD_S - 1e-9
    apart = [later - earlier for earlier, later in pairwise(told)]
    assert min(apart) >= REFUSED_APART_S - 1e-9


def test_a_caller_that_rests_waits_no_longer_than_the_first_time() -> None:
    one, other = callers().of(KEY, 0.0), callers().of(OTHER, 0.0)
    for _ in range(100):
        one.hold_s(5.0)
    assert one.hold_s(10.0) == other.hold_s(10.0) == REFUSED_HELD_S


def test_callers_seen_longest_ago_are_forgotten_but_none_that_has_a_call() -> None:
    async def scenario() -> None:
        book = callers(most=3)
        busy = book.of(b"busy", 0.0)
        await book.enter(busy, "Follow", LIMITS, 0.0, waits=False)
        for number in range(20):
            book.of(b"%d" % number, 0.0)
        assert len(book) == 3
        assert book.of(b"busy", 0.0) is busy

    asyncio.run(scenario())
