"""TLS identities: one P-256 authority and the short-lived certificates it issues (RFC 5280).

Knows keys, names and times handed in; must not know who is a member: a certificate alone grants
nothing, membership names the key that counts.
"""

import ipaddress
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from enum import StrEnum
from functools import lru_cache
from pathlib import Path
from typing import Protocol

from cryptography import x509
from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.asymmetric.types import CertificatePublicKeyTypes
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

from federation.crypto import keyfile
from federation.crypto.keys import digest
from federation.errors import Malformed, Misconfigured, Reason, Untrusted

# Whose a stream is, is asked anew whenever the log grows: each certificate is read once.
_remembered = lru_cache(maxsize=1024)
LIFETIME = timedelta(days=7)  # of server and city certificates, both renewed at half of it
AUTHORITY_LIFETIME = timedelta(days=3650)
# A certificate is valid this long before its issuer's clock, for cities whose clock is behind.
BACKDATED = timedelta(minutes=5)
MAX_REQUEST_BYTES = 4096
MAX_NAME_CHARACTERS = 64  # of a common name, RFC 5280 ub-common-name


class Role(StrEnum):
    """What a certificate's holder may reach; carried as its organisational unit."""

    AUTHORITY = "authority"
    COORDINATOR = "coordinator"
    CITY = "city"
    BOOTSTRAP = "bootstrap"


_USAGE = {
    Role.COORDINATOR: ExtendedKeyUsageOID.SERVER_AUTH,
    Role.CITY: ExtendedKeyUsageOID.CLIENT_AUTH,
    Role.BOOTSTRAP: ExtendedKeyUsageOID.CLIENT_AUTH,
}


class HasPublicKey(Protocol):
    """A certificate, a certificate request or a private key."""

    def public_key(self) -> CertificatePublicKeyTypes:
        """Return the public half."""


def generate_tls_key() -> ec.EllipticCurvePrivateKey:
    """Return a fresh P-256 key (gRPC refuses Ed25519 leaves)."""
    return ec.generate_private_key(ec.SECP256R1())


def save_tls_key(path: Path, key: ec.EllipticCurvePrivateKey) -> None:
    """Write the key as PKCS#8 PEM, mode 0600, never over an existing file (Misconfigured)."""
    keyfile.write(path, key, None)


def load_tls_key(path: Path) -> ec.EllipticCurvePrivateKey:
    """Read a key file written by :func:`save_tls_key`; Misconfigured names what is wrong."""
    key = keyfile.read(path, None)
    if not (isinstance(key, ec.EllipticCurvePrivateKey) and isinstance(key.curve, ec.SECP256R1)):
        raise Misconfigured(Reason.CONFIGURATION, f"{path} holds no P-256 key")
    return key


def tls_key_pem(key: ec.EllipticCurvePrivateKey) -> bytes:
    """Return the key as the PEM that gRPC's credentials take."""
    return key.private_bytes(
        serialization.Encoding.PEM,
        serialization.PrivateFormat.PKCS8,
        serialization.NoEncryption(),
    )


@_remembered
def tls_key_digest(holder: HasPublicKey) -> bytes:
    """Return SHA-256 of the DER SubjectPublicKeyInfo, 32 bytes: how membership names a TLS key."""
    spki = holder.public_key().public_bytes(
        serialization.Encoding.DER, serialization.PublicFormat.SubjectPublicKeyInfo
    )
    return digest(spki)


def certificate_request(key: ec.EllipticCurvePrivateKey, name: str) -> bytes:
    """Return a DER PKCS#10 request (RFC 2986) by which ``key`` proves that it is held."""
    subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])
    request = x509.CertificateSigningRequestBuilder().subject_name(subject)
    return request.sign(key, hashes.SHA256()).public_bytes(serialization.Encoding.DER)


def check_request(der: bytes) -> x509.CertificateSigningRequest:
    """Return the request; Malformed(INVALID_DOCUMENT) unless small, P-256 and signed by its key."""
    if len(der) > MAX_REQUEST_BYTES:
        raise _invalid(f"has more than {MAX_REQUEST_BYTES} bytes")
    try:
        request = x509.load_der_x509_csr(der)
        key = request.public_key()
    except (ValueError, UnsupportedAlgorithm):
        raise _invalid("is no PKCS#10 request in DER") from None
    if not (isinstance(key, ec.EllipticCurvePublicKey) and isinstance(key.curve, ec.SECP256R1)):
        raise _invalid("must be for a P-256 key")
    if not request.is_signature_valid:
        raise _invalid("is not signed by its own key")
    return request


@_remembered
def load_certificate(pem: bytes) -> x509.Certificate:
    """Return the first certificate of a PEM chain; Malformed(INVALID_DOCUMENT) when there is none.

    The subject key is checked to be readable too, so that no later use of it fails.
    """
    try:
        certificate = x509.load_pem_x509_certificates(pem)[0]
        certificate.public_key()
    except (ValueError, UnsupportedAlgorithm):
        raise Malformed(Reason.INVALID_DOCUMENT, "certificate: is no X.509 in PEM") from None
    return certificate


@_remembered
def role_of(certificate: x509.Certificate) -> Role:
    """Return what the authority issued it for; Untrusted(TLS_IDENTITY) when it does not say."""
    units = certificate.subject.get_attributes_for_oid(NameOID.ORGANIZATIONAL_UNIT_NAME)
    if len(units) != 1 or units[0].value not in tuple(Role):
        raise Untrusted(Reason.TLS_IDENTITY, "the certificate names no role of this federation")
    return Role(str(units[0].value))


