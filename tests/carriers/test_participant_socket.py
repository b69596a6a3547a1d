"""A participant behind its socket: who may connect, and what a carrier may read of a failure."""

import asyncio
import grp
import os
import stat
import subprocess
import sys
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from flwr.app import Message, RecordDict
from flwr.app.message import make_message

from carriers.memory import MemoryGrid
from deploy.flower import client_app as stock
from federation.errors import (
    LaborfedError,
    LocalError,
    Malformed,
    Misconfigured,
    PeerError,
    Reason,
    Refused,
)
from federation.exchange.participant_socket import Answer, ask_participant, serve_participant
from federation.rounds import flower
from federation.wire.local import LocalSocket

SECRET = "row 7 of workers"


def asked(socket: LocalSocket, answer: Answer) -> bytes:
    """Return what comes of one request to a participant that answers so."""

    async def ask() -> bytes:
        with ThreadPoolExecutor() as threads:
            server = await serve_participant(socket, answer, threads)
            try:
                return await ask_participant(socket.path, "train", b"abc")
            finally:
                await server.stop(0)

    return asyncio.run(ask())


def test_a_request_is_answered_with_the_participants_bytes(tmp_path: Path) -> None:
    said: list[tuple[str, bytes]] = []

    def answer(message_type: str, body: bytes) -> bytes:
        said.append((message_type, body))
        return b"signed"

    assert asked(LocalSocket(tmp_path / "p.sock"), answer) == b"signed"
    assert said == [("train", b"abc")]


@pytest.mark.parametrize(("group", "mode"), [(False, 0o600), (True, 0o660)])
def test_who_may_connect(tmp_path: Path, group: bool, mode: int) -> None:
    name = grp.getgrgid(os.getgid()).gr_name if group else None
    socket, modes = LocalSocket(tmp_path / "p.sock", name), list[int]()

    def answer(_type: str, _body: bytes) -> bytes:
        modes.append(stat.S_IMODE(socket.path.stat().st_mode))
        return b""

    asked(socket, answer)
    assert modes == [mode]


def failing(error: Exception) -> Answer:
    """Return an answer that fails so."""

    def answer(_type: str, _body: bytes) -> bytes:
        raise error

    return answer


@pytest.mark.parametrize(
    ("error", "raised", "reason"),
    [
        (Refused(Reason.POLICY, "not here"), Refused, Reason.POLICY),
        (Malformed(Reason.PROTOCOL, "no type"), Malformed, Reason.PROTOCOL),
        (LocalError(Reason.STORAGE, SECRET), LocalError, Reason.STORAGE),
        (ValueError(SECRET), PeerError, Reason.PROTOCOL),
    ],
    ids=["refused", "malformed", "a fault of the node's", "any other"],
)
def test_a_failure_is_told_without_a_word_about_records(
    tmp_path: Path, error: Exception, raised: type[LaborfedError], reason: Reason
) -> None:
    with pytest.raises(raised, match=reason) as caught:
        asked(LocalSocket(tmp_path / "p.sock"), failing(error))
    assert SECRET not in str(caught.value)


def test_a_socket_that_a_dead_process_left_is_replaced(tmp_path: Path) -> None:
    path = tmp_path / "p.sock"
    left = f"import socket; socket.socket(socket.AF_UNIX).bind({str(path)!r})"
    subprocess.run([sys.executable, "-c", left], check=True)
    assert path.is_socket()
    assert asked(LocalSocket(path), lambda _type, body: body) == b"abc"


# the ClientApp of a stock SuperNode


def forwarded(socket: object) -> Message:
    """Return the stock ClientApp's reply to a request, its node configured with ``socket``."""
    grid = MemoryGrid(7, {})
    message = grid.create_message(flower.wrap(b"abc"), "train", 440300, "")
    context = flower.context_of(7, 440300)
    context.node_config = {} if socket is None else {stock.SOCKET: socket}
    reply: Message = stock.app(message, context)
    return reply


def test_the_stock_app_forwards_to_the_node_and_replies_to_the_message(tmp_path: Path) -> None:
    replies: list[Message] = []

    def named(message_type: str, body: bytes) -> bytes:
        return message_type.encode() + body

    async def forward() -> None:
        with ThreadPoolExecutor() as threads:
            socket = LocalSocket(tmp_path / "p.sock")
            server = await serve_participant(
                socket, lambda kind, body: kind.encode() + body, threads
            )
            replies.append(await asyncio.to_thread(forwarded, str(socket.path)))
            await server.stop(0)

    asyncio.run(forward())
    (reply,) = replies
    assert flower.unwrap(reply) == b"trainabc"
    assert (reply.metadata.src_node_id, reply.metadata.reply_to_message_id) == (440300, "1")


@pytest.mark.parametrize(
    ("socket", "error", "told"),
    [
        (lambda place: str(place / "none.sock"), PeerError, "--participant-socket running"),
        (lambda _: None, Misconfigured, "--node-config lacks participant-socket"),
        (lambda _: 7, Misconfigured, "--node-config lacks participant-socket"),
    ],
    ids=["nobody listens", "no socket configured", "a number"],
)
def test_what_the_stock_app_needs_is_told(
    tmp_path: Path, socket: Callable[[Path], object], error: type[LaborfedError], told: str
) -> None:
    with pytest.raises(error, match=told):
        forwarded(socket(tmp_path))


def test_the_stock_app_forwards_no_message_without_a_body() -> None:
    grid = MemoryGrid(7, {})
    empty = make_message(
        metadata=grid.create_message(flower.wrap(b""), "train", 440300, "").metadata,
        content=RecordDict(),
    )
    context = flower.context_of(7, 440300)
    context.node_config = {stock.SOCKET: "/nowhere"}
    with pytest.raises(PeerError, match="no body"):
        stock.app(empty, context)
