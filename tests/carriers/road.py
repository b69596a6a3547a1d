"""The road of docs/flower.md, walked: its own commands, run as they stand by a shell.

Lives here: the documents' blocks, folders of parties, keys and certificates of an office. Must not
know: what is run or what comes of it.
"""

import grp
import ipaddress
import os
import re
import secrets
import shlex
import subprocess
import sys
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives import serialization as form
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from carriers.ground import Ground
from deploy.study.demo.founding import free_port
from deploy.study.demo.processes import BIN, Service, Services

DOCUMENT = Path(__file__).parents[2] / "docs/flower.md"
BLOCK = re.compile(r"^ *<!-- ([\w-]+) -->\n *```\w+\n(.*?)^ *```$", re.MULTILINE | re.DOTALL)
BLOCKS = dict(BLOCK.findall(DOCUMENT.read_text(encoding="utf-8")))
START_S = 120.0  # for a process to come up on a busy machine
LOOPBACK = "127.0.0.1"


@dataclass(frozen=True)
class Road:
    """The parties' folders under the federation's own; ``services`` stops what was started."""

    ground: Ground
    services: Services
    port: int = field(default_factory=free_port)

    @property
    def hub(self) -> Path:
        """Where SuperLink runs and ``flwr`` is called."""
        return self.ground.folder / "hub"

    @property
    def carrier(self) -> Path:
        """The coordinator's socket."""
        return self.ground.folder / "c.sock"

    def city(self, division: str) -> Path:
        """Where a city's SuperNode runs."""
        return self.ground.folder / f"supernode-{division}"

    def prepare(self) -> None:
        """Make every folder, an office's certificates, and each SuperNode's key."""
        self.hub.mkdir()
        _certify(self.hub)
        home = self.hub / "flwr"
        home.mkdir()
        connection = BLOCKS["connection"].replace("superlink.example:9092", self._address)
        connection = connection.replace("/etc/flower/ca.crt", str(self.hub / "ca.crt"))
        (home / "config.toml").write_text(connection, encoding="utf-8")
        for division in self.ground.cities:
            folder = self.city(division)
            folder.mkdir()
            (folder / "ca.crt").write_bytes((self.hub / "ca.crt").read_bytes())
            _make_key(folder / "supernode.key")
        for folder in (self.hub, *map(self.city, self.ground.cities)):
            secret = folder / "executor.secret"
            secret.touch(mode=0o600)
            secret.write_bytes(secrets.token_bytes(32))

    def start(self, block: str, folder: Path, **words: str) -> Service:
        """Start the one program of a block; all it prints are its lines."""
        script = f"{self._before(folder, words)}\nexec 2>&1\nexec {_command(block)}"
        name = f"{block} in {folder.name}"
        log = self.ground.folder / f"{block}-{folder.name}.log"
        return self.services.add(Service(name, ["bash", "-ceu", script], log))

    def run(self, block: str, folder: Path, **words: str) -> str:
        """Run a block's commands to their end, whatever they come to; return what they print."""
        script = f"{self._before(folder, words)}\n{BLOCKS[block]}"
        return _run(script)

    def statuses(self) -> list[str]:
        """Return every Flower run's status, the latest first."""
        command = BLOCKS["ended"].strip()
        told = _run(f"{self._before(self.hub, {})}\n{command} --format json")
        return re.findall(r'"status": "([^"]+)"', told)

    @property
    def _address(self) -> str:
        return f"{LOOPBACK}:{self.port}"

    def _before(self, folder: Path, words: dict[str, str]) -> str:
        """Return what a shell does before a block: the folder, and values for upper-case names."""
        values = {
            "PATH": f"{BIN}{os.pathsep}{os.environ['PATH']}",
            "FLWR_HOME": str(folder / "flwr"),
            "GROUP": grp.getgrgid(os.getgid()).gr_name,
            "HOST": LOOPBACK,
            "PORT": str(self.port),
            "CARRIER": str(self.carrier),
            "FEDERATION": str(self.ground.coordinator.path),
            **words,
        }
        exports = "\n".join(f"export {name}={shlex.quote(of)}" for name, of in values.items())
        return f"cd {shlex.quote(str(folder))}\n{BLOCKS['environment']}\n{exports}"


def _command(block: str) -> str:
    # the node of the tests' own assembly takes the same options
    fixed = f"{shlex.quote(sys.executable)} -m carriers.fixed_node"
    return BLOCKS[block].strip().replace("labor-node serve", fixed)


def _run(script: str) -> str:
    done = subprocess.run(
        ["bash", "-c", script],
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        check=False,
    )
    return done.stdout + done.stderr


def _make_key(path: Path) -> None:
    """Write what ``ssh-keygen -t ecdsa -b 384`` writes."""
    key = ec.generate_private_key(ec.SECP384R1())
    path.touch(mode=0o600)
    path.write_bytes(
        key.private_bytes(form.Encoding.PEM, form.PrivateFormat.OpenSSH, form.NoEncryption())
    )
    public = key.public_key().public_bytes(form.Encoding.OpenSSH, form.PublicFormat.OpenSSH)
    path.with_name(f"{path.name}.pub").write_bytes(public)


def _certify(folder: Path) -> None:
    """Write an office's authority and a certificate of its SuperLink on this machine."""
    authority, own = (ec.generate_private_key(ec.SECP256R1()) for _ in range(2))
    office, link = _name("Office authority"), _name("SuperLink")
    basics = x509.BasicConstraints(ca=True, path_length=None)
    ca = _certificate(office, authority, office, authority, (basics, True))
    host = x509.SubjectAlternativeName([x509.IPAddress(ipaddress.ip_address(LOOPBACK))])
    leaf = _certificate(link, own, office, authority, (host, False))
    (folder / "ca.crt").write_bytes(ca.public_bytes(form.Encoding.PEM))
    (folder / "superlink.crt").write_bytes(leaf.public_bytes(form.Encoding.PEM))
    (folder / "superlink.key").write_bytes(
        own.private_bytes(form.Encoding.PEM, form.PrivateFormat.PKCS8, form.NoEncryption())
    )


def _name(text: str) -> x509.Name:
    return x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, text)])


def _certificate(
    subject: x509.Name,
    key: ec.EllipticCurvePrivateKey,
    issuer: x509.Name,
    authority: ec.EllipticCurvePrivateKey,
    extension: tuple[x509.ExtensionType, bool],
) -> x509.Certificate:
    now = datetime.now(UTC)
    return (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(issuer)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - timedelta(hours=1))
        .not_valid_after(now + timedelta(days=1))
        .add_extension(extension[0], critical=extension[1])
        .sign(authority, hashes.SHA256())
    )
