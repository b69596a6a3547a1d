"""Joining a federation: pin what the invitation says, ask, wait until administrators have signed.

Lives here: the order of enrolment and what is kept of it. Must not know: gRPC, or how the request
is approved at the other side.
"""

import asyncio
from collections.abc import Callable

from cryptography import x509

from federation.crypto import certificates
from federation.crypto.certificates import Role
from federation.errors import Malformed, PeerError, Reason, Refused, Stale
from federation.exchange.enrolment import Enrolled, enrol, fingerprint
from federation.exchange.invitation import Invitation
from node.identity import Association, Home, Identity

POLL_S = 2.0  # between two questions while administrators decide

Report = Callable[[str], None]


async def join(
    home: Home,
    invitation: Invitation,
    now_ms: int,
    *,
    wait: bool,
    report: Report,
    poll_s: float = POLL_S,
) -> bool:
    """Ask to be enrolled; whether the certificate is here now (True) or still to be approved.

    ``report`` gets the fingerprint to compare and what happens. With ``wait``, asks again every
    ``poll_s`` seconds until approved. Raises BAD_INVITATION, Stale(EXPIRED), ALREADY_ENROLLED,
    PeerError when the coordinator cannot be reached at first, and what it refuses with.
    """
    identity = home.identity()
    _check(home, invitation, now_ms)
    report(f"fingerprint of {identity.division}: {fingerprint(identity.city)}")
    report("read it to an administrator by telephone; both sides must see the same")
    enrolled = await _ask(invitation, identity)
    if not enrolled.approved:
        report("the request arrived and awaits the administrators' approval")
    while wait and not enrolled.approved:
        await asyncio.sleep(poll_s)
        enrolled = await _ask_again(invitation, identity, report)
    if enrolled.approved:
        certificate = checked_certificate(enrolled.certificate, identity)
        home.save_association(Association.of(invitation))
        home.save_certificate(certificate)
        report(f"{identity.division} is a member of {invitation.federation}")
    return enrolled.approved


def checked_certificate(pem: bytes, identity: Identity) -> bytes:
    """Return the PEM; PeerError(PROTOCOL) unless it is a city's certificate for this key."""
    certificate = _loaded(pem)
    own = certificates.tls_key_digest(identity.tls)
    if certificates.tls_key_digest(certificate) != own:
        raise PeerError(Reason.PROTOCOL, "the certificate that came is for another key")
    if certificates.role_of(certificate) is not Role.CITY:
        raise PeerError(Reason.PROTOCOL, "the certificate that came is no city's")
    return pem


def _check(home: Home, invitation: Invitation, now_ms: int) -> None:
    own = home.config.division
    if invitation.division != own:
        raise Malformed(
            Reason.BAD_INVITATION,
            f"the invitation is for division {invitation.division}, this node is {own}",
        )
    if invitation.expires_ms <= now_ms:
        raise Stale(Reason.EXPIRED, "the invitation has expired: ask for a new one")
    joined, held = home.association(), home.certificate()
    if joined is not None and joined.pin != Association.of(invitation).pin:
        raise Refused(
            Reason.ALREADY_ENROLLED,
            f"this home joined {joined.federation} under other pins; make another home",
        )
    if held is not None and certificates.expires_ms(_loaded(held)) > now_ms:
        raise Refused(Reason.ALREADY_ENROLLED, f"{own} is enrolled and its certificate is valid")


async def _ask(invitation: Invitation, identity: Identity) -> Enrolled:
    return await enrol(invitation, identity.signing, identity.sealing.public, identity.tls)


async def _ask_again(invitation: Invitation, identity: Identity, report: Report) -> Enrolled:
    try:
        return await _ask(invitation, identity)
    except PeerError as error:
        report(f"the coordinator does not answer, asking on: {error.message}")
        return Enrolled("pending", b"")


def _loaded(pem: bytes) -> x509.Certificate:
    return certificates.load_certificate(pem)
