"""Counter-based randomness: every draw is a function of what it is for, so there is no state to
save or to share."""

import numpy as np

INCREMENT = 0x9E3779B97F4A7C15
MASK = (1 << 64) - 1


def mix(values: np.ndarray) -> np.ndarray:
    """SplitMix64's finaliser, a bijection of 64-bit integers (Steele et al.,
    https://doi.org/10.1145/2660193.2660195)."""
    values = values ^ (values >> np.uint64(30))
    values = values * np.uint64(0xBF58476D1CE4E5B9)
    values = values ^ (values >> np.uint64(27))
    values = values * np.uint64(0x94D049BB133111EB)
    return values ^ (values >> np.uint64(31))


def key(*counters: int) -> int:
    """One 64-bit key from whole numbers such as (seed, epoch, purpose); order matters."""
    state = 0
    for counter in counters:
        word = np.array([(state + INCREMENT + counter) & MASK], dtype=np.uint64)
        state = int(mix(word)[0])
    return state


def bits(stream: int, index: np.ndarray) -> np.ndarray:
    """64 random bits for each whole number in `index`, of the stream that `key` made."""
    counters = np.asarray(index).astype(np.uint64) * np.uint64(INCREMENT) + np.uint64(stream)
    return mix(mix(counters) ^ np.uint64(stream))


def permutation(stream: int, size: int) -> np.ndarray:
    """A random order of 0..size-1."""
    return np.argsort(bits(stream, np.arange(size)), kind="stable")
