"""The invitation file: everything a new city needs to find the federation and pin its founding.

Lives here: its fields and its JSON. Must not know: how the coordinator remembers having invited.
"""

import json
from dataclasses import asdict, dataclass
from pathlib import Path

from federation.documents import rules
from federation.errors import Malformed, Reason
from federation.wire.channel import Endpoint, Identity

MAX_FILE_BYTES = 64 * 1024
CODE_CHARACTERS = 32  # 160 bits in base32
_PEM_LIMIT = 8192


@dataclass(frozen=True, kw_only=True)
class Invitation:
    """One city's invitation. Digests and keys are lower-case hex, certificates PEM.

    ``membership_digest`` and ``log_key`` pin the federation's history; whoever holds the file can
    ask to be enrolled under ``division`` until ``expires_ms``, and nothing else.
    Raises Malformed(BAD_INVITATION) in construction when a field breaks its rule.
    """

    federation: str
    address: str
    server_name: str
    tls_authority: str
    bootstrap_certificate: str
    bootstrap_key: str
    membership_digest: str
    log_origin: str
    log_key: str
    division: str
    name: str
    code: str
    expires_ms: int

    def __post_init__(self) -> None:
        try:
            self._check()
        except (Malformed, ValueError, TypeError) as error:
            said = error.message if isinstance(error, Malformed) else str(error)
            raise Malformed(Reason.BAD_INVITATION, f"invitation: {said}") from None

    def _check(self) -> None:
        rules.check_identifier("federation", self.federation)
        rules.check_text("address", self.address)
        rules.check_text("server_name", self.server_name)
        for field in ("tls_authority", "bootstrap_certificate", "bootstrap_key"):
            pem: str = getattr(self, field)
            holds = pem.startswith("-----BEGIN ") and len(pem) <= _PEM_LIMIT
            rules.require(holds, field, "must be PEM")
        rules.check_digest("membership_digest", bytes.fromhex(self.membership_digest))
        rules.check_identifier("log_origin", self.log_origin)
        rules.check_key("log_key", bytes.fromhex(self.log_key))
        rules.check_division("division", self.division)
        rules.check_text("name", self.name)
        rules.require(len(self.code) == CODE_CHARACTERS, "code", "has the wrong length")
        rules.check_time("expires_ms", self.expires_ms)

    @property
    def endpoint(self) -> Endpoint:
        """Where the coordinator is."""
        return Endpoint(self.address, self.server_name, self.tls_authority.encode())

    @property
    def identity(self) -> Identity:
        """The bootstrap key and certificate, which reach enrolment only."""
        return self.bootstrap_key.encode(), self.bootstrap_certificate.encode()

    def to_json(self) -> str:
        """Return the file's text."""
        return json.dumps(asdict(self), indent=2, ensure_ascii=False) + "\n"

    @classmethod
    def from_json(cls, text: str | bytes) -> "Invitation":
        """Return the invitation; Malformed(BAD_INVITATION) unless each field is there, once."""
        if len(text) > MAX_FILE_BYTES:
            raise Malformed(Reason.BAD_INVITATION, "invitation: the file is too large")
        try:
            return cls(**json.loads(text))
        except (json.JSONDecodeError, UnicodeDecodeError, TypeError):
            raise Malformed(
                Reason.BAD_INVITATION, "invitation: the file is not one, or of another version"
            ) from None

    @classmethod
    def load(cls, path: Path) -> "Invitation":
        """Read a file written from :meth:`to_json`; Malformed(BAD_INVITATION)."""
        try:
            return cls.from_json(path.read_bytes())
        except OSError as error:
            raise Malformed(
                Reason.BAD_INVITATION, f"invitation: {path} cannot be read: {error.strerror}"
            ) from None
