"""Every message of the interface, provoked for real, with the class in brackets, compared with golden/messages.

golden/README.md says how to renew the texts. Lines of files are LINE, paths of temporary folders are gone.
"""

from __future__ import annotations

import re
import sqlite3
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import trimtab as tt
from trimtab.cli._toml import load as load_plan

Golden = Callable[[str, str], None]

CONDITIONAL = {"optimizer": ["sgd", "adam"], "momentum": tt.Float(0, 0.99, when="optimizer == 'sgd'")}


@pytest.fixture(autouse=True)
def _here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)


def study(name: str = "digits", **settings: Any) -> tt.Study:
    return tt.Study(name, {"x": "0.0..1.0"}, **{"minimize": "loss", "seed": 0, **settings})


def broken(trial: tt.Trial) -> Any:
    settings = dict(drop_out=0.1)
    return Net(**settings)


class Net:
    pass


def loud(trial: tt.Trial) -> Any:
    import sys

    sys.stderr.write("CUDA is not available\n")
    return broken(trial)


def mismatch(**settings: Any) -> Any:
    study(storage="digits.db").close()
    return study(storage="digits.db", **settings)


def some_failed() -> Any:
    made = study(storage="digits.db")
    for _ in range(5):
        made.tell(made.ask(), failed="diverged")
    made.ask(n=2)
    return made.best


def newer() -> Any:
    study(storage="digits.db").close()
    with sqlite3.connect("digits.db") as db:
        table = next(n for (n,) in db.execute("select name from sqlite_master") if n.endswith("meta"))
        db.execute(f"update {table} set value = '99' where key = 'format'")
        db.execute(f"update {table} set value = '0.9' where key = 'written_by'")
    db.close()
    return study(storage="digits.db")


def on_nfs(monkeypatch: pytest.MonkeyPatch) -> Any:
    from trimtab.storage import _sqlite

    monkeypatch.setattr(_sqlite, "network_kind", lambda folder, mounts=None: "nfs4")
    return study(storage="r50.db")


def solver(command: str, **run: str) -> Any:
    """A program of one line that is the study's command."""
    Path("solver").write_text("#!/bin/sh\nfor i in 1 2 3; do echo line $i; done\necho done in 3.1 s\n")
    Path("solver").chmod(0o755)
    more = "".join(f"{k} = {v}\n" for k, v in run.items())
    Path("solver.toml").write_text(
        f'name = "solver"\nminimize = "gap"\nstorage = "solver.db"\n[space]\nalpha = "0.1..10.0 log"\n'
        f'[run]\ncommand = ["./solver", "{command}"]\ntrials = 3\n{more}'
    )
    plan = load_plan("solver.toml")
    made = plan.open()
    from trimtab.run.command import Command

    runner = Command(
        plan.run["command"], made.space, objectives=["gap"], metrics=plan.run.get("metrics"), folder="solver.runs",
        base=".", where="solver.toml, run.command", log="trimtab log solver.toml", workers=1,
    )  # fmt: skip
    return made, runner


def no_gap() -> Any:
    made, runner = solver("{alpha}", metrics="{ gap = 'regex:final gap\\s*=\\s*(\\S+)' }")
    try:
        made.optimize(None, trials=3, runner=runner, display=False)
    except tt.StudyStopped:
        error = made.trial(0).error
        raise getattr(tt, error["kind"])(error["text"]) from None
    finally:
        runner.close()


def inactive() -> Any:
    made = tt.Study("digits", CONDITIONAL, minimize="loss", seed=0)
    made.enqueue({"optimizer": "adam"})
    return made.ask()["momentum"]


def two() -> tt.Study:
    made = study(minimize=["error", "latency"])
    for n in range(7):
        made.tell(made.ask(), {"error": n, "latency": 7 - n})
    return made


def missing(monkeypatch: pytest.MonkeyPatch) -> Any:
    import sys

    monkeypatch.setitem(sys.modules, "pyarrow", None)
    made = study().optimize(lambda t: t["x"], trials=1, display=False)
    made.export("r.parquet")


MESSAGES: dict[str, Callable[..., Any]] = {
    "01 low above high": lambda: tt.Space({"lr": tt.Float(1e-1, 1e-5)}),
    "01 low above high, in text": lambda: tt.Space({"lr": "0.1..1e-5"}),
    "02 unknown name in when": lambda: tt.Space(
        {"optimizer": ["sgd", "adam"], "momentum": tt.Float(0, 0.9, when="optimzer == 'sgd'")}
    ),
    "03 rules that contradict": lambda: tt.Space(
        {"a": "0.0..1.0", "b": "0.0..1.0", "c": "0.0..1.0"}, require=["a + b <= 1", "a > 0.99999", "c >= 0", "b < 2"]
    ).sample_config(np.random.default_rng(0)),
    "04 another tool's word": lambda: study().optimize(broken, n_trials=3),  # type: ignore[call-arg]
    "05 the wrong metric": lambda: study().optimize(lambda t: {"acc": 0.91}, trials=3, display=False),
    "06 the first three failed": lambda: study().optimize(broken, trials=30, display=False),
    "06 the first three failed in a program that says why": lambda: study(storage="digits.db").optimize(
        loud, trials=30, workers=2, display=False
    ),
    "07 another objective": lambda: mismatch(minimize=None, maximize="accuracy"),
    "07 another seed": lambda: mismatch(seed=3),
    "08 network file system": on_nfs,
    "09 unknown placeholder": lambda: solver("{aplha}"),
    "10 no metric": no_gap,
    "11 newer format": newer,
    "12 nothing finished": some_failed,
    "12 nothing at all": lambda: study().best,
    "several objectives": lambda: two().best,
    "several objectives, a trial": lambda: two().trial(0).value,
    "missing extra": missing,
    "inactive": inactive,
    "unknown parameter": lambda: study().ask()["y"],
    "report by position": lambda: tt.Trial.fixed({"x": 1}).report(0.31, 7),  # type: ignore[arg-type]
    "report before the first step": lambda: tt.Trial.fixed({"x": 1}, budget=9).report(loss=1.0, step=0),
    "report beyond the budget": lambda: tt.Trial.fixed({"x": 1}, budget=9).report(loss=1.0, step=10),
    "steps without a length": lambda: next(iter(tt.Trial.fixed({"x": 1}).steps())),
    "no such trial": lambda: two().trial(9),
    "no such study": lambda: (study(storage="a.db").close(), tt.load("a.db", "digit")),
    "no such file": lambda: tt.load("b.db"),
    "no such searcher": lambda: study(searcher="tp"),
    "trials and more": lambda: study().optimize(broken, trials=3, more=2),
}  # fmt: skip


@pytest.mark.parametrize("case", MESSAGES)
def test_golden_message(case: str, golden: Golden, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    provoke = MESSAGES[case]
    with pytest.raises(Exception) as caught:  # noqa: PT011  # the class is part of the golden text
        provoke(*[monkeypatch] * provoke.__code__.co_argcount)
    text = f"[{type(caught.value).__name__}] {caught.value}"
    text = re.sub(r"(\.py):\d+", r"\1:LINE", text).replace(str(tmp_path), "/home/me")
    text = re.sub(r"this is [\d.]+\w* \(format \d+\)", "this is VERSION (format N)", text)
    # two workers: a fourth may have failed before the first three were seen, or the first come in last
    text = re.sub(r"(first|these) \d+\b", r"\1 3", re.sub(r"runs/\d+/", "runs/000/", text))
    golden(f"messages/{case.replace(',', '').replace(' ', '_')}", text)
