"""Random numbers keyed by what they are for, never by who draws them or when (law 1)."""

from __future__ import annotations

from hashlib import blake2b

import numpy as np
from numpy.random import Generator, Philox
from numpy.random.bit_generator import ISeedSequence
from numpy.typing import NDArray


def stable_hash(*words: object) -> int:
    """128 bits of the words' reprs; the same in every process and on every platform."""
    return int.from_bytes(blake2b("\x1f".join(map(str, words)).encode(), digest_size=16).digest(), "little")


class _Key(ISeedSequence):
    """Philox's key as it is. The stream is that of Philox(key=…), which costs three times as much: it asks the system
    for entropy first, and then has no use for it."""

    def __init__(self, key: int) -> None:
        self.words = np.array((key & 0xFFFF_FFFF_FFFF_FFFF, key >> 64), np.uint64)

    def generate_state(self, n_words: int, dtype: object = np.uint64) -> NDArray[np.uint64]:
        return self.words


def rng_for(seed: int, *words: object) -> Generator:
    """The generator that belongs to these words under this seed."""
    return Generator(Philox(_Key(stable_hash(seed, *words))))  # type: ignore[arg-type]  # any ISeedSequence will do


def seed_for(seed: int, *words: object) -> int:
    """A seed below 2**31 for somebody else's generator (the objective's, say)."""
    return stable_hash(seed, *words) % 2**31


def fresh_seed() -> int:
    """A new study's seed, drawn once from the machine's entropy and then stored."""
    return int(np.random.SeedSequence().generate_state(1)[0]) % 2**31
