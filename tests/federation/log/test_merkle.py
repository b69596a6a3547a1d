"""Merkle maths against published trees, against pymerkle, and against everything forged."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pymerkle
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from federation.errors import Reason, Untrusted
from federation.log import merkle

VECTORS = json.loads((Path(__file__).parents[2] / "vectors" / "merkle.json").read_text())
LEAVES = [bytes.fromhex(leaf) for leaf in VECTORS["leaves"]]
ROOTS = [bytes.fromhex(root) for root in VECTORS["roots"]]
NOISE = bytes.fromhex("abacaba000000000000000000000000000000000000000000060061e00123456")


def tree(entries: list[bytes]) -> Callable[[merkle.Coordinate], bytes]:
    return merkle.extend(0, [merkle.leaf_hash(entry) for entry in entries], {}).__getitem__


def hexes(proof: merkle.Proof) -> list[str]:
    return [value.hex() for value in proof]


def unhex(proof: list[str]) -> merkle.Proof:
    return tuple(bytes.fromhex(value) for value in proof)


def entries_of(count: int) -> list[bytes]:
    return [b"entry %d" % number for number in range(count)]


NODE = tree(LEAVES)


@pytest.mark.parametrize("size", range(1, 9))
def test_roots_are_the_published_ones(size: int) -> None:
    assert merkle.root(size, NODE) == ROOTS[size - 1]


def test_the_empty_root_is_the_published_one() -> None:
    assert merkle.root(0, NODE).hex() == merkle.EMPTY_ROOT.hex() == VECTORS["empty_root"]


@pytest.mark.parametrize("case", VECTORS["inclusion"], ids=lambda c: f"{c['index']} in {c['size']}")
def test_inclusion_proofs_are_the_published_ones(case: dict[str, Any]) -> None:
    index, size = case["index"], case["size"]
    assert hexes(merkle.inclusion_proof(index, size, NODE)) == case["proof"]
    leaf = merkle.leaf_hash(LEAVES[index])
    merkle.verify_inclusion(leaf, index, size, unhex(case["proof"]), ROOTS[size - 1])


@pytest.mark.parametrize("case", VECTORS["consistency"], ids=lambda c: f"{c['old']} to {c['new']}")
def test_consistency_proofs_are_the_published_ones(case: dict[str, Any]) -> None:
    old, new = case["old"], case["new"]
    assert hexes(merkle.consistency_proof(old, new, NODE)) == case["proof"]
    merkle.verify_consistency(old, ROOTS[old - 1], new, ROOTS[new - 1], unhex(case["proof"]))


def test_every_proof_of_every_small_tree_verifies() -> None:
    node = tree(entries_of(40))
    for size in range(1, 41):
        root = merkle.root(size, node)
        for index in range(size):
            proof = merkle.inclusion_proof(index, size, node)
            merkle.verify_inclusion(node((0, index)), index, size, proof, root)
        for old in range(size + 1):
            proof = merkle.consistency_proof(old, size, node)
            merkle.verify_consistency(old, merkle.root(old, node), size, root, proof)


@settings(max_examples=60, deadline=None)
@given(st.integers(1, 200), st.data())
def test_pymerkle_agrees(size: int, data: st.DataObject) -> None:
    entries = entries_of(size)
    oracle = pymerkle.InmemoryTree(algorithm="sha256")
    oracle.append_entries(entries)
    assert oracle.hash_buff(b"x") == merkle.leaf_hash(b"x")
    assert oracle.hash_pair(NOISE, NOISE) == merkle.node_hash(NOISE, NOISE)
    node = tree(entries)
    assert oracle.get_root() == merkle.root(size, node)

    index = data.draw(st.integers(0, size - 1))
    # pymerkle counts from one and puts the leaf itself before the path
    theirs = oracle.prove_inclusion(index + 1, size)
    proof = merkle.inclusion_proof(index, size, node)
    assert tuple(theirs.path) == (node((0, index)), *proof)

    old = data.draw(st.integers(1, size))
    # its consistency paths have another shape than the RFC's, so the roots they tie are compared
    theirs = oracle.prove_consistency(old, size)
    roots = merkle.root(old, node), merkle.root(size, node)
    assert (theirs.retrieve_prior_state(), theirs.compute_root()) == roots
    proof = merkle.consistency_proof(old, size, node)
    merkle.verify_consistency(old, roots[0], size, roots[1], proof)


@given(st.lists(st.integers(0, 20), max_size=12))
def test_a_tree_grown_in_steps_is_the_tree_made_at_once(steps: list[int]) -> None:
    entries = entries_of(sum(steps))
    grown: dict[merkle.Coordinate, bytes] = {}
    size = 0
    for step in steps:
        leaves = [merkle.leaf_hash(entry) for entry in entries[size : size + step]]
        known = {at: grown[at] for at in merkle.frontier(size)}
        grown |= merkle.extend(size, leaves, known)
        size += step
    assert grown == merkle.extend(0, [merkle.leaf_hash(entry) for entry in entries], {})


def forgeries(proof: merkle.Proof) -> dict[str, merkle.Proof]:
    made = {
        "with noise behind": (*proof, NOISE),
        "with noise before": (NOISE, *proof),
        "with an empty hash behind": (*proof, b""),
        "with an empty hash before": (b"", *proof),
    }
    for place, value in enumerate(proof):
        rest = proof[:place], proof[place + 1 :]
        flipped = bytes([value[0] ^ 8]) + value[1:]
        made[f"with a bit of hash {place} flipped"] = (*rest[0], flipped, *rest[1])
        made[f"without hash {place}"] = (*rest[0], *rest[1])
        made[f"with hash {place} cut"] = (*rest[0], value[:-1], *rest[1])
    if len(set(proof)) > 1:
        made["backwards"] = proof[::-1]
    return made


INCLUSIONS = [(index, size) for size in (1, 2, 3, 5, 7, 8) for index in range(size)]


@pytest.mark.parametrize(("index", "size"), INCLUSIONS, ids=str)
def test_no_forged_inclusion_verifies(index: int, size: int) -> None:
    leaf, root = merkle.leaf_hash(LEAVES[index]), ROOTS[size - 1]
    proof = merkle.inclusion_proof(index, size, NODE)
    attempts = [(leaf, index, size, forged, root) for forged in forgeries(proof).values()]
    attempts += [(leaf, other, size, proof, root) for other in range(-1, 10) if other != index]
    attempts += [
        (NOISE, index, size, proof, root),
        (LEAVES[index], index, size, proof, root),
        (leaf, index, size, proof, NOISE),
        (leaf, index, size, proof, b""),
        (leaf, index, size * 2, proof, root),
        (leaf, index, 0, proof, root),
    ]
    for attempt in attempts:
        with pytest.raises(Untrusted) as refusal:
            merkle.verify_inclusion(*attempt)
        assert refusal.value.reason is Reason.NOT_INCLUDED


CONSISTENCIES = [(old, new) for new in range(2, 9) for old in range(1, new)]


@pytest.mark.parametrize(("old", "new"), CONSISTENCIES, ids=str)
def test_no_forged_consistency_verifies(old: int, new: int) -> None:
    old_root, new_root = ROOTS[old - 1], ROOTS[new - 1]
    proof = merkle.consistency_proof(old, new, NODE)
    attempts = [(old, old_root, new, new_root, forged) for forged in forgeries(proof).values()]
    attempts += [
        (old, old_root, new, new_root, ()),
        (old, NOISE, new, new_root, proof),
        (old, old_root, new, NOISE, proof),
        (old, b"", new, new_root, proof),
        (old, new_root, new, old_root, proof),
        (new, new_root, old, old_root, proof),
        (old - 1, old_root, new, new_root, proof),
        (old + 1, old_root, new, new_root, proof),
        (old, old_root, new * 2, new_root, proof),
        (-1, old_root, new, new_root, proof),
    ]
    for attempt in attempts:
        with pytest.raises(Untrusted) as refusal:
            merkle.verify_consistency(*attempt)
        assert refusal.value.reason is Reason.INCONSISTENT


@pytest.mark.parametrize(
    ("old", "old_root", "new", "new_root", "proof"),
    [
        pytest.param(0, NOISE, 3, ROOTS[2], (), id="the empty tree with a root of its own"),
        pytest.param(0, merkle.EMPTY_ROOT, 3, ROOTS[2], (NOISE,), id="a proof from nothing"),
        pytest.param(0, merkle.EMPTY_ROOT, 0, NOISE, (), id="nothing to nothing, another root"),
        pytest.param(3, ROOTS[2], 3, ROOTS[3], (), id="two roots for one size"),
        pytest.param(3, ROOTS[2], 3, ROOTS[2], (NOISE,), id="a proof where none is needed"),
    ],
)
def test_sizes_that_need_no_proof_still_need_the_right_roots(
    old: int, old_root: bytes, new: int, new_root: bytes, proof: merkle.Proof
) -> None:
    with pytest.raises(Untrusted):
        merkle.verify_consistency(old, old_root, new, new_root, proof)


def test_bytes_moved_between_a_leaf_and_its_sibling_do_not_verify() -> None:
    """Hashing sees left ‖ right only: a hash of another length could claim a leaf never logged."""
    leaf, proof = merkle.leaf_hash(LEAVES[0]), merkle.inclusion_proof(0, 2, NODE)
    moved = (leaf[31:] + proof[0],)
    assert merkle.node_hash(leaf[:31], moved[0]) == ROOTS[1]
    with pytest.raises(Untrusted):
        merkle.verify_inclusion(leaf[:31], 0, 2, moved, ROOTS[1])
    old, rest = ROOTS[0], merkle.consistency_proof(1, 2, NODE)
    with pytest.raises(Untrusted):
        merkle.verify_consistency(1, old[:31], 2, ROOTS[1], (old[31:] + rest[0],))
