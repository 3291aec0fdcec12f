"""Keyed randomness: the stream of a key is Philox's own, and stays."""

import pickle

from numpy.random import Generator, Philox

from trimtab._random import rng_for, stable_hash


def test_a_key_gives_its_own_stream_of_philox() -> None:
    words = (7, "/svm", "tpe", "trial", 12)
    expected = Generator(Philox(key=stable_hash(*words))).random(100)
    assert (rng_for(*words).random(100) == expected).all()
    assert (rng_for(*words).random(100) == expected).all()
    assert not (rng_for(8, *words[1:]).random(100) == expected).any()


def test_it_can_be_pickled_on_the_way() -> None:
    rng = rng_for(0, "here")
    rng.random(3)
    again = pickle.loads(pickle.dumps(rng))
    assert (again.random(5) == rng.random(5)).all()


def test_its_words_are_the_same_everywhere() -> None:
    assert stable_hash(0, "a") == 0x8ED5ACD1CBCFA30D45988558106BB504
    assert rng_for(0, "a").integers(0, 1000, 4).tolist() == [323, 401, 523, 582]
