"""The examination of a node's home: one small function a check, and their order as a table.

Lives here: what a good home looks like. Must not know: how a part is opened, or how findings are
told. Nothing here changes anything, and all of it runs beside a serving process.
"""

from typing import Final

from federation.codes import occupations
from federation.crypto import certificates
from federation.documents.releases import ModelRelease
from federation.errors import StorageFault
from federation.model import parameters
from federation.permissions import require_private
from federation.watch.checks import (
    Check,
    Finding,
    disk,
    fail,
    fine,
    lifetime,
    versions,
    warn,
)
from federation.watch.reach import ADDRESS, ENROL
from node.enrolment import checked_certificate
from node.policy import load_policy
from node.presence import State, last_presence
from node.privacy import ledger
from node.status import document_of
from node.store import feed, models, runs
from node.store.engine import quick_check
from node.store.migrations import is_current
from node.watch import way
from node.watch.patient import ALARMS, Patient

RESTORE: Final = "stop the node and restore its home from a backup"
#: A certificate is renewed at half its life; with a quarter left, renewal has been failing.
RENEWAL_SHARE: Final = 4


def home(patient: Patient) -> Finding:
    """The folder is a node's home."""
    if not patient.has_home:
        return fail(f"{patient.path} is no node's home", "labor-node init makes one")
    return fine(f"{patient.path}")


def configuration(patient: Patient) -> Finding:
    """node.toml is valid."""
    config = patient.config
    return fine(f"node.toml is valid: {config.division} {config.name}")


def permissions(patient: Patient) -> Finding:
    """No other account can read keys or records."""
    database, keys = patient.home.database, patient.config.locate(patient.path, "keys")
    for path in (patient.path, keys, *sorted(keys.iterdir()), database.parent, database):
        path.stat()  # a file that is missing is not closed
        require_private(path)
    patient.home.check_files()
    return fine("keys and store are closed to other accounts")


def policy(patient: Patient) -> Finding:
    """policy.toml is valid."""
    allowed = load_policy(patient.home.policy).budget
    return fine(f"policy.toml is valid: ε {allowed.epsilon:g} a year at δ {allowed.delta:g}")


def keys(patient: Patient) -> Finding:
    """Every key can be read."""
    identity = patient.identity
    patient.home.record_key()
    patient.home.holdout_key()
    return fine(f"five keys of {identity.division} can be read")


def enrolment(patient: Patient) -> Finding:
    """The node joined a federation."""
    return fine(f"joined {patient.association.federation}")


def certificate(patient: Patient) -> Finding:
    """The certificate is this key's, and lasts."""
    pem = checked_certificate(patient.certificate, patient.identity)
    loaded = certificates.load_certificate(pem)
    life_ms = 2 * (certificates.expires_ms(loaded) - certificates.renewal_ms(loaded))
    return lifetime(
        "the certificate",
        certificates.expires_ms(loaded),
        patient.now_ms,
        life_ms // RENEWAL_SHARE,
        f"a node that serves and reaches its coordinator renews it; once expired: {ENROL}",
    )


def store(patient: Patient) -> Finding:
    """SQLite finds the store whole."""
    try:
        with patient.store() as connection:
            wrong = quick_check(connection)
    except StorageFault as error:
        wrong = [error.message]
    if wrong:
        return fail(f"the store is damaged: {wrong[0]}", RESTORE)
    return fine("the store is whole")


def schema(patient: Patient) -> Finding:
    """The store's schema is this program's."""
    with patient.store() as connection:
        if is_current(connection):
            return fine("the store's schema is this program's")
    return warn("the store has an older schema", "the next command that is no doctor upgrades it")


def membership(patient: Patient) -> Finding:
    """The membership that this node believes names its keys."""
    if not patient.trust.founded:
        return warn("no membership was received yet", "serve: labor-node serve")
    current = patient.trust.current
    city = current.city(patient.config.division)
    if city is None:
        return fail(f"membership {current.version} does not name this city", ENROL)
    if not patient.identity.own_keys.named_by(city):
        return fail(
            f"membership {current.version} names other keys for this city than those here",
            "restore the keys that were enrolled; if nobody here changed them, tell the"
            " administrators at once",
        )
    if not city.active:
        return fail(f"this city is {city.status} in membership {current.version}", "ask why")
    return lifetime(
        f"membership {current.version}, which names this city's keys,",
        current.expires_ms,
        patient.now_ms,
        30 * 86_400_000,
        "administrators sign the next membership",
    )


def checkpoint(patient: Patient) -> Finding:
    """The kept checkpoint is the log's, and not behind what was read."""
    if patient.kept is None:
        return warn("nothing of the log was read yet", "serve: labor-node serve")
    with patient.store() as connection:
        read = feed.next_index(connection)
    size = patient.kept.size
    if read > size:
        return fail(f"{read} entries were read under a checkpoint of {size}", RESTORE)
    return fine(f"{read} entries were read, the kept checkpoint of {size} is the log's")


