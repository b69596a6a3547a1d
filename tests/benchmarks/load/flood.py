"""``python -m benchmarks.load.flood``: what honest cities notice of a flood of forged envelopes.

Lives here: a real coordinator and three cities in rounds, a fourth that looks and publishes, a
fifth that floods beside an outsider, and the comparison with the quiet time before. Must not know:
what a forgery looks like. Cities echo, as in ``benchmarks.rounds``.
"""

import asyncio
import json
import secrets
import tempfile
import threading
import time
from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Annotated

import typer

from benchmarks.load import serving
from benchmarks.load.figures import Latency
from benchmarks.load.founding import Member, Plan, signed_again, statistics_charter
from benchmarks.rounds.founding import THRESHOLD, Founded, found, signed_charter
from benchmarks.rounds.ours import city_service
from deploy.study.demo.founding import free_port
from deploy.study.demo.processes import Service, Services
from federation.control import ControlClient, control_client
from federation.crypto.certificates import tls_key_pem
from federation.rounds.desk import Stop
from federation.rounds.stages import Stage
from node.identity import Home as NodeHome

CITIES_IN_ROUNDS = 3
FLOODERS = 2  # processes of the flooding city
PUBLISH_EVERY_S = 0.5
SETTLING_S = 3.0  # after the start, before anything counts as quiet
CHARTERS = 7  # whose budget a city of the benchmark has
READY_S, FLOOD_S = 60.0, 1800.0

Moment = tuple[float, float]  # when it began or was told, Unix seconds; how long it took, seconds


@dataclass(frozen=True)
class Compared:
    """One kind of work of honest cities, quiet and flooded."""

    quiet: Latency
    flooded: Latency

    @property
    def ratio(self) -> float:
        """99th percentile flooded over quiet."""
        return self.flooded.p99 / self.quiet.p99


@dataclass(frozen=True)
class Flooded:
    """What a flood came to: ``reasons`` the flooder was given, ``seconds`` it took."""

    forged: int
    seconds: float
    reasons: dict[str, int]
    honest: dict[str, Compared]

    @property
    def accepted(self) -> int:
        """Forged envelopes that were logged."""
        return self.reasons.get("accepted", 0)


def measure(forged: int, quiet_s: float, rounds: int) -> Flooded:
    """Flood with ``forged`` envelopes after ``quiet_s`` seconds; runs have ``rounds`` rounds."""
    with tempfile.TemporaryDirectory(prefix="flood-") as place, Services() as services:
        folder = Path(place)
        founded = found(folder, CITIES_IN_ROUNDS + 2, free_port())
        services.add(serving.coordinator(founded.coordinator.path, folder / "coordinator.log"))
        for home in founded.cities[:CITIES_IN_ROUNDS]:
            node = services.add(city_service(home))
            node.wait_for(f"ready division={home.config.division} coordinator=connected")
        with _rounds(founded, rounds) as recorded:
            prober = _probing(services, founded, folder)
            time.sleep(SETTLING_S + quiet_s)
            begun = time.time()
            results = _flooding(services, founded, folder, forged)
            ended = time.time()
        services.check()
        moments = {"round": recorded, **_lines(prober.log)}
    windows = (begun - quiet_s, begun), (begun, ended)
    return Flooded(
        forged=forged,
        seconds=ended - begun,
        reasons=dict(sum((Counter(one) for one in results), Counter[str]())),
        honest={kind: _compared(found, *windows) for kind, found in moments.items()},
    )


def _probing(services: Services, founded: Founded, folder: Path) -> Service:
    first = statistics_charter(founded.membership)
    many = [signed_again(first, founded.administrators[:THRESHOLD]).hex() for _ in range(2000)]
    plan = _plan(founded, _member(founded.cities[CITIES_IN_ROUNDS], many))
    file = plan.save(folder / "prober.plan")
    prober = services.add(serving.client("prober", file, log=folder / "prober.log"))
    prober.wait_for("ready", READY_S)
    return prober


