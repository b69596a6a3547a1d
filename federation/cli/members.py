"""Commands about who is in: founding a home, inviting, enrolling, showing membership.

Must not know: private keys of people, or how membership is judged.
"""

from datetime import timedelta
from pathlib import Path
from typing import Annotated

import typer

from federation import founding
from federation.cli.common import (
    DAY_MS,
    HomeOption,
    group,
    new_file,
    read_public_key,
    say,
    write_new,
)
from federation.coordinator import now_ms, reading
from federation.crypto import certificates
from federation.crypto.envelope import replay_identity
from federation.documents import rules
from federation.documents.notices import PolicyNotice
from federation.errors import Misconfigured, Reason, Refused
from federation.exchange.database import open_database
from federation.exchange.enrolment import same_fingerprint
from federation.exchange.invitation import Invitation
from federation.exchange.invitations import Asking, InvitationBook
from federation.home import Configuration, Home, Keys
from federation.readable import lines_of
from federation.terminal import time_text
from federation.wire.codec import decode_envelope

enrol = group("Cities that ask to join.")
membership = group("The federation's membership.")

ValidDays = Annotated[int, typer.Option(min=1, max=3650, help="Days until the membership expires.")]


def init(
    *,
    home: HomeOption,
    name: Annotated[str, typer.Option(help="The federation's identifier, a-z 0-9 . _ / -.")],
    admin_key: Annotated[
        list[Path], typer.Option(help="An administrator's .pub file; give one for each key.")
    ],
    address: Annotated[str, typer.Option(help="host:port that cities dial.")],
    threshold: Annotated[int, typer.Option(help="Administrators that must sign.")] = 2,
    listen: Annotated[
        str | None, typer.Option(help="host:port to bind; 0.0.0.0 with the same port if left out.")
    ] = None,
    host: Annotated[
        list[str] | None, typer.Option(help="Further DNS names or IPs of the certificate.")
    ] = None,
    collusion_bound: Annotated[
        int, typer.Option(help="Cities that may collude with the coordinator (t).")
    ] = 1,
    valid_days: ValidDays = 365,
) -> None:
    """Begin a coordinator's home: keys, log, TLS authority, and membership 1 to be signed."""
    rules.check_identifier("name", name)
    host_name, _, port = address.rpartition(":")
    configuration = Configuration.checked(
        {
            "federation": name,
            "log_origin": f"{name}/log",
            "address": address,
            "listen": listen or f"0.0.0.0:{port}",
            "hosts": [host_name.strip("[]"), *(host or ())],
        },
        "init",
    )
    people, now = founding.administrators(read_public_key(path) for path in admin_key), now_ms()
    if not 1 <= threshold <= len(people):
        raise Misconfigured(
            Reason.CONFIGURATION, f"a threshold of {threshold} needs as many administrators"
        )
    # every rule of the document is checked before the first file is made
    keys = Keys.generate(name, now)
    first = founding.first_membership(
        configuration,
        keys,
        people,
        threshold=threshold,
        collusion_bound=collusion_bound,
        issued_ms=now,
        expires_ms=now + valid_days * DAY_MS,
    )
    Home(home).create(configuration, keys)
    draft = home / "membership-1.envelope"
    raw = founding.draft(first)
    write_new(draft, raw)
    say(f"home:       {home}")
    say(f"draft:      {draft}")
    say(f"digest:     {replay_identity(decode_envelope(raw)).hex()}")
    say(f"next:       {threshold} administrators sign it, then: labor-federation submit {draft}")


def invite(
    division: Annotated[str, typer.Argument(help="GB/T 2260 code of the city.")],
    *,
    home: HomeOption,
    name: Annotated[str, typer.Option(help="The city's name, as membership will show it.")],
    out: Annotated[Path, typer.Option(help="Invitation file to write.")],
    address: Annotated[
        str | None, typer.Option(help="host:port the city dials, if not the configured one.")
    ] = None,
    valid_days: Annotated[int, typer.Option(min=1, max=90, help="Days it can be used.")] = 14,
) -> None:
    """Write an invitation: what a city needs to find the federation and ask to join, no more.

    Works while the coordinator serves. The file is a secret until the city has enrolled.
    """
    rules.check_division("division", division)
    rules.check_text("name", name)
    place = Home(home)
    configuration, keys, now = place.configuration(), place.keys(), now_ms()
    with reading(place) as log:
        pin = log.trust.pin
        if log.trust.current.city(division) is not None:
            raise Refused(Reason.ALREADY_ENROLLED, f"city {division} is a member already")
    if address is not None:
        Configuration.checked({**configuration.model_dump(), "address": address}, "invite")
    key = certificates.generate_tls_key()
    lifetime = timedelta(days=valid_days)
    chain = keys.authority.issue_bootstrap(key, division, now, lifetime)
    expires = now + valid_days * DAY_MS
    # no file without its code in the book, no code without its file
    with new_file(out, mode=0o600) as file:
        code = InvitationBook(open_database(place.exchange_file)).invite(division, name, expires)
        invitation = Invitation(
            federation=configuration.federation,
            address=address or configuration.address,
            server_name=configuration.hosts[0],
            tls_authority=keys.authority.pem.decode(),
            bootstrap_certificate=chain.decode(),
            bootstrap_key=certificates.tls_key_pem(key).decode(),
            membership_digest=pin.membership_digest.hex(),
            log_origin=pin.log_origin,
            log_key=pin.log_key.hex(),
            division=division,
            name=name,
            code=code,
            expires_ms=expires,
        )
        file.write(invitation.to_json().encode())
    say(f"invitation: {out}, usable until {time_text(expires)}")


