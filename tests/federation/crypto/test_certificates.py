"""TLS identities: what the authority issues, what a request must prove, what survives a file."""

import ipaddress
from datetime import timedelta
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec, ed25519
from cryptography.x509.verification import PolicyBuilder, Store

from federation.crypto import certificates
from federation.crypto.certificates import Authority, Role
from federation.errors import Malformed, Misconfigured, Untrusted

NOW = 1_767_225_600_000  # 2026-01-01
DAY = 86_400_000
AUTHORITY = Authority.create("demo", NOW)
KEY = certificates.generate_tls_key()


def city_certificate() -> x509.Certificate:
    return certificates.load_certificate(AUTHORITY.issue_city(KEY, "440300", NOW))


def test_a_city_certificate_is_issued_by_its_authority_and_no_other() -> None:
    city_certificate().verify_directly_issued_by(AUTHORITY.certificate)
    other = Authority.create("demo", NOW).certificate
    with pytest.raises(InvalidSignature):
        city_certificate().verify_directly_issued_by(other)


@pytest.mark.parametrize("host", ["exchange.example.cn", "10.0.0.1", "::1"])
def test_a_server_certificate_verifies_for_each_of_its_hosts(host: str) -> None:
    hosts = ["exchange.example.cn", "10.0.0.1", "::1"]
    issued = certificates.load_certificate(AUTHORITY.issue_server(KEY, hosts, NOW))
    name: x509.GeneralName
    try:
        name = x509.IPAddress(ipaddress.ip_address(host))
    except ValueError:
        name = x509.DNSName(host)
    policy = PolicyBuilder().store(Store([AUTHORITY.certificate]))
    policy = policy.time(issued.not_valid_before_utc + timedelta(hours=1))
    policy.build_server_verifier(name).verify(issued, [])


def test_each_certificate_says_its_role_and_nothing_else_passes_for_one() -> None:
    bootstrap = AUTHORITY.issue_bootstrap(KEY, "440300", NOW, timedelta(days=1))
    assert certificates.role_of(city_certificate()) is Role.CITY
    assert certificates.role_of(certificates.load_certificate(bootstrap)) is Role.BOOTSTRAP
    assert certificates.role_of(AUTHORITY.certificate) is Role.AUTHORITY
    stranger = x509.CertificateBuilder(
        issuer_name=x509.Name([]),
        subject_name=x509.Name([]),
        public_key=KEY.public_key(),
        serial_number=1,
        not_valid_before=city_certificate().not_valid_before_utc,
        not_valid_after=city_certificate().not_valid_after_utc,
    ).sign(KEY, hashes.SHA256())
    with pytest.raises(Untrusted):
        certificates.role_of(stranger)


def test_certificates_live_seven_days_and_are_renewed_in_the_middle() -> None:
    issued = city_certificate()
    assert certificates.expires_ms(issued) == NOW + 7 * DAY
    assert NOW + 3 * DAY < certificates.renewal_ms(issued) < NOW + 4 * DAY


def test_the_key_digest_is_that_of_the_public_key_wherever_it_stands() -> None:
    request = certificates.check_request(certificates.certificate_request(KEY, "440300"))
    spki = KEY.public_key().public_bytes(
        serialization.Encoding.DER, serialization.PublicFormat.SubjectPublicKeyInfo
    )
    hasher = hashes.Hash(hashes.SHA256())
    hasher.update(spki)
    expected = hasher.finalize()
    for holder in (KEY, request, city_certificate()):
        assert certificates.tls_key_digest(holder) == expected


def damaged(der: bytes) -> bytes:
    return der[:-1] + bytes([der[-1] ^ 1])


def request_of(key: ec.EllipticCurvePrivateKey | ed25519.Ed25519PrivateKey) -> bytes:
    builder = x509.CertificateSigningRequestBuilder().subject_name(x509.Name([]))
    algorithm = None if isinstance(key, ed25519.Ed25519PrivateKey) else hashes.SHA256()
    return builder.sign(key, algorithm).public_bytes(serialization.Encoding.DER)


@pytest.mark.parametrize(
    "der",
    [
        pytest.param(b"", id="nothing at all"),
        pytest.param(b"\x30" * 5000, id="more bytes than any request needs"),
        pytest.param(damaged(certificates.certificate_request(KEY, "x")), id="a damaged signature"),
        pytest.param(request_of(ed25519.Ed25519PrivateKey.generate()), id="an Ed25519 key"),
        pytest.param(request_of(ec.generate_private_key(ec.SECP384R1())), id="another curve"),
    ],
)
def test_a_request_is_refused_that_is(der: bytes) -> None:
    with pytest.raises(Malformed, match="certificate_request"):
        certificates.check_request(der)


def test_a_key_file_gives_the_same_key_back_and_is_closed(tmp_path: Path) -> None:
    path = tmp_path / "tls.pem"
    certificates.save_tls_key(path, KEY)
    assert path.stat().st_mode & 0o777 == 0o600
    loaded = certificates.load_tls_key(path)
    assert certificates.tls_key_digest(loaded) == certificates.tls_key_digest(KEY)
    with pytest.raises(Misconfigured, match="exists"):
        certificates.save_tls_key(path, KEY)


def test_an_authority_needs_the_key_of_its_certificate() -> None:
    with pytest.raises(Misconfigured, match="do not belong"):
        Authority(AUTHORITY.certificate, KEY)


def test_text_is_no_certificate() -> None:
    with pytest.raises(Malformed, match="certificate"):
        certificates.load_certificate(b"no PEM here")
