"""An event carries listed keys only, and no word of an exception that is not ours."""

import ast
import io
import json
import logging
import os
import sys
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest
import structlog

from federation.errors import Malformed, Reason, StorageFault
from federation.watch import eventlog
from federation.watch.eventlog import FIELDS, LogFormat

ROOT = Path(__file__).parents[3]
CANARY = "金丝雀-310000-workers-name-00001"
SAID = frozenset({"debug", "info", "warning", "error", "critical", "exception", "bind"})


@pytest.fixture
def written() -> Iterator[io.StringIO]:
    """What is written once the log has its form; the process is as before afterwards."""
    hooks, handlers = (sys.excepthook, threading.excepthook), logging.getLogger().handlers[:]
    stream = io.StringIO()
    eventlog.configure("debug", LogFormat.JSON, stream)
    yield stream
    sys.excepthook, threading.excepthook = hooks
    logging.getLogger().handlers[:] = handlers
    structlog.reset_defaults()


def events(stream: io.StringIO) -> list[dict[str, object]]:
    return [json.loads(line) for line in stream.getvalue().splitlines()]


def failing() -> Exception:
    try:
        raise KeyError(CANARY)
    except KeyError as error:
        return error


# what an event may carry


@pytest.mark.parametrize(
    ("key", "value"),
    [
        pytest.param("worker", CANARY, id="a key that is not listed"),
        pytest.param("charter", CANARY, id="a charter that is no digest"),
        pytest.param("city", CANARY, id="a city that is no division"),
        pytest.param("round", CANARY, id="a round that is no number"),
        pytest.param("round", True, id="a round that is a truth value"),
        pytest.param("sentence", CANARY, id="a sentence that nobody vouches for"),
        pytest.param("reason", CANARY, id="a reason that is none"),
        pytest.param("at", f"{CANARY}:1 x", id="a place that is none"),
        pytest.param("trace", (CANARY,), id="a trace of something else"),
        pytest.param("fault", f"{CANARY} is not", id="a fault with words"),
    ],
)
def test_what_breaks_a_keys_rule_is_left_out_and_its_name_is_told(
    written: io.StringIO, key: str, value: object
) -> None:
    structlog.get_logger().info("tried", **{key: value, "leaf_index": 7})
    (event,) = events(written)
    assert CANARY not in written.getvalue()
    assert event["withheld"] == [key]
    assert (event["event"], event["leaf_index"], event["level"]) == ("tried", 7, "info")


def test_an_event_that_is_no_name_is_left_out(written: io.StringIO) -> None:
    structlog.get_logger().info(f"imported {CANARY}")
    (event,) = events(written)
    assert (event["event"], event["withheld"]) == ("unnamed", ["event"])


GOOD: dict[str, object] = {
    "charter": "ab" * 32,
    "attempt": 1,
    "round": 0,
    "city": "310000",
    "leaf_index": 12,
    "stage": "asking",
    "reason": Reason.STORAGE,
    "sentence": eventlog.told("the disk is full"),
    "fault": "OSError",
    "at": "node/store/engine.py:12",
    "trace": ("node/app.py:1",),
    "library": "grpc._cython",
    "address": "[::1]:7443",
    "file": "log.sqlite",
    "condition": "log_writable",
    "seconds": 0.25,
}


def test_every_listed_key_is_carried(written: io.StringIO) -> None:
    assert GOOD.keys() == FIELDS.keys() - {"event"}
    structlog.get_logger().info("tried", **GOOD)
    (event,) = events(written)
    assert event.keys() == GOOD.keys() | {"event", "level", "timestamp"}


# exceptions


def test_an_exception_is_told_by_kind_and_place(written: io.StringIO) -> None:
    structlog.get_logger().error("failed", exc_info=failing())
    try:
        raise StorageFault(Reason.STORAGE, "the store failed") from failing()
    except StorageFault as error:
        structlog.get_logger().error("failed", **eventlog.traced(error))
        structlog.get_logger().exception("failed")
    first, second, third = events(written)
    assert CANARY not in written.getvalue()
    assert first["fault"] == second["fault"] == "KeyError"
    assert "sentence" not in first
    assert (second["sentence"], second["reason"]) == ("the store failed", Reason.STORAGE)
    assert third.items() >= {k: second[k] for k in ("fault", "at", "trace", "sentence")}.items()
    assert str(first["at"]).startswith("federation/watch/test_eventlog.py:")


