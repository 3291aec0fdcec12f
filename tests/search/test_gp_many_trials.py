"""A Gaussian process and a thousand trials and more: what is thinned, and what that costs."""

from __future__ import annotations

import time

import numpy as np
import pytest

from benchmarks.fixtures import ended, started
from trimtab.history import History
from trimtab.protocol import Ask
from trimtab.search.gp import GP
from trimtab.search.gp._model import Data, fit, loss, prior_mode
from trimtab.search.gp._surrogate import LONG, _best
from trimtab.space import Float, Space

SIX = Space({f"x{i}": Float(0, 1) for i in range(6)})


@pytest.mark.slow
def test_hyperparameters_from_a_part_of_the_trials_are_as_good() -> None:
    rng = np.random.default_rng(0)
    X = rng.random((620, 3))
    y = (X**2).sum(axis=1) + 0.3 * rng.standard_normal(620)
    data = Data(X, np.arange(3), (y - y.mean()) / y.std(), np.zeros(620))
    start = prior_mode(3)
    mine, theirs = (loss(t / 1000, data)[0] for t in (_best(data, [start], True), fit(data, [start], LONG)))
    assert mine < theirs + 1.0


def test_three_thousand_trials_take_seconds_at_most() -> None:
    """ACCEPTANCE: an ask with 3,000 trials, fits included, takes less than 5 s."""
    history, rng = History.empty(SIX), np.random.default_rng(0)
    events = []
    for number in range(3000):
        config = SIX.sample_config(rng)
        cost = sum((v - 0.4) ** 2 for v in config.values())
        events += [started(number, config), ended(history, number, cost)]
    history.extend(events)
    before = time.process_time()
    (proposal,) = GP().propose(history, Ask(number=3000, move=3000))
    assert time.process_time() - before < 5
    assert sum((v - 0.4) ** 2 for v in dict(proposal.config or {}).values()) < float(np.median(history.Y)) / 4
