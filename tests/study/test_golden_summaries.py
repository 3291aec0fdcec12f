"""The pages at the end of a run, of one trial and of failures: whole, and folded to 60, 80 and 120 columns.

The texts are files under golden/summaries; golden/README.md says how to renew them.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

import trimtab as tt
from trimtab.study._summary import bad_line, done_line, failures_page, overview, paused_line, summary, trial_page
from trimtab.study._text import cells

Golden = Callable[[str, str], None]

MODEL = tt.Choice(
    {
        "svm": tt.Space({"C": tt.Float(1e-2, 1e3, log=True, default=1.0)}),
        "forest": tt.Space({"trees": tt.Int(20, 200, default=100)}),
    }
)


@pytest.fixture(autouse=True)
def _here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)


def run(study: tt.Study, values: list[Any], configs: list[dict[str, Any]] | None = None) -> tt.Study:
    """One trial for each value; an exception is raised, a list of numbers is reported as folds."""

    def objective(trial: tt.Trial) -> Any:
        value = values[trial.number]
        if isinstance(value, Exception):
            raise value
        if not isinstance(value, list):
            return value
        for fold, each in enumerate(value):
            trial.report(accuracy=each, fold=fold, step=1)
        return None

    for config in configs or ():
        study.enqueue(config)
    return study.optimize(objective, trials=len(values), display=False)


def digits() -> tt.Study:
    space = tt.Space({"model": MODEL, "scale": tt.Bool()})
    study = tt.Study(
        "digits", space, maximize="accuracy", storage="digits.db", seed=0, searcher="random",
        stop=[tt.Failures(in_a_row=None)],
    )  # fmt: skip
    values = [[0.96, 0.97, 0.965], MemoryError("no room"), [0.98, 0.99, 0.985], [0.981, 0.987, 0.986]]
    configs: list[dict[str, Any]] = [
        {"model": "svm", "model.svm.C": 1.0, "scale": False},
        {"model": "forest", "model.forest.trees": 200, "scale": True},
        {"model": "svm", "model.svm.C": 12.61, "scale": True},
        {"model": "svm", "model.svm.C": 40.0, "scale": True},
    ]
    return run(study, values, configs)


def several() -> tt.Study:
    study = tt.Study("two", {"x": "0.0..1.0"}, minimize=["error", "latency"], seed=0, searcher="random")
    values = [{"error": 0.04 + n / 100, "latency": 19.0 - n * n / 8} for n in range(11)]
    return run(study, [*values, {"error": 0.5, "latency": 30.0}])


def infeasible() -> tt.Study:
    study = tt.Study(
        "tight", {"x": "0.0..1.0"}, minimize="loss", constraints=["memory <= 8"], seed=0, searcher="random"
    )
    return run(study, [{"loss": 0.1 * n, "memory": 9.5 - n / 4} for n in range(3)])


def feasible() -> tt.Study:
    limits = ["memory <= 8", "loss < memory"]
    space = {"x": tt.Float(0, 1, default=0.5)}
    study = tt.Study("fits", space, minimize="loss", constraints=limits, seed=0, searcher="random")
    return run(study, [{"loss": 0.3, "memory": 7.0}, {"loss": 0.25, "memory": 6.2}, {"loss": 0.1, "memory": 8.5}])


def outside() -> tt.Study:
    study = tt.Study("narrow", {"x": "0.0..1.0"}, minimize="loss", storage="narrow.db", seed=0, searcher="random")
    run(study, [0.1, 0.2, 0.3], [{"x": 0.9}, {"x": 0.2}, {"x": 0.3}])
    study.close()
    return tt.Study("narrow", {"x": "0.0..0.5"}, minimize="loss", storage="narrow.db")


def hostile() -> tt.Study:
    name = "\x1b[31mred\x1b[0m <script>alert(1)</script>\n\u202eeman"
    parameter, label = "a\tname with spaces and more, which goes on and on and on", "\x1b]0;t\x07" + "long " * 20
    study = tt.Study(name, {parameter: [label, "b"]}, minimize="数字\x1b[2J", seed=0, searcher="random")
    return run(study, [1e300, 1.5e12, 1.6e12], [{parameter: "b"}, {parameter: label}])


STUDIES: dict[str, Callable[[], tt.Study]] = {
    f.__name__: f for f in (digits, several, infeasible, feasible, outside, hostile)
}


@pytest.mark.parametrize("case", STUDIES)
def test_golden_summary(case: str, golden: Golden) -> None:
    study = STUDIES[case]()
    pages = []
    for width in (60, 80, 120, 1_000):
        text = summary(study, target=f"{case}.toml", seconds=331, total=len(study), width=width)
        assert all(line.isprintable() for line in text.splitlines())
        assert all(cells(line) <= width or "trimtab export" in line for line in text.splitlines())
        pages.append(f"{width if width < 1_000 else 'a file'} {'─' * (min(width, 120) - 7)}\n{text}")
    golden(f"summaries/{case}", "\n".join(pages))


def test_golden_lines_at_the_end(golden: Golden) -> None:
    study = digits()
    lines = [done_line(study, 4, "digits.toml"), paused_line(study, 60)]
    lines += [done_line(several(), 12, "two.toml"), paused_line(outside(), None)]
    study = tt.Study("bad", {"x": "0.0..1.0"}, minimize="loss", stop=[tt.Failures(None)], seed=0)
    run(study, [ValueError("no"), ValueError("no"), KeyError("x")])
    lines.append(bad_line(study, "bad.toml"))
    fresh = tt.Study("fresh", {"x": "0.0..1.0"}, minimize="loss", seed=0)
    lines.append(paused_line(fresh, 10))
    golden("summaries/lines", re.sub(r"py:\d+", "py:LINE", "\n".join(lines)))


def test_golden_pages_of_trials(golden: Golden) -> None:
    study = digits()
    pages = [trial_page(study, 1, "digits.toml"), trial_page(study, 2, "digits.toml"), failures_page(study)]
    pages += [trial_page(feasible(), 2), failures_page(several()), overview(several(), "two.db")]
    text = re.sub(r"after [0-9.]+ s", "after N s", re.sub(r"py:\d+", "py:LINE", "\n\n".join(pages)))
    golden("summaries/trials", text)


def test_a_study_is_a_page_in_a_notebook() -> None:
    html = hostile()._repr_html_()
    assert "<script>" not in html
    assert "&lt;script&gt;" in html
    assert "\x1b" not in html
    assert html.startswith("<pre")
