"""A runner whose trials are candidates of a scikit-learn search: a batch at a time through its own cross-validation.

Idea    The driver submits, and asks with a waiting time once there is nothing more to submit; then the batch is
        evaluated, in this thread, and all its folds are in the log before anything else is decided. How the fits are
        spread over processes is scikit-learn's business, so n_jobs changes no result.
Log     One report a trial: a row a fold, at step 1, with every score and the times. The mean over folds is the trial's
        value and their spread its standard error, as for any study; cv_results_ is made from the same rows.
"""

from __future__ import annotations

import re
import time
from collections.abc import Callable, Mapping, Sequence
from copy import copy
from dataclasses import dataclass
from math import isfinite
from threading import current_thread, main_thread
from typing import Any

from trimtab.errors import TrimtabError
from trimtab.log import JSON, Event
from trimtab.protocol import Run

TIMES = ("fit_time", "score_time")
TRAIN = "train_"
TEXT_LIMIT, TRACEBACK_LIMIT = 4_000, 16_000  # characters, as for any trial
Fold = Mapping[str, Any]  # what scikit-learn's _fit_and_score says of one fit


class FixedSplits:
    """A splitter whose splits are drawn once, so that all candidates see the same folds, however many batches."""

    def __init__(self, cv: Any, seed: int) -> None:
        if getattr(cv, "random_state", 0) is None:  # without a state of its own it follows the search's seed
            cv = copy(cv)
            cv.random_state = seed % 2**32
        self.cv, self._splits = cv, list[Any]()

    def get_n_splits(self, *args: Any, **params: Any) -> Any:
        return self.cv.get_n_splits(*args, **params)

    def split(self, *args: Any, **params: Any) -> list[Any]:
        self._splits = self._splits or list(self.cv.split(*args, **params))
        return self._splits


@dataclass(frozen=True, slots=True)
class AllFailed:
    """Every fit of a batch failed: scikit-learn says so, and nothing of the single fits."""

    text: str


class Folds:
    """Evaluates batches of candidates.

    evaluate  takes configurations, gives the folds of each, or AllFailed
    names     called with the names of the first scores (None: one score), gives {score: metric}
    goals     the metrics that are the study's objectives: without one of them a trial has failed
    batch     how many candidates are asked for at a time
    """

    def __init__(
        self,
        evaluate: Callable[[Sequence[Mapping[str, JSON]]], list[list[Fold]] | AllFailed],
        names: Callable[[Sequence[str] | None], Mapping[str, str]],
        goals: Sequence[str],
        batch: int,
    ) -> None:
        self.evaluate, self.names, self.goals, self.batch = evaluate, names, tuple(goals), batch
        self.busy = False
        self._waiting: list[Run] = []

    def now(self) -> float:
        return time.time()

    def free(self) -> int:
        return self.batch - len(self._waiting)

    def submit(self, run: Run) -> None:
        self._waiting.append(run)

    def send(self, trial: int, attempt: int, message: Mapping[str, JSON]) -> None:
        """A fit knows no steps: it can't be told anything."""

    def interrupt(self, kind: str = "pause") -> None:
        """Ctrl-C: out of the fits at once, as scikit-learn's searches do. The batch goes back into the queue.

        From a timer's thread it says that the time is up: then the batch is the last.
        """
        if self.busy and current_thread() is main_thread():
            raise KeyboardInterrupt

    def hurry(self) -> None:
        """Fits can't be asked to end sooner."""

    def collect(self, timeout: float) -> Sequence[Event]:
        if not self._waiting or not timeout:  # no time to wait: there is more to be submitted
            return []
        self.busy = True
        try:
            begun = time.monotonic()
            told = self.evaluate([run.config for run in self._waiting])
            took = (time.monotonic() - begun) / len(self._waiting)
        finally:
            runs, self._waiting, self.busy = self._waiting, [], False
        if isinstance(told, AllFailed):
            return [self._event(run, "ended", failed(told.text, took)) for run in runs]
        return [event for run, folds in zip(runs, told, strict=True) for event in self._events(run, folds)]

    def close(self, kill: bool = False) -> None:
        self._waiting = []

    def _events(self, run: Run, folds: Sequence[Fold]) -> list[Event]:
        metrics = self._metrics(folds)
        body: dict[str, JSON] = {"step": [1] * len(folds), "fold": list(range(len(folds))), "metrics": metrics}
        seconds = sum(metrics["fit_time"]) + sum(metrics["score_time"])
        errors = [fold["fit_error"] for fold in folds if fold["fit_error"]]
        lost = {name: sum(not isfinite(v) for v in metrics[name]) for name in self.goals}
        end: dict[str, JSON] = {"state": "finished", "step": 1, "cost": {"seconds": round(seconds, 6)}}
        if errors and (any(lost.values()) or len(errors) == len(folds)):
            end = failed(errors[0], seconds)
        elif any(lost.values()):  # a scorer failed, or said NaN or infinity
            told = [f"no finite {n}{'' if k == len(folds) else ' in some folds'}" for n, k in lost.items() if k]
            end = failed(f"NonFinite: {', '.join(told)}", seconds)
        return [self._event(run, "reported", body), self._event(run, "ended", end)]

    def _metrics(self, folds: Sequence[Fold]) -> dict[str, list[float]]:
        """{metric: a value a fold}"""
        first = folds[0]["test_scores"]
        names = self.names(list(first) if isinstance(first, dict) else None)
        found: dict[str, list[float]] = {}
        for prefix, kind in (("", "test_scores"), (TRAIN, "train_scores")):
            if kind in folds[0]:
                for score, metric in names.items():
                    scores = [f[kind][score] if isinstance(f[kind], dict) else f[kind] for f in folds]
                    found[prefix + metric] = [float(v) for v in scores]
        if twice := set(TIMES) & set(found):
            raise TrimtabError(f"A score can't be called {twice.pop()!r}: trimtab measures that itself. Rename it.")
        return found | {name: [float(f[name]) for f in folds] for name in TIMES}

    def _event(self, run: Run, kind: str, body: Mapping[str, JSON]) -> Event:
        return Event(kind, body, run.trial, run.attempt, self.now())


def failed(traceback: str, seconds: float) -> dict[str, JSON]:
    """The body of `ended` for a trial whose fits raised; what, and where, is read from the traceback's text."""
    kind, text, where = _told(traceback)
    error = {"kind": kind, "text": text[:TEXT_LIMIT]}
    if where:
        error |= {"where": where, "traceback": traceback[-TRACEBACK_LIMIT:]}
    return {"state": "failed", "cost": {"seconds": round(seconds, 6)}, "error": error}


def _told(traceback: str) -> tuple[str, str, str]:
    """(kind, text, where) of the last exception in a formatted traceback."""
    lines = traceback.rstrip().splitlines()
    frames = [i for i, line in enumerate(lines) if line.startswith('  File "')]
    after = lines[frames[-1] + 1 :] if frames else lines
    tail = [line for line in after if not line.startswith(" ")] or lines[-1:]
    kind, _, text = "\n".join(tail).partition(": ")
    where = ""
    if frames:
        own = [i for i in frames if "site-packages" not in lines[i]] or frames
        place = re.match(r'  File ".*?([^/\\]+)", line (\d+), in (.+)', lines[own[-1]])
        where = f"{place[1]}:{place[2]} in {place[3]}" if place else ""
    return kind.rpartition(".")[2].strip() or "Error", text.strip(), where
