"""Random numbers keyed by what they are for, never by who draws them or when (law 1)."""

from __future__ import annotations

from hashlib import blake2b

import numpy as np
from numpy.random import Generator, Philox


def stable_hash(*words: object) -> int:
    """128 bits of the words' reprs; the same in every process and on every platform."""
    return int.from_bytes(blake2b("\x1f".join(map(str, words)).encode(), digest_size=16).digest(), "little")


def rng_for(seed: int, *words: object) -> Generator:
    """The generator that belongs to these words under this seed."""
    return Generator(Philox(key=stable_hash(seed, *words)))


def seed_for(seed: int, *words: object) -> int:
    """A seed below 2**31 for somebody else's generator (the objective's, say)."""
    return stable_hash(seed, *words) % 2**31


def fresh_seed() -> int:
    """A new study's seed, drawn once from the machine's entropy and then stored."""
    return int(np.random.SeedSequence().generate_state(1)[0]) % 2**31
