"""The second implementation takes every good vector and refuses every damaged twin alike."""

import ast
import json
import struct
from pathlib import Path

import pytest

from vectors.making import FOLDER
from vectors.second import Refused, bodies, rounds
from vectors.second.reader import Reader
from vectors.second.statements import TYPES, open_envelope, sha256

DOCUMENTS = json.loads((FOLDER / "documents.json").read_text())
LOG = json.loads((FOLDER / "log.json").read_text())
BODIES = json.loads((FOLDER / "bodies.json").read_text())
ROUNDS = json.loads((FOLDER / "rounds.json").read_text())
KEY = bytes.fromhex(DOCUMENTS["key"]["public"])


@pytest.mark.parametrize("file", sorted((FOLDER / "second").glob("*.py")), ids=lambda f: f.name)
def test_it_imports_nothing_of_the_program(file: Path):
    names = set()
    for node in ast.walk(ast.parse(file.read_text())):
        if isinstance(node, ast.ImportFrom):
            names.add(str(node.module).partition(".")[0])
        if isinstance(node, ast.Import):
            names |= {alias.name.partition(".")[0] for alias in node.names}
    assert not names & {"federation", "node", "deploy", "google", "support", "numpy"}


def test_it_knows_every_type():
    assert {entry["payload_type"] for entry in DOCUMENTS["documents"]} == set(TYPES)


def opened(raw: bytes) -> None:
    statement = open_envelope(raw)
    statement.verify([KEY])
    statement.document()


@pytest.mark.parametrize("entry", DOCUMENTS["documents"], ids=lambda e: e["payload_type"])
def test_documents(entry):
    raw = bytes.fromhex(entry["envelope"])
    opened(raw)
    statement = open_envelope(raw)
    assert statement.digest.hex() == entry["document_digest"]
    assert sha256(raw).hex() == entry["envelope_sha256"]
    for twin in entry["damaged"]:
        with pytest.raises(Refused) as caught:
            opened(bytes.fromhex(twin["envelope"]))
        assert (twin["name"], caught.value.reason) == (twin["name"], twin["reason"])


def reader_before(index: int) -> Reader:
    reader = Reader(LOG["pin"], LOG["limits"])
    for entry in LOG["entries"][:index]:
        assert reader.take(entry, entry["now_ms"]).hex() == entry["document_digest"]
    return reader


def test_log():
    reader = reader_before(len(LOG["entries"]))
    assert reader.next_index == len(LOG["entries"])


