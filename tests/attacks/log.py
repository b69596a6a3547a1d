"""Attacks on the log: its heads, its proofs and the order of its entries.

Lives here: this group's lines and what they forge. Must not know: how a case is judged.
"""

import functools
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest
from support.federation import ORIGIN, Federation, Reader
from support.runs import Run

from attacks.case import Act, Attack, By, Guard, Strike, outcome
from attacks.door import (
    STRANGER,
    at_door,
    charter_bundle,
    closure_bundle,
    fork,
    membership_bundle,
    next_bundle,
    resigned,
    witnessed,
)
from attacks.envelopes import INCLUDED
from attacks.stages import CityStage
from federation.crypto.keys import digest
from federation.errors import LaborfedError, Reason
from federation.log.bundle import Bundle
from federation.log.checkpoint import Checkpoint, sign_checkpoint, sign_note
from federation.log.entry import NewEntry
from federation.log.store import LogStore, create_log
from node.distrust import EVIDENCE, VERDICT

STEPS = "federation/acceptance/steps.py"
DOOR = "federation/acceptance/door.py"
CHECKPOINT = "federation/log/checkpoint.py"
CONSISTENT = Guard(
    STEPS,
    "    merkle.verify_consistency(size, root, checkpoint.size, checkpoint.root, path)\n",
    "    _ = root, path\n",
)
FRESH = "if not -limits.max_clock_skew_ms <= age_ms <= limits.max_checkpoint_age_ms:"
OTHER_ORIGIN = Guard(CHECKPOINT, "if checkpoint.origin != origin:", "if False:")
SIGNED_HEAD = Guard(
    CHECKPOINT,
    "    if not found:\n",
    "    if False:\n",
    # a witness signs a head as the log does
    stops_too=(
        "a head below the witness quorum",
        "one witness signs a head again and again",
        "a stranger witnesses under a city's name",
    ),
)
DATED = Guard(
    DOOR,
    "        steps.made_before(document, kind, now_ms, self.limits)  # 9\n",
    "",
    stops_too=("a membership is shown to a slow clock, which would pass it over for good",),
)
NOT_HELD = Guard(
    DOOR,
    "        steps.not_held(passed or self._held.holds(accepted.digest))  # 10\n",
    "        _ = passed\n",
)
QUORUM = Guard(STEPS, "if seen < membership.witness_quorum:", "if False:")


def head_by_another_key(federation: Federation, reader: Reader) -> Bundle:
    bundle = charter_bundle(federation, reader)
    head = federation.log.head()
    checkpoint = Checkpoint(head.origin, head.size, head.root, federation.clock())
    return replace(bundle, checkpoint=sign_checkpoint(checkpoint, STRANGER))


def head_of_another_log(federation: Federation, reader: Reader) -> Bundle:
    return resigned(federation, charter_bundle(federation, reader), origin="other.example")


def head_speaking_for_another_log(federation: Federation, reader: Reader) -> Bundle:
    bundle = charter_bundle(federation, reader)
    head = federation.log.head()
    text = Checkpoint("other.example", head.size, head.root, federation.clock()).text
    return replace(bundle, checkpoint=sign_note(text, head.origin, federation.log_key))


def damaged_head(federation: Federation, reader: Reader) -> Bundle:
    bundle = charter_bundle(federation, reader)
    forged = bundle.checkpoint.replace(b"\ntime 1", b"\ntime 2", 1)
    return replace(bundle, checkpoint=forged)


def old_head(federation: Federation, reader: Reader) -> Bundle:
    bundle = charter_bundle(federation, reader)
    federation.clock.pass_(601)
    return bundle


def head_from_the_future(federation: Federation, reader: Reader) -> Bundle:
    bundle = charter_bundle(federation, reader)
    federation.clock.pass_(-121)
    return bundle


def unwitnessed_head(federation: Federation, reader: Reader) -> Bundle:
    federation.publish_membership(witnesses=federation.membership.active_cities, witness_quorum=3)
    reader.catch_up()
    federation.log_unchecked(federation.by_administrators(federation.charter()))
    return witnessed(federation, reader.bundle(), "310000", "330100")


def witnessed_head(federation: Federation, reader: Reader) -> Bundle:
    """A head that three of four witnesses co-signed, as it should be."""
    return witnessed(federation, unwitnessed_head(federation, reader), "440300")


def head_witnessed_by_one_city_only(federation: Federation, reader: Reader) -> Bundle:
    bundle = unwitnessed_head(federation, reader)
    return witnessed(federation, bundle, "330100", "330100")


def head_witnessed_by_a_stranger(federation: Federation, reader: Reader) -> Bundle:
    bundle = unwitnessed_head(federation, reader)
    text = bundle.checkpoint.decode().rpartition("\n\n")[0] + "\n"
    line = sign_note(text, "340100", STRANGER).rpartition(b"\n\n")[2]
    return replace(bundle, checkpoint=bundle.checkpoint + line)


