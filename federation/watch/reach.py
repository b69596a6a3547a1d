"""The way from a city to its coordinator, walked one step at a time so that its break has a name.

Lives here: name, connection, TLS, each tried alone. Must not know: membership, or what is asked of
a coordinator that was reached.
"""

import socket
import ssl
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from federation.watch.checks import Finding, fail, fine
from federation.wire.channel import Endpoint

PATIENCE_S: Final = 5.0

# OpenSSL's verify codes, x509_vfy.h.
_EXPIRED, _NOT_YET = 10, 9
_UNKNOWN_ISSUER = frozenset({2, 7, 18, 19, 20, 21, 24, 30})
_OTHER_NAME = frozenset({62, 64})

ADDRESS = "check coordinator.host and coordinator.port in node.toml, or the invitation's address"
ENROL = "ask for a new invitation and enrol again: labor-node enrol INVITATION"


@dataclass(frozen=True)
class Way:
    """Where to, and what to show there: files with the PEM key and certificate."""

    endpoint: Endpoint
    key: Path
    certificate: Path

    @property
    def _place(self) -> tuple[str, int]:
        host, _, port = self.endpoint.address.rpartition(":")
        return host.strip("[]"), int(port)

    def name(self) -> Finding:
        """Whether the coordinator's name stands for an address."""
        host, port = self._place
        try:
            found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)
        except socket.gaierror as error:
            return fail(f"the name {host} is not known here: {error.strerror}", ADDRESS)
        return fine(f"{host} is {', '.join(sorted({str(row[4][0]) for row in found}))}")

    def connection(self) -> Finding:
        """Whether something listens there and packets come back."""
        try:
            with socket.create_connection(self._place, PATIENCE_S):
                return fine(f"{self.endpoint.address} takes connections")
        except ConnectionRefusedError:
            return fail(
                f"{self.endpoint.address} refuses: its machine is there, nothing listens",
                f"ask whether the coordinator serves; {ADDRESS}",
            )
        except TimeoutError:
            return fail(
                f"{self.endpoint.address} does not answer within {PATIENCE_S:g} s",
                "ask for outgoing TCP to this host and port in the firewalls between",
            )
        except OSError as error:
            return fail(f"{self.endpoint.address} cannot be reached: {error.strerror}", ADDRESS)

    def tls(self) -> Finding:
        """Whether both sides take each other's certificates."""
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
        context.load_verify_locations(cadata=self.endpoint.authority.decode())
        context.load_cert_chain(self.certificate, self.key)
        context.set_alpn_protocols(["h2"])
        try:
            with (
                socket.create_connection(self._place, PATIENCE_S) as plain,
                context.wrap_socket(plain, server_hostname=self.endpoint.server_name) as secured,
            ):
                # with TLS 1.3 the other side judges our certificate after our handshake is done;
                # an HTTP/2 server speaks first (RFC 9113 §3.4), so silence is no consent
                if not secured.recv(1):
                    return fail("the coordinator hung up after the handshake", ENROL)
        except ssl.SSLCertVerificationError as error:
            return self._judged(error)
        except ssl.SSLError as error:
            return self._refused(error.reason or "")
        except OSError as error:
            return fail(f"the handshake broke off: {error.strerror or error}", ADDRESS)
        return fine("both sides take each other's certificates")

    def _judged(self, error: ssl.SSLCertVerificationError) -> Finding:
        """Why this side does not take the coordinator's certificate."""
        if error.verify_code == _EXPIRED:
            return fail(
                "the coordinator's certificate has expired",
                "compare both clocks; the coordinator renews its certificate while it serves",
            )
        if error.verify_code == _NOT_YET:
            return fail("the coordinator's certificate is not valid yet", "compare both clocks")
        if error.verify_code in _UNKNOWN_ISSUER:
            return fail(
                "whoever answers has a certificate of another authority than the one pinned",
                f"it is another federation's, or something between breaks TLS open; {ADDRESS}",
            )
        if error.verify_code in _OTHER_NAME:
            return fail(
                f"whoever answers is not {self.endpoint.server_name}: its certificate is for"
                " another name",
                ADDRESS,
            )
        return fail(f"the coordinator's certificate is not good: {error.verify_message}", ADDRESS)

    def _refused(self, reason: str) -> Finding:
        """Why the coordinator does not take this side's certificate, by its TLS alert."""
        for alert, sentence in _ALERTS.items():
            if alert in reason:
                return fail(sentence, ENROL)
        if reason in ("WRONG_VERSION_NUMBER", "HTTP_REQUEST", "RECORD_LAYER_FAILURE"):
            return fail(f"whoever listens at {self.endpoint.address} speaks no TLS", ADDRESS)
        return fail(f"the handshake failed: {reason.lower().replace('_', ' ')}", ADDRESS)


# RFC 8446 §6.2
_ALERTS: Final = {
    "CERTIFICATE_EXPIRED": "the coordinator says that this node's certificate has expired",
    "UNKNOWN_CA": "the coordinator says that this node's certificate is of another authority",
    "CERTIFICATE_REQUIRED": "the coordinator says that this node showed no certificate",
    "BAD_CERTIFICATE": "the coordinator does not take this node's certificate",
    "CERTIFICATE_UNKNOWN": "the coordinator does not take this node's certificate",
}
