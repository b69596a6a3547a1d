"""No program of a whole journey shows a secret: not in its arguments, environment or log."""

import base64
import json
from collections.abc import Iterator
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.asymmetric.ec import EllipticCurvePrivateKey
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PrivateKey

from deploy.study.demo.founding import PEOPLE, Ground
from deploy.study.demo.places import Places
from federation.crypto import keyfile
from journeys import staging
from journeys.canaries import CITIES, canaries

pytestmark = pytest.mark.journey


def forms(secret: bytes) -> Iterator[bytes]:
    """A secret as it might be written: raw, hexadecimal, base64 of both alphabets."""
    yield secret
    yield secret.hex().encode()
    yield base64.b64encode(secret).rstrip(b"=")
    yield base64.urlsafe_b64encode(secret).rstrip(b"=")


def private_bytes(path: Path, passphrase: bytes | None = None) -> bytes:
    """The 32 bytes that a PEM file's key is."""
    key = keyfile.read(path, passphrase)
    if isinstance(key, EllipticCurvePrivateKey):
        return key.private_numbers().private_value.to_bytes(32, "big")
    assert isinstance(key, Ed25519PrivateKey | X25519PrivateKey)
    return key.private_bytes_raw()


def pem_lines(pem: bytes) -> list[bytes]:
    """The lines between a PEM text's first and last."""
    return pem.splitlines()[1:-1]


def secrets(places: Places) -> dict[bytes, str]:
    """Every form of every secret of all homes and people, and what it is."""
    found: dict[bytes, str] = {}
    for home in (places.federation, *(places.node(city.code) for city in CITIES)):
        for path in sorted((home / "keys").iterdir()):
            what = f"{home.name}/{path.name}"
            if path.suffix == ".pem":
                found |= dict.fromkeys(forms(private_bytes(path)), what)
                found |= dict.fromkeys(pem_lines(path.read_bytes()), what)
            elif path.suffix == ".key":
                found |= dict.fromkeys(forms(path.read_bytes()), what)
    for person, _ in PEOPLE:
        passphrase = (places.administrators / f"{person}.passphrase").read_bytes().strip()
        key = private_bytes(places.administrators / f"{person}.key", passphrase)
        found |= dict.fromkeys(forms(key), f"{person}'s key")
        found |= dict.fromkeys(forms(passphrase), f"{person}'s passphrase")
    for path in places.drafts.glob("*.invitation"):
        invitation = json.loads(path.read_bytes())
        found[invitation["code"].encode()] = f"the code of {path.name}"
        found |= dict.fromkeys(pem_lines(invitation["bootstrap_key"].encode()), path.name)
    for city in CITIES:
        for text, what in canaries(places.market / city.code).items():
            found[text.encode()] = what
    return found


def shown(where: str, text: bytes, hidden: dict[bytes, str]) -> list[str]:
    return [f"{what} in {where}" for secret, what in hidden.items() if secret in text]


def processes(pids: list[int]) -> Iterator[tuple[str, bytes]]:
    for pid in pids:
        for name in ("cmdline", "environ"):
            yield f"{name} of {pid}", Path(f"/proc/{pid}/{name}").read_bytes()


def test_no_secret_is_in_arguments_environment_or_logs(ground: Ground) -> None:
    hidden = secrets(ground.places)
    assert len(hidden) > 1000
    coordinator, nodes = staging.serve_all(ground)
    charter = staging.statistics_charter(ground)
    with staging.started(ground, charter) as events:
        told = list(events)
    assert told
    pids = [coordinator.pid, *(node.pid for node in nodes.values())]
    texts = dict(processes(pids))
    assert all(b"serve" in text for where, text in texts.items() if where.startswith("cmdline"))
    # the log of commands holds each command's line and all that it printed
    for path in sorted(ground.places.logs.iterdir()):
        texts[path.name] = path.read_bytes()
    assert any(b"admin key new" in text for text in texts.values())
    assert [line for where, text in texts.items() for line in shown(where, text, hidden)] == []


def test_a_secret_in_a_log_would_be_seen(founded: Places) -> None:
    hidden = secrets(founded)
    key = private_bytes(founded.federation / "keys/log.pem")
    for form in forms(key):
        assert shown("a log", b"..." + form + b"...", hidden) == ["federation/log.pem in a log"]
