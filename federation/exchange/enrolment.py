"""A city's request to join: what it says, what it signs, what people compare, and its one call.

Knows public keys and requests; must not know who was invited or who approves.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import grpc
from cryptography.hazmat.primitives.asymmetric import ec

from federation.crypto.certificates import (
    certificate_request,
    check_request,
    tls_key_digest,
)
from federation.crypto.envelope import pae
from federation.crypto.keys import SigningKey, VerifyingKey, digest
from federation.documents import rules
from federation.documents.membership import City
from federation.errors import PeerError, Reason
from federation.exchange.invitation import Invitation
from federation.wire import channel
from federation.wire.v1 import exchange_pb2, exchange_pb2_grpc

SIGNED_TYPE = "laborfed/enrolment/v1"
FINGERPRINT_CONTEXT = b"laborfed/enrolment-fingerprint/v1"
FINGERPRINT_BYTES = 16  # 128 bits: nobody finds other keys to a fingerprint that was read out

PENDING = "pending"
APPROVED = "approved"


@dataclass(frozen=True, kw_only=True)
class Application:
    """A verified request: the city it would add and the DER certificate request of its TLS key."""

    code: str
    city: City
    certificate_request: bytes


@dataclass(frozen=True)
class Enrolled:
    """The coordinator's answer: ``state`` pending or approved, and then the PEM certificate."""

    state: str
    certificate: bytes

    @property
    def approved(self) -> bool:
        """Whether membership names the city and the certificate is there."""
        return self.state == APPROVED


def fingerprint(city: City) -> str:
    """Return what both sides read to each other: eight groups of four hexadecimal digits."""
    joined = FINGERPRINT_CONTEXT + city.division.encode()
    joined += b"".join((digest(city.signing_key), digest(city.sealing_key), city.tls_key_digest))
    text = digest(joined)[:FINGERPRINT_BYTES].hex()
    return " ".join(text[start : start + 4] for start in range(0, len(text), 4))


def same_fingerprint(one: str, other: str) -> bool:
    """Compare two fingerprints as people write them, with or without their spaces."""
    return "".join(one.split()).lower() == "".join(other.split()).lower()


def build_request(
    invitation: Invitation,
    signing: SigningKey,
    sealing_public: bytes,
    tls: ec.EllipticCurvePrivateKey,
) -> exchange_pb2.EnrolRequest:
    """Return the signed request of an invited city."""
    request = exchange_pb2.EnrolRequest(
        code=invitation.code,
        division=invitation.division,
        name=invitation.name,
        signing_key=signing.public.raw,
        sealing_key=sealing_public,
        certificate_request=certificate_request(tls, invitation.division),
    )
    request.signature = signing.sign(_signed_bytes(request))
    return request


def verify_request(request: exchange_pb2.EnrolRequest) -> Application:
    """Return what a request asks for, once its fields and both its proofs of possession hold.

    Malformed(INVALID_DOCUMENT) names the field; Untrusted(BAD_SIGNATURE) when ``signing_key`` did
    not sign it.
    """
    tls = check_request(request.certificate_request)
    city = City(
        division=request.division,
        name=request.name,
        signing_key=request.signing_key,
        sealing_key=request.sealing_key,
        tls_key_digest=tls_key_digest(tls),
    )
    rules.check_text("code", request.code, 64)
    VerifyingKey(request.signing_key).verify(request.signature, _signed_bytes(request))
    return Application(
        code=request.code, city=city, certificate_request=request.certificate_request
    )


async def enrol(
    invitation: Invitation,
    signing: SigningKey,
    sealing_public: bytes,
    tls: ec.EllipticCurvePrivateKey,
    interceptors: Sequence[grpc.aio.ClientInterceptor] = (),
) -> Enrolled:
    """Ask to be enrolled, or ask again: pending until administrators approved and signed.

    Raises what the coordinator raised, PeerError when it cannot be reached or its answer makes no
    sense.
    """
    request = build_request(invitation, signing, sealing_public, tls)
    async with channel.connect(invitation.endpoint, invitation.identity, interceptors) as opened:
        stub = exchange_pb2_grpc.EnrolmentStub(opened)
        with channel.translated():
            reply = await stub.Enrol(request, timeout=channel.UNARY_DEADLINE_S)
    if reply.state not in (PENDING, APPROVED) or (reply.state == APPROVED) != bool(
        reply.certificate
    ):
        raise PeerError(Reason.PROTOCOL, "the coordinator's answer is neither pending nor approved")
    return Enrolled(reply.state, reply.certificate)


def _signed_bytes(request: exchange_pb2.EnrolRequest) -> bytes:
    fields = (
        request.code.encode(),
        request.division.encode(),
        request.name.encode(),
        request.signing_key,
        request.sealing_key,
        request.certificate_request,
    )
    return pae(SIGNED_TYPE, b"".join(len(f).to_bytes(8, "little") + f for f in fields))
