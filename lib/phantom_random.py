"""A counter-based random stream: every number is a hash of (seed, split, image, slot), so no draw depends on another.

Integer arithmetic on uint64 alone (splitmix64, https://prng.di.unimi.it/splitmix64.c): the same bytes on every
platform and with every version of NumPy.
"""

import numpy as np

from lib.base.random import INCREMENT, MASK, mix


def keys(seed: int, stream: int, first: int, count: int) -> np.ndarray:
    """One uint64 key (count,) for each of the items `first`, `first + 1`, ... of a stream of a seed."""
    start = mix(np.array([((seed + 1) * INCREMENT) & MASK], np.uint64))
    start = mix(start ^ np.array([((stream + 1) * 0xD1B54A32D192ED03) & MASK], np.uint64))
    items = np.arange(first + 1, first + 1 + count, dtype=np.uint64)
    return mix(start + items * np.uint64(INCREMENT))


def draw(item_keys: np.ndarray, slot: int, low: int, high: int) -> np.ndarray:
    """One integer (N,), int64, from `low` up to and without `high`, for each key (N,); each slot is a fresh number."""
    bits = mix(item_keys + np.uint64(((slot + 1) * INCREMENT) & MASK))
    return ((bits >> np.uint64(32)) * np.uint64(high - low) >> np.uint64(32)).astype(np.int64) + low


def lattice(item_keys: np.ndarray, slot: int, y: np.ndarray, x: np.ndarray) -> np.ndarray:
    """A random byte, int16 0..255, of each cell (y, x) of each item: (N,) keys, cells that broadcast to (N, h, w).

    Cells are numbered -32..479 in each direction.
    """
    bits = mix(item_keys + np.uint64(((slot + 1) * INCREMENT) & MASK))
    cells = ((y + 32) * 512 + (x + 32)).astype(np.uint64)
    bits = mix(bits[:, None, None] + cells * np.uint64(INCREMENT))
    return (bits >> np.uint64(56)).astype(np.int16)


def noise(item_keys: np.ndarray, slot: int, count: int) -> np.ndarray:
    """Noise (N, count), int16: the sum of two uniform half bytes less 15, so triangular on -15..15."""
    words = -(-count // 8)
    bits = mix(item_keys + np.uint64(((slot + 1) * INCREMENT) & MASK))
    bits = mix(bits[:, None] + np.arange(words, dtype=np.uint64) * np.uint64(INCREMENT))
    shifts = np.arange(0, 64, 8, dtype=np.uint64)
    octets = (
        ((bits[:, :, None] >> shifts) & np.uint64(255))
        .astype(np.int16)
        .reshape(len(item_keys), -1)[:, :count]
    )
    return (octets >> 4) + (octets & 15) - 15
