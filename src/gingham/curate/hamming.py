"""Exact search for all pairs of 256-bit hashes that differ in few bits.

Multi-index hashing after Norouzi, Punjani and Fleet, *Fast Exact Search in Hamming Space with Multi-Index Hashing*,
IEEE TPAMI 36(6), 2014. Of ``radius + k`` disjoint chunks of the bits, two hashes within ``radius`` agree on at least
``k``, so each pair of interest falls into one bucket for at least one choice of ``k`` chunks. What shares a bucket is
verified by XOR and popcount.

Neighbouring bits of a picture's hash tend to be equal, which makes a few buckets huge. Hence the bits are dealt to the
chunks from all over the picture, equal hashes are searched once, the number of chunks is chosen by what a sample of
pairs shows, and large buckets are compared in tiles. Memory beyond the result stays within a few hundred bytes a hash.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import combinations
from math import comb
from typing import TYPE_CHECKING

import numpy as np

from gingham.curate.sets import DisjointSets

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Words = NDArray[np.uint64]
    Indices = NDArray[np.int64]

__all__ = ["distances", "near_duplicate_components", "near_duplicate_pairs"]

_BITS = 256
_WORDS = _BITS // 64
_SPREAD = 101  # odd, so a permutation of the bits; far from a multiple of the 16 bits of a row
_SMALL_BUCKET = 128
_BATCH = 1 << 17
_SAMPLED_PAIRS = 1 << 15

# Measured seconds, of which only the ratios matter: to sort one hash, to verify one candidate, to compare in a tile.
_SORT_COST, _CANDIDATE_COST, _TILE_COST = 40e-9, 25e-9, 3e-9


def near_duplicate_pairs(hashes: NDArray[np.uint8], radius: int) -> Indices:
    """Return all pairs of hashes that differ in at most ``radius`` bits.

    Parameters
    ----------
    hashes : uint8 array of shape (n, 32)
    radius : int
        Largest number of differing bits, 0 to 255.

    Returns
    -------
    int64 array of shape (m, 2)
        Row numbers i < j, sorted by i, then j. Exact: no pair is missing, none is too much.

    Raises
    ------
    ValueError
        If the hashes have another shape or type, or the radius is out of its range.

    See Also
    --------
    near_duplicate_components : what to use when only the groups matter; n equal hashes make n (n - 1) / 2 pairs.
    """
    words = _spread_words(hashes, radius)
    words, members, starts = _collapse(words)
    blocks = [_pairs_within(starts, members), *(_pairs_between(p, starts, members) for p in _search(words, radius))]
    pairs = np.concatenate(blocks)
    pairs.sort(axis=1)
    return pairs[np.lexsort((pairs[:, 1], pairs[:, 0]))]


def near_duplicate_components(hashes: NDArray[np.uint8], radius: int) -> Indices:
    """Return the connected components of the graph whose edges are the pairs within ``radius``.

    Never lists the pairs: a cluster of n alike hashes costs little more than n comparisons.

    Parameters
    ----------
    hashes : uint8 array of shape (n, 32)
    radius : int
        Largest number of differing bits, 0 to 255.

    Returns
    -------
    int64 array of shape (n,)
        For each hash the smallest row number of its component.

    Raises
    ------
    ValueError
        If the hashes have another shape or type, or the radius is out of its range.
    """
    words = _spread_words(hashes, radius)
    words, members, starts = _collapse(words)
    sets = DisjointSets(words.shape[1])
    for pairs in _search(words, radius, sets):
        sets.join(pairs[:, 0], pairs[:, 1])
    labels = np.empty(len(members), np.int64)
    labels[members] = np.repeat(sets.labels(), np.diff(starts))
    return _smallest_member(labels)


def distances(left: NDArray[np.uint8], right: NDArray[np.uint8]) -> NDArray[np.uint16]:
    """Return in how many bits each of some hashes differs from each of others.

    Parameters
    ----------
    left, right : uint8 arrays of shapes (p, 32) and (q, 32)

    Returns
    -------
    uint16 array of shape (p, q)
    """
    return _distances(np.ascontiguousarray(left).view(np.uint64).T, np.ascontiguousarray(right).view(np.uint64).T)


def _smallest_member(labels: Indices) -> Indices:
    """Rename each label to the smallest row number that bears it."""
    _, first, inverse = np.unique(labels, return_index=True, return_inverse=True)
    return first[inverse]


def _spread_words(hashes: NDArray[np.uint8], radius: int) -> Words:
    """Return the hashes as uint64 [4, n], their bits permuted, which changes no distance."""
    if hashes.ndim != 2 or hashes.shape[1] != _BITS // 8 or hashes.dtype != np.uint8:
        raise ValueError(f"hashes must be a uint8 array of shape (n, 32), not {hashes.dtype} {hashes.shape}")
    if not 0 <= radius < _BITS:
        raise ValueError(f"radius must lie between 0 and {_BITS - 1}, not {radius}")
    order = np.arange(_BITS) * _SPREAD % _BITS
    words = np.empty((_WORDS, len(hashes)), np.uint64)
    for start in range(0, len(hashes), _BATCH):
        bits = np.unpackbits(hashes[start : start + _BATCH], axis=1)[:, order]
        packed = np.ascontiguousarray(np.packbits(bits, axis=1))
        words[:, start : start + _BATCH] = packed.view(">u8").T
    return words


def _collapse(words: Words) -> tuple[Words, Indices, Indices]:
    """Keep each hash once: the distinct ones, the row numbers ordered by hash, and where each hash's rows start."""
    members = np.lexsort(words)
    ordered = words[:, members]
    new = np.ones(len(members), bool)
    new[1:] = (ordered[:, 1:] != ordered[:, :-1]).any(axis=0)
    starts = np.append(np.flatnonzero(new), len(members))
    return np.ascontiguousarray(ordered[:, new]), members, starts


