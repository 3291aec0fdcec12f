"""A study of 100,000 trials: asked, told, stored and read in seconds."""

from __future__ import annotations

import pytest

import trimtab as tt


@pytest.mark.slow
def test_a_hundred_thousand_trials() -> None:
    study = tt.Study("many", {f"p{i}": tt.Float(0, 1) for i in range(10)}, minimize="loss", searcher="random", seed=0)
    study.optimize(lambda t: t["p0"], trials=100_000)
    assert study.counts["counted"] == 100_000
    assert study.best.value < 1e-3
    assert len(study.to_pandas()) == 100_000
