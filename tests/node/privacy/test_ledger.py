"""The budget ledger: never above the allowance, whatever is repeated, closed, killed or raced."""

import math
import multiprocessing
import os
import signal
from collections.abc import Callable
from multiprocessing.synchronize import Barrier
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import event, text

from federation.errors import LaborfedError, Reason, Refused
from federation.privacy.accounting import compose
from federation.privacy.events import Event, MechanismEvent, PureEvent
from node.privacy import ledger
from node.privacy.ledger import Allowance
from node.store.engine import Store, open_store

YEAR = 2025
DELTA = 1e-6
ALLOWANCE = Allowance(8.0, DELTA)
ROUND = MechanismEvent(1.0, 20.0, 10, 1e-9)
EVALUATION = MechanismEvent(1.0, 30.0, 1)
EVENTS: dict[str, Event] = {"round": ROUND, "evaluation": EVALUATION}
CHARTER, OTHER = b"c" * 32, b"o" * 32
FORK = multiprocessing.get_context("fork")


def reserve(
    store: Store,
    charter: bytes = CHARTER,
    *,
    events: dict[str, Event] = EVENTS,
    allowance: Allowance = ALLOWANCE,
    year: int = YEAR,
) -> ledger.Reservation:
    with store.write() as c:
        return ledger.reserve(
            c, charter, purpose="match model", year=year, events=events, allowance=allowance
        )


def touch(
    store: Store, number: int, kind: str = "round", charter: bytes = CHARTER, attempt: bytes = b"a"
) -> int:
    with store.write() as c:
        return ledger.touch(c, charter, kind, attempt * 32, number)


def close(store: Store, charter: bytes = CHARTER) -> None:
    with store.write() as c:
        ledger.close(c, charter)


def standing(store: Store, year: int = YEAR) -> tuple[float, float, float]:
    with store.read() as c:
        found = ledger.statement(c, year, ALLOWANCE)
    return found.used, found.reserved, found.left


def cost(*events: Event) -> float:
    return compose(events, DELTA)


def refusal(call: Callable[[], object]) -> Refused:
    with pytest.raises(Refused) as caught:
        call()
    return caught.value


def test_a_year_ends_with_its_last_millisecond() -> None:
    new_year_ms = 1_798_761_600_000  # 2027-01-01T00:00:00Z
    assert [ledger.year_of(new_year_ms + ms) for ms in (-1, 0)] == [2026, 2027]


def test_an_untouched_year_has_everything_left(store: Store) -> None:
    assert standing(store) == (0.0, 0.0, 8.0)


def test_a_reservation_claims_everything_at_once_and_spends_nothing(store: Store) -> None:
    whole = cost(ROUND, EVALUATION)
    assert reserve(store).left == pytest.approx(8.0 - whole)
    assert standing(store) == (0.0, whole, 8.0 - whole)


def test_reserving_the_same_charter_again_is_one_claim(store: Store) -> None:
    first = reserve(store)
    assert reserve(store) == first
    assert standing(store)[1] == cost(ROUND, EVALUATION)


def test_charters_of_a_year_are_composed_and_years_are_apart(store: Store) -> None:
    reserve(store)
    reserve(store, OTHER, events={"round": PureEvent(0.5, 2)})
    together = cost(ROUND, EVALUATION, PureEvent(0.5, 2))
    assert standing(store)[1] == together < cost(ROUND, EVALUATION) + 1.0
    assert standing(store, YEAR + 1) == (0.0, 0.0, 8.0)


def test_what_does_not_fit_is_refused_in_figures_before_anything_is_written(store: Store) -> None:
    reserve(store)
    dear: dict[str, Event] = {"round": PureEvent(7.5, 1)}
    error = refusal(lambda: reserve(store, OTHER, events=dear))
    assert error.reason is Reason.BUDGET
    left = math.floor((8.0 - cost(ROUND, EVALUATION)) * 100) / 100
    assert f"needs ε 7.50, {left:.2f} left of 8.00 in 2025" in error.message
    with store.read() as c:
        assert c.execute(text("SELECT count(*) FROM budget_reservations")).scalar() == 1
        assert c.execute(text("SELECT count(*) FROM budget_events")).scalar() == 2


def test_exactly_the_allowance_fits_and_a_little_less_does_not(store: Store) -> None:
    whole = cost(ROUND, EVALUATION)
    tight = Allowance(whole - 1e-4, DELTA)
    assert refusal(lambda: reserve(store, allowance=tight)).reason is Reason.BUDGET
    assert reserve(store, allowance=Allowance(whole, DELTA)).left == 0.0


def test_touches_spend_reserved_events_one_by_one_and_idempotently(store: Store) -> None:
    reserve(store)
    first = touch(store, 0)
    assert touch(store, 0) == first
    assert touch(store, 1) != first
    assert touch(store, 0, kind="evaluation") not in {first}
    used = cost(MechanismEvent(1.0, 20.0, 2, 1e-9), EVALUATION)
    assert standing(store)[0] == used


def test_a_round_of_another_attempt_is_charged_again(store: Store) -> None:
    reserve(store)
    assert touch(store, 0, attempt=b"a") != touch(store, 0, attempt=b"b")


def test_no_more_than_the_reserved_count_can_be_spent(store: Store) -> None:
    reserve(store)
    for number in range(10):
        touch(store, number)
    error = refusal(lambda: touch(store, 10))
    assert error.reason is Reason.REPEATS_EXHAUSTED
    assert touch(store, 3) > 0
    touch(store, 0, kind="evaluation")
    assert refusal(lambda: touch(store, 1, kind="evaluation")).reason is Reason.REPEATS_EXHAUSTED
    used, reserved, _ = standing(store)
    assert used == reserved == cost(ROUND, EVALUATION)