def proof_of_another_entry(federation: Federation, reader: Reader) -> Bundle:
    bundle = charter_bundle(federation, reader)
    federation.publish_charter(nonce=b"another charter.")
    other = reader.bundle(bundle.leaf_index + 1)
    return replace(other, envelope=bundle.envelope, leaf_index=bundle.leaf_index)


def entry_under_another_index(federation: Federation, reader: Reader) -> Bundle:
    federation.publish_charter()
    federation.publish_charter(nonce=b"another charter.")
    return replace(reader.bundle(2), leaf_index=1)


def never_logged(federation: Federation, reader: Reader) -> Bundle:
    bundle = charter_bundle(federation, reader)
    other = federation.by_administrators(federation.charter(nonce=b"another charter."))
    return replace(bundle, envelope=other)


def entry_left_out(federation: Federation, reader: Reader) -> Bundle:
    federation.publish_membership()
    federation.publish_charter()
    return reader.bundle(2)


def proof_from_another_size(federation: Federation, reader: Reader) -> Bundle:
    federation.publish_charter()
    return federation.publisher.bundle_for(1, 0)


def given_receipt(federation: Federation, reader: Reader) -> None:
    """Log a charter and hand the reader its receipt: a head with the charter in it."""
    federation.publish_charter()
    head = federation.publisher.checkpoint(1)
    reader.door.head(head.checkpoint, head.consistency_path, federation.clock())


def shrunken_tree(federation: Federation, reader: Reader) -> Bundle:
    bundle = charter_bundle(federation, reader)
    federation.publish_charter(nonce=b"another charter.")
    head = federation.publisher.checkpoint(1)
    reader.door.head(head.checkpoint, head.consistency_path, federation.clock())
    return bundle


def entry_dropped_after_its_receipt(federation: Federation, reader: Reader) -> Bundle:
    given_receipt(federation, reader)
    other = fork(federation)
    other.publish_charter(nonce=b"another charter.")
    other.publish_charter(nonce=b"and one further.")
    return other.publisher.bundle_for(1, 2)


def entry_slipped_in_before_what_was_read(federation: Federation, reader: Reader) -> Bundle:
    given_receipt(federation, reader)
    other = fork(federation)
    other.publish_charter(nonce=b"slipped in here.")
    other.publish_charter()
    return other.publisher.bundle_for(1, 2)


def another_tree_of_the_same_size(federation: Federation, reader: Reader) -> Bundle:
    given_receipt(federation, reader)
    other = fork(federation)
    other.publish_charter(nonce=b"another charter.")
    return other.publisher.bundle_for(1, 2)


def made_in_the_future(federation: Federation, reader: Reader) -> Bundle:
    run = Run(federation, federation.publish_charter())
    reader.catch_up()
    closure = run.closure("stopped", closed_ms=federation.clock() + 121_000)
    return next_bundle(federation, reader, federation.by_coordinator(closure))


def entry_accepted_before(federation: Federation, reader: Reader) -> Bundle:
    federation.publish_charter()
    reader.catch_up()
    return reader.bundle(1)


def statement_signed_otherwise(federation: Federation, reader: Reader) -> Bundle:
    federation.publish_charter()
    reader.catch_up()
    again = federation.by_administrators(federation.charter(), "admin-b", "admin-c")
    return next_bundle(federation, reader, again)


# ── what a node makes of it ─────────────────────────────────────────────────────────────────────


class FedStage(CityStage):
    """A node that has read the log; what it says of a failed log is not its state."""

    def __init__(self, folder: Path) -> None:
        super().__init__(folder)
        self.home.catch_up()

    @property
    def state(self) -> object:
        rows = self.home.footprint
        rows["cells"] = [row for row in rows["cells"] if row[0] not in (VERDICT, EVIDENCE)]
        return self.believed, rows, self.home.documents.next_index


def absorbed(damage: Callable[[FedStage], Bundle]) -> Act:
    """Return the act of feeding a node the entry that ``damage`` makes."""

    def act(stage: FedStage) -> Strike:
        bundle = damage(stage)
        return lambda: stage.home.documents.absorb(bundle)

    return functools.update_wrapper(act, damage)


def disbelieved(damage: Callable[[FedStage], Bundle]) -> Act:
    """Return the same act where the log has failed: an alarm is raised, nothing believed after."""

    def act(stage: FedStage) -> Strike:
        bundle = damage(stage)

        def absorb() -> object:
            documents, good = stage.home.documents, stage.federation.publisher.bundle_for(1, 1)
            with pytest.raises(LaborfedError) as failed:
                documents.absorb(bundle)
            assert stage.alarms == [documents.distrust]
            assert failed.value.message in stage.alarms[0]
            assert outcome(lambda: documents.absorb(good))[0] is Reason.INCONSISTENT
            raise failed.value

        return absorb

    return functools.update_wrapper(act, damage)


