"""A small federation of real processes, founded once by command line and copied for each journey.

Lives here: the stage and its charters. Must not know: what a journey looks for.
"""

import json
import shutil
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import replace
from datetime import date, timedelta
from pathlib import Path
from typing import Any

from deploy.study.demo import founding
from deploy.study.demo.founding import FEDERATION, NODE, Ground
from deploy.study.demo.places import Places, fresh
from deploy.study.demo.processes import Service, Services, Shell
from federation import drafting
from federation import founding as documents
from federation.cli.submitting import parameters_file
from federation.coordinator import now_ms, reading
from federation.crypto.keys import digest
from federation.documents.types import Document
from federation.home import Home
from federation.log.store import LogStore
from federation.model.parameters import initial_parameters
from federation.model.recipe import recipe
from federation.rounds.aggregate import to_bytes
from federation.wire.codec import decode_document, decode_envelope
from journeys.canaries import CITIES, write_market
from node.identity import open_home, replace_file
from node.policy import Budget, KindRules, Mode, Policy
from node.policyfile import policy_text

# Small cities learn something in a few rounds only with little noise: ε far above a real city's.
_WILLING = KindRules(mode=Mode.AUTO, max_epsilon=64.0, min_roster=3)
WILLING = Policy(budget=Budget(epsilon=64.0), training=_WILLING, statistics=_WILLING)
EPSILON = 40.0
TRAINING_WORKERS = 900  # about, in all four cities
ROUNDS, REPEATS = 4, 2
DEADLINE_S = 60  # what a loaded machine needs for one answer; shortened where it is waited out


def found(folder: Path) -> Places:
    """Found a federation of four cities in ``folder``, records imported, and stop it again."""
    with fresh(folder) as places, Services() as services:
        write_market(places.market, date.today())
        ground = Ground(places, Shell(places.commands, lambda _: None), services)
        with ThreadPoolExecutor(1) as aside:
            nodes = aside.submit(_prepare_nodes, ground)
            founding.make_administrators(ground)
            founding.found(ground)
            nodes.result()
        founding.join(ground, CITIES)
        founding.make_witnesses(ground)
        return places


def _prepare_nodes(ground: Ground) -> None:
    for city in CITIES:
        founding.prepare_node(ground, city, policy=())
        set_policy(ground, city.code, WILLING)


def set_policy(ground: Ground, division: str, policy: Policy) -> None:
    """Put a whole policy in a city's home."""
    replace_file(open_home(ground.places.node(division)).policy, policy_text(policy).encode())


@contextmanager
def stage(founded: Places, folder: Path) -> Iterator[Ground]:
    """Copy a stopped federation to ``folder``; what is started there is stopped at the end."""
    left_out = shutil.ignore_patterns("control.sock", "lock")
    shutil.copytree(founded.folder, folder, ignore=left_out)
    with Services() as services:
        places = Places(folder)
        yield Ground(places, Shell(places.commands, lambda _: None), services)


def serve(ground: Ground, division: str, name: str = "node") -> Service:
    """Start a city's node as its office does."""
    log = ground.places.log_of(f"{name}-{division}")
    home = ground.places.node(division)
    return ground.services.add(Service.of(f"node {division}", log, NODE, "serve", "--home", home))


def serve_all(ground: Ground) -> tuple[Service, dict[str, Service]]:
    """Start the coordinator and every city's node, by division; all are connected then."""
    coordinator = founding.serve_coordinator(ground)
    nodes = {city.code: serve(ground, city.code) for city in CITIES}
    for division, node in nodes.items():
        founding.wait_connected(node, division)
    return coordinator, nodes


def training_charter(
    ground: Ground,
    *,
    deadline_s: int = DEADLINE_S,
    rounds: int = ROUNDS,
    repeats: int = REPEATS,
    epsilon: float = EPSILON,
    name: str = "training",
) -> Path:
    """Have a short training charter signed and logged; return its file.

    It starts from the public parameters turned round, so that every step forward is an improvement
    that even a small city's noised vote sees.
    """
    short = replace(
        recipe(TRAINING_WORKERS),
        rounds=rounds,
        max_repeats=repeats,
        sampling_rate=1.0,
        evaluation_noise_multiplier=0.6,
    )
    first = to_bytes(-initial_parameters())
    frame = replace(_frame("A short training", deadline_s), epsilon=epsilon)
    with reading(Home(ground.places.federation)) as log:
        drafted = drafting.training_charter(log.trust.current, frame, short, first)
    parameters_file(ground.places.drafts, digest(first)).write_bytes(first)
    return _logged(ground, drafted, name)


def statistics_charter(ground: Ground) -> Path:
    """Have a statistics charter drafted and signed by command line; return its file."""
    draft = ground.places.drafts / "statistics.envelope"
    ground.federation(
        *("charter", "draft", "statistics", "--out", draft, "--purpose", "Counting"),
        *("--indicator", "supply-demand/occupation", "--epsilon", "0.5", "--min-roster", "3"),
    )
    founding.sign_and_submit(ground, draft)
    return draft


def _frame(purpose: str, deadline_s: int) -> drafting.Frame:
    now = now_ms()
    return drafting.Frame(
        purpose=purpose,
        epsilon=EPSILON,
        delta=1e-6,
        min_roster=3,
        round_deadline_s=deadline_s,
        not_before_ms=now,
        not_after_ms=now + int(timedelta(days=1).total_seconds() * 1000),
    )


def _logged(ground: Ground, charter: Document, name: str) -> Path:
    draft = ground.places.drafts / f"{name}.envelope"
    draft.write_bytes(documents.draft(charter))
    founding.sign_and_submit(ground, draft)
    return draft


@contextmanager
def started(
    ground: Ground, charter: Path, command: str = "start"
) -> Iterator[Iterator[dict[str, Any]]]:
    """Start or resume a run by command line; yields its events, whatever it comes to."""
    arguments = ("run", command, charter, "--json", "--home", ground.places.federation)
    with ground.shell.lines(FEDERATION, *arguments, codes=(0, 1)) as lines:
        yield (json.loads(line) for line in lines)


def logged_by_digest(ground: Ground) -> dict[bytes, Document]:
    """Return every document of the log, in order, by the digest others name it with."""
    log = LogStore(ground.places.federation / "log.sqlite")
    entries = log.entries(0, log.head().size)
    log.close()
    return {entry.replay_identity: _opened(entry.envelope) for entry in entries}


def logged(ground: Ground) -> list[Document]:
    """Return every document of the log, in order."""
    return list(logged_by_digest(ground).values())


def _opened(raw: bytes) -> Document:
    envelope = decode_envelope(raw)
    return decode_document(envelope.payload_type, envelope.payload)
