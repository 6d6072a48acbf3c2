"""Which images are the same, or nearly so, among a hundred thousand.

A perceptual hash proposes: near images differ in few of its 64 bits. Two hashes with
at most D different bits agree wholly in one of D + 1 parts of them (Norouzi et al.,
"Fast Search in Hamming Space with Multi-Index Hashing", CVPR 2012, Sec. 2), so that
only images with a part in common are compared. Thumbnails decide.

Legend: I images, P pairs.
"""

from collections.abc import Iterator
from itertools import pairwise

import numpy as np
from scipy.sparse import coo_array
from scipy.sparse.csgraph import connected_components

from projects.core.diagnosis.image_scan import Scan

DISTANCE = 6  # bits of 64
# of two thumbnails; another picture of the same scene has less, another size more
CORRELATION = 0.98
AT_ONCE = 50_000  # pairs, of a kilobyte each


def near_pairs(hashes: np.ndarray, distance: int = DISTANCE) -> Iterator[np.ndarray]:
    """Pairs of hashes that differ in at most ``distance`` bits.

    Args:
        hashes: (I, ) uint64.

    Yields:
        (P, 2) indices; a pair may come more than once. Of equal hashes each is paired
        with the first alone, which stands for them in other pairs.
    """
    unique, first, inverse = np.unique(hashes, return_index=True, return_inverse=True)
    index = np.arange(len(hashes))
    again = index[first[inverse] != index]
    yield np.stack([first[inverse[again]], again], 1)
    edges = np.linspace(0, 64, distance + 2).astype(int).tolist()
    for low, high in pairwise(edges):
        keys = (unique >> np.uint64(low)) & np.uint64((1 << (high - low)) - 1)
        order = np.argsort(keys, kind='stable')
        keys = keys[order]
        rows = np.arange(len(order))
        for step in range(1, len(order)):
            # those with another of the same part so many places after them
            rows = rows[rows + step < len(order)]
            rows = rows[keys[rows] == keys[rows + step]]
            if not len(rows):
                break
            one, other = order[rows], order[rows + step]
            near = np.bitwise_count(unique[one] ^ unique[other]) <= distance
            yield np.stack([first[one[near]], first[other[near]]], 1)


def same_groups(scan: Scan) -> list[list[int]]:
    """Images of the very same pixels, at least two in a group, in rising order."""
    groups: dict[bytes, list[int]] = {}
    for i, digest in enumerate(scan.digests):
        if digest:
            groups.setdefault(digest, []).append(i)
    return [group for group in groups.values() if len(group) > 1]


def near_groups(scan: Scan) -> list[list[int]]:
    """Images that look alike, at least two in a group, in rising order.

    Alike are also those with an image between them, as in a film.
    """
    rows = np.flatnonzero(scan.hashed)
    labels = np.arange(len(scan.hashes))  # of the groups so far
    for proposed in near_pairs(scan.hashes[rows]):
        for start in range(0, len(proposed), AT_ONCE):
            pairs = rows[proposed[start : start + AT_ONCE]]
            # of a film, most are in one group by then
            pairs = pairs[labels[pairs[:, 0]] != labels[pairs[:, 1]]]
            one, other = (scan.thumbnails[column] for column in pairs.T)
            pairs = labels[pairs[_correlation(one, other) >= CORRELATION]]
            if len(pairs):
                graph = coo_array(
                    (np.ones(len(pairs), bool), pairs.T), (len(labels), len(labels))
                )
                _, joined = connected_components(graph, directed=False)
                labels = joined[labels]
    counts = np.bincount(labels, minlength=1)
    groups: dict[int, list[int]] = {}
    for i in np.flatnonzero(counts[labels] > 1).tolist():
        groups.setdefault(int(labels[i]), []).append(i)
    return list(groups.values())


def _correlation(one: np.ndarray, other: np.ndarray) -> np.ndarray:
    """(P, ) Pearson's, of (P, n) each."""
    one, other = (x - x.mean(1, keepdims=True, dtype=np.float32) for x in (one, other))
    norms = np.sqrt((one**2).sum(1) * (other**2).sum(1))
    return (one * other).sum(1) / np.maximum(norms, 1e-6)
