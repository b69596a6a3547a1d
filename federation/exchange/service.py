"""The two services of the exchange port: unpack, ask one thing, pack.

Lives here: who may call what, and the two long streams. Must not know: how a run goes, what an
envelope says, or gRPC statuses (``wire.channel`` translates what is raised).
"""

import asyncio
import contextlib
from collections.abc import AsyncIterator
from typing import Any

import grpc

from federation.crypto.certificates import check_request, tls_key_digest
from federation.documents.membership import City
from federation.errors import Malformed, Reason, TooMany, Untrusted
from federation.exchange.enrolment import verify_request
from federation.exchange.feed import HeadSignal, wake_on
from federation.exchange.mailbox import Attendance
from federation.exchange.meeting import RETRY_S, Meeting
from federation.wire.channel import ATTENDING, peer_certificate
from federation.wire.codec import bundle_to_message
from federation.wire.door import send
from federation.wire.limits import MAX_STRAY_ANSWERS
from federation.wire.v1 import exchange_pb2, exchange_pb2_grpc, log_pb2

Context = grpc.aio.ServicerContext[Any, Any]
HELLO = 0  # the request id of a stream's first answer


class ExchangeService(exchange_pb2_grpc.ExchangeServicer):
    """What active cities reach, each by the TLS key that the current membership names."""

    def __init__(self, meeting: Meeting, signal: HeadSignal, stalled_s: float) -> None:
        self._meeting = meeting
        self._signal = signal
        self._stalled_s = stalled_s

    async def Publish(
        self, request: exchange_pb2.PublishRequest, context: Context
    ) -> log_pb2.Bundle:
        """Verify, log and return the entry with its proof."""
        self._city(context)
        bundle = await asyncio.to_thread(self._meeting.submit, request.envelope, ())
        return bundle_to_message(bundle)

    async def GetCheckpoint(
        self, request: log_pb2.CheckpointRequest, context: Context
    ) -> log_pb2.CheckpointReply:
        """Return the head and the proof that it extends the caller's."""
        self._city(context)
        head = await asyncio.to_thread(self._meeting.publisher.checkpoint, request.kept_size)
        return log_pb2.CheckpointReply(
            checkpoint=head.checkpoint, consistency_path=head.consistency_path
        )

    async def GetBlob(
        self, request: exchange_pb2.BlobRequest, context: Context
    ) -> exchange_pb2.Blob:
        """Return public bytes by digest."""
        self._city(context)
        content = await asyncio.to_thread(self._meeting.blobs.get, request.digest)
        return exchange_pb2.Blob(content=content)

    async def Renew(
        self, request: exchange_pb2.RenewRequest, context: Context
    ) -> exchange_pb2.RenewReply:
        """Reissue the caller's certificate, for the key it is authenticated with and no other."""
        city = self._city(context)
        wanted = check_request(request.certificate_request)
        if tls_key_digest(wanted) != city.tls_key_digest:
            raise Untrusted(
                Reason.TLS_IDENTITY, "a certificate is renewed for the key membership names only"
            )
        certificate = await asyncio.to_thread(self._meeting.issue, wanted, city.division)
        return exchange_pb2.RenewReply(certificate=certificate)

    async def Follow(  # type: ignore[override]  # writes by context, see ErrorTranslation
        self, request: exchange_pb2.FollowRequest, context: Context
    ) -> None:
        """Send every entry from an index on, one at a time, then each new one.

        The reader's pace is the stream's: the next entry is read when the last one was written.
        PeerError(STALLED) ends it when the reader takes nothing for too long.
        """
        await context.send_initial_metadata(())
        index, kept, grown = request.start_index, request.kept_size, asyncio.Event()
        with self._signal.listening(grown):
            while True:
                self._city(context)
                grown.clear()
                entry = await asyncio.to_thread(self._meeting.next_entry, index, kept)
                if entry is None:
                    await self._news(index, grown)
                    continue
                bundle, kept = entry
                await send(context, bundle_to_message(bundle), self._stalled_s)
                index += 1

    async def _news(self, index: int, grown: asyncio.Event) -> None:
        """Wait for a reason to look for entry ``index`` again; an idle log needs no looking."""
        withheld = index < self._meeting.publisher.size
        with contextlib.suppress(TimeoutError):
            await asyncio.wait_for(grown.wait(), RETRY_S if withheld else None)

    async def Attend(  # type: ignore[override]  # as Follow
        self, requests: AsyncIterator[exchange_pb2.Answer], context: Context
    ) -> None:
        """Carry a city's requests down and its answers up until either side ends the stream."""
        city = self._city(context)
        hello = await anext(requests, None)
        if hello is None or hello.request_id != HELLO:
            raise Malformed(Reason.PROTOCOL, "a stream begins with an answer to request 0")
        loop, stirred = asyncio.get_running_loop(), asyncio.Event()
        mailbox = self._meeting.mailbox
        attendance = mailbox.attend(city.division, lambda: wake_on(loop, stirred.set))
        reader = asyncio.create_task(self._take_answers(requests, city.division))
        reader.add_done_callback(lambda _: stirred.set())
        self._signal.notify()  # entries may be waiting for this witness
        try:
            await context.send_initial_metadata((ATTENDING,))
            with self._signal.listening(stirred):
                await self._hand_out(attendance, stirred, reader, context)
        finally:
            mailbox.leave(attendance)
            reader.cancel()

    async def _hand_out(
        self,
        attendance: Attendance,
        stirred: asyncio.Event,
        reader: "asyncio.Task[None]",
        context: Context,
    ) -> None:
        while not reader.done():
            # the log grew, perhaps by a membership that no longer names this city
            self._city(context)
            stirred.clear()
            for asked in self._meeting.mailbox.unsent(attendance):
                request = exchange_pb2.Request(
                    request_id=asked.request_id,
                    message_type=asked.message_type,
                    body=asked.body,
                )
                await send(context, request, self._stalled_s)
            if not reader.done():
                await stirred.wait()
        reader.result()

    async def _take_answers(
        self, answers: AsyncIterator[exchange_pb2.Answer], division: str
    ) -> None:
        strays = 0
        async for answer in answers:
            if not self._meeting.mailbox.answer(division, answer.request_id, answer.body):
                strays += 1
            if strays > MAX_STRAY_ANSWERS:
                raise TooMany(
                    Reason.RATE_LIMITED, f"{strays} answers came on this stream unasked or too late"
                )

    def _city(self, context: Context) -> City:
        return self._meeting.admit(peer_certificate(context))


class EnrolmentService(exchange_pb2_grpc.EnrolmentServicer):
    """The only service that a bootstrap certificate reaches, and that reaches no other."""

    def __init__(self, meeting: Meeting) -> None:
        self._meeting = meeting

    async def Enrol(
        self, request: exchange_pb2.EnrolRequest, context: Context
    ) -> exchange_pb2.EnrolReply:
        """Remember an invited city's keys; give its certificate once membership names them."""
        self._meeting.admit_invited(peer_certificate(context))
        application = verify_request(request)
        enrolled = await asyncio.to_thread(self._meeting.enrol, application)
        return exchange_pb2.EnrolReply(state=enrolled.state, certificate=enrolled.certificate)
