"""Logs that are kept: what they were made by, how they are written and read.

python tests/laws/old_logs.py 0.1        writes logs/*-0.1.jsonl; for each released version, beside those of older ones

A line an event. Names of hosts and processes are replaced: they are nobody's business and decide nothing.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

from trimtab.log import Event, from_text, to_text
from trimtab.run.environment import ARITHMETIC
from trimtab.space import Choice, Float, Int, Space
from trimtab.storage.memory import Memory
from trimtab.study import Study

FOLDER = Path(__file__).parent / "logs"
SPACE = Space(
    {"x": Float(-5, 5), "lr": Float(1e-4, 1, log=True), "kind": Choice(["a", "b"]), "m": Int(1, 9, when="kind == 'a'")}
)


def loss(config: Any, step: float = 1.0) -> float:
    return float((config["x"] - 1) ** 2 + config.get("m", 5) / step + (config["lr"] > 0.1))


def plain(trial: Any) -> float:
    if trial.number == 4:
        raise ValueError("too wide")
    return loss(trial.config)


def stepwise(trial: Any) -> None:
    """Every fifth trial fails the first time."""
    for step in trial.steps():
        if trial.number % 5 == 3 and trial.attempt == 1:
            raise OSError("disk away")
        trial.report(loss=loss(trial.config, step))


def by_run(trial: Any) -> float:
    x = trial.float("x", -5, 5)
    if trial.choice("kind", ["flat", "deep"]) == "deep":
        return float(x**2 / trial.int("layers", 1, 4 if trial.number < 8 else 6))
    return float(x**2)


def full(store: Memory) -> Study:
    study = Study("full", SPACE, minimize="loss", storage=store, searcher="random", seed=1, constraints=["loss <= 30"])
    study.enqueue({"x": 0.5, "kind": "b"}, why="a guess")
    study.optimize(plain, trials=12, display=False)
    study.correct(2, {"loss": 0.25}, reason="read off the wrong line")
    study.invalidate(3, reason="wrong data")
    study.optimize(plain, trials=15, display=False)
    return study


def halving(store: Memory) -> Study:
    study = Study(
        "halving", SPACE, minimize="loss", storage=store, searcher={"method": "tpe", "startup": 5}, seed=2,
        scheduler="halving", max_budget=9, retry={"times": 2, "on": ["lost", "OSError"]},
    )  # fmt: skip
    return study.optimize(stepwise, trials=18, display=False)


def define_by_run(store: Memory) -> Study:
    study = Study("define by run", minimize="value", storage=store, searcher={"method": "tpe", "startup": 5}, seed=3)
    return study.optimize(by_run, trials=16, display=False)


MADE_BY: dict[str, tuple[Callable[[Memory], Study], Callable[[Any], Any]]] = {
    "full": (full, plain),
    "halving": (halving, stepwise),
    "define-by-run": (define_by_run, by_run),
}


def read(path: Path) -> list[Event]:
    with path.open(encoding="utf-8") as lines:
        rows = [from_text(line) for line in lines]
    return [Event(r["kind"], r["body"], r["trial"], r["attempt"], r["at"], r["by"], r["seq"]) for r in rows]


def stored(events: list[Event]) -> Memory:
    """The log in a storage, as Study.copy would put it there."""
    store = Memory()
    study, _ = store.create("old", events[0])
    store.append(study, events[1:], "old")
    return store


def anonymous(event: Event) -> Event:
    body = dict(event.body)
    if "owner" in body:
        body["owner"] = "d1"
    if "env" in body and event.kind == "noted":
        body["env"] = {key: {k: told.get(k) for k in ARITHMETIC} for key, told in body["env"].items()}
    if "run" in body:
        body["run"] = {"env": body["run"]["env"]}
    if body.get("error"):
        body["error"] = {k: body["error"][k] for k in ("kind", "text")}
    return replace(event, body=body, by="d1" if event.by else "", at=float(event.seq))


def write(version: str) -> None:
    for name, (make, _) in MADE_BY.items():
        events = [anonymous(e) for e in make(Memory()).log()]
        with (FOLDER / f"{name}-{version}.jsonl").open("w", encoding="utf-8") as out:
            for e in events:
                row = {"seq": e.seq, "kind": e.kind, "trial": e.trial, "attempt": e.attempt, "at": e.at, "by": e.by}
                out.write(to_text({**row, "body": json.loads(to_text(e.body))}) + "\n")
        print(f"{name}: {len(events)} events")


if __name__ == "__main__":
    write(sys.argv[1])
