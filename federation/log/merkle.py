"""Merkle tree maths of RFC 9162 §2: hashes, roots, proofs and their verification, all pure.

Knows 32-byte hashes and a function that looks a stored one up; must not know where hashes are kept,
what an entry stands for, or who signed a root.
"""

import hashlib
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from typing import TypeAlias

from federation.crypto.keys import DIGEST_BYTES
from federation.errors import Reason, Untrusted

# A complete subtree by (level, position): the leaves position·2^level … (position+1)·2^level − 1.
Coordinate: TypeAlias = tuple[int, int]
NodeReader: TypeAlias = Callable[[Coordinate], bytes]
Proof: TypeAlias = tuple[bytes, ...]

EMPTY_ROOT = hashlib.sha256().digest()  # RFC 9162 §2.1.1, the tree of no leaves


def leaf_hash(entry: bytes) -> bytes:
    """Return SHA-256(0x00 ‖ entry) (RFC 9162 §2.1.1)."""
    return hashlib.sha256(b"\x00" + entry).digest()


def node_hash(left: bytes, right: bytes) -> bytes:
    """Return SHA-256(0x01 ‖ left ‖ right) (RFC 9162 §2.1.1)."""
    return hashlib.sha256(b"\x01" + left + right).digest()


def frontier(size: int) -> list[Coordinate]:
    """Return the complete subtrees a tree of ``size`` leaves consists of, widest first."""
    return list(_complete_subtrees(0, size))


def root(size: int, node: NodeReader) -> bytes:
    """Return the root of the first ``size`` leaves; reads their frontier only."""
    return _range_root(0, size, node) if size else EMPTY_ROOT


def extend(
    size: int, leaves: Iterable[bytes], known: Mapping[Coordinate, bytes]
) -> dict[Coordinate, bytes]:
    """Return the complete subtrees that come into being when ``leaves`` (hashes) are appended.

    ``known`` must hold the frontier of ``size``; leaves themselves are returned at level 0.
    """
    made: dict[Coordinate, bytes] = {}
    for index, leaf in enumerate(leaves, start=size):
        level, position, value = 0, index, leaf
        made[level, position] = value
        while position & 1:
            left = level, position - 1
            value = node_hash(made[left] if left in made else known[left], value)
            level, position = level + 1, position >> 1
            made[level, position] = value
    return made


def inclusion_proof(index: int, size: int, node: NodeReader) -> Proof:
    """Return PATH(index, D[0:size]) (RFC 9162 §2.1.3.1), 0 ≤ index < size."""
    path: list[bytes] = []
    start, end = 0, size
    while end - start > 1:
        middle = start + _split(end - start)
        if index < middle:
            path.append(_range_root(middle, end, node))
            end = middle
        else:
            path.append(_range_root(start, middle, node))
            start = middle
    return tuple(reversed(path))


def consistency_proof(old: int, new: int, node: NodeReader) -> Proof:
    """Return PROOF(old, D[0:new]) (RFC 9162 §2.1.4.1), 0 ≤ old ≤ new; empty for 0 and for equal."""
    path: list[bytes] = []
    start, end = 0, new
    while start < old < end:
        middle = start + _split(end - start)
        if old <= middle:
            path.append(_range_root(middle, end, node))
            end = middle
        else:
            path.append(_range_root(start, middle, node))
            start = middle
    # with start at 0 the subtree left over is the old tree, whose root the verifier holds
    if start > 0:
        path.append(_range_root(start, end, node))
    return tuple(reversed(path))


def verify_inclusion(
    leaf: bytes, index: int, size: int, proof: Sequence[bytes], root: bytes
) -> None:
    """Raise Untrusted(NOT_INCLUDED) unless leaf hash ``leaf`` is number ``index`` under ``root``.

    Source: RFC 9162 §2.1.3.2.
    """
    if not (0 <= index < size and _are_hashes(leaf, root, *proof)):
        raise _not_included(index, size)
    first, last, value = index, size - 1, leaf
    for sibling in proof:
        if last == 0:
            raise _not_included(index, size)
        if first & 1 or first == last:
            value = node_hash(sibling, value)
            while not first & 1 and first:
                first, last = first >> 1, last >> 1
        else:
            value = node_hash(value, sibling)
        first, last = first >> 1, last >> 1
    if last or value != root:
        raise _not_included(index, size)


def verify_consistency(
    old: int, old_root: bytes, new: int, new_root: bytes, proof: Sequence[bytes]
) -> None:
    """Raise Untrusted(INCONSISTENT) unless the tree of ``new`` leaves extends that of ``old``.

    Source: RFC 9162 §2.1.4.2; the empty tree is extended by every tree.
    """
    if not (0 <= old <= new and _are_hashes(old_root, new_root, *proof)):
        raise _inconsistent(old, new)
    if old in (0, new):
        expected = EMPTY_ROOT if old == 0 else new_root
        if proof or old_root != expected or (new == 0 and new_root != EMPTY_ROOT):
            raise _inconsistent(old, new)
        return
    # a whole power of two is its own first subtree, which the sender leaves out
    path = iter(proof if old & (old - 1) else (old_root, *proof))
    if _climb(old, new, path) != (old_root, new_root):
        raise _inconsistent(old, new)


def _climb(old: int, new: int, path: Iterator[bytes]) -> tuple[bytes, bytes]:
    """Steps 3–6 of RFC 9162 §2.1.4.2: rebuild both roots from one path."""
    first, last = old - 1, new - 1
    while first & 1:
        first, last = first >> 1, last >> 1
    seed = next(path, None)
    if seed is None:
        raise _inconsistent(old, new)
    old_value = new_value = seed
    for sibling in path:
        if last == 0:
            raise _inconsistent(old, new)
        if first & 1 or first == last:
            old_value, new_value = node_hash(sibling, old_value), node_hash(sibling, new_value)
            while not first & 1 and first:
                first, last = first >> 1, last >> 1
        else:
            new_value = node_hash(new_value, sibling)
        first, last = first >> 1, last >> 1
    if last:
        raise _inconsistent(old, new)
    return old_value, new_value


def _split(width: int) -> int:
    """Return the largest power of two smaller than ``width`` ≥ 2 (RFC 9162 §2.1.1)."""
    return 1 << ((width - 1).bit_length() - 1)


def _complete_subtrees(start: int, end: int) -> Iterator[Coordinate]:
    while start < end:
        level = (end - start).bit_length() - 1
        yield level, start >> level
        start += 1 << level


def _range_root(start: int, end: int, node: NodeReader) -> bytes:
    """Root of leaves [start, end), where start is a multiple of every subtree in the range."""
    hashes = [node(coordinate) for coordinate in _complete_subtrees(start, end)]
    value = hashes.pop()
    while hashes:
        value = node_hash(hashes.pop(), value)
    return value


def _are_hashes(*values: bytes) -> bool:
    return set(map(len, values)) <= {DIGEST_BYTES}


def _not_included(index: int, size: int) -> Untrusted:
    return Untrusted(
        Reason.NOT_INCLUDED, f"the proof does not place entry {index} in the tree of {size}"
    )


def _inconsistent(old: int, new: int) -> Untrusted:
    return Untrusted(
        Reason.INCONSISTENT, f"the proof does not show the tree of {new} to extend that of {old}"
    )
