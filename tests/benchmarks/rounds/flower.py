"""Rounds of Flower as shipped: SuperLink, SuperNodes, TLS, plain averaging of what sites echo.

Lives here: its processes and its command line as its documentation gives them. Must not know: how
any other system is measured. Source: Flower's documentation, "Run Flower with Deployment Engine"
and "Enable TLS connections".
"""

import itertools
import os
import subprocess
import tempfile
import time
from pathlib import Path

from benchmarks import memory
from benchmarks.memory import Memory
from benchmarks.peers import environment
from benchmarks.peers.environment import Environment
from benchmarks.peers.processes import program, wait_for_lines
from benchmarks.rounds.result import Rounds
from deploy.study.demo.founding import free_port
from deploy.study.demo.processes import Service, Services
from federation.coordinator import now_ms
from federation.crypto.certificates import Authority, generate_tls_key, tls_key_pem

SYSTEM = "flower"
APP = Path(__file__).parents[1] / "peers" / "flower_app"
HOST, CONNECTION = "127.0.0.1", "bench"
AUTHORITY, CERTIFICATE, KEY = "ca.crt", "server.pem", "server.key"
START_S, ROUND_S = 120.0, 120.0
SERVING, ATTENDING = "Application startup complete", "SuperNode ID"


def measure(sites: int, rounds: int, length: int) -> Rounds:
    """Measure one run of ``rounds`` rounds over ``sites`` SuperNodes."""
    env = environment.environment("flower")
    with tempfile.TemporaryDirectory(prefix="bench-flower-") as made, Services() as services:
        folder, port = Path(made), free_port()
        _write_settings(folder, port)
        hub = services.add(_superlink(env, folder, port))
        _wait_for_text(hub, SERVING)
        nodes = {
            f"site-{n}": services.add(_supernode(env, folder, f"site-{n}", port))
            for n in range(1, sites + 1)
        }
        for node in nodes.values():
            _wait_for_text(node, ATTENDING)
        trees = {"server": hub.pid, **{name: node.pid for name, node in nodes.items()}}
        idle = _held(trees)
        moments = folder / "moments"
        submitted = time.time_ns()
        _run(env, folder, f'moments="{moments}" sites={sites} length={length}', rounds)
        watched = [hub, *nodes.values()]
        wait_for_lines(moments, rounds, watched, START_S + ROUND_S * rounds)
        held = _held(trees)
        wait_for_lines(moments, rounds + 1, watched, ROUND_S)
        noted = [int(line) for line in moments.read_text("ascii").splitlines()]
    return Rounds(
        system=SYSTEM,
        sites=sites,
        seconds=[(b - a) / 1e9 for a, b in itertools.pairwise(noted)],
        first_round_s=(noted[0] - submitted) / 1e9,
        memory={"idle": idle, "run": held},
    )


def _held(trees: dict[str, int]) -> dict[str, Memory]:
    return {name: memory.of_tree(pid) for name, pid in trees.items()}


def _write_settings(folder: Path, port: int) -> None:
    authority, key = Authority.create("flower", now_ms()), generate_tls_key()
    (folder / AUTHORITY).write_bytes(authority.pem)
    (folder / CERTIFICATE).write_bytes(authority.issue_server(key, [HOST], now_ms()))
    (folder / KEY).touch(mode=0o600)
    (folder / KEY).write_bytes(tls_key_pem(key))
    (folder / "config.toml").write_text(
        f'[superlink]\ndefault = "{CONNECTION}"\n\n[superlink.{CONNECTION}]\n'
        f'address = "{HOST}:{port}"\nroot-certificates = "{folder / AUTHORITY}"\n',
        encoding="utf-8",
    )


def _variables(env: Environment, folder: Path) -> dict[str, str]:
    return {
        "PATH": f"{env.python.parent}{os.pathsep}{os.environ['PATH']}",
        "FLWR_HOME": str(folder),
        # nothing leaves this machine, nothing is installed while it is measured
        "FLWR_TELEMETRY_ENABLED": "0",
        "FLWR_DISABLE_UPDATE_CHECK": "1",
        "FLWR_DISABLE_RUNTIME_DEPENDENCY_INSTALLATION": "1",
        "PYTHONPATH": "",
    }


def _superlink(env: Environment, folder: Path, port: int) -> Service:
    tls = ("--ssl-ca-certfile", AUTHORITY, "--ssl-certfile", CERTIFICATE, "--ssl-keyfile", KEY)
    words = [env.program("flower-superlink"), "--host", HOST, "--port", str(port), *tls]
    return program("superlink", folder, words, _variables(env, folder))


def _supernode(env: Environment, folder: Path, name: str, port: int) -> Service:
    where = ("--superlink", f"{HOST}:{port}", "--root-certificates", AUTHORITY)
    words = [env.program("flower-supernode"), *where, "--port", str(free_port())]
    return program(name, folder, words, _variables(env, folder))


def _run(env: Environment, folder: Path, config: str, rounds: int) -> None:
    settings = f"{config} num-server-rounds={rounds}"
    argv = [env.program("flwr"), "run", APP, CONNECTION, "--run-config", settings]
    variables = {**os.environ, **_variables(env, folder)}
    done = subprocess.run(
        argv, cwd=folder, env=variables, check=False, capture_output=True, encoding="utf-8"
    )
    if done.returncode:
        raise RuntimeError(f"flwr run ended with code {done.returncode}: {done.stderr}")


def _wait_for_text(service: Service, text: str) -> None:
    """Wait until a program's log says so: Flower writes to standard error."""
    deadline = time.monotonic() + START_S
    while text not in service.log.read_text(encoding="utf-8", errors="replace"):
        if not service.running or time.monotonic() > deadline:
            raise RuntimeError(f"{service.name} never said {text!r}")
        time.sleep(0.1)
