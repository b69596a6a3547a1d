"""The second implementation takes every good vector and refuses every damaged twin alike."""

import ast
import hashlib
import json
import struct
from pathlib import Path

import pytest

from vectors.making import FOLDER
from vectors.second import Refused, rounds
from vectors.second.reader import Reader
from vectors.second.statements import TYPES, open_envelope, sha256

DOCUMENTS = json.loads((FOLDER / "documents.json").read_text())
LOG = json.loads((FOLDER / "log.json").read_text())
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


@pytest.mark.parametrize("twin", LOG["damaged"], ids=lambda t: t["name"])
def test_damaged_bundles(twin):
    reader = reader_before(LOG["target"])
    with pytest.raises(Refused) as caught:
        reader.take(twin, twin["now_ms"])
    assert (caught.value.step, caught.value.reason) == (twin["step"], twin["reason"])
    good = LOG["entries"][LOG["target"]]
    assert reader.take(good, good["now_ms"]).hex() == good["document_digest"]


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
    packed = struct.pack(f"<{len(summed)}q", *summed)
    assert hashlib.sha256(packed).hexdigest() == case["sum_sha256"]


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
