"""Model releases as a whole federation makes them, with all their evidence in the log."""

from dataclasses import replace

from federation.acceptance import Accepted
from federation.crypto.keys import digest
from federation.documents.charter import Charter
from federation.documents.runs import RoundRecord
from federation.model import parameters
from support.federation import Federation
from support.runs import Run


def candidate(seed: int) -> bytes:
    vector = parameters.initial_parameters() + seed
    return bytes(vector.astype("<i8").tobytes())


def charter_for(federation: Federation, nonce: int, model: str) -> Accepted[Charter]:
    terms = federation.charter().training
    assert terms is not None
    training = replace(terms, model=model, model_digest=parameters.model_digest())
    return federation.publish_charter(
        training=training, length=parameters.LENGTH, rounds=1, nonce=bytes([nonce] * 16)
    )


def evaluated(run: Run, released: bytes) -> tuple[Accepted[RoundRecord], dict[str, bytes]]:
    """One training round and the evaluation of ``released``; its record and every city's vote."""
    roster = run.publish_roster()
    run.complete_round(roster, following=released)
    cities = run.federation.membership.active_cities
    votes = {city: run.vote(roster, city, released) for city in cities}
    record = run.complete_round(roster, kind="evaluation", parameters=released, votes=votes)
    return record, votes


def publish_release(
    federation: Federation,
    released: bytes,
    *,
    version: int = 1,
    model: str = parameters.MODEL_ID,
    voters: int = 4,
) -> Run:
    run = Run(federation, charter_for(federation, version, model), nonce=digest(bytes([version])))
    record, votes = evaluated(run, released)
    previous = b"" if version == 1 else bytes(32)
    release = run.model_release(
        record,
        released,
        list(votes.values())[:voters],
        version=version,
        previous_digest=previous,
        model=model,
    )
    federation.publish(federation.by_coordinator(release))
    return run
