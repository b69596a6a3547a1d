"""Rounds of NVIDIA FLARE: provisioned, mutual TLS, sites that echo, polls set as short as asked.

Lives here: its provisioning, its job and its processes as its own scripts start them. Must not
know: how any other system is measured. Source: NVFLARE's documentation, "Provisioning in NVIDIA
FLARE" and "Job configuration".
"""

import json
import os
import shutil
import subprocess
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks import memory
from benchmarks.memory import Memory
from benchmarks.peers import environment
from benchmarks.peers.environment import Environment
from benchmarks.peers.processes import program, wait_for_lines
from benchmarks.rounds.result import Rounds
from deploy.study.demo.founding import free_port
from deploy.study.demo.processes import Service, Services

SYSTEM, SERVER_TREE = "nvflare", "server"
PROJECT, SERVER, ADMIN = "bench", "localhost", "admin@bench.example"
PEERS = Path(__file__).parents[1] / "peers"
# the allocator as the provisioned scripts set it; nothing of ours can be imported
VARIABLES = {"MALLOC_ARENA_MAX": "4", "PYTHONPATH": ""}
START_S, ROUND_S, END_S = 120.0, 60.0, 120.0


@dataclass(frozen=True)
class Tuning:
    """Which workflow class averages; ``poll_s``: how long every part waits that can be told.

    The communication driver, no model written between rounds and no forced collection of garbage
    are settings too: each is set to what was fastest.
    """

    name: str
    workflow: str
    poll_s: float = 0.05
    scheme: str = "grpc"


TUNED = Tuning(SYSTEM, "nvflare.app_common.workflows.scatter_and_gather.ScatterAndGather")
#: Its own waits mended as well, which no setting reaches: shown beside, compared with nothing.
MENDED = Tuning("nvflare, mended", "echo_job.QuickScatterAndGather")


def measure(sites: int, rounds: int, length: int, tuning: Tuning = TUNED) -> Rounds:
    """Measure one job of ``rounds`` rounds over ``sites`` sites."""
    env = environment.environment("nvflare")
    with tempfile.TemporaryDirectory(prefix="bench-nvflare-") as made, Services() as services:
        folder = Path(made)
        kits = _provision(env, folder, sites, tuning)
        moments = folder / "moments"
        job = _job(folder, sites, rounds, length, tuning)
        server = services.add(_start_server(env, kits / SERVER))
        clients = {
            f"site-{n}": services.add(_start_site(env, kits / f"site-{n}", f"site-{n}"))
            for n in range(1, sites + 1)
        }
        trees = {SERVER_TREE: server.pid, **{name: one.pid for name, one in clients.items()}}
        with _session(env, folder, kits / ADMIN, job, sites) as session:
            _expect(session, "connected")
            idle = _held(trees)
            _go_on(session)
            submitted = int(_expect(session, "submitted")[1])
            wait_for_lines(moments, rounds, [server, *clients.values()], START_S + ROUND_S * rounds)
            held = _held(trees)
            ended = _expect(session, "ended")[1]
            _go_on(session)
        if ended != "FINISHED:COMPLETED":
            raise RuntimeError(f"NVFLARE's job ended {ended}")
        begun, last = _moments(moments, rounds)
    return Rounds(
        system=tuning.name,
        sites=sites,
        seconds=[(b - a) / 1e9 for a, b in zip(begun, (*begun[1:], last), strict=True)],
        first_round_s=(begun[0] - submitted) / 1e9,
        memory={"idle": idle, "run": held},
    )


def _held(trees: dict[str, int]) -> dict[str, Memory]:
    return {name: memory.of_tree(pid) for name, pid in trees.items()}


def _moments(file: Path, rounds: int) -> tuple[list[int], int]:
    rows = [line.split() for line in file.read_text("ascii").splitlines()]
    begun = [int(at) for event, at in rows if event == "_round_started"]
    done = [int(at) for event, at in rows if event == "_round_done"]
    if len(begun) != rounds or len(done) != rounds:
        raise RuntimeError(f"NVFLARE noted {len(begun)} beginnings of {rounds} rounds")
    return begun, done[-1]


def _provision(env: Environment, folder: Path, sites: int, tuning: Tuning) -> Path:
    """Make keys, certificates and kits as its own tool does; return the kits' folder."""
    port = free_port()
    server = {"name": SERVER, "type": "server", "org": "bench", "fed_learn_port": port}
    people = [{"name": ADMIN, "type": "admin", "org": "bench", "role": "project_admin"}]
    clients = [{"name": f"site-{n + 1}", "type": "client", "org": "bench"} for n in range(sites)]
    impl = "nvflare.lighter.impl"
    project = {
        "api_version": 3,
        "name": PROJECT,
        "description": "Sites that echo",
        "participants": [server, *clients, *people],
        "builders": [
            {
                "path": f"{impl}.workspace.WorkspaceBuilder",
                "args": {"template_file": "master_template.yml"},
            },
            {
                "path": f"{impl}.static_file.StaticFileBuilder",
                "args": {"config_folder": "config", "scheme": tuning.scheme},
            },
            {"path": f"{impl}.cert.CertBuilder", "args": {}},
            {"path": f"{impl}.signature.SignatureBuilder", "args": {}},
        ],
    }
    (folder / "project.yml").write_text(json.dumps(project), encoding="utf-8")  # JSON is YAML
    argv = [env.program("nvflare"), "provision", "-p", "project.yml", "-w", "kits"]
    variables = {**os.environ, **VARIABLES}
    subprocess.run(argv, cwd=folder, env=variables, check=True, capture_output=True)
    kits = folder / "kits" / PROJECT / "prod_00"
    _keep_below(kits / SERVER / "local", folder / "storage")
    return kits