def test_recorded_sums():
    """The kept contributions, found by their envelopes' digests, give each record's sum."""
    reader = reader_before(len(LOG["entries"]))
    keys = {c["division"]: c["signing_key"] for c in reader.memberships[-1].fields["cities"]}
    kept = {}
    for raw in map(bytes.fromhex, LOG["contributions"]):
        kept[sha256(bodies.taken_apart(raw)[0])] = raw
    statements = [open_envelope(bytes.fromhex(e["envelope"])) for e in LOG["entries"]]
    records = [s.document() for s in statements if s.kind == "laborfed/round-record/v1"]
    for record in records:
        vectors = []
        for listed in record["contributions"]:
            raw = kept.pop(listed["digest"])
            fields, vector = bodies.contribution(raw, keys[listed["city"]])
            assert (fields["city"], fields["round"]) == (listed["city"], record["round"])
            bits = fields["modulus_bits"]
            vectors.append(rounds.integers(vector, bits // 8))
        total = rounds.total(vectors, bits)
        packed = struct.pack(f"<{len(total)}{'i' if bits == 32 else 'q'}", *total)
        assert sha256(packed) == record["sum_digest"]
    assert records
    assert kept == {}


@pytest.mark.parametrize("twin", LOG["damaged"], ids=lambda t: t["name"])
def test_damaged_bundles(twin):
    reader = reader_before(LOG["target"])
    with pytest.raises(Refused) as caught:
        reader.take(twin, twin["now_ms"])
    assert (caught.value.step, caught.value.reason) == (twin["step"], twin["reason"])
    good = LOG["entries"][LOG["target"]]
    assert reader.take(good, good["now_ms"]).hex() == good["document_digest"]


def refuses(damaged, take) -> None:
    """Every twin is refused for its reason."""
    for twin in damaged:
        with pytest.raises(Refused) as caught:
            take(bytes.fromhex(twin["body"]), KEY)
        assert (twin["name"], caught.value.reason) == (twin["name"], twin["reason"])


@pytest.mark.parametrize("case", BODIES["contributions"], ids=lambda c: str(c["modulus_bits"]))
def test_contributions_and_their_vectors(case):
    bits, vectors = case["modulus_bits"], []
    for city, sent in case["sent"].items():
        fields, vector = bodies.contribution(bytes.fromhex(sent["body"]), KEY)
        assert (fields["city"], fields["modulus_bits"]) == (city, bits)
        assert vector.hex() == sent["vector"]
        assert bodies.taken_apart(bytes.fromhex(sent["body"]))[0].hex() == sent["envelope"]
        vectors.append(rounds.integers(vector, bits // 8))
    total = bodies.integers(bytes.fromhex(case["sum"]), fields["length"], bits)
    assert rounds.total(vectors, bits) == total
    refuses(case["damaged"], bodies.contribution)


def test_a_request_and_the_sum_before_it():
    """The sum is the recorded one, and leads to the parameters that the request is about."""
    case, terms = BODIES["request"], ROUNDS["optimiser"]
    record = open_envelope(bytes.fromhex(case["record"]))
    recorded = record.document()
    for raw, attached in ((case["body"], case["vector"]), (case["without_sum"], "")):
        fields, vector = bodies.round_request(bytes.fromhex(raw), KEY, recorded["sum_digest"])
        assert fields["previous_record_digest"] == record.digest
        assert vector.hex() == attached
    total = bodies.integers(bytes.fromhex(case["vector"]), case["length"], case["modulus_bits"])
    assert total == case["sum"]
    made, _ = rounds.step(case["parameters"], [0] * case["length"], total, terms)
    assert made == case["next_parameters"]
    named = sha256(struct.pack(f"<{len(made)}q", *made))
    assert named == recorded["next_parameters_digest"] == fields["parameters_digest"]
    refuses(
        case["damaged"],
        lambda raw, key: bodies.round_request(raw, key, recorded["sum_digest"]),
    )


@pytest.mark.parametrize("case", BODIES["bare"], ids=["consent", "consent request"])
def test_what_has_nothing_attached(case):
    assert case["body"] == case["envelope"]
    bodies.bare(bytes.fromhex(case["body"]), KEY)
    refuses(case["damaged"], bodies.bare)


@pytest.mark.parametrize("case", ROUNDS["sums"], ids=lambda c: str(c["context"]["modulus_bits"]))
def test_masks_and_sums(case):
    context, cities = case["context"], case["cities"]
    width = context["modulus_bits"] // 8
    sent = {c["city"]: rounds.integers(bytes.fromhex(c["masked"]), width) for c in cities}
    for city in cities:
        assert rounds.masked(context, cities, city["city"]) == sent[city["city"]]
    for pair in case["pairs"]:
        assert rounds.info(context, pair["lower"], pair["higher"]).hex() == pair["info"]
    summed = rounds.total(list(sent.values()), context["modulus_bits"])
    assert summed == case["sum"]
    for city in cities:
        assert sha256(bytes.fromhex(city["masked"])).hex() == city["masked_digest"]
    packed = struct.pack(f"<{len(summed)}{'i' if width == 4 else 'q'}", *summed)
    assert packed.hex() == case["sum_bytes"]
    assert bodies.integers(packed, context["length"], context["modulus_bits"]) == summed
    assert sha256(packed).hex() == case["sum_digest"]


@pytest.mark.parametrize("case", ROUNDS["sums"], ids=lambda c: str(c["context"]["modulus_bits"]))
def test_masks_of_another_context(case):
    first, second = case["cities"][:2]
    seed, public = bytes.fromhex(first["agreement_seed"]), bytes.fromhex(second["agreement_key"])
    pair = (first["city"], second["city"])
    good = rounds.mask(seed, public, case["context"], *pair)
    assert good == case["pairs"][0]["mask"]
    for other in case["damaged"]:
        changed = {**case["context"], other["changed"]: other["to"]}
        made = rounds.mask(seed, public, changed, *pair)
        assert made == other["mask"]
        assert made != good


def test_optimiser():
    terms = ROUNDS["optimiser"]
    state = (terms["initial"], [0] * len(terms["initial"]))
    for each in terms["steps"]:
        state = rounds.step(*state, each["sum"], terms)
        assert state == (each["parameters"], each["velocity"])
    for twin in terms["damaged"]:
        with pytest.raises(Refused, match=twin["reason"]):
            rounds.step(*state, twin["sum"], terms)
