"""Asking a program's HTTP pages as a scraper does, and filling the disk under it."""

import http.client
import json
import resource
import socket
import time
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass
from typing import Any

from prometheus_client.parser import text_string_to_metric_families

PAUSE_S = 0.1  # between two questions: asking must not starve who is asked

Figures = dict[str, dict[tuple[str, ...], float]]


@dataclass(frozen=True)
class Page:
    """What came back; ``body`` is decoded where it is JSON."""

    status: int
    body: Any


def free_port() -> int:
    """Return a port that nobody listens on now."""
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port: int = taken.getsockname()[1]
        return port


def get(address: str, path: str, method: str = "GET") -> Page:
    """Ask for a page."""
    with closing(http.client.HTTPConnection(address, timeout=60)) as connection:
        connection.request(method, path)
        answer = connection.getresponse()
        return Page(answer.status, _body(answer.read()))


def until(holds: Callable[[], bool], patience_s: float = 60.0) -> None:
    """Ask again until it holds; the test fails when it never does."""
    end = time.monotonic() + patience_s
    while not holds():
        assert time.monotonic() < end
        time.sleep(PAUSE_S)


@contextmanager
def full_disk(pid: int) -> Iterator[None]:
    """Let a process write to no file inside the block, as on a full disk (RLIMIT_FSIZE is 0)."""
    before = resource.prlimit(pid, resource.RLIMIT_FSIZE)
    resource.prlimit(pid, resource.RLIMIT_FSIZE, (0, before[1]))
    try:
        yield
    finally:
        resource.prlimit(pid, resource.RLIMIT_FSIZE, before)


def scraped(address: str) -> Figures:
    """Return every sample of /metrics by name and its labels' values."""
    page = get(address, "/metrics")
    assert page.status == 200
    found: Figures = {}
    for family in text_string_to_metric_families(page.body):
        for sample in family.samples:
            found.setdefault(sample.name, {})[tuple(sample.labels.values())] = sample.value
    return found


def _body(raw: bytes) -> Any:
    text = raw.decode()
    return json.loads(text) if text.startswith("{") else text
