"""Readiness is asked seldom, told by reason, and tells a stuck loop from a living one."""

import asyncio
from dataclasses import dataclass

from federation.errors import Reason, StorageFault
from federation.watch.readiness import FRESH_S, STUCK_S, Condition, Readiness


@dataclass
class Hand:
    """A clock that is moved by hand, and how often it was asked whether things are well."""

    now_s: float = 0.0
    asked: int = 0
    said: str | None = None

    def __call__(self) -> float:
        return self.now_s

    def check(self) -> str | None:
        self.asked += 1
        return self.said


def test_an_answer_is_given_again_while_it_is_fresh() -> None:
    hand = Hand()
    ready = Readiness([Condition("well", hand.check)], clock_s=hand)
    assert ready.report().ready
    hand.said, hand.now_s = "not well", FRESH_S / 2
    assert ready.report().ready
    assert hand.asked == 1
    assert not ready.report(fresh_s=0.0).ready
    hand.said, hand.now_s = None, FRESH_S * 2
    assert ready.report().ready
    assert hand.asked == 3


def test_a_condition_that_raises_is_told_by_its_reason_alone() -> None:
    def broken() -> None:
        raise StorageFault(Reason.STORAGE, "row 金丝雀 is broken")

    ready = Readiness(
        [Condition("well", lambda: None), Condition("whole", broken)],
        {"coordinator": lambda: "away"},
    )
    assert ready.report().as_dict() == {
        "ready": False,
        "conditions": {"well": "holds", "whole": "failed: local.storage"},
        "coordinator": "away",
    }


def test_a_loop_that_does_not_turn_is_not_alive() -> None:
    hand = Hand()
    ready = Readiness([], clock_s=hand)
    hand.now_s = STUCK_S - 1
    assert ready.alive
    hand.now_s = STUCK_S
    assert not ready.alive

    async def turn() -> None:
        beating = asyncio.create_task(ready.keep_beating())
        await asyncio.sleep(0)
        beating.cancel()

    asyncio.run(turn())
    assert ready.alive
