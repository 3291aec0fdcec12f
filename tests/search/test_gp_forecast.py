"""Features of checkpoints on their way through the log, and what a model makes of them."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from scipy.stats import kendalltau

import trimtab as tt
from benchmarks.fixtures import ended, started
from trimtab.history import History
from trimtab.log import Event
from trimtab.parts.weights import weight_features
from trimtab.run.trial import Trial
from trimtab.search.gp._forecast import forecast
from trimtab.space import Float, Space

SPACE = Space({f"x{i}": Float(0, 1) for i in range(3)})


def sick_and_healthy(seed: int, n: int = 200, hidden: int = 64) -> tuple[History, Any]:
    """Half of n trials have finished, the others are paused at step 1. What they come to depends on their health, and
    nothing shows that but how widely their weights are spread at step 1. Values (n,)."""
    rng, history = np.random.default_rng(seed), History.empty(SPACE)
    values = np.empty(n)
    for t in range(n):
        config, health = SPACE.sample_config(rng), rng.random()
        values[t] = 1 - health + 0.1 * config["x1"] + 0.2 * (config["x0"] - 0.5) ** 2 + 0.02 * rng.normal()
        sd = 0.5 + health
        state = {"in": rng.normal(0, sd / 3, (hidden, 10)), "out": rng.normal(0, sd / 8, (3, hidden))}
        saved = {"step": 1.0, "ref": f"{t}/1", "features": weight_features(state)}
        first = {"step": [1.0], "metrics": {"loss": [2.0 + 0.1 * rng.normal()]}}
        history.extend([started(t, config), Event("reported", first, t, 1), Event("saved", saved, t, 1)])
        done = t < n // 2
        later = {"step": 9.0, "ref": f"{t}/9", "features": {"in sd": rng.normal()}}  # must not be seen at step 1
        history.extend([Event("saved", later, t, 1)] if done else [])
        history.extend([ended(history, t, values[t] if done else 2.0, state="finished" if done else "paused", step=1)])
    return history, values


def test_health_that_only_weights_show_foretells_the_end() -> None:
    """Section 41: Kendall's τ at least .8 over 100 trials from data of the first epoch, and without at most .4."""
    with_, without = list[float](), list[float]()
    for seed in range(3):
        history, values = sick_and_healthy(seed)
        for told, features in ((with_, True), (without, False)):
            foretold = forecast(history, 1.0, features=features)
            assert foretold is not None
            told.append(kendalltau(foretold[0][100:], values[100:]).statistic)
    assert min(with_) >= 0.8
    assert max(without) <= 0.4


def test_trials_without_a_checkpoint_are_foretold_with_less_certainty() -> None:
    history, _ = sick_and_healthy(0, n=60)
    config = SPACE.sample_config(np.random.default_rng(0))
    history.extend([started(60, config), started(61, config)])
    foretold = forecast(history, 1.0)
    assert foretold is not None
    mean, sd = foretold
    assert np.isfinite(mean).all()
    assert mean[60] == mean[61]
    assert sd[60] > np.median(sd[30:60])


def test_nothing_is_foretold_from_nothing() -> None:
    history = History.empty(SPACE)
    assert forecast(history, 1.0) is None
    for t in range(6):
        history.extend([started(t, {"x0": t / 6, "x1": 0.5, "x2": 0.5}), ended(history, t, 1.0)])
    foretold = forecast(history, 1.0)
    assert foretold is not None  # all values are the same
    assert np.isfinite(foretold[0]).all()


def test_the_newest_features_up_to_a_step() -> None:
    history = History.empty(SPACE)
    config = SPACE.sample_config(np.random.default_rng(0))
    history.extend([started(t, config) for t in range(3)])
    for t, step, features in ((0, 1, {"b": 1.0, "a": 2.0}), (0, 3, {"b": 5.0, "a": 6.0}), (1, 2, {"c": 7})):
        history.extend([Event("saved", {"step": float(step), "ref": "", "features": features}, t, 1)])
    told = history.features()
    assert told.names == ("a", "b", "c")
    np.testing.assert_array_equal(told.step, [3, 2, np.nan])
    np.testing.assert_array_equal(told.values, [[6, 5, np.nan], [np.nan, np.nan, 7], [np.nan] * 3])
    assert history.features(at=2.0).values[0].tolist()[:2] == [2, 1]
    assert history.features(at=0.5).names == ()
    late = Event("saved", {"step": 3.0, "ref": "", "features": {"a": 9.0, "b": 9.0}}, 0, 1)
    assert history.extend([late]).features().values[0, 0] == 9


def study(where: Path) -> tt.Study:
    return tt.Study("weights", SPACE, minimize="loss", storage=where, searcher="random", seed=0, max_budget=12)


@pytest.mark.parametrize("workers", [1, 2])
def test_features_stay_when_checkpoints_go(tmp_path: Path, workers: int) -> None:
    made = study(tmp_path / "s.db")
    made.optimize(saving, trials=2, workers=workers, display="off")
    again = tt.load(tmp_path / "s.db")  # from the log alone
    for history in (made.history, again.history):
        assert history.checkpoints(0) == (12.0,)  # the others have gone
        for step in (1.0, 7.0, 12.0):
            told = history.features(at=step)
            assert told.names == ("step", "w largest", "w mean", "w sd", "w zeros")
            np.testing.assert_array_equal(told.values[:, 0], [step, step])
            np.testing.assert_array_equal(told.step, [step, step])


def saving(trial: Trial) -> None:
    for step in trial.steps():
        w = {"w": np.full(5, trial["x0"] * step)}
        with trial.save_checkpoint(features=weight_features(w) | {"step": step, "odd": float("nan")}) as folder:
            (folder / "w").write_text(str(step))
        trial.report(loss=1 / step)


def test_features_may_be_a_function_of_the_folder(tmp_path: Path) -> None:
    def objective(trial: Trial) -> float:
        def read(folder: Path) -> dict[str, float]:
            return {"length": len((folder / "w").read_text())}

        with trial.save_checkpoint(step=1, features=read) as folder:
            (folder / "w").write_text("abc")
        return 1.0

    made = tt.Study("one", SPACE, minimize="loss", storage=tmp_path / "s.db", searcher="random", seed=0)
    made.optimize(objective, trials=1, display="off")
    assert made.history.features().values.tolist() == [[3.0]]


@pytest.mark.parametrize(
    ("features", "says"),
    [
        ([1.0, 2.0], "of type list"),
        ({"a": "x"}, "the text 'x'"),
        ({str(i): 0.0 for i in range(3000)}, "3,000 features"),
    ],
)
def test_what_is_no_table_of_numbers_is_refused(tmp_path: Path, features: Any, says: str) -> None:
    trial = Trial.fixed({"x": 1}, folder=tmp_path)
    with pytest.raises((tt.ReportError, TypeError), match=says), trial.save_checkpoint(features=features) as folder:
        (folder / "w").write_text("w")
    assert trial.saved is None
    assert not [p for p in tmp_path.rglob("*") if p.is_file()]  # nothing half-written stays
