"""How a federation comes about, command by command: administrators, coordinator, four cities.

Lives here: which command follows which, and comparing fingerprints as people do by telephone. Must
not know: what is run in the federation, or who watches.
"""

import secrets
import socket
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from deploy.study.demo.failure import StepFailed
from deploy.study.demo.places import Places
from deploy.study.demo.processes import Service, Services, Shell, near
from deploy.study.market.cities import City

FEDERATION, NODE = "labor-federation", "labor-node"
NAME = "demo"
#: Administrators: identifier and name. Two of the three must sign.
PEOPLE = (("chen", "陈明"), ("li", "李华"), ("wang", "王芳"))
THRESHOLD = 2
#: What each city's office decides about charters: all that keep to these run unasked.
POLICY = (
    ("training.mode", "auto"),
    ("training.max_epsilon", "8"),
    ("statistics.mode", "auto"),
)
FIRST_MEMBERSHIP = "membership-1.envelope"


@dataclass(frozen=True)
class Ground:
    """Where a federation stands, what runs its commands, and what looks after its programs."""

    places: Places
    shell: Shell
    services: Services

    def federation(self, *arguments: str | Path, shown: bool = True) -> str:
        """Run a ``labor-federation`` command on the coordinator's home."""
        home = ("--home", self.places.federation)
        return self.shell.run(FEDERATION, *arguments, *home, shown=shown)

    def node(self, division: str, *arguments: str | Path, shown: bool = True) -> str:
        """Run a ``labor-node`` command on one city's home."""
        home = ("--home", self.places.node(division))
        return self.shell.run(NODE, *arguments, *home, shown=shown)


def free_port() -> int:
    """Return a port of this machine that nobody listens on now."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


def make_administrators(ground: Ground) -> None:
    """Make three people's keys, each encrypted with a passphrase of their own."""
    for identifier, name in PEOPLE:
        passphrase = _passphrase(ground.places, identifier)
        passphrase.touch(mode=0o600)
        passphrase.write_text(secrets.token_urlsafe(18) + "\n", encoding="ascii")
        ground.shell.run(
            FEDERATION,
            *("admin", "key", "new", "--id", identifier, "--name", name),
            *("--out", _key(ground.places, identifier), "--passphrase-file", passphrase),
        )


def found(ground: Ground) -> Service:
    """Begin the coordinator's home, have membership 1 signed, and serve."""
    public = [_key(ground.places, who).with_suffix(".pub") for who, _ in PEOPLE]
    ground.federation(
        *("init", "--name", NAME, "--threshold", str(THRESHOLD)),
        *("--address", f"127.0.0.1:{(port := free_port())}", "--listen", f"127.0.0.1:{port}"),
        *(word for path in public for word in ("--admin-key", path)),
    )
    sign_and_submit(ground, ground.places.federation / FIRST_MEMBERSHIP)
    return serve_coordinator(ground)


def serve_coordinator(ground: Ground) -> Service:
    """Start the coordinator and wait until it serves."""
    arguments = ("serve", "--home", ground.places.federation)
    log = ground.places.log_of("coordinator")
    service = ground.services.add(Service.of("the coordinator", log, FEDERATION, *arguments))
    service.wait_for("ready")
    return service


def sign_and_submit(ground: Ground, draft: Path, *, shown: bool = True) -> None:
    """Have the threshold of administrators sign a draft, each with their own key, and log it."""
    for identifier, _ in PEOPLE[:THRESHOLD]:
        ground.shell.run(
            FEDERATION,
            *("sign", draft, "--key", _key(ground.places, identifier), "--yes"),
            *("--passphrase-file", _passphrase(ground.places, identifier)),
            shown=shown,
        )
    ground.federation("submit", draft, shown=shown)


def prepare_node(
    ground: Ground,
    city: City,
    *,
    policy: Sequence[tuple[str, str]] = POLICY,
    shown: bool = True,
) -> None:
    """Make one city's home, set its policy and import its own files."""
    ground.node(city.code, "init", "--division", city.code, "--name", city.name, shown=shown)
    for key, value in policy:
        ground.node(city.code, "policy", "set", key, value, shown=shown)
    ground.node(city.code, "import", ground.places.records(city.code), shown=shown)


def ask_to_join(ground: Ground, city: City, *, shown: bool = True) -> Service:
    """Invite a city and let it ask; it waits until administrators have signed."""
    invitation = ground.places.drafts / f"{city.code}.invitation"
    ground.federation("invite", city.code, "--name", city.name, "--out", invitation, shown=shown)
    arguments = ("enrol", invitation, "--home", ground.places.node(city.code))
    log = ground.places.log_of(f"enrol-{city.code}")
    asking = Service.of(f"{city.name}'s enrolment", log, NODE, *arguments)
    ground.services.add_ending(asking)
    asking.wait_for("the request arrived")
    return asking


def admit(ground: Ground, city: City, asking: Service, listed: str, *, shown: bool = True) -> None:
    """Compare fingerprints and have the next membership signed, with this city in it.

    ``listed``: what administrators see. StepFailed when the city reads out another fingerprint.
    """
    read_out = asking.wait_for(f"fingerprint of {city.code}").partition(": ")[2]
    if f"{city.code}  {read_out}" not in listed:
        raise StepFailed(f"{city.name} reads {read_out}, administrators see\n{listed}")
    draft = ground.places.drafts / f"membership-with-{city.code}.envelope"
    approval = ("enrol", "approve", city.code, "--fingerprint", read_out, "--out", draft)
    ground.federation(*approval, shown=shown)
    sign_and_submit(ground, draft, shown=shown)


def serve_nodes(ground: Ground, cities: Sequence[City]) -> dict[str, Service]:
    """Start every city's node, its wire recorded, and wait until all are connected."""
    started = {city.code: _start_recorded(ground, city) for city in cities}
    for code, service in started.items():
        wait_connected(service, code)
    return started


def wait_connected(service: Service, code: str) -> None:
    """Wait until a city's node stands with the coordinator."""
    service.wait_for(f"ready division={code} coordinator=connected")


def _start_recorded(ground: Ground, city: City) -> Service:
    home, wire = ground.places.node(city.code), ground.places.wire(city.code)
    argv = [sys.executable, "-m", "deploy.study.recorded_node", near(home), near(wire)]
    log = ground.places.log_of(f"node-{city.code}")
    return ground.services.add(Service(f"{city.name}'s node", argv, log))


def join(ground: Ground, cities: Sequence[City], *, shown: bool = True) -> None:
    """Have every city invited, compared, approved and admitted. Homes must be there."""
    asking = [ask_to_join(ground, city, shown=shown) for city in cities]
    listed = ground.federation("enrol", "list", shown=shown)
    for city, one in zip(cities, asking, strict=True):
        admit(ground, city, one, listed, shown=shown)
    for one in asking:
        one.finish()


def make_witnesses(ground: Ground, *, shown: bool = True) -> None:
    """Have every city co-sign the log's heads from now on: the nodes must be served for it."""
    draft = ground.places.drafts / "membership-with-witnesses.envelope"
    ground.federation("membership", "witnesses", "--out", draft, shown=shown)
    sign_and_submit(ground, draft, shown=shown)


def _key(places: Places, identifier: str) -> Path:
    return places.administrators / f"{identifier}.key"


def _passphrase(places: Places, identifier: str) -> Path:
    return places.administrators / f"{identifier}.passphrase"
