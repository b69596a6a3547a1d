"""What the exchange's services share: who may come in, what they may ask, and what stands.

Knows membership, log and mailbox through their own doors; must not know gRPC or files.
"""

from collections.abc import Callable, Sequence
from functools import lru_cache
from typing import NamedTuple

from cryptography import x509

from federation.crypto.certificates import (
    Authority,
    HasPublicKey,
    Role,
    check_request,
    expires_ms,
    role_of,
    tls_key_digest,
)
from federation.crypto.keys import digest
from federation.documents.charter import Charter
from federation.documents.membership import City
from federation.documents.types import Document
from federation.errors import PeerError, Reason, Refused, Stale, Untrusted
from federation.exchange.blobs import BlobStore
from federation.exchange.enrolment import APPROVED, PENDING, Application, Enrolled
from federation.exchange.invitations import InvitationBook
from federation.exchange.mailbox import Mailbox
from federation.log.bundle import Bundle
from federation.log.checkpoint import split_note
from federation.publication import Publisher
from federation.wire.codec import decode_document, decode_envelope

MAX_CERTIFICATES = 1024  # read once; twice the cities of the largest federation
RETRY_S = 10.0  # an entry that waits for witnesses is tried again at least so often


class Meeting:
    """The meeting point's state. Safe to share between the event loop and threads."""

    def __init__(
        self,
        *,
        authority: Authority,
        mailbox: Mailbox,
        blobs: BlobStore,
        invitations: InvitationBook,
        clock_ms: Callable[[], int],
    ) -> None:
        self.mailbox = mailbox
        self.blobs = blobs
        self._authority = authority
        self._invitations = invitations
        self._clock_ms = clock_ms
        self._publisher: Publisher | None = None

    def stand(self, publisher: Publisher) -> None:
        """Open the doors: from now on membership tells who may come in."""
        self._publisher = publisher

    @property
    def stands(self) -> bool:
        """Whether the federation is founded."""
        return self._publisher is not None

    @property
    def publisher(self) -> Publisher:
        """The founded federation's log; Refused(NO_MEMBERSHIP) before membership 1 is logged."""
        if self._publisher is None:
            raise Refused(Reason.NO_MEMBERSHIP, "the federation is not founded yet")
        return self._publisher

    def admit(self, certificate: x509.Certificate) -> City:
        """Return the active city whose TLS key this is.

        Untrusted(TLS_IDENTITY) for any other key, an expired certificate or another role's, however
        genuine: a connection may outlive all three.
        """
        key = self._checked(certificate, Role.CITY).tls_key_digest
        for city in self.publisher.trust.current.cities:
            if city.active and city.tls_key_digest == key:
                return city
        raise Untrusted(
            Reason.TLS_IDENTITY, "the TLS key is not that of an active city of this federation"
        )

    def division_of(self, tls_key: bytes) -> str | None:
        """Return the division of the city with this TLS key digest, active or not; None if none."""
        if self._publisher is None:
            return None
        cities = self._publisher.trust.current.cities
        return next((city.division for city in cities if city.tls_key_digest == tls_key), None)

    def admit_invited(self, certificate: x509.Certificate) -> None:
        """Raise Untrusted(TLS_IDENTITY) unless this is a valid bootstrap certificate."""
        self._checked(certificate, Role.BOOTSTRAP)

    def submit(self, envelope: bytes, blobs: Sequence[bytes], patience_s: float = 0.0) -> Bundle:
        """Have an envelope logged, with the public bytes it names; return it with its proof.

        Refused(NOT_FOUND) for a charter whose initial parameters are neither among ``blobs`` nor
        kept, Refused(POLICY) for bytes that nothing names; else as :meth:`Publisher.publish`.
        """
        publisher = self.publisher
        opened = decode_envelope(envelope)
        document = decode_document(opened.payload_type, opened.payload)
        self._check_blobs(document, blobs)
        for content in blobs:
            self.blobs.put(content)
        return publisher.publish(envelope, patience_s)

    def _check_blobs(self, document: Document, blobs: Sequence[bytes]) -> None:
        """Raise as :meth:`submit` unless the document names exactly these bytes."""
        named = (
            {document.training.initial_parameters_digest}
            if isinstance(document, Charter) and document.training
            else set[bytes]()
        )
        brought = {digest(content) for content in blobs}
        if not brought <= named:
            raise Refused(Reason.POLICY, "bytes came along that the document does not name")
        for wanted in named - brought:
            if not self.blobs.holds(wanted):
                raise Refused(
                    Reason.NOT_FOUND,
                    f"the charter's initial parameters {wanted.hex()[:16]}… did not come with it",
                )

    def next_entry(self, index: int, kept_size: int) -> tuple[Bundle, int] | None:
        """Return entry ``index`` and its checkpoint's size, or None while it is not to be had.

        It is not logged yet, or waits for witnesses: growth of the log, a city that comes and
        RETRY_S are reasons to ask again.
        Stale(ROLLED_BACK) when the reader has seen more than this log holds.
        """
        publisher = self.publisher
        size = publisher.size
        if max(index, kept_size) > size:
            raise Stale(
                Reason.ROLLED_BACK,
                f"the reader kept a log of {max(index, kept_size)}, this one has {size}",
            )
        if index == size:
            return None
        try:
            ready = publisher.ready_bundle(index, kept_size)
            bundle = ready or publisher.bundle_for(index, kept_size)
        except PeerError as error:
            if error.reason is Reason.NOT_WITNESSED:
                return None
            raise
        return bundle, _size_of(bundle.checkpoint)

    def issue(self, holder: HasPublicKey, division: str) -> bytes:
        """Return a fresh PEM certificate of an admitted city."""
        return self._authority.issue_city(holder, division, self._clock_ms())

    def enrol(self, application: Application) -> Enrolled:
        """Remember a request, or answer it once membership names its keys.

        Raises Refused: ALREADY_ENROLLED when the city is a member under other keys, NOT_APPROVED
        when it was suspended or left, BAD_INVITATION as :meth:`InvitationBook.record`.
        """
        asked = application.city
        member = self.publisher.trust.current.city(asked.division)
        if member is not None and member.keys != asked.keys:
            raise Refused(
                Reason.ALREADY_ENROLLED,
                f"city {asked.division} is a member under other keys than these",
            )
        self._invitations.record(application, self._clock_ms())
        if member is None:
            return Enrolled(PENDING, b"")
        if not member.active:
            raise Refused(Reason.NOT_APPROVED, f"city {asked.division} is {member.status}")
        request = check_request(application.certificate_request)
        return Enrolled(APPROVED, self.issue(request, asked.division))

    def _checked(self, certificate: x509.Certificate, role: Role) -> "_Said":
        said = _said(certificate)
        if said.role is not role:
            raise Untrusted(Reason.TLS_IDENTITY, f"the certificate is not a {role}'s")
        if said.expires_ms <= self._clock_ms():
            raise Untrusted(Reason.TLS_IDENTITY, "the certificate has expired")
        return said


class _Said(NamedTuple):
    role: Role
    expires_ms: int
    tls_key_digest: bytes


# a stream asks again before everything that it carries, and certificates do not change
@lru_cache(MAX_CERTIFICATES)
def _said(certificate: x509.Certificate) -> _Said:
    return _Said(role_of(certificate), expires_ms(certificate), tls_key_digest(certificate))


def _size_of(note: bytes) -> int:
    """Read the tree size off a checkpoint of our own: the second line of its text."""
    return int(split_note(note)[0].split("\n")[1])
