"""Step Law's runs as tasks: the grids as they are, and the smooth model of them."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from trimtab._random import rng_for
from trimtab.bench._families import task, tasks
from trimtab.bench.tasks import _steplaw_fit, steplaw
from trimtab.errors import MissingData, TrimtabError, UnknownName

HEAD = "h,lr,bs,loss,smooth loss,D,N\n"


@pytest.fixture
def path(shared_data: Path) -> Path:
    return shared_data / "steplaw" / steplaw.FILE


def test_every_size_is_a_grid(shared_data: Path, path: Path) -> None:
    names = tasks("steplaw/*", shared_data)
    assert len(names) == 15 + 4 + 2
    assert names[0] == "steplaw/n215m-d4b"
    found = steplaw.grids(path)
    assert sum(int(np.isfinite(grid.losses).sum()) for grid in found.values()) == len(steplaw.table(path)) == 1746
    assert sum(int(np.isnan(grid.losses).sum()) for grid in found.values()) == 44


def test_a_cell_is_its_run(shared_data: Path, path: Path) -> None:
    made = task("steplaw/n215m-d4b", shared_data)
    rows = steplaw.table(path)
    runs = rows[(rows[:, 0] == 214663680) & (rows[:, 1] == 4e9)]
    for _, _, lr, bs, loss in runs:
        assert made.measure({"lr": lr, "bs": int(bs)}, None, 0).metrics == {"loss": loss}
    assert made.best == runs[:, 4].min()
    assert made.exact
    assert made.measure(made.optimum, None, 0).metrics["loss"] == made.best
    assert made.measure(made.optimum, None, 0).seconds == pytest.approx(6 * 214663680 * 4e9 / 1e18)
    assert made.space.size == 120


def test_no_gap_is_the_best(shared_data: Path, path: Path) -> None:
    for name, grid in steplaw.grids(path).items():
        filled = grid.filled()
        assert np.isfinite(filled).all()
        assert (filled[np.isnan(grid.losses)] > np.nanmin(grid.losses)).all()
        made = task(f"steplaw/{name}", shared_data)
        assert all(made.space.inside({"lr": lr, "bs": bs}) for lr in grid.rates for bs in grid.sizes)


def test_gaps_are_the_mean_of_what_is_beside_them() -> None:
    nan = np.nan
    grid = steplaw.Grid(1e6, 1e9, [1, 2, 3], [1, 2, 3], np.array([[1, nan, 3], [4, 5, 6], [7.0, nan, nan]]))
    assert grid.name == "n1m-d1b"
    assert grid.filled().tolist() == [[1, 3, 3], [4, 5, 6], [7, 6, 6]]


def folds(rows: np.ndarray, kind: str) -> np.ndarray:
    if kind == "tenth":
        return rng_for(0, "folds").permutation(len(rows)) % 10
    return np.unique(rows[:, :2], axis=0, return_inverse=True)[1].ravel()


@pytest.mark.parametrize(
    ("kind", "median", "overall", "ranks"),
    [("tenth", 0.003, 0.12, 0.985), pytest.param("size", 0.006, 0.13, 0.98, marks=pytest.mark.slow)],
)
def test_the_smooth_model_predicts_runs_it_has_not_seen(
    path: Path, kind: str, median: float, overall: float, ranks: float, capsys: pytest.CaptureFixture[str]
) -> None:
    """The figures of _steplaw_fit.py: printed here with `pytest -s`."""
    rows = steplaw.table(path)
    fold, losses = folds(rows, kind), rows[:, 4]
    predicted = np.empty(len(rows))
    for k in np.unique(fold):
        predicted[fold == k] = _steplaw_fit.fit(rows[fold != k, :4], losses[fold != k]).predict(rows[fold == k, :4])
    error, well = np.abs(predicted - losses), losses < _steplaw_fit.DIVERGED
    order = lambda values: np.argsort(np.argsort(values))  # noqa: E731
    size = folds(rows, "size")
    alike = np.mean([np.corrcoef(order(predicted[size == k]), order(losses[size == k]))[0, 1] for k in np.unique(size)])
    print(f"{kind}: median {np.median(error[well]):.4f}, mean of all {error.mean():.3f}, rank correlation {alike:.4f}")
    assert np.median(error[well]) < median
    assert error.mean() < overall
    assert alike > ranks


def test_tokens_are_a_fidelity(shared_data: Path) -> None:
    made = task("steplaw/n215m-tokens", shared_data)
    assert made.kind == "multifidelity"
    assert made.curve is None
    assert (made.fidelity.low, made.fidelity.high, made.fidelity.integer) == (4e9, 1e11, False)
    config = {"lr": 2e-3, "bs": 256}
    few, many = made.measure(config, 4e9, 0), made.measure(config, None, 0)
    assert few.metrics["loss"] > many.metrics["loss"] + 0.2
    assert many.seconds == pytest.approx(25 * few.seconds)
    assert made.measure(config, 1e11, 5) == many
    with pytest.raises(ValueError, match="tokens"):
        made.measure(config, 2e11, 0)


def test_high_learning_rates_diverge(shared_data: Path) -> None:
    made = task("steplaw/all", shared_data)
    size = {"N": 2.2e8, "D": 5e9, "bs": 128}
    assert made.measure({**size, "lr": 2.2e-2}, None, 0).metrics["loss"] == pytest.approx(6.7, abs=0.1)
    assert made.measure({**size, "lr": 2e-3}, None, 0).metrics["loss"] < 2.7


def test_loss_and_compute_are_at_odds(shared_data: Path) -> None:
    made = task("steplaw/all-loss+exaflops", shared_data)
    assert [(g.name, g.ideal, g.nadir) for g in made.goals] == [("loss", 2.217, 2.621), ("exaflops", 5.15, 161.06)]
    small = made.measure({"N": 2.2e8, "D": 5e9, "lr": 2e-3, "bs": 128}, None, 0)
    large = made.measure({"N": 5.3e8, "D": 5e10, "lr": 2e-3, "bs": 352}, None, 0)
    assert small.metrics["loss"] > large.metrics["loss"]
    assert small.metrics["exaflops"] < large.metrics["exaflops"]


def test_what_is_wrong_is_said(shared_data: Path, tmp_path: Path) -> None:
    with pytest.raises(UnknownName, match="Did you mean 'n215m-d4b'"):
        task("steplaw/n215m-d4", shared_data)
    with pytest.raises(MissingData, match="TRIMTAB_BENCH_DATA"):
        task("steplaw/all")
    with pytest.raises(MissingData, match="dense_lr_bs_loss"):
        task("steplaw/all", tmp_path)
    assert tasks("steplaw/*", tmp_path) == []
    file = tmp_path / "steplaw" / steplaw.FILE
    file.parent.mkdir()
    for text, words in [
        ("lr,bs,loss\n1,2,3\n", "no column 'N'"),
        (HEAD + "960,0.001,many,2,2,1e9,1e6\n", "line 2"),
        (HEAD + "960,0.001,64,2,nan,1e9,1e6\n", "not finite"),
        (HEAD, "no rows"),
    ]:
        steplaw.table.cache_clear()
        file.write_text(text)
        with pytest.raises(TrimtabError, match=words):
            task("steplaw/all", tmp_path)