def next_entry(stage: FedStage) -> Bundle:
    """The log's next entry, as it should be."""
    stage.federation.publish_charter()
    return stage.federation.publisher.bundle_for(1, 1)


def fork_of_the_founding(stage: FedStage) -> Bundle:
    """A history whose first entry is the same membership, signed by other administrators."""
    federation = stage.federation
    next_entry(stage)
    first = federation.by_administrators(federation.membership, "admin-b", "admin-c")
    folder = stage.folder / "fork"
    folder.mkdir()
    return _rebuilt(folder, federation, [first, federation.log.entry(1).envelope])


def _rebuilt(folder: Path, federation: Federation, entries: list[bytes]) -> Bundle:
    """The last of these entries, in a log of their own under the federation's log key."""
    path = folder / "log.db"
    create_log(path, ORIGIN)
    log = LogStore(path)
    new = [NewEntry(digest(raw), "unchecked", raw, digest(b"unchecked" + raw)) for raw in entries]
    log.append(new, federation.clock())
    head = log.head()
    checkpoint = Checkpoint(head.origin, head.size, head.root, federation.clock())
    bundle = Bundle(
        envelope=entries[-1],
        leaf_index=head.size - 1,
        checkpoint=sign_checkpoint(checkpoint, federation.log_key),
        inclusion_path=log.inclusion(head.size - 1, head.size),
        consistency_from=1,
        consistency_path=log.consistency(1, head.size),
    )
    log.close()
    return bundle


def entry_in_a_head_by_another_key(stage: FedStage) -> Bundle:
    bundle = next_entry(stage)
    head = stage.federation.log.head()
    checkpoint = Checkpoint(head.origin, head.size, head.root, stage.federation.clock())
    return replace(bundle, checkpoint=sign_checkpoint(checkpoint, STRANGER))


def entry_after_one_left_out(stage: FedStage) -> Bundle:
    stage.federation.publish_membership()
    stage.federation.publish_charter()
    return stage.federation.publisher.bundle_for(2, 1)


def membership_shown_too_early(stage: FedStage) -> Bundle:
    """To a node whose clock is slow: passed over, the entry would be lost there for good."""
    stage.federation.clock.pass_(180)
    stage.federation.publish_membership()
    stage.federation.clock.pass_(-180)
    head = stage.federation.log.head()
    bundle = stage.federation.publisher.bundle_for(1, 1)
    checkpoint = Checkpoint(head.origin, head.size, head.root, stage.federation.clock())
    return replace(bundle, checkpoint=sign_checkpoint(checkpoint, stage.federation.log_key))


