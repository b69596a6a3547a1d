"""A run at debug level with faults provoked on the way: the logs tell of them and of no record."""

import json
import re
import sqlite3
from collections import Counter
from collections.abc import Iterator
from contextlib import closing, contextmanager

import pytest
from support.scraping import Figures, free_port, scraped, until

from federation.documents.runs import Closure, DropRecord, Roster, RoundRecord
from federation.home import Home
from journeys import staging
from journeys.canaries import CITIES, canaries
from node.identity import open_home

pytestmark = pytest.mark.journey

DAMAGED, CROWDED, *OTHERS = CITIES
PATIENCE_S = 180.0
IN_A_CODE = "金丝雀-where-a-code-belongs"


def test_no_canary_stands_in_a_log_whatever_goes_wrong(ground):
    planted = [text for city in CITIES for text in canaries(ground.places.records(city.code))]
    pages = talkative(ground)
    put_text_where_a_code_belongs(ground)
    coordinator, nodes = staging.serve_all(ground)

    # a code that is none breaks the training of one city; the others go on without it
    with staging.started(ground, staging.training_charter(ground)) as events:
        list(events)
    check_figures(ground, scraped(pages["coordinator"]), scraped(pages[OTHERS[0].code]))

    # the coordinator dies while another process writes: what changed cannot be noted
    with writing(ground, CROWDED.code):
        coordinator.kill()
        log = nodes[CROWDED.code].log
        until(lambda: "presence_not_kept" in log.read_text(encoding="utf-8"), PATIENCE_S)
    for service in nodes.values():
        service.stop()

    logs = {path.stem: path.read_text(encoding="utf-8") for path in ground.places.logs.iterdir()}
    told = {name: events_in(text) for name, text in logs.items()}
    assert reasons(told[f"node-{DAMAGED.code}"], "answer_failed") == {"Malformed"}
    assert reasons(told[f"node-{CROWDED.code}"], "presence_not_kept")
    assert {"run_started", "run_event", "run_left"} <= {e["event"] for e in told["coordinator"]}
    programs = [text for name, text in logs.items() if name.startswith(("node-", "coordinator"))]
    assert len(programs) == 1 + len(CITIES)
    assert [text for text in (*planted, IN_A_CODE) if any(text in log for log in programs)] == []
    assert [e for one in told.values() for e in one if "withheld" in e] == []


def talkative(ground) -> dict[str, str]:
    """Have every program log all it can and show its figures; return where."""
    pages = {}
    files = {city.code: ground.places.node(city.code) / "node.toml" for city in CITIES}
    for code, file in files.items():
        pages[code] = f"127.0.0.1:{free_port()}"
        line = f'log_level = "debug"\nmetrics = "{pages[code]}"\n'
        file.write_text(line + file.read_text(encoding="utf-8"), encoding="utf-8")
    pages["coordinator"] = f"127.0.0.1:{free_port()}"
    file = Home(ground.places.federation).configuration_file
    text = file.read_text(encoding="utf-8").replace('log_level = "info"', 'log_level = "debug"')
    text = text.replace('metrics = ""', f'metrics = "{pages["coordinator"]}"')
    file.write_text(text, encoding="utf-8")
    return pages


@contextmanager
def writing(ground, division: str) -> Iterator[None]:
    """Keep every other writer of a city's store out, as a long import does."""
    database = open_home(ground.places.node(division)).database
    with closing(sqlite3.connect(database, isolation_level=None)) as connection:
        connection.execute("BEGIN IMMEDIATE")
        yield
        connection.execute("ROLLBACK")


def put_text_where_a_code_belongs(ground) -> None:
    """Damage one consenting worker's row as a careless hand in the database could."""
    database = open_home(ground.places.node(DAMAGED.code)).database
    with closing(sqlite3.connect(database)) as connection, connection:
        connection.execute("PRAGMA ignore_check_constraints = ON")
        changed = connection.execute(
            "UPDATE workers SET occupation = ? WHERE consent_training", (IN_A_CODE,)
        )
        assert changed.rowcount > 0


def events_in(text: str) -> list[dict[str, object]]:
    return [json.loads(line) for line in text.splitlines() if line.startswith("{")]


def reasons(events: list[dict[str, object]], name: str) -> set[object]:
    return {event["fault"] for event in events if event["event"] == name}


def check_figures(ground, coordinator: Figures, node: Figures) -> None:
    """What is shown of a run is what the log holds of it."""
    log = staging.logged(ground)
    by_type = {
        (re.sub(r"(?<!^)(?=[A-Z])", "-", kind).lower(),): float(count)
        for kind, count in Counter(type(document).__name__ for document in log).items()
    }
    assert coordinator["laborfed_coordinator_log_entries_total"] == by_type
    assert coordinator["laborfed_coordinator_log_size"] == {(): len(log)}
    assert coordinator["laborfed_coordinator_runs_open"] == {(): 0.0}
    assert any(isinstance(document, DropRecord) for document in log)
    assert sum(isinstance(document, Roster) for document in log) == 2
    rounds = sum(isinstance(document, RoundRecord) for document in log)
    assert coordinator["laborfed_coordinator_round_duration_seconds_count"] == {(): rounds}
    assert sum(isinstance(document, Closure) for document in log) == 1
    assert coordinator["laborfed_coordinator_append_duration_seconds_count"][()] >= rounds
    sent = coordinator["laborfed_coordinator_sent_messages_total"]
    assert sent[("Follow",)] >= len(log)
    left = node["laborfed_node_egress_envelopes_total"]
    # the round in which a city was lost was answered by the others twice
    assert left[("contribution",)] == rounds + 1
    assert node["laborfed_node_egress_bytes_total"][("contribution",)] > 0
    used, reserved = (node[f"laborfed_node_budget_{n}_epsilon"][()] for n in ("used", "reserved"))
    assert 0 < used <= reserved
