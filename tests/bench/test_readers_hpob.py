"""HPO-B: read in the published layout; the discrete protocol; wrong files are refused."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from trimtab.bench._families import task, tasks
from trimtab.bench.readers._files import WrongFile
from trimtab.bench.readers.hpob import Points, discrete_run, points
from trimtab.errors import MissingData

SETS = {("4796", "3549"): (60, 3), ("5860", "145"): (80, 4), ("5906", "9889"): (50, 2)}


def pool(n: int, d: int, rng: np.random.Generator) -> dict[str, Any]:
    x = np.round(rng.random((n, d)), 6)
    x[:, -1] = rng.integers(0, 2, n)  # an indicator
    x = np.column_stack([x, np.full(n, 0.25)])  # says nothing
    return {"X": x.tolist(), "y": rng.uniform(0.5, 0.9, (n, 1)).tolist()}


def write(folder: Path) -> dict[str, Any]:
    folder.mkdir(parents=True)
    rng = np.random.default_rng(0)
    content: dict[str, Any] = {}
    starts: dict[str, Any] = {}
    for (space, dataset), (n, d) in SETS.items():
        content.setdefault(space, {})[dataset] = pool(n, d, rng)
        seeds = {f"test{i}": rng.choice(n, 5, replace=False).tolist() for i in range(5)}
        starts.setdefault(space, {})[dataset] = seeds
    (folder / "meta-test-dataset.json").write_text(json.dumps(content))
    (folder / "meta-train-dataset.json").write_text(json.dumps({"5860": {"3": pool(30, 4, rng)}}))
    (folder / "bo-initializations.json").write_text(json.dumps(starts))
    return content


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    root = tmp_path_factory.mktemp("data")
    write(root / "hpob")
    return root


def test_names_and_splits(data: Path) -> None:
    assert tasks("hpob/*", data) == ["hpob/4796-3549", "hpob/5860-145", "hpob/5906-9889"]
    assert task("hpob/train-5860-3", data).name == "hpob/train-5860-3"
    with pytest.raises(LookupError, match="Did you mean '5860-145'"):
        task("hpob/5860-14", data)
    with pytest.raises(MissingData, match=r"meta-validation-dataset\.json is not there"):
        task("hpob/validation-5860-145", data)


def test_the_task_is_the_cube_answered_by_the_nearest_row(data: Path) -> None:
    made = task("hpob/5860-145", data)
    assert made.space.names == ("x0", "x1", "x2", "x3")  # the column that never varies is left out
    assert made.space["x3"].labels == (False, True)
    assert (made.goals[0].sense, made.best, made.exact) == ("maximize", 1.0, True)
    whole = points("5860-145", data)
    for row in (0, 7, 79):
        config = {f"x{j}": float(whole.x[row, j]) for j in range(3)} | {"x3": bool(whole.x[row, 3])}
        assert made.measure(config, None, 0).metrics["accuracy"] == whole.y[row]
    rng = np.random.default_rng(5)
    for config in (made.space.sample_config(rng) for _ in range(50)):
        point = np.array([float(config[name]) for name in made.space.names])
        near = int(np.argmin(((whole.x[:, :4] - point) ** 2).sum(axis=1)))
        assert whole.row(config) == near
        assert made.measure(config, None, 0) == made.measure(config, None, 1)


def test_y_is_scaled_within_the_pool(tmp_path: Path) -> None:
    (tmp_path / "hpob").mkdir()
    content = {"1": {"2": {"X": [[0.0], [0.5], [1.0]], "y": [[0.2], [0.5], [0.9]]}}}
    (tmp_path / "hpob" / "meta-test-dataset.json").write_text(json.dumps(content))
    np.testing.assert_allclose(points("1-2", tmp_path).y, [0, 0.4286, 1], atol=5e-5)
    assert points("1-2", tmp_path).starts == {}


def test_of_rows_in_one_place_the_first_answers() -> None:
    both = Points(np.array([[0.5], [0.5], [1.0]]), np.array([0.2, 1.0, 0.0]), {})
    assert both.row({"x0": 0.4}) == 0
    assert both.best == 0.2  # what can be reached


def uniformly(rng: np.random.Generator) -> Any:
    return lambda x_seen, y_seen, x_pending: rng.integers(len(x_pending))


@pytest.mark.parametrize("name", ["4796-3549", "5860-145", "5906-9889"])
def test_random_search_meets_its_expectation(data: Path, name: str) -> None:
    # E[regret after t of n draws without replacement]: the best of t is the k-th best with probability
    # C(n-k, t-1) / C(n, t)
    whole = points(name, data)
    n = len(whole.y)
    regrets = np.sort(1 - whole.y)
    runs = []
    for seed in range(200):
        rng = np.random.default_rng(seed)
        runs.append(discrete_run(uniformly(rng), whole, start=[int(rng.integers(n))], trials=29))
    mean, error = np.mean(runs, axis=0), np.std(runs, axis=0) / np.sqrt(200)
    for t in (1, 2, 5, 10, 30):
        left, expected = 1.0, 0.0
        for k in range(n - t + 1):
            chance = left * t / (n - k)  # the k-th best is among the t, none of the better ones is
            expected += chance * regrets[k]
            left -= chance
        assert abs(mean[t - 1] - expected) < 3 * error[t - 1] + 1e-12


def test_the_published_start_and_padding(data: Path) -> None:
    whole = points("5906-9889", data)
    assert sorted(whole.starts) == ["test0", "test1", "test2", "test3", "test4"]
    shapes = []

    def oracle(x_seen: Any, y_seen: Any, x_pending: Any) -> int:
        shapes.append((len(x_seen), len(y_seen), len(x_pending)))
        best = whole.x[np.argmax(whole.y)]
        return int(np.flatnonzero((x_pending == best).all(axis=1))[0])

    regret = discrete_run(oracle, whole, start="test3")
    assert len(regret) == 101
    assert regret[0] == 1 - whole.y[list(whole.starts["test3"])].max()
    assert (regret[1:] == 0).all()
    assert shapes == [(5, 5, 45)]  # the optimum was hit at once: nothing more is asked
    worst = discrete_run(lambda x, y, pending: 0, whole, start="test0", trials=100)
    assert worst[-1] == 0  # 50 rows: all were seen
    with pytest.raises(LookupError, match="test7"):
        discrete_run(oracle, whole, start="test7")
    with pytest.raises(IndexError, match="45 that are pending"):
        discrete_run(lambda x, y, pending: 45, whole, start="test0")


GOOD = {"X": [[0.1, 0.2], [0.3, 0.4]], "y": [[0.1], [0.2]]}


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ('{"1": {"2": {"X": [[0.1', "broken off or no JSON .line 1"),
        ("[]", "a list at the top"),
        ("{}", "a dict at the top"),
        ({"1": [1]}, "a list under '1'"),
        ({"1": {"2": {"X": [[1]]}}}, "the keys 'X' under '1', '2'"),
        ({"1": {"2": {**GOOD, "y": [[0.1]]}}}, r"1-2 with X of shape \(2, 2\) and y of shape \(1, 1\)"),
        ({"1": {"2": {**GOOD, "X": [[0.1], [0.1, 0.2]]}}}, "unequal length"),
        ({"1": {"2": {**GOOD, "X": [["a", "b"], ["c", "d"]]}}}, "text in it"),
        ({"1": {"2": {**GOOD, "X": [[0.1, float("nan")], [0.3, 0.4]]}}}, "NaN or infinity"),
        ({"1": {"2": {**GOOD, "X": [[0.1, 7], [0.3, 0.4]]}}}, "X from 0.1 to 7. Expected: X in the unit cube"),
        ({"1": {"2": {**GOOD, "y": [[0.5], [0.5]]}}}, "y = 0.5 everywhere"),
    ],
)
def test_wrong_files_are_refused(tmp_path: Path, content: Any, message: str) -> None:
    (tmp_path / "hpob").mkdir()
    file = tmp_path / "hpob" / "meta-test-dataset.json"
    file.write_text(content if isinstance(content, str) else json.dumps(content))
    with pytest.raises(WrongFile, match=message) as caught:
        task("hpob/1-2", tmp_path)
    assert str(file) in str(caught.value)


@pytest.mark.parametrize("starts", [{"1": {"2": {"test0": [0, 9]}}}, {"1": [3]}, {"1": {"2": {"test0": ["a"]}}}])
def test_wrong_initial_rows(tmp_path: Path, starts: Any) -> None:
    (tmp_path / "hpob").mkdir()
    (tmp_path / "hpob" / "meta-test-dataset.json").write_text(json.dumps({"1": {"2": GOOD}}))
    (tmp_path / "hpob" / "bo-initializations.json").write_text(json.dumps(starts))
    with pytest.raises(WrongFile, match="bo-initializations"):
        task("hpob/1-2", tmp_path)


def test_a_file_is_parsed_once_and_again_when_it_changes(tmp_path: Path) -> None:
    write(tmp_path / "hpob")
    first = points("5860-145", tmp_path)
    assert points("5860-145", tmp_path).x is first.x
    file = tmp_path / "hpob" / "meta-test-dataset.json"
    file.write_text(json.dumps({"5860": {"145": GOOD}}))
    with pytest.raises(WrongFile, match=r"names row .*Expected: rows 0 to 1"):
        points("5860-145", tmp_path)
    (tmp_path / "hpob" / "bo-initializations.json").unlink()
    assert len(points("5860-145", tmp_path).x) == 2