def _pairs_within(starts: Indices, members: Indices) -> Indices:
    """Return the pairs of rows that have the same hash."""
    blocks = [np.empty((0, 2), np.int64)]
    sizes = np.diff(starts)
    for group in np.flatnonzero(sizes > 1):
        i, j = np.triu_indices(sizes[group], 1)
        blocks.append(np.stack([members[starts[group] + i], members[starts[group] + j]], axis=1))
    return np.concatenate(blocks)


def _pairs_between(pairs: Indices, starts: Indices, members: Indices) -> Indices:
    """Return the pairs of rows that belong to the given pairs of distinct hashes."""
    sizes = np.diff(starts)
    a, b = pairs.T
    counts = sizes[a] * sizes[b]
    within = np.arange(counts.sum()) - np.repeat(np.cumsum(counts) - counts, counts)
    a, b = np.repeat(a, counts), np.repeat(b, counts)
    return np.stack([members[starts[a] + within // sizes[b]], members[starts[b] + within % sizes[b]]], axis=1)


# --- the search over distinct hashes ---------------------------------------------------------------------------------


@dataclass(frozen=True)
class _Plan:
    """``agree`` of ``chunks`` disjoint chunks of ``width`` bits must be equal."""

    chunks: int
    agree: int
    width: int


def _search(words: Words, radius: int, sets: DisjointSets | None = None) -> Iterator[Indices]:
    """Yield blocks of pairs of distinct hashes within the radius.

    Without ``sets`` each pair comes once. With ``sets``, which the caller joins as the blocks come, only as many pairs
    come as connect what is connected.
    """
    n = words.shape[1]
    if n < 2 or radius == 0:
        return
    plan = _choose_plan(words, radius)
    if plan is None:
        yield from _compare_bucket(words, np.arange(n), radius, spanning=sets is not None)
        return
    chunks = [_chunk(words, c, plan) for c in range(plan.chunks)]
    for chosen in combinations(range(plan.chunks), plan.agree):
        for block in _search_buckets(words, _key(chunks, chosen, plan.width), radius, sets):
            fresh = block if sets else block[_first_agreement(chunks, block, chosen)]
            if len(fresh):
                yield fresh


def _choose_plan(words: Words, radius: int) -> _Plan | None:
    """Choose the cheapest plan by the agreements of a sample of pairs; None is to compare all with all."""
    n = words.shape[1]
    pairs = n * (n - 1) / 2
    i, j = np.random.default_rng(0).integers(n, size=(2, _SAMPLED_PAIRS))
    i, j = i[i != j], j[i != j]
    index_bits = (n - 1).bit_length()
    best, best_cost = None, pairs * _TILE_COST
    for agree in (1, 2, 3):
        chunks = radius + agree
        width = min(_BITS // chunks, (64 - index_bits) // agree)
        if width == 0 or comb(chunks, agree) * n * _SORT_COST >= best_cost:
            continue
        plan = _Plan(chunks, agree, width)
        equal = np.zeros(len(i), np.int64)
        for c in range(chunks):
            equal += _chunk(words[:, i], c, plan) == _chunk(words[:, j], c, plan)
        shared_keys = np.array([comb(e, agree) for e in range(chunks + 1)])
        candidates = pairs * float(shared_keys[equal].mean())
        cost = comb(chunks, agree) * n * _SORT_COST + candidates * _CANDIDATE_COST
        if cost < best_cost:
            best, best_cost = plan, cost
    return best


def _chunk(words: Words, c: int, plan: _Plan) -> Words:
    """Return the first ``width`` bits of the c-th equal part of each hash, as a number."""
    start = c * (_BITS // plan.chunks)
    word, offset = divmod(start, 64)
    value: Words = words[word] << np.uint64(offset)
    if offset + plan.width > 64:
        value = value | words[word + 1] >> np.uint64(64 - offset)
    value >>= np.uint64(64 - plan.width)
    return value


def _key(chunks: list[Words], chosen: tuple[int, ...], width: int) -> Words:
    key = chunks[chosen[0]]
    for c in chosen[1:]:
        key = key << np.uint64(width) | chunks[c]
    return key


def _first_agreement(chunks: list[Words], pairs: Indices, chosen: tuple[int, ...]) -> NDArray[np.bool_]:
    """Say which pairs agree on no earlier choice of chunks, so that each pair is reported once."""
    i, j = pairs.T
    fresh = np.ones(len(pairs), bool)
    for c in set(range(chosen[-1])) - set(chosen):
        fresh &= chunks[c][i] != chunks[c][j]
    return fresh


def _search_buckets(words: Words, key: Words, radius: int, sets: DisjointSets | None) -> Iterator[Indices]:
    """Yield blocks of the pairs within the radius that share a key."""
    shift = np.uint64((len(key) - 1).bit_length())
    packed = np.sort(key << shift | np.arange(len(key), dtype=np.uint64))  # far faster than an argsort
    rows = (packed & ((np.uint64(1) << shift) - np.uint64(1))).astype(np.int64)
    key = packed >> shift
    starts = np.flatnonzero(np.append(True, key[1:] != key[:-1]))
    sizes = np.diff(np.append(starts, len(key)))
    for k in np.flatnonzero(sizes > _SMALL_BUCKET):
        bucket = rows[starts[k] : starts[k] + sizes[k]]
        yield from _compare_bucket(words, bucket, radius, spanning=sets is not None)
    small = np.flatnonzero((sizes > 1) & (sizes <= _SMALL_BUCKET))
    for candidates in _small_bucket_candidates(rows, starts[small], sizes[small]):
        i, j = candidates
        if sets is not None:
            apart = sets.apart(i, j)
            i, j = i[apart], j[apart]
        yield _verified(words, i, j, radius)


def _small_bucket_candidates(rows: Indices, starts: Indices, sizes: Indices) -> Iterator[tuple[Indices, Indices]]:
    """Yield the pairs of rows that share a small bucket, about ``_BATCH`` of them at a time."""
    left: list[Indices] = []
    right: list[Indices] = []
    held = 0
    # Every member but a bucket's last, with how many follow it there; then partners at distance 1, 2, …
    position = _ranges(starts, sizes - 1)
    follow = np.repeat(sizes, sizes - 1) - _ranges(np.ones_like(sizes), sizes - 1)
    distance = 1
    while len(position):
        for start in range(0, len(position), _BATCH):
            at = position[start : start + _BATCH]
            left.append(rows[at])
            right.append(rows[at + distance])
            held += len(at)
            if held >= _BATCH:
                yield np.concatenate(left), np.concatenate(right)
                left, right, held = [], [], 0
        position, follow = position[follow > distance], follow[follow > distance]
        distance += 1
    if held:
        yield np.concatenate(left), np.concatenate(right)


def _ranges(starts: Indices, lengths: Indices) -> Indices:
    """Return the ranges ``start, start + 1, …`` of the given lengths, one after the other."""
    first = np.cumsum(lengths) - lengths
    return np.repeat(starts - first, lengths) + np.arange(lengths.sum())


def _verified(words: Words, i: Indices, j: Indices, radius: int) -> Indices:
    """Return those of the pairs that lie within the radius, dropping most of them after one word."""
    distance = np.zeros(len(i), np.uint16)
    for word in words:
        distance = distance + np.bitwise_count(word[i] ^ word[j])
        near = distance <= radius
        i, j, distance = i[near], j[near], distance[near]
    return np.stack([i, j], axis=1)


def _compare_bucket(words: Words, rows: Indices, radius: int, *, spanning: bool) -> Iterator[Indices]:
    """Compare all rows of a bucket with each other, tile by tile."""
    return (_spanning_pairs if spanning else _all_pairs)(np.ascontiguousarray(words[:, rows]), rows, radius)


def _all_pairs(words: Words, rows: Indices, radius: int) -> Iterator[Indices]:
    """Yield all pairs within the radius."""
    n = len(rows)
    height = max(1, _BATCH // n)
    for top in range(0, n, height):
        bottom = min(top + height, n)
        for start in range(top, n, _BATCH):
            a, b = _near(words[:, top:bottom], words[:, start : start + _BATCH], radius)
            a, b = a + top, b + start
            yield np.stack([rows[a[a < b]], rows[b[a < b]]], axis=1)


def _spanning_pairs(words: Words, rows: Indices, radius: int) -> Iterator[Indices]:
    """Yield the edges of a search outward from one hash after the other; what is reached is no target again."""
    reached, waiting = np.empty(0, np.int64), np.arange(len(rows))
    while len(waiting):
        if not len(reached):  # one at a time: all that is reached must belong to one component
            reached, waiting = waiting[:1], waiting[1:]
        height = max(1, _BATCH // (len(waiting) + 1))
        front, reached = reached[:height], reached[height:]
        found = [np.empty(0, np.int64)]
        for start in range(0, len(waiting), _BATCH):
            a, b = _near(words[:, front], words[:, waiting[start : start + _BATCH]], radius)
            b, first = np.unique(b + start, return_index=True)
            yield np.stack([rows[front[a[first]]], rows[waiting[b]]], axis=1)
            found.append(b)
        new = np.concatenate(found)
        if len(new):
            reached = np.concatenate([reached, waiting[new]])
            waiting = np.delete(waiting, new)


def _near(left: Words, right: Words, radius: int) -> tuple[Indices, Indices]:
    """Return where two short lists of hashes, [4, p] and [4, q], lie within the radius of each other."""
    whole = 1 if radius < 16 else 2 if radius < 40 else _WORDS
    distance = _distances(left[:whole], right[:whole])
    a, b = np.nonzero(distance <= radius)
    if whole < _WORDS:
        rest = np.bitwise_count(left[whole:, a] ^ right[whole:, b]).sum(axis=0, dtype=np.uint16)
        near = distance[a, b] + rest <= radius
        a, b = a[near], b[near]
    return a, b


def _distances(left: Words, right: Words) -> NDArray[np.uint16]:
    distance = np.zeros((left.shape[1], right.shape[1]), np.uint16)
    for a, b in zip(left, right, strict=True):
        distance += np.bitwise_count(a[:, None] ^ b)
    return distance