def _flooding(
    services: Services, founded: Founded, folder: Path, forged: int
) -> list[dict[str, int]]:
    charter = signed_again(statistics_charter(founded.membership), founded.administrators[:2])
    plan = _plan(founded, _member(founded.cities[CITIES_IN_ROUNDS + 1], [charter.hex()]))
    file, address = plan.save(folder / "flood.plan"), founded.coordinator.configuration().address
    outsider = serving.client("outsider", address, log=folder / "outsider.log")
    services.add(outsider)
    flooders = [
        services.add_ending(
            serving.client(
                *("forging", file, str(forged // FLOODERS)), log=folder / f"flood-{number}.log"
            )
        )
        for number in range(FLOODERS)
    ]
    told = [json.loads(one.wait_for("result ", FLOOD_S)[len("result ") :]) for one in flooders]
    return [one["reasons"] for one in told]


@contextmanager
def _rounds(founded: Founded, rounds: int) -> Iterator[list[Moment]]:
    """Have runs one after the other inside the block; yields when rounds were recorded."""
    recorded: list[Moment] = []
    begun, over = threading.Event(), threading.Event()

    async def run() -> None:
        async with control_client(founded.coordinator.socket) as control:
            for _ in range(CHARTERS):
                if not over.is_set():
                    await _run(control, founded, rounds, recorded, begun, over)

    thread = threading.Thread(target=lambda: asyncio.run(run()))
    thread.start()
    try:
        begun.wait(READY_S)
        yield recorded
    finally:
        over.set()
        thread.join()


async def _run(
    control: ControlClient,
    founded: Founded,
    rounds: int,
    recorded: list[Moment],
    begun: threading.Event,
    over: threading.Event,
) -> None:
    charter = signed_charter(founded, rounds)
    await control.submit(charter.envelope, (charter.parameters,))
    stopped = False
    async for event in control.start_run(charter.digest):
        if event.stage == Stage.RECORDING and event.seconds:
            recorded.append((event.at_ms / 1000, event.seconds))
            begun.set()
            if over.is_set() and not stopped:
                stopped = True
                await control.stop_run(charter.digest, Stop.CLOSE)


def _plan(founded: Founded, member: Member) -> Plan:
    configuration, keys = founded.coordinator.configuration(), founded.coordinator.keys()
    return Plan(
        address=configuration.address,
        server_name=configuration.hosts[0],
        authority=keys.authority.pem.decode(),
        log_origin=configuration.log_origin,
        log_key=keys.log.public.raw.hex(),
        members=(member,),
        seconds=0.0,
        publish_every_s=PUBLISH_EVERY_S,
    )


def _member(home: NodeHome, envelopes: Sequence[str]) -> Member:
    identity, certificate = home.identity(), home.certificate()
    assert certificate is not None
    return Member(
        identity.division,
        tls_key_pem(identity.tls).decode(),
        certificate.decode(),
        secrets.token_bytes(32).hex(),  # what it signs is forged whoever signs it
        tuple(envelopes),
    )


def _lines(log: Path) -> dict[str, list[Moment]]:
    found: dict[str, list[Moment]] = {}
    for line in log.read_text(encoding="utf-8").splitlines():
        kind, *numbers = line.split()
        if kind in ("checkpoint", "publish") and len(numbers) == 2:
            found.setdefault(kind, []).append((float(numbers[0]), float(numbers[1])))
    return found


def _compared(moments: Sequence[Moment], quiet: Moment, flooded: Moment) -> Compared:
    def within(window: Moment) -> Latency:
        return Latency.of([took for at, took in moments if window[0] <= at < window[1]])

    return Compared(within(quiet), within(flooded))


def main(
    forged: Annotated[int, typer.Option(min=100, help="Forged envelopes.")] = 100_000,
    quiet: Annotated[float, typer.Option(min=2, help="Seconds of quiet before them.")] = 60.0,
    rounds: Annotated[int, typer.Option(min=5, max=1000, help="Rounds of a run.")] = 1000,
    as_json: Annotated[bool, typer.Option("--json", help="Every figure as one object.")] = False,
) -> None:
    """Flood a coordinator and compare what honest cities notice with the quiet before."""
    flooded = measure(forged, quiet, rounds)
    if as_json:
        ratios = {kind: one.ratio for kind, one in flooded.honest.items()}
        typer.echo(json.dumps({**asdict(flooded), "p99_over_quiet": ratios}))
        return
    typer.echo(f"{flooded.forged} forged envelopes in {flooded.seconds:.0f} s: {flooded.reasons}")
    for kind, one in flooded.honest.items():
        typer.echo(
            f"{kind:10} 99th percentile: quiet {one.quiet.p99 * 1000:6.1f} ms"
            f" ({one.quiet.count} calls), flooded {one.flooded.p99 * 1000:6.1f} ms"
            f" ({one.flooded.count} calls), ratio {one.ratio:.2f}"
        )


if __name__ == "__main__":
    app = typer.Typer(pretty_exceptions_show_locals=False)
    app.command()(main)
    app()
