"""Who was invited, and which keys asked to join: the coordinator's book of enrolment.

Knows codes by their SHA-256 only, so that the database cannot be used to enrol. Must not know:
membership, which alone admits.
"""

import base64
import secrets
from dataclasses import dataclass

import sqlalchemy as sql
from sqlalchemy.dialects import sqlite

from federation.crypto.keys import digest
from federation.documents.membership import City
from federation.errors import Reason, Refused
from federation.exchange.database import enrolments, invitations
from federation.exchange.enrolment import Application, fingerprint
from federation.log.database import transaction

_CODE_BYTES = 20  # 160 bits: guessing is hopeless even without the bootstrap certificate


@dataclass(frozen=True)
class Asking:
    """A city that asked to join, and when (Unix ms)."""

    city: City
    received_ms: int

    @property
    def fingerprint(self) -> str:
        """What is compared with the city by telephone."""
        return fingerprint(self.city)


class InvitationBook:
    """Invitations and requests in the coordinator's database. Safe to share between processes."""

    def __init__(self, engine: sql.Engine) -> None:
        self._engine = engine

    def invite(self, division: str, name: str, expires_ms: int) -> str:
        """Remember an invitation and return its one-time code, 32 characters."""
        code = base64.b32encode(secrets.token_bytes(_CODE_BYTES)).decode().lower()
        row = {
            "code_digest": digest(code.encode()),
            "division": division,
            "name": name,
            "expires_ms": expires_ms,
        }
        with transaction(self._engine, write=True) as connection:
            connection.execute(invitations.insert(), row)
        return code

    def record(self, application: Application, now_ms: int) -> None:
        """Keep a request under its code; the same one again changes nothing.

        Raises Refused(BAD_INVITATION) when the code is unknown, another division's, expired, or was
        used with other keys.
        """
        code = digest(application.code.encode())
        asked = {**_city_row(application.city), "code_digest": code, "received_ms": now_ms}
        with transaction(self._engine, write=True) as connection:
            invited = connection.execute(
                sql.select(invitations).where(invitations.c.code_digest == code)
            ).one_or_none()
            if invited is None or invited.division != application.city.division:
                raise _bad("the code is not one of this federation's invitations to this city")
            if invited.expires_ms <= now_ms:
                raise _bad("the invitation has expired")
            connection.execute(sqlite.insert(enrolments).on_conflict_do_nothing(), asked)
            kept = connection.execute(
                sql.select(enrolments).where(enrolments.c.code_digest == code)
            ).one()
        if _city(kept) != application.city:
            raise _bad("the invitation's code was used with other keys")

    def asking(self) -> list[Asking]:
        """Return every request, oldest first."""
        query = sql.select(enrolments).order_by(enrolments.c.received_ms, enrolments.c.division)
        with transaction(self._engine) as connection:
            return [Asking(_city(row), row.received_ms) for row in connection.execute(query)]


def _city_row(city: City) -> dict[str, object]:
    return {
        "division": city.division,
        "name": city.name,
        "signing_key": city.signing_key,
        "sealing_key": city.sealing_key,
        "tls_key_digest": city.tls_key_digest,
    }


def _city(row: "sql.Row[tuple[object, ...]]") -> City:
    return City(
        division=row.division,
        name=row.name,
        signing_key=row.signing_key,
        sealing_key=row.sealing_key,
        tls_key_digest=row.tls_key_digest,
    )


def _bad(sentence: str) -> Refused:
    return Refused(Reason.BAD_INVITATION, sentence)