LOG = [
    at_door(
        "a head signed by another key than the log's",
        By.OUTSIDER,
        head_by_another_key,
        Reason.BAD_CHECKPOINT,
        6,
        SIGNED_HEAD,
        twin=charter_bundle,
    ),
    at_door(
        "a head of another log",
        By.COORDINATOR,
        head_of_another_log,
        Reason.BAD_CHECKPOINT,
        6,
        replace(SIGNED_HEAD, backed_by=(OTHER_ORIGIN,)),
        twin=charter_bundle,
    ),
    at_door(
        "a head under this log's name that speaks for another",
        By.COORDINATOR,
        head_speaking_for_another_log,
        Reason.BAD_CHECKPOINT,
        6,
        OTHER_ORIGIN,
        twin=charter_bundle,
    ),
    at_door(
        "a head whose time was changed after signing",
        By.OUTSIDER,
        damaged_head,
        Reason.BAD_SIGNATURE,
        6,
        Guard(CHECKPOINT, "            key.verify(blob[KEY_ID_BYTES:], text.encode())\n", ""),
        twin=charter_bundle,
    ),
    at_door(
        "a stale head hides what is newer",
        By.COORDINATOR,
        old_head,
        Reason.STALE_CHECKPOINT,
        6,
        Guard(STEPS, FRESH, "if not -limits.max_clock_skew_ms <= age_ms:"),
        twin=charter_bundle,
    ),
    at_door(
        "a head from the future stays fresh for ever",
        By.COORDINATOR,
        head_from_the_future,
        Reason.STALE_CHECKPOINT,
        6,
        Guard(STEPS, FRESH, "if not age_ms <= limits.max_checkpoint_age_ms:"),
        twin=charter_bundle,
    ),
    at_door(
        "a head below the witness quorum",
        By.COORDINATOR,
        unwitnessed_head,
        Reason.NOT_WITNESSED,
        6,
        QUORUM,
        twin=witnessed_head,
    ),
    at_door(
        "one witness signs a head again and again",
        By.COORDINATOR,
        head_witnessed_by_one_city_only,
        Reason.NOT_WITNESSED,
        6,
        QUORUM,
        twin=witnessed_head,
    ),
    at_door(
        "a stranger witnesses under a city's name",
        By.COORDINATOR,
        head_witnessed_by_a_stranger,
        Reason.NOT_WITNESSED,
        6,
        QUORUM,
        twin=witnessed_head,
    ),
    at_door(
        "an entry with another entry's proof",
        By.COORDINATOR,
        proof_of_another_entry,
        Reason.NOT_INCLUDED,
        7,
        INCLUDED,
        twin=charter_bundle,
    ),
    at_door(
        "an entry under another entry's index",
        By.COORDINATOR,
        entry_under_another_index,
        Reason.NOT_INCLUDED,
        7,
        INCLUDED,
        twin=charter_bundle,
    ),
    at_door(
        "a charter that was never logged",
        By.MINORITY,
        never_logged,
        Reason.NOT_INCLUDED,
        7,
        INCLUDED,
        twin=charter_bundle,
    ),
    at_door(
        "a membership is left out, so that its predecessor stays in force",
        By.COORDINATOR,
        entry_left_out,
        Reason.GAP,
        7,
        Guard(STEPS, "if bundle.leaf_index > next_index:", "if False:"),
        twin=membership_bundle,
    ),
    at_door(
        "a proof from another head than is kept",
        By.COORDINATOR,
        proof_from_another_size,
        Reason.CONSISTENCY_MISSING,
        8,
        Guard(STEPS, "if came_from != size:", "if False:"),
        twin=charter_bundle,
    ),
    at_door(
        "the log shrinks",
        By.COORDINATOR,
        shrunken_tree,
        Reason.ROLLED_BACK,
        8,
        Guard(STEPS, "if checkpoint.size < size:", "if False:"),
        twin=charter_bundle,
    ),
    at_door(
        "an entry is dropped after its receipt was given",
        By.COORDINATOR,
        entry_dropped_after_its_receipt,
        Reason.INCONSISTENT,
        8,
        CONSISTENT,
        twin=charter_bundle,
    ),
    at_door(
        "an entry is slipped in before what was read",
        By.COORDINATOR,
        entry_slipped_in_before_what_was_read,
        Reason.INCONSISTENT,
        8,
        CONSISTENT,
        twin=charter_bundle,
    ),
    at_door(
        "another tree of the same size",
        By.COORDINATOR,
        another_tree_of_the_same_size,
        Reason.INCONSISTENT,
        8,
        CONSISTENT,
        twin=charter_bundle,
    ),
    at_door(
        "a document dated tomorrow",
        By.COORDINATOR,
        made_in_the_future,
        Reason.NOT_YET_VALID,
        9,
        DATED,
        twin=closure_bundle,
    ),
    at_door(
        "an entry that was accepted before",
        By.COORDINATOR,
        entry_accepted_before,
        Reason.REPLAYED,
        10,
        NOT_HELD,
        twin=charter_bundle,
    ),
    at_door(
        "a statement that was accepted before, signed otherwise",
        By.MINORITY,
        statement_signed_otherwise,
        Reason.REPLAYED,
        10,
        NOT_HELD,
        twin=charter_bundle,
    ),
    Attack(
        "a node is shown another history: it raises an alarm and believes nothing more",
        By.COORDINATOR,
        disbelieved(fork_of_the_founding),
        Reason.INCONSISTENT,
        CONSISTENT,
        FedStage,
        absorbed(next_entry),
        step=8,
    ),
    Attack(
        "a node is shown a head by another key: it raises an alarm and believes nothing more",
        By.OUTSIDER,
        disbelieved(entry_in_a_head_by_another_key),
        Reason.BAD_CHECKPOINT,
        SIGNED_HEAD,
        FedStage,
        absorbed(next_entry),
        step=6,
    ),
    Attack(
        "a node's feed leaves an entry out",
        By.COORDINATOR,
        absorbed(entry_after_one_left_out),
        Reason.PROTOCOL,
        Guard("node/documents.py", "if bundle.leaf_index > self.next_index:", "if False:"),
        FedStage,
        absorbed(next_entry),
    ),
    Attack(
        "a membership is shown to a slow clock, which would pass it over for good",
        By.COORDINATOR,
        absorbed(membership_shown_too_early),
        Reason.NOT_YET_VALID,
        Guard("node/documents.py", "if refusal.reason is Reason.NOT_YET_VALID:", "if False:"),
        FedStage,
        absorbed(next_entry),
        step=9,
    ),
]
