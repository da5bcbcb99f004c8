from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gingham.curate import hamming, near_duplicate_components, near_duplicate_pairs
from gingham.curate.hamming import distances
from gingham.curate.sets import DisjointSets


def brute_force(hashes, radius):
    bits = np.unpackbits(hashes, axis=1).astype(np.int32)
    distance = (bits[:, None] != bits[None]).sum(axis=2) if len(bits) < 200 else _by_products(bits)
    return np.argwhere(np.triu(distance <= radius, 1))


def _by_products(bits):
    ones = bits.sum(axis=1)
    return ones[:, None] + ones - 2 * (bits.astype(np.float32) @ bits.T.astype(np.float32)).astype(int)


def walk_components(n, pairs):
    neighbours = [set() for _ in range(n)]
    for i, j in pairs:
        neighbours[i].add(j)
        neighbours[j].add(i)
    labels = np.full(n, -1)
    for start in range(n):
        waiting = [start] if labels[start] < 0 else []
        while waiting:
            at = waiting.pop()
            if labels[at] < 0:
                labels[at] = start
                waiting.extend(neighbours[at])
    return labels


def uniform(n, rng):
    return rng.integers(256, size=(n, 32), dtype=np.uint8)


def all_equal(n, rng):
    return np.repeat(uniform(1, rng), n, axis=0)


def clustered(n, rng):
    """Clusters of which the largest holds most, as bursts of one scene do."""
    centres = uniform(8, rng)[(8 * rng.random(n) ** 4).astype(int)]
    return centres ^ np.packbits(rng.random((n, 256)) < rng.choice([0, 0.01, 0.03, 0.06], (n, 1)), axis=1)


def chained(n, rng):
    """Each hash a few bits from the one before, in random order."""
    flips = rng.random((n, 256)) < 0.02
    walk = np.packbits(np.cumsum(flips, axis=0) % 2 == 1, axis=1).reshape(n, 32)
    return walk[rng.permutation(n)]


def mostly_zero(n, rng):
    """Few bits ever set: nearly everything falls into one bucket of most chunks."""
    return np.packbits(rng.random((n, 256)) < 0.03, axis=1).reshape(n, 32)


KINDS = [uniform, all_equal, clustered, chained, mostly_zero]


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("n", [0, 1, 2, 3, 60, 500])
@pytest.mark.parametrize("radius", [0, 1, 7, 12, 20, 33, 64])
def test_pairs_and_components_equal_those_of_brute_force(kind, n, radius):
    hashes = kind(n, np.random.default_rng(n + radius))
    expected = brute_force(hashes, radius)
    pairs = near_duplicate_pairs(hashes, radius)
    assert pairs.dtype == np.int64
    assert pairs.shape == (len(expected), 2)
    assert np.array_equal(pairs, expected)
    assert np.array_equal(near_duplicate_components(hashes, radius), walk_components(n, expected))


@settings(deadline=None, max_examples=150)
@given(st.data())
def test_any_small_set(data):
    """Bits drawn by the property tester, few distinct bytes, so that near and equal hashes are common."""
    byte = st.sampled_from([0, 0, 0, 1, 3, 128, 255])
    rows = data.draw(st.lists(st.lists(byte, min_size=32, max_size=32), max_size=25))
    hashes = np.array(rows, np.uint8).reshape(-1, 32)
    radius = data.draw(st.integers(0, 255))
    expected = brute_force(hashes, radius)
    assert np.array_equal(near_duplicate_pairs(hashes, radius), expected)
    assert np.array_equal(near_duplicate_components(hashes, radius), walk_components(len(hashes), expected))