def test_a_sentence_of_ours_is_printable_and_short() -> None:
    said = eventlog.said_of(Malformed(Reason.NOT_DECODABLE, "\x1b[31m" + "x" * 5000))["sentence"]
    assert said.startswith("\N{REPLACEMENT CHARACTER}[31m")
    assert len(said) == eventlog.MOST_CHARACTERS


def test_what_libraries_say_is_told_without_their_words(written: io.StringIO) -> None:
    logging.getLogger("asyncio").error("Task failed with %s", CANARY, exc_info=failing())
    (event,) = events(written)
    assert CANARY not in written.getvalue()
    assert (event["event"], event["library"], event["fault"]) == (
        "library_message",
        "asyncio",
        "KeyError",
    )


@pytest.mark.filterwarnings("ignore::pytest.PytestUnhandledThreadExceptionWarning")
def test_what_nobody_caught_is_told_without_its_words(
    written: io.StringIO, capfd: pytest.CaptureFixture[str]
) -> None:
    def fail() -> None:
        raise KeyError(CANARY)

    thread = threading.Thread(target=fail)
    thread.start()
    thread.join()
    sys.excepthook(KeyError, failing(), None)
    assert [event["event"] for event in events(written)] == ["crashed", "crashed"]
    assert CANARY not in written.getvalue() + "".join(capfd.readouterr())


def test_a_terminal_gets_columns_and_a_level_is_a_bound() -> None:
    stream = io.StringIO()
    try:
        eventlog.configure("warning", LogFormat.CONSOLE, stream)
        structlog.get_logger().info("quiet")
        structlog.get_logger().warning("loud", leaf_index=3)
    finally:
        structlog.reset_defaults()
    assert "quiet" not in stream.getvalue()
    assert "loud" in stream.getvalue()
    with pytest.raises(json.JSONDecodeError):
        json.loads(stream.getvalue())


def test_a_disk_that_is_full_under_the_log_ends_nothing() -> None:
    with Path("/dev/full").open("w", encoding="utf-8") as full:
        eventlog.configure("info", LogFormat.JSON, full)
        try:
            structlog.get_logger().info("lost")
        finally:
            structlog.reset_defaults()
        with pytest.raises(OSError, match="No space left"):
            full.flush()
        os.dup2(os.open(os.devnull, os.O_WRONLY), full.fileno())


# the source


def calls() -> Iterator[tuple[str, ast.Call]]:
    """Every call in the programs that says an event or binds a key.

    The forwarders in ``deploy/flower`` speak through Flower's own logger, as its other apps do.
    """
    for package in ("federation", "node", "deploy"):
        for path in sorted((ROOT / package).rglob("*.py")):
            if path.is_relative_to(ROOT / "deploy/flower"):
                continue
            for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
                if (
                    isinstance(node, ast.Call)
                    and isinstance(node.func, ast.Attribute)
                    and node.func.attr in SAID
                    and "log" in ast.unparse(node.func.value)
                ):
                    yield f"{path.relative_to(ROOT)}:{node.lineno}", node


def wrong_in(call: ast.Call) -> list[str]:
    """What an event's call says that is not on the list."""
    assert isinstance(call.func, ast.Attribute)
    wrong = [k.arg for k in call.keywords if k.arg is not None and k.arg not in FIELDS]
    spread = [ast.unparse(k.value) for k in call.keywords if k.arg is None]
    allowed = ("eventlog.said_of(", "eventlog.traced(")
    wrong += [text for text in spread if not text.startswith(allowed)]
    named = [isinstance(a, ast.Constant) and FIELDS["event"](a.value) for a in call.args]
    if named != ([] if call.func.attr == "bind" else [True]):
        wrong.append(f"event {ast.unparse(call)}")
    return wrong


def test_every_event_in_the_source_carries_listed_keys() -> None:
    found = list(calls())
    assert len(found) > 10
    own = "federation/watch/eventlog.py"
    wrong = {place: wrong_in(call) for place, call in found if not place.startswith(own)}
    assert {place: said for place, said in wrong.items() if said} == {}


@pytest.mark.parametrize(
    "line",
    ["log.info('read', worker=name)", "log.info(f'read {name}')", "log.bind(**row)", "log.info(e)"],
)
def test_the_scan_sees_what_is_not_listed(line: str) -> None:
    call = ast.parse(line, mode="eval").body
    assert isinstance(call, ast.Call)
    assert wrong_in(call)