def expires_ms(certificate: x509.Certificate) -> int:
    """Return the end of validity, Unix milliseconds."""
    return int(certificate.not_valid_after_utc.timestamp() * 1000)


def renewal_ms(certificate: x509.Certificate) -> int:
    """Return when to renew, Unix milliseconds: the middle of the validity."""
    begins = int(certificate.not_valid_before_utc.timestamp() * 1000)
    return (begins + expires_ms(certificate)) // 2


@dataclass(frozen=True, eq=False)
class Authority:
    """The federation's certificate authority: its self-signed certificate and its key."""

    certificate: x509.Certificate
    key: ec.EllipticCurvePrivateKey

    def __post_init__(self) -> None:
        if tls_key_digest(self.certificate) != tls_key_digest(self.key):
            raise Misconfigured(
                Reason.CONFIGURATION, "the TLS authority's certificate and key do not belong"
            )

    @classmethod
    def create(cls, federation: str, now_ms: int) -> "Authority":
        """Return a new authority, valid ten years; it may issue leaves only (path length 0)."""
        key = generate_tls_key()
        name = _name(Role.AUTHORITY, federation)
        builder = _builder(name, name, key.public_key(), now_ms, AUTHORITY_LIFETIME)
        builder = builder.add_extension(x509.BasicConstraints(ca=True, path_length=0), True)
        builder = builder.add_extension(_key_usage(issuing=True), True)
        return cls(builder.sign(key, hashes.SHA256()), key)

    @property
    def pem(self) -> bytes:
        """The authority's certificate in PEM."""
        return self.certificate.public_bytes(serialization.Encoding.PEM)

    @property
    def der(self) -> bytes:
        """The authority's certificate in DER, as membership carries it."""
        return self.certificate.public_bytes(serialization.Encoding.DER)

    def issue_server(self, key: HasPublicKey, hosts: Sequence[str], now_ms: int) -> bytes:
        """Return the coordinator's PEM certificate for ``hosts`` (DNS names and IP addresses)."""
        names = x509.SubjectAlternativeName([_host(host) for host in hosts])
        return self._issue(
            Role.COORDINATOR, hosts[0], key, now_ms=now_ms, lifetime=LIFETIME, names=names
        )

    def issue_city(self, key: HasPublicKey, division: str, now_ms: int) -> bytes:
        """Return a city's PEM certificate."""
        return self._issue(Role.CITY, division, key, now_ms=now_ms, lifetime=LIFETIME)

    def issue_bootstrap(
        self, key: HasPublicKey, division: str, now_ms: int, lifetime: timedelta
    ) -> bytes:
        """Return the PEM certificate of an invitation, which reaches enrolment only."""
        return self._issue(Role.BOOTSTRAP, division, key, now_ms=now_ms, lifetime=lifetime)

    def _issue(
        self,
        role: Role,
        name: str,
        holder: HasPublicKey,
        *,
        now_ms: int,
        lifetime: timedelta,
        names: x509.SubjectAlternativeName | None = None,
    ) -> bytes:
        subject, key = _name(role, name), holder.public_key()
        builder = _builder(subject, self.certificate.subject, key, now_ms, lifetime)
        builder = builder.add_extension(x509.BasicConstraints(ca=False, path_length=None), True)
        builder = builder.add_extension(_key_usage(issuing=False), True)
        builder = builder.add_extension(x509.ExtendedKeyUsage([_USAGE[role]]), False)
        if names is not None:
            builder = builder.add_extension(names, False)
        issuer = x509.AuthorityKeyIdentifier.from_issuer_public_key(self.key.public_key())
        builder = builder.add_extension(issuer, False)
        return builder.sign(self.key, hashes.SHA256()).public_bytes(serialization.Encoding.PEM)


def _builder(
    subject: x509.Name,
    issuer: x509.Name,
    key: CertificatePublicKeyTypes,
    now_ms: int,
    lifetime: timedelta,
) -> x509.CertificateBuilder:
    now = datetime.fromtimestamp(now_ms / 1000, UTC)
    return (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(issuer)
        .public_key(key)
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - BACKDATED)
        .not_valid_after(now + lifetime)
        .add_extension(x509.SubjectKeyIdentifier.from_public_key(key), False)
    )


def _name(role: Role, name: str) -> x509.Name:
    return x509.Name(
        [
            x509.NameAttribute(NameOID.ORGANIZATIONAL_UNIT_NAME, role.value),
            x509.NameAttribute(NameOID.COMMON_NAME, name[:MAX_NAME_CHARACTERS]),
        ]
    )


def _host(host: str) -> x509.GeneralName:
    try:
        return x509.IPAddress(ipaddress.ip_address(host))
    except ValueError:
        return x509.DNSName(host)


def _key_usage(*, issuing: bool) -> x509.KeyUsage:
    return x509.KeyUsage(
        digital_signature=not issuing,
        key_cert_sign=issuing,
        crl_sign=issuing,
        content_commitment=False,
        key_encipherment=False,
        data_encipherment=False,
        key_agreement=False,
        encipher_only=False,
        decipher_only=False,
    )


def _invalid(rule: str) -> Malformed:
    return Malformed(Reason.INVALID_DOCUMENT, f"certificate_request: {rule}")
