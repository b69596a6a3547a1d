"""Three pages over HTTP for a city's or coordinator's own watchers: figures, life, readiness.

Lives here: the pages and their thread. Must not know: what is told on them. It answers GET only,
reads nothing a caller sends, and listens nowhere unless configuration names an address.
"""

import json
import socket
import threading
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from socketserver import ThreadingMixIn
from typing import Any
from wsgiref.simple_server import WSGIRequestHandler, WSGIServer, make_server

from prometheus_client import CollectorRegistry, make_wsgi_app

from federation.errors import Misconfigured, Reason
from federation.watch.readiness import Readiness

IDLE_S = 10  # a caller that says nothing for so long is hung up on

Respond = Callable[..., Any]


@contextmanager
def listening(
    address: str, registry: CollectorRegistry, readiness: Readiness
) -> Iterator[int | None]:
    """Answer ``/metrics``, ``/healthz`` and ``/readyz`` inside the block; yields the port.

    Nothing is done, and None yielded, when ``address`` is empty. Misconfigured when it cannot be
    listened on.
    """
    if not address:
        yield None
        return
    host, _, port = address.rpartition(":")
    try:
        server = make_server(
            host.strip("[]"),
            int(port),
            _pages(registry, readiness),
            _Six if ":" in host else _Server,
            handler_class=_Quiet,
        )
    except OSError as error:
        raise Misconfigured(
            Reason.CONFIGURATION, f"metrics: cannot listen on {address}: {error.strerror}"
        ) from None
    thread = threading.Thread(target=server.serve_forever, name="metrics", daemon=True)
    thread.start()
    try:
        yield server.server_port
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


class _Server(ThreadingMixIn, WSGIServer):
    daemon_threads = True


class _Six(_Server):
    address_family = socket.AF_INET6


class _Quiet(WSGIRequestHandler):
    timeout = IDLE_S

    def log_message(self, format: str, *args: Any) -> None:  # noqa: A002 its base's name
        """Write no line for a request: the event log is for events."""


def _pages(registry: CollectorRegistry, readiness: Readiness) -> Callable[..., Iterable[bytes]]:
    figures = make_wsgi_app(registry)

    def answer(environ: dict[str, Any], respond: Respond) -> Iterable[bytes]:
        path = environ["PATH_INFO"]
        if environ["REQUEST_METHOD"] not in ("GET", "HEAD"):
            return _told(respond, "405 Method Not Allowed", {"error": "only GET is answered"})
        if path == "/metrics":
            found: Iterable[bytes] = figures(environ, respond)
            return found
        if path == "/healthz":
            alive = readiness.alive
            return _told(respond, _status(alive), {"alive": alive})
        if path == "/readyz":
            report = readiness.report()
            return _told(respond, _status(report.ready), report.as_dict())
        return _told(respond, "404 Not Found", {"error": "/metrics, /healthz or /readyz"})

    return answer


def _status(good: bool) -> str:
    return "200 OK" if good else "503 Service Unavailable"


def _told(respond: Respond, status: str, body: dict[str, object]) -> list[bytes]:
    respond(status, [("Content-Type", "application/json; charset=utf-8")])
    return [json.dumps(body, ensure_ascii=False).encode() + b"\n"]