@pytest.mark.parametrize("agree", [1, 2, 3, None], ids=lambda k: f"{k}-chunks-agree" if k else "all-with-all")
@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("small_bucket", [2, 128], ids=["large-buckets", "small-buckets"])
@pytest.mark.parametrize("batch", [50, 1 << 17], ids=["tiny-batches", "one-batch"])
def test_every_plan_is_exact(monkeypatch, kind, agree, small_bucket, batch):
    """Each way of searching is right by itself, not only the one that is chosen here."""
    radius = 10
    hashes = kind(300, np.random.default_rng(5))
    plan = agree and hamming._Plan(radius + agree, agree, min(256 // (radius + agree), 54 // agree))
    monkeypatch.setattr(hamming, "_choose_plan", lambda *_: plan)
    monkeypatch.setattr(hamming, "_SMALL_BUCKET", small_bucket)
    monkeypatch.setattr(hamming, "_BATCH", batch)
    expected = brute_force(hashes, radius)
    assert np.array_equal(near_duplicate_pairs(hashes, radius), expected)
    assert np.array_equal(near_duplicate_components(hashes, radius), walk_components(300, expected))


def test_pair_at_the_radius_is_found_whichever_bits_differ():
    """Differences placed against the chunks: packed into few, or one in each."""
    rng = np.random.default_rng(0)
    base = uniform(2000, rng)
    for radius in (1, 5, 12):
        for spread in (1, 7, 16, 101):
            flips = np.zeros((2, 256), np.uint8)
            flips[0, np.arange(radius) * spread % 256] = 1
            flips[1, np.arange(radius + 1) * spread % 256] = 1
            copies = base[:2] ^ np.packbits(flips, axis=1)
            assert near_duplicate_pairs(np.concatenate([base, copies]), radius).tolist() == [[0, 2000]]


def test_search_does_not_compare_all_with_all():
    """The index is used where it pays: on the bits of 20,000 alike but unrelated hashes it does."""
    words = hamming._spread_words(uniform(20_000, np.random.default_rng(1)), 12)
    assert hamming._choose_plan(words, 12) is not None
    assert hamming._choose_plan(words, 200) is None


def test_components_of_a_huge_cluster_list_no_pairs():
    """30,000 alike hashes have 450 million pairs; grouping them must not need them."""
    rng = np.random.default_rng(2)
    hashes = all_equal(30_000, rng) ^ np.packbits(rng.random((30_000, 256)) < 0.01, axis=1)
    assert not near_duplicate_components(hashes, 12).any()


@pytest.mark.parametrize(
    ("hashes", "radius", "message"),
    [
        pytest.param(np.zeros((3, 31), np.uint8), 5, r"shape \(n, 32\)", id="31-bytes"),
        pytest.param(np.zeros((3, 32), np.int64), 5, "uint8", id="not-bytes"),
        pytest.param(np.zeros(32, np.uint8), 5, r"shape \(n, 32\)", id="one-dimension"),
        pytest.param(np.zeros((3, 32), np.uint8), -1, "between 0 and 255", id="negative-radius"),
        pytest.param(np.zeros((3, 32), np.uint8), 256, "between 0 and 255", id="radius-of-all-bits"),
    ],
)
@pytest.mark.parametrize("search", [near_duplicate_pairs, near_duplicate_components])
def test_wrong_arguments_are_refused(search, hashes, radius, message):
    with pytest.raises(ValueError, match=message):
        search(hashes, radius)


def test_distances_count_all_256_bits():
    hashes = np.array([[0] * 32, [255] * 32, [1] + [0] * 31], np.uint8)
    assert distances(hashes, hashes).tolist() == [[0, 256, 1], [256, 0, 255], [1, 255, 0]]


@given(st.lists(st.tuples(st.integers(0, 30), st.integers(0, 30)), max_size=60), st.integers(1, 5))
def test_disjoint_sets_equal_a_walk_over_the_edges(edges, batches):
    sets = DisjointSets(31)
    for part in np.array_split(np.array(edges, np.int64).reshape(-1, 2), batches):
        sets.join(part[:, 0], part[:, 1])
    assert np.array_equal(sets.labels(), walk_components(31, edges))


def test_disjoint_sets_join_a_long_chain_in_one_batch():
    sets = DisjointSets(200_000)
    sets.join(np.arange(199_999), np.arange(1, 200_000))
    assert not sets.labels().any()