def _keep_below(local: Path, storage: Path) -> None:
    """Have jobs and snapshots stored in this run's own folder."""
    stock = (local / "resources.json.default").read_text(encoding="utf-8")
    (local / "resources.json").write_text(
        stock.replace("/tmp/nvflare", str(storage)),  # noqa: S108 its stock place
        encoding="utf-8",
    )


def _job(folder: Path, sites: int, rounds: int, length: int, tuning: Tuning) -> Path:
    """Write the job: plain averaging of ``length`` float32 values."""
    model, job = folder / "model.npy", folder / "job"
    np.save(model, np.random.default_rng(1).standard_normal(length).astype(np.float32))
    _write(
        job / "meta.json",
        {
            "name": "echo",
            "resource_spec": {},
            "min_clients": sites,
            "deploy_map": {"app": ["@ALL"]},
        },
    )
    server = _server_config(model, folder / "moments", sites, rounds, tuning)
    _write(job / "app" / "config" / "config_fed_server.json", server)
    _write(job / "app" / "config" / "config_fed_client.json", _client_config(tuning))
    shutil.copytree(
        PEERS / "nvflare_job",
        job / "app" / "custom",
        ignore=shutil.ignore_patterns("__pycache__"),
    )
    return job


def _server_config(
    model: Path, moments: Path, sites: int, rounds: int, tuning: Tuning
) -> dict[str, Any]:
    common = "nvflare.app_common"
    averaging = f"{common}.aggregators.intime_accumulate_model_aggregator"
    return {
        "format_version": 2,
        "server": {"heart_beat_timeout": 600, "task_request_interval": tuning.poll_s},
        "task_data_filters": [],
        "task_result_filters": [],
        "components": [
            _part(
                "persistor",
                f"{common}.np.np_model_persistor.NPModelPersistor",
                source_ckpt_file_full_name=str(model),
            ),
            _part(
                "shareable_generator",
                f"{common}.shareablegenerators.full_model_shareable_generator"
                ".FullModelShareableGenerator",
            ),
            _part(
                "aggregator",
                f"{averaging}.InTimeAccumulateWeightedAggregator",
                expected_data_kind="WEIGHTS",
            ),
            _part("moments", "echo_job.Moments", file=str(moments)),
        ],
        "workflows": [
            _part(
                "scatter_and_gather",
                tuning.workflow,
                min_clients=sites,
                num_rounds=rounds,
                start_round=0,
                wait_time_after_min_received=0,
                aggregator_id="aggregator",
                persistor_id="persistor",
                shareable_generator_id="shareable_generator",
                train_task_name="train",
                train_timeout=0,
                task_check_period=tuning.poll_s,
                persist_every_n_rounds=0,
                snapshot_every_n_rounds=0,
                memory_gc_rounds=0,
            )
        ],
    }


def _client_config(tuning: Tuning) -> dict[str, Any]:
    return {
        "format_version": 2,
        "default_task_fetch_interval": tuning.poll_s,
        "task_check_interval": tuning.poll_s,
        "executors": [{"tasks": ["train"], "executor": {"path": "echo_job.Echo", "args": {}}}],
        "task_data_filters": [],
        "task_result_filters": [],
        "components": [],
    }


def _part(identifier: str, path: str, **arguments: Any) -> dict[str, Any]:
    return {"id": identifier, "path": path, "args": arguments}


def _write(path: Path, content: object) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(content, indent=1), encoding="utf-8")


def _start_server(env: Environment, kit: Path) -> Service:
    argv = ["-s", "fed_server.json", "--set", "secure_train=true", f"org={PROJECT}"]
    module = "nvflare.private.fed.app.server.server_train"
    words = [env.python, "-u", "-m", module, "-m", kit, *argv, "config_folder=config"]
    return program("server", kit, words, VARIABLES)


def _start_site(env: Environment, kit: Path, name: str) -> Service:
    argv = ["-s", "fed_client.json", "--set", "secure_train=true", f"uid={name}", f"org={PROJECT}"]
    module = "nvflare.private.fed.app.client.client_train"
    words = [env.python, "-u", "-m", module, "-m", kit, *argv, "config_folder=config"]
    return program(name, kit, words, VARIABLES)


def _session(
    env: Environment, folder: Path, kit: Path, job: Path, sites: int
) -> "subprocess.Popen[str]":
    argv: Sequence[str | Path] = [
        *(env.python, PEERS / "nvflare_session.py"),
        *(kit, ADMIN, job, str(sites)),
    ]
    with (folder / "session.log").open("w", encoding="utf-8") as errors:
        return subprocess.Popen(
            argv,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=errors,
            encoding="utf-8",
            cwd=folder,
            env={**os.environ, **VARIABLES},
        )


def _go_on(session: "subprocess.Popen[str]") -> None:
    assert session.stdin is not None
    session.stdin.write("\n")
    session.stdin.flush()


def _expect(session: "subprocess.Popen[str]", word: str) -> list[str]:
    """Return the words of the session's next line that begins with ``word``."""
    assert session.stdout is not None
    for line in session.stdout:
        words = line.split()
        if words[:1] == [word]:
            return words
    raise RuntimeError(f"NVFLARE's session ended before it was {word!r}")