def test_without_a_reservation_of_its_kind_nothing_can_be_touched(store: Store) -> None:
    assert refusal(lambda: touch(store, 0)).reason is Reason.CHARTER_UNKNOWN
    reserve(store)
    assert refusal(lambda: touch(store, 0, kind="other")).reason is Reason.CHARTER_UNKNOWN


def test_closing_returns_what_was_not_touched_and_only_that(store: Store) -> None:
    reserve(store)
    touch(store, 0)
    touch(store, 1)
    close(store)
    spent = cost(MechanismEvent(1.0, 20.0, 2, 1e-9))
    assert standing(store) == (spent, spent, 8.0 - spent)
    close(store)
    close(store, OTHER)
    assert standing(store)[0] == spent


def test_a_closed_charter_neither_spends_nor_reserves_again(store: Store) -> None:
    reserve(store)
    touch(store, 0)
    close(store)
    assert refusal(lambda: touch(store, 1)).reason is Reason.CHARTER_CLOSED
    assert refusal(lambda: reserve(store)).reason is Reason.CHARTER_CLOSED


def test_returned_budget_can_be_reserved_by_another(store: Store) -> None:
    half: dict[str, Event] = {"round": PureEvent(5.0, 1)}
    reserve(store, events=half)
    assert refusal(lambda: reserve(store, OTHER, events=half)).reason is Reason.BUDGET
    close(store)
    reserve(store, OTHER, events=half)


def test_what_a_charter_would_bring_the_year_to_is_known_before_and_after(store: Store) -> None:
    def after() -> float:
        with store.read() as c:
            return ledger.year_after(c, CHARTER, year=YEAR, events=EVENTS, delta=DELTA)

    assert after() == cost(ROUND, EVALUATION)
    reserve(store)
    assert after() == cost(ROUND, EVALUATION)


def _run(target: Callable[..., None], *args: Any) -> Any:
    process = FORK.Process(target=target, args=args)
    process.start()
    return process


def _die_after(path: Path, statements: int) -> None:
    """Reserve and touch in one child process that is killed after its n-th statement."""
    store = open_store(path)
    seen = 0

    def count(*_: object) -> None:
        nonlocal seen
        seen += 1
        if seen == statements:
            os.kill(os.getpid(), signal.SIGKILL)

    event.listen(store.engine, "after_cursor_execute", count)
    reserve(store)
    touch(store, 0)
    os._exit(0)


def test_a_kill_between_any_two_statements_leaves_a_whole_reservation_or_none(
    store: Store, tmp_path: Path
) -> None:
    path = tmp_path / "store" / "node.db"
    whole = cost(ROUND, EVALUATION)
    store.close()
    seen = set()
    for statements in range(1, 100):
        child = _run(_die_after, path, statements)
        child.join()
        survivor = open_store(path)
        used, reserved, _ = standing(survivor)
        assert reserved in {0.0, whole}
        assert used in {0.0, cost(MechanismEvent(1.0, 20.0, 1, 1e-9))}
        assert used <= reserved
        seen.add((used > 0, reserved > 0))
        with survivor.write() as c:
            for table in ("budget_touches", "budget_events", "budget_reservations"):
                c.execute(text(f"DELETE FROM {table}"))  # noqa: S608
        survivor.close()
        if child.exitcode == 0:
            break
        assert child.exitcode == -signal.SIGKILL
    assert statements > 8
    assert seen == {(False, False), (False, True), (True, True)}


def _race(path: Path, barrier: Barrier, name: int) -> None:
    """Reserve as many charters as fit, in step with the other process."""
    store = open_store(path)
    for number in range(6):
        barrier.wait(20)  # seconds; a dead partner must not hang the test
        try:
            reserve(store, bytes([name, number]) * 16, events={"round": PureEvent(1.1, 1)})
        except LaborfedError as error:
            assert error.reason is Reason.BUDGET  # noqa: PT017
    os._exit(0)


def test_two_processes_reserving_at_once_never_exceed_the_allowance(
    store: Store, tmp_path: Path
) -> None:
    fitting = max(n for n in range(1, 13) if cost(PureEvent(1.1, n)) <= ALLOWANCE.epsilon)
    assert fitting < 12
    barrier = FORK.Barrier(2)
    path = tmp_path / "store" / "node.db"
    store.close()
    children = [_run(_race, path, barrier, name) for name in (1, 2)]
    for child in children:
        child.join()
        assert child.exitcode == 0
    survivor = open_store(path)
    with survivor.read() as c:
        assert c.execute(text("SELECT count(*) FROM budget_reservations")).scalar() == fitting
    assert standing(survivor)[1] <= ALLOWANCE.epsilon
    survivor.close()


# ── what was answered and is not remembered ─────────────────────────────────────────────────────


@pytest.mark.parametrize("known", [False, True], ids=["nothing known", "some of it known"])
def test_an_exhausted_charter_is_spent_whole_and_pays_for_nothing_more(
    store: Store, known: bool
) -> None:
    if known:
        reserve(store)
        touch(store, 1)
        close(store)
    for _ in range(2):
        with store.write() as c:
            ledger.exhaust(c, CHARTER, purpose="match model", year=YEAR, events=EVENTS)
    whole = compose(EVENTS.values(), DELTA)
    assert standing(store)[:2] == (whole, whole)
    with pytest.raises(Refused):
        touch(store, 2)
    close(store)
    assert standing(store)[:2] == (whole, whole)
    with store.read() as c:
        assert ledger.overdrawn(c) == []  # to the last event, and not beyond it