def budget(patient: Patient) -> Finding:
    """The ledger's sums agree."""
    allowance = load_policy(patient.home.policy).allowance
    with patient.store() as connection:
        over = ledger.overdrawn(connection)
        stands = ledger.statement(connection, ledger.year_of(patient.now_ms), allowance)
    if over:
        digest, kind = over[0]
        return fail(f"more {kind} was spent of {digest.hex()[:16]} than was reserved", RESTORE)
    if stands.reserved > allowance.epsilon:
        return warn(
            f"ε {stands.reserved:.4g} is reserved this year, the policy allows"
            f" {allowance.epsilon:.4g}",
            "no charter is consented to until next year; nothing else is wrong",
        )
    return fine(f"ε {stands.used:.4g} used, {stands.reserved:.4g} reserved, sums agree")


def alarms(patient: Patient) -> Finding:
    """No alarm was raised, and the log is trusted."""
    with patient.store() as connection:
        raised, seen = runs.alarms_raised(connection), last_presence(connection)
    if seen is not None and seen[0].state is State.DISTRUSTED:
        return fail(f"the log was found broken: {seen[0].sentence}", ALARMS)
    if raised:
        return warn(f"{len(raised)} alarm(s); the last: {raised[-1].sentence}", ALARMS)
    return fine("no alarms")


def model(patient: Patient) -> Finding:
    """The model in use is one that this program can rank with."""
    with patient.store() as connection:
        active = models.active(connection, parameters.MODEL_ID)
        held = active and feed.by_identity(connection, active.release_digest)
    if active is None:
        return fine("no model was released yet: the public start is used")
    release = document_of(held) if held else None
    if not isinstance(release, ModelRelease):
        return fail("the model in use has no release among the accepted documents", RESTORE)
    wrong = [
        name
        for name, theirs, ours in (
            ("features", release.model_digest, parameters.model_digest()),
            ("occupation table", release.taxonomy_digest, occupations.load().digest()),
        )
        if theirs != ours
    ]
    if wrong:
        return warn(
            f"release {release.version} was trained with another {' and '.join(wrong)}",
            "its ranking is not to be trusted until a model of this version is released",
        )
    return fine(f"release {release.version} fits this program")


def free_disk(patient: Patient) -> Finding:
    """There is room to write."""
    return disk(patient.home.database.parent, patient.least_free)


def libraries(patient: Patient) -> Finding:
    """Libraries and Python are as resolved."""
    return versions(*patient.needed)


_BASE = ("home", "configuration")
_STORED = (*_BASE, "permissions", "store", "schema")
_JOINED = (*_BASE, "permissions", "keys", "enrolment")
_THERE = (*_JOINED, "certificate", "name", "connection", "tls")

CHECKS: Final[tuple[Check[Patient], ...]] = (
    Check("home", home, "labor-node init makes a home"),
    Check("configuration", configuration, "mend node.toml", ("home",)),
    Check("permissions", permissions, "close it as the sentence says", _BASE),
    Check("policy", policy, "mend policy.toml, or: labor-node policy set", _BASE),
    Check(
        "keys", keys, "restore the file from a backup, closed to others", (*_BASE, "permissions")
    ),
    Check("store", store, RESTORE, (*_BASE, "permissions")),
    Check("schema", schema, "install the newer version again", (*_BASE, "permissions", "store")),
    Check("enrolment", enrolment, ENROL, _BASE),
    Check("certificate", certificate, ENROL, _JOINED),
    Check("membership", membership, RESTORE, (*_STORED, "keys", "enrolment")),
    Check("checkpoint", checkpoint, RESTORE, (*_STORED, "enrolment", "membership")),
    Check("budget", budget, RESTORE, (*_STORED, "policy")),
    Check("alarms", alarms, RESTORE, _STORED),
    Check("model", model, RESTORE, _STORED),
    Check("disk", free_disk, "make room", _BASE),
    Check("libraries", libraries, "install from the lock file again"),
    Check("name", way.name, ADDRESS, (*_BASE, "enrolment")),
    Check("connection", way.connection, ADDRESS, (*_BASE, "enrolment", "name")),
    Check("tls", way.tls, ENROL, (*_JOINED, "certificate", "name", "connection")),
    Check("admission", way.admission, ADDRESS, (*_THERE, "checkpoint")),
    Check("log", way.log, ALARMS, (*_THERE, "checkpoint", "admission")),
    Check("clock", way.clock, ALARMS, (*_THERE, "checkpoint", "admission", "log")),
)
