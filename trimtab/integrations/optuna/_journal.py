"""Optuna's journal file: one JSON object a line, replayed by the rules by which Optuna replays it.

Rules   Studies and trials are numbered in the order of their lines; a name that exists, a study or trial that doesn't,
        and anything about a trial that has ended change nothing; nor does a parameter of another kind than before. The
        last line may be half-written.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

from trimtab.errors import StorageError
from trimtab.integrations.optuna._domains import Dist, from_json
from trimtab.integrations.optuna._stored import DIRECTIONS, STATES, StoredStudy, StoredTrial, pick, seconds_of

Line = Mapping[str, Any]


def read(path: Path, name: str | None) -> StoredStudy:
    """One study of a journal."""
    replay = _Replay()
    for number, line in _lines(path):
        try:
            apply = _OPERATIONS.get(line["op_code"])
            if apply is None:
                raise ValueError(f"op_code {line['op_code']!r} is not known here")
            apply(replay, line)
        except (KeyError, TypeError, ValueError, IndexError, AttributeError, RecursionError) as error:
            raise StorageError(
                f"{path}, line {number}: this is no journal of Optuna ({type(error).__name__}: {error}). "
                "Nothing was written."
            ) from None
    found: StoredStudy = pick({study.name: study for study in replay.studies.values()}, name, str(path))
    return found


def _lines(path: Path) -> Iterator[tuple[int, Line]]:
    with path.open("rb") as file:
        for number, text in enumerate(file, start=1):
            if not text.endswith(b"\n"):
                return  # being written, or cut off in the middle of it
            try:
                line = json.loads(text)
                if not isinstance(line, dict):
                    raise ValueError(f"{text[:40]!r} is no object")
            except (ValueError, RecursionError) as error:
                raise StorageError(
                    f"{path}, line {number}: this is no journal of Optuna ({error}). Nothing was written."
                ) from None
            yield number, line


class _Replay:
    """All studies of a journal, as of the lines read so far."""

    def __init__(self) -> None:
        self.studies: dict[int, StoredStudy] = {}
        self.trials: list[StoredTrial] = []
        self.homes: list[int] = []  # of each trial, its study
        self.kinds: dict[tuple[int, str], Dist] = {}
        self.begun = 0
        self.known: dict[str, Dist] = {}

    def create_study(self, line: Line) -> None:
        if any(study.name == line["study_name"] for study in self.studies.values()):
            return
        directions = [DIRECTIONS[d] for d in line["directions"]]
        self.studies[self.begun] = StoredStudy(str(line["study_name"]), directions)
        self.begun += 1

    def delete_study(self, line: Line) -> None:
        self.studies.pop(line["study_id"], None)

    def study_user(self, line: Line) -> None:
        if line["study_id"] in self.studies:
            self.studies[line["study_id"]].attributes.update(line["user_attr"])

    def study_system(self, line: Line) -> None:
        if line["study_id"] in self.studies:
            self.studies[line["study_id"]].system.update(line["system_attr"])

    def create_trial(self, line: Line) -> None:
        home = line["study_id"]
        if home not in self.studies:
            return
        study = self.studies[home]
        trial = StoredTrial(
            len(study.trials),
            STATES[line.get("state", 0)],
            began=seconds_of(line["datetime_start"], utc=False),
            ended=seconds_of(line.get("datetime_complete"), utc=False),
        )
        for name, text in line.get("distributions", {}).items():
            dist = self._dist(text)
            trial.dists[name], trial.params[name] = dist, dist.value(float(line["params"][name]))
            self.kinds.setdefault((home, name), dist)
        values = line.get("values") if line.get("value") is None else [line["value"]]
        trial.values = None if values is None else [float(v) for v in values]
        trial.reports = {int(step): float(v) for step, v in line.get("intermediate_values", {}).items()}
        trial.notes, trial.system = dict(line.get("user_attrs", {})), dict(line.get("system_attrs", {}))
        study.trials.append(trial)
        self.trials.append(trial)
        self.homes.append(home)

    def param(self, line: Line) -> None:
        trial = self._open(line)
        if trial is None:
            return
        name, dist = str(line["param_name"]), self._dist(line["distribution"])
        first = self.kinds.setdefault((self.homes[line["trial_id"]], name), dist)
        if (first.kind, first.log, first.choices) == (dist.kind, dist.log, dist.choices):
            trial.dists[name], trial.params[name] = dist, dist.value(float(line["param_value_internal"]))

    def state(self, line: Line) -> None:
        trial, word = self._open(line), STATES[line["state"]]
        if trial is None or word == trial.state == "RUNNING":
            return
        if word == "RUNNING":
            trial.began = seconds_of(line["datetime_start"], utc=False)
        trial.state = word
        if trial.done:
            trial.ended = seconds_of(line["datetime_complete"], utc=False)
        if line["values"] is not None:
            trial.values = [float(v) for v in line["values"]]

    def report(self, line: Line) -> None:
        trial = self._open(line)
        if trial is not None:
            trial.reports[int(line["step"])] = float(line["intermediate_value"])

    def user(self, line: Line) -> None:
        trial = self._open(line)
        if trial is not None:
            trial.notes.update(line["user_attr"])

    def system(self, line: Line) -> None:
        trial = self._open(line)
        if trial is not None:
            trial.system.update(line["system_attr"])

    def ignored(self, line: Line) -> None:
        """Of another program that writes the same journal; Optuna passes over it, too."""

    def _open(self, line: Line) -> StoredTrial | None:
        number = line["trial_id"]
        if not isinstance(number, int) or not 0 <= number < len(self.trials):
            return None
        trial = self.trials[number]
        return None if trial.done else trial

    def _dist(self, text: str) -> Dist:
        dist = self.known.get(text)
        if dist is None:
            dist = self.known[text] = from_json(text)
        return dist


_OPERATIONS: Mapping[Any, Callable[[_Replay, Line], None]] = dict(
    enumerate(
        (
            _Replay.create_study, _Replay.delete_study, _Replay.study_user, _Replay.study_system, _Replay.create_trial,
            _Replay.param, _Replay.state, _Replay.report, _Replay.user, _Replay.system, _Replay.ignored,
        )
    )
)  # fmt: skip