@enrol.command("list")
def enrol_list(home: HomeOption) -> None:
    """Show cities that asked to join, with the fingerprint to compare with each by telephone."""
    place = Home(home)
    with reading(place) as log:
        current = log.trust.current
    for asking in _asking(place):
        member = current.city(asking.city.division)
        state = "pending" if member is None else f"member ({member.status})"
        if member is not None and member.keys != asking.city.keys:
            state = "member under other keys"
        say(f"{asking.city.division}  {asking.fingerprint}  {state}")
        say(f"        {asking.city.name}, asked {time_text(asking.received_ms)}")


@enrol.command("approve")
def enrol_approve(
    division: Annotated[str, typer.Argument(help="The city's GB/T 2260 code.")],
    home: HomeOption,
    fingerprint: Annotated[
        str, typer.Option(help="What the city read to you; never what enrol list shows alone.")
    ],
    out: Annotated[Path, typer.Option(help="Draft to write, for administrators to sign.")],
    valid_days: ValidDays = 365,
) -> None:
    """Draft the next membership with this city in it; it counts once the threshold has signed."""
    place, now = Home(home), now_ms()
    found = [
        asking.city
        for asking in _asking(place)
        if asking.city.division == division and same_fingerprint(asking.fingerprint, fingerprint)
    ]
    if not found:
        raise Refused(
            Reason.BAD_INVITATION, f"no city {division} with this fingerprint asked to join"
        )
    with reading(place) as log:
        trust = log.trust
        drafted = founding.with_city(
            trust.current,
            trust.current_digest,
            found[0],
            issued_ms=now,
            expires_ms=now + valid_days * DAY_MS,
        )
    write_new(out, founding.draft(drafted))
    say(f"draft: {out}, membership {drafted.version} with {len(drafted.cities)} cities")
    say(f"next:  {drafted.threshold} administrators sign it, then: labor-federation submit {out}")


@membership.command("witnesses")
def membership_witnesses(
    home: HomeOption,
    out: Annotated[Path, typer.Option(help="Draft to write, for administrators to sign.")],
    city: Annotated[
        list[str] | None,
        typer.Option(help="A witness's GB/T 2260 code; every active city if none is given."),
    ] = None,
    none: Annotated[
        bool, typer.Option("--none", help="No witnesses: heads are signed by the log alone.")
    ] = False,
    valid_days: ValidDays = 365,
) -> None:
    """Draft the next membership with cities as witnesses, who co-sign every head that matters.

    From then on memberships, charters, rosters and releases are given away only under a head that
    the quorum co-signed: so many of the cities' nodes must be serving. Who joins later is a witness
    too.
    """
    if none and city:
        raise Misconfigured(Reason.CONFIGURATION, "--none leaves no witness, --city names one")
    now = now_ms()
    with reading(Home(home)) as log:
        trust = log.trust
        chosen = () if none else city or trust.current.active_cities
        if not none and not chosen:
            raise Refused(Reason.NOT_FOUND, "no city is a member yet: nobody could be a witness")
        drafted = founding.with_witnesses(
            trust.current,
            trust.current_digest,
            chosen,
            issued_ms=now,
            expires_ms=now + valid_days * DAY_MS,
        )
    write_new(out, founding.draft(drafted))
    say(
        f"draft: {out}, membership {drafted.version} with {len(drafted.witnesses)} witnesses, "
        f"of whom {drafted.witness_quorum} must co-sign"
    )
    say(f"next:  {drafted.threshold} administrators sign it, then: labor-federation submit {out}")


@membership.command("show")
def membership_show(home: HomeOption) -> None:
    """Show the membership in force, every field of it."""
    with reading(Home(home)) as log:
        raw = log.find(log.trust.current_digest).envelope
    for line in lines_of(decode_envelope(raw)):
        say(line)


def _asking(place: Home) -> list[Asking]:
    return InvitationBook(open_database(place.exchange_file)).asking()


def cities(home: HomeOption) -> None:
    """List the cities, and what each said last of the charters it takes part in."""
    with reading(Home(home)) as log:
        for city in log.trust.current.cities:
            say(f"{city.division}  {city.name}  {city.status}")
            notice = log.notices.get(city.division)
            if notice is not None:
                _tell_notice(notice.document)


def _tell_notice(notice: PolicyNotice) -> None:
    since = f"notice {notice.version}, {time_text(notice.issued_ms)}"
    say(f"  ε {notice.epsilon:g} a year at δ {notice.delta:g} ({since})")
    for kind in notice.kinds:
        say(f"  {kind.kind}: {kind.mode}, ε ≤ {kind.max_epsilon:g}, {kind.min_roster} cities")
