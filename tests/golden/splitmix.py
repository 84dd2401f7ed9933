"""The random numbers of scorecam's methods: those of SplitMix64, read by position.

Draw i of a seed is `mix(seed + (i + 1) * gamma)`, all modulo 2^64. A number in 0..1 is a draw's upper 53 bits over 2^53; number
i of the normal distribution comes from draws 2i and 2i + 1 (Box and Muller).
"""

import numpy as np

_GAMMA = 0x9E3779B97F4A7C15


def draws(seed, count):
    """The first draws of a seed, as uint64."""
    with np.errstate(over="ignore"):
        z = np.uint64(seed) + np.arange(1, count + 1, dtype=np.uint64) * np.uint64(_GAMMA)
        z = (z ^ (z >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
        z = (z ^ (z >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    return z ^ (z >> np.uint64(31))


def uniform(seed, count):
    return (draws(seed, count) >> np.uint64(11)).astype(np.float64) * 2.0**-53


def normal(seed, count):
    numbers = uniform(seed, 2 * count)
    return np.sqrt(-2 * np.log(1 - numbers[::2])) * np.cos(2 * np.pi * numbers[1::2])
