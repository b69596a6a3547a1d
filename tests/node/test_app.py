"""What a serving process does beside its work: notes of presence, budgets whose time is over."""

import asyncio
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from sqlalchemy import Connection, event
from structlog.testing import capture_logs
from support.cities import CitySide, Coordinator, PaperCity, charter_of
from support.federation import Federation

from federation.errors import Reason, StorageFault
from node import app
from node.app import Node, PresenceNotes, close_overdue, keep_house
from node.identity import Association, create_home
from node.presence import Presence, State, last_presence
from node.store import feed

AWAY = Presence(State.AWAY, Reason.UNREACHABLE, "nobody answers")


@pytest.fixture
def node(home: CitySide, tmp_path: Path) -> Node:
    folder = create_home(tmp_path / "home", home.division, "上海市")
    pin = home.federation.pin
    return Node(
        home=folder,
        identity=folder.identity(),
        association=Association(
            federation="demo",
            address="127.0.0.1:1",
            server_name="exchange.example",
            tls_authority="",
            membership_digest=pin.membership_digest.hex(),
            log_origin=pin.log_origin,
            log_key=pin.log_key.hex(),
        ),
        store=home.store,
        documents=home.documents,
        clock_ms=home.federation.clock,
    )


@contextmanager
def full_disk(side: CitySide) -> Iterator[None]:
    """Let every commit fail."""

    def fail(_connection: Connection) -> None:
        raise StorageFault(Reason.STORAGE, "the disk is full")

    event.listen(side.store.engine, "commit", fail)
    try:
        yield
    finally:
        event.remove(side.store.engine, "commit", fail)


def noted(node: Node) -> Presence | None:
    with node.store.read() as connection:
        found = last_presence(connection)
    return None if found is None else found[0]


# ── presence ────────────────────────────────────────────────────────────────────────────────────


def test_each_state_is_said_once_and_every_change_is_kept(node: Node) -> None:
    said: list[str] = []
    notes = PresenceNotes(node, said.append)
    late = Presence(State.AWAY, Reason.DEADLINE, "too late")
    for presence in (AWAY, AWAY, late, Presence(State.CONNECTED)):
        notes(presence)
        assert noted(node) == presence
    division = node.identity.division
    assert said == [f"ready division={division} coordinator={s}" for s in ("away", "connected")]


def test_a_note_that_cannot_be_kept_ends_nothing_and_is_kept_later(
    node: Node, home: CitySide
) -> None:
    said: list[str] = []
    notes = PresenceNotes(node, said.append)
    with full_disk(home), capture_logs() as events:
        notes(AWAY)
    assert [entry["event"] for entry in events] == ["presence_not_kept"]
    assert (len(said), noted(node)) == (1, None)
    notes(AWAY)
    assert (len(said), noted(node)) == (1, AWAY)


# ── budgets whose time is over ──────────────────────────────────────────────────────────────────


@pytest.fixture
def reserved(
    federation: Federation,
    company: dict[str, CitySide | PaperCity],
    home: CitySide,
    blobs: dict[bytes, bytes],
) -> Coordinator:
    """The city consented to a charter whose run never came to a closure."""
    coordinator = Coordinator(federation, charter_of(federation), company, blobs)
    coordinator.gather()
    return coordinator


def still_open(side: CitySide) -> int:
    with side.store.read() as connection:
        return len(feed.open_reservations(connection))


def test_a_budget_is_closed_once_window_and_skew_are_over(
    node: Node, home: CitySide, reserved: Coordinator
) -> None:
    left_ms = reserved.charter.document.not_after_ms + node.skew_ms - home.federation.clock()
    assert node.skew_ms > 0
    home.federation.clock.pass_(left_ms / 1000)
    close_overdue(node)
    assert still_open(home) == 1
    home.federation.clock.pass_(0.001)
    close_overdue(node)
    assert still_open(home) == 0


async def keep_house_until(node: Node, seen: Callable[[], object]) -> None:
    task = asyncio.create_task(keep_house(node))
    while not (task.done() or seen()):
        await asyncio.sleep(0)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task


def test_what_cannot_be_closed_now_is_closed_the_next_time(
    node: Node, home: CitySide, reserved: Coordinator, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(app, "HOUSEKEEPING_S", 0.0)
    home.federation.clock.pass_(10 * 365 * 86_400)
    with full_disk(home), capture_logs() as events:
        # it tries again after it has failed
        asyncio.run(keep_house_until(node, lambda: len(events) > 1))
    assert {entry["event"] for entry in events} == {"housekeeping_failed"}
    assert still_open(home) == 1
    asyncio.run(keep_house_until(node, lambda: not still_open(home)))
