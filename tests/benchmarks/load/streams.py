"""``python -m benchmarks.load.streams``: many cities' streams on one real coordinator, for long.

Lives here: starting them, having runs asked for meanwhile, sampling memory, comparing receipts with
the log. Must not know: what a city does. Every client is on the real TLS port; entries are charters
that administrators signed.
"""

import asyncio
import json
import tempfile
import threading
import time
from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import closing, contextmanager
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Annotated, Any

import typer

from benchmarks.load import serving
from benchmarks.load.figures import Growth, Latency, resident_bytes
from benchmarks.load.founding import Founded, found
from deploy.study.demo.processes import Service, Services
from federation.control import control_client
from federation.crypto.envelope import replay_identity
from federation.crypto.keys import digest
from federation.log.store import LogStore
from federation.wire.codec import decode_envelope

SAMPLE_S = 1.0
SETTLING = 0.2  # of the time, before memory is judged: connections, caches and threads come first
ASK_EVERY_S = 2.0
ENTRIES_PER_S = 2.0  # of all cities together: each goes to every one of them
READY_S, END_S = 120.0, 180.0


@dataclass(frozen=True)
class Load:
    """What a load came to. ``lost``: receipts whose entry the log or a stream does not show."""

    cities: int
    seconds: float
    errors: dict[str, int]
    receipts: int
    lost: int
    followed: int
    answered: int
    latency: dict[str, Latency]
    memory: Growth

    @property
    def held(self) -> bool:
        """Whether nothing failed and no receipt was lost."""
        return not self.errors and self.lost == 0 and self.receipts > 0


def measure(cities: int, seconds: float, processes: int = 4) -> Load:
    """Load a coordinator with ``cities`` cities in ``processes`` processes for ``seconds``."""
    # a short path: the control socket's has 107 bytes at most
    with tempfile.TemporaryDirectory(prefix="load-") as place, Services() as services:
        folder = Path(place)
        founded = found(folder, cities)
        served = services.add(serving.coordinator(founded.home.path, folder / "coordinator.log"))
        clients = [
            services.add_ending(serving.client("cities", plan, log=plan.with_suffix(".log")))
            for plan in _plans(folder, founded, seconds, processes)
        ]
        for client in clients:
            client.wait_for("ready", READY_S)
        with _sampled(served.pid) as samples, _asked(founded):
            told = [_told(client, seconds + END_S) for client in clients]
        for client in clients:
            client.finish()
        return _judged(founded, cities, seconds, told, samples)


def _plans(folder: Path, founded: Founded, seconds: float, processes: int) -> list[Path]:
    every_s = len(founded.members) / ENTRIES_PER_S
    each = max(1, int(seconds / every_s))
    members = [replace(m, envelopes=tuple(founded.charters(each))) for m in founded.members]
    return [
        founded.plan(members[number::processes], seconds, every_s).save(folder / f"{number}.plan")
        for number in range(processes)
        if members[number::processes]
    ]


def _told(client: Service, timeout_s: float) -> dict[str, Any]:
    told: dict[str, Any] = json.loads(client.wait_for("result ", timeout_s).removeprefix("result "))
    return told


@contextmanager
def _sampled(pid: int) -> Iterator[list[tuple[float, int]]]:
    """Sample a process's resident memory inside the block."""
    samples: list[tuple[float, int]] = []
    over = threading.Event()

    def sample() -> None:
        while not over.wait(SAMPLE_S):
            samples.append((time.monotonic(), resident_bytes(pid)))

    with _aside(sample, over):
        yield samples


@contextmanager
def _asked(founded: Founded) -> Iterator[None]:
    """Have a charter's run started again and again inside the block; every city refuses it."""
    over = threading.Event()
    raw = bytes.fromhex(founded.charters(1)[0])

    async def start() -> None:
        async with control_client(founded.home.socket) as control:
            await control.submit(raw, ())
            while not over.is_set():
                async for _ in control.start_run(replay_identity(decode_envelope(raw))):
                    pass
                await asyncio.to_thread(over.wait, ASK_EVERY_S)

    with _aside(lambda: asyncio.run(start()), over):
        yield


@contextmanager
def _aside(work: Any, over: threading.Event) -> Iterator[None]:
    thread = threading.Thread(target=work)
    thread.start()
    try:
        yield
    finally:
        over.set()
        thread.join()


def _judged(
    founded: Founded,
    cities: int,
    seconds: float,
    told: Sequence[dict[str, Any]],
    samples: Sequence[tuple[float, int]],
) -> Load:
    receipts = [(index, name) for one in told for index, name in one["receipts"]]
    with closing(LogStore(founded.home.log_file)) as log:
        entries = {e.index: digest(e.envelope).hex() for e in log.entries(0, log.head().size)}
    latency = {
        kind: Latency.of([s for one in told for s in one["seconds"].get(kind, ())])
        for kind in ("checkpoint", "publish")
    }
    return Load(
        cities=cities,
        seconds=seconds,
        errors=dict(sum((Counter(one["errors"]) for one in told), Counter[str]())),
        receipts=len(receipts),
        lost=sum(entries.get(index) != name for index, name in receipts)
        + sum(one["lost"] for one in told),
        followed=sum(one["followed"] for one in told),
        answered=sum(one["answered"] for one in told),
        latency=latency,
        memory=Growth.of(samples[int(len(samples) * SETTLING) :]),
    )


def main(
    cities: Annotated[int, typer.Option(min=2, max=200, help="Cities, two streams each.")] = 50,
    seconds: Annotated[float, typer.Option(min=5, help="How long they stand.")] = 300.0,
    processes: Annotated[int, typer.Option(min=1, max=16, help="Client processes.")] = 4,
    as_json: Annotated[bool, typer.Option("--json", help="Every figure as one object.")] = False,
) -> None:
    """Follow, attend, look and publish as many cities at once; ends with 1 if anything failed."""
    load = measure(cities, seconds, processes)
    if as_json:
        typer.echo(json.dumps(asdict(load)))
    else:
        typer.echo(f"{load.cities} cities for {load.seconds:g} s: errors {load.errors or 'none'}")
        typer.echo(f"receipts {load.receipts}, lost {load.lost}; entries sent {load.followed}")
        typer.echo(f"requests answered {load.answered}")
        for kind, one in load.latency.items():
            typer.echo(
                f"{kind:10} {one.count:6} calls, median {one.median * 1000:6.1f} ms,"
                f" 99th percentile {one.p99 * 1000:6.1f} ms"
            )
        typer.echo(
            f"coordinator {load.memory.last_kib / 1024:.1f} MiB,"
            f" slope {load.memory.kib_a_minute:+.0f} KiB a minute"
        )
    if not load.held:
        raise typer.Exit(1)


if __name__ == "__main__":
    app = typer.Typer(pretty_exceptions_show_locals=False)
    app.command()(main)
    app()
