"""Surrogates of real training runs in the layout of YAHPO Gym: a folder a scenario, one ONNX model for its data sets.

Idea    `DATA/yahpo/<scenario>/` holds model.onnx, config_space.json (ConfigSpace) and encoding.json (codes of labels).
        A task is a data set of a scenario: "lcbench-3945" has the scenario's usual goal, and
        "lcbench-3945-val_accuracy+time" the goals that it names, of those the model predicts.
Source  Pfisterer, Schneider, Moosbauer, Binder & Bischl, YAHPO Gym, AutoML 2022, version 1.0.2. The files do not say in
        which order the model takes its inputs and gives its outputs: _yahpo_scenarios.py does, as YAHPO Gym documents
        it. A folder of your own says it in scenario.json, with the fields of `Scenario`.
Inputs  Codes of labels (0 where a parameter is inactive) and the numbers as they are (again 0); the model scales both
        ways itself. The fidelity is one of the numbers. Predictions are used as they are, without the model's noise.
Cost    The seconds that the model predicts for the training. Of a learning curve they are made to rise from step to
        step, by a hundredth at least, since time does not run backwards; the metric of the same name is left alone.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import MISSING, dataclass, fields
from functools import cache, cached_property, partial
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from trimtab._random import rng_for
from trimtab.bench._families import DATA, Family
from trimtab.bench.norms import stored
from trimtab.bench.task import Config, Fidelity, Goal, Outcome, Task, usual_trials
from trimtab.bench.tasks import _onnx
from trimtab.bench.tasks._configspace import space_from
from trimtab.bench.tasks._steps import checked
from trimtab.bench.tasks._yahpo_scenarios import SCENARIOS, Scenario
from trimtab.errors import MissingData, SpaceError, TrimtabError, UnknownName, did_you_mean
from trimtab.parts.pareto import front
from trimtab.space import Space

REVISION = 1
FRONT_DRAWS = 2000  # from which the scale of several goals is taken; a guess: its front has some tens of points


# ── a scenario's folder ──────────────────────────────────────────────────────


@dataclass(frozen=True)
class Folder:
    """A scenario as it lies on disk, checked once."""

    name: str
    path: Path
    scenario: Scenario
    parameters: Mapping[str, Mapping[str, Any]]  # ConfigSpace's records by name
    space: Space
    codes: Mapping[str, Mapping[str, int]]

    @cached_property
    def instances(self) -> tuple[str, ...]:
        if not self.scenario.instance:
            return (self.scenario.only,)
        record = self.parameters[self.scenario.instance]
        return tuple(str(value) for value in record.get("choices") or [record["value"]])

    @property
    def model(self) -> Path:
        return self.path / "model.onnx"

    @cached_property
    def fidelity(self) -> Fidelity:
        record = self.parameters[self.scenario.fidelity]
        whole = record["type"].endswith("_int")
        return Fidelity(self.scenario.fidelity, record["lower"], record["upper"], integer=whole)

    def predict(
        self, instance: str, configs: Sequence[Config], steps: Sequence[float] | NDArray[Any]
    ) -> NDArray[np.float64]:
        """(n, outputs) of n configurations at n steps, or of one at all steps."""
        s = self.scenario
        given = {**s.fixed, s.instance: instance}
        full = [{**config, **given} for config in configs]
        X = np.array([[row.get(name, 0.0) for name in s.numbers] for row in full], np.float32)
        codes = np.array([[self._code(name, row.get(name)) for name in s.labels] for row in full], np.int32)
        n = max(len(full), len(steps))
        X, codes = np.repeat(X, n // len(full), axis=0), np.repeat(codes, n // len(full), axis=0)
        X[:, s.numbers.index(s.fidelity)] = steps
        found: NDArray[np.float64] = _onnx.run(self.model, {"x_cat": codes, "x_cont": X}).astype(np.float64)
        return found

    def _code(self, name: str, value: Any) -> int:
        return self.codes[name]["#na#" if value is None else str(value)]


@cache
def opened(path: Path) -> Folder:
    """The scenario in this folder; its model is not loaded yet."""
    name = path.name
    for file in ("config_space.json", "encoding.json", "model.onnx"):
        if not (path / file).is_file():
            raise MissingData(f"yahpo/{name}: there is no {path / file}. A scenario of YAHPO Gym 1.0.2 has it.")
    scenario = _scenario(path)
    data = _json(path / "config_space.json")
    parameters = {record["name"]: record for record in data["hyperparameters"]}
    inputs, set_here = {*scenario.numbers, *scenario.labels}, {scenario.instance, scenario.fidelity} - {""}
    searched = set(parameters) - set_here - set(scenario.fixed)
    odd = sorted((inputs | set_here) - set(parameters)) + sorted(searched - inputs)
    if odd:
        raise TrimtabError(f"yahpo/{name}: {odd[0]!r} is not both in config_space.json and among the model's inputs.")
    try:
        space = space_from(data, leave_out={*set_here, *scenario.fixed})
    except SpaceError as error:
        raise SpaceError(f"yahpo/{name}: {error}") from None
    return Folder(name, path, scenario, parameters, space, _json(path / "encoding.json"))


def _json(path: Path) -> Any:
    try:
        return json.loads(path.read_text(encoding="utf-8"))
    except ValueError as error:
        raise TrimtabError(f"{path} is not JSON: {error}") from None


def _scenario(path: Path) -> Scenario:
    own = path / "scenario.json"
    if not own.is_file():
        if path.name not in SCENARIOS:
            hint = did_you_mean(path.name, SCENARIOS)
            raise TrimtabError(f"yahpo/{path.name} is no scenario of YAHPO Gym, and no {own} describes it. {hint}")
        return SCENARIOS[path.name]
    words: dict[str, Any] = _json(own)
    known = [f.name for f in fields(Scenario)]
    for word in words:
        if word not in known:
            raise TrimtabError(f"{own}: {word!r} is not known here. {did_you_mean(word, known)}")
    for f in fields(Scenario):
        if f.name not in words and f.default is MISSING and f.default_factory is MISSING:
            raise TrimtabError(f"{own}: {f.name!r} is missing.")
    words = {k: tuple(v) if isinstance(v, list) else v for k, v in words.items()}
    return Scenario(**words)


def _fits(folder: Folder) -> Folder:
    """The folder, when its model and its codes speak of the same things as its table."""
    s, where = folder.scenario, f"yahpo/{folder.name}"
    inputs, outputs = _onnx.widths(folder.model)
    wanted = {"x_cat": len(s.labels), "x_cont": len(s.numbers)}
    if inputs != wanted or outputs != len(s.outputs):
        raise TrimtabError(
            f"{where}: model.onnx takes {inputs} and gives {outputs} numbers, not {wanted} and {len(s.outputs)}. "
            "This reader knows the models of YAHPO Gym 1.0.2."
        )
    for name in s.labels:
        record = folder.parameters[name]
        values = record.get("choices", record.get("sequence", [record.get("value")]))
        for value in ("#na#", *map(str, values)):
            if value not in folder.codes.get(name, {}):
                raise TrimtabError(f"{where}: encoding.json has no code for {name} = {value!r}.")
    return folder


# ── tasks ────────────────────────────────────────────────────────────────────


@dataclass(frozen=True)
class _Training:
    """measure() and curve() of one data set."""

    task: str
    folder: Folder
    instance: str

    def measure(self, config: Config, budget: float | None, seed: int) -> Outcome:
        step = checked(self.task, self.folder.fidelity, budget)
        if self.folder.fidelity.integer:  # sums differ in their last bits with the batch: always the same batch, then
            return self.curve(config, seed)[int(step - self.folder.fidelity.low)]
        return self._outcomes(self.folder.predict(self.instance, [config], [step]))[0]

    def curve(self, config: Config, seed: int) -> list[Outcome]:
        low, high = self.folder.fidelity.low, self.folder.fidelity.high
        return self._outcomes(self.folder.predict(self.instance, [config], np.arange(low, high + 1)))

    def _outcomes(self, found: NDArray[np.float64]) -> list[Outcome]:
        outputs = self.folder.scenario.outputs
        seconds = found[:, outputs.index(self.folder.scenario.seconds)]
        gaps = 0.01 * np.arange(1, len(seconds) + 1)  # s[i] = max(t[i], s[i - 1] + 0.01), s[-1] = 0
        rising = np.maximum.accumulate(np.maximum(seconds - gaps, 0.0)) + gaps
        rows = zip(found.tolist(), rising.tolist(), strict=True)
        return [Outcome(dict(zip(outputs, row, strict=True)), at) for row, at in rows]


def _make(instance: str, data: Path | None) -> Task:
    """ "lcbench-3945" or "lcbench-3945-val_accuracy+time"."""
    if data is None:
        raise MissingData(f"yahpo/{instance}: say where the data is: data=…, --data, or the variable {DATA}.")
    scenario, _, rest = instance.partition("-")
    which, _, goals = rest.partition("-")
    if not (data / "yahpo" / scenario).is_dir():
        raise MissingData(f"yahpo/{instance}: there is no folder {data / 'yahpo' / scenario}.")
    folder = _fits(opened((data / "yahpo" / scenario).resolve()))
    if which not in folder.instances:
        raise UnknownName(which, among=folder.instances, kind=f"data set of yahpo/{scenario}")
    names = goals.split("+") if goals else [folder.scenario.goal]
    for goal in names:
        if goal not in folder.scenario.outputs or names.count(goal) > 1:
            raise UnknownName(goal, among=folder.scenario.outputs, kind=f"goal of yahpo/{scenario}")
    return _task(f"yahpo/{instance}", folder, which, names)


def _task(name: str, folder: Folder, instance: str, goals: Sequence[str]) -> Task:
    training = _Training(name, folder, instance)
    senses = [Goal(g, "maximize" if g in folder.scenario.maximize else "minimize") for g in goals]
    known = stored(name, REVISION)
    steps = f"{folder.fidelity.name} {folder.fidelity.low:g}..{folder.fidelity.high:g}"
    return Task(
        name,
        folder.space,
        tuple(senses if len(goals) == 1 else _scaled(folder, instance, senses)),
        training.measure,
        curve=training.curve if folder.fidelity.integer and folder.fidelity.low == 1 else None,
        fidelity=folder.fidelity,
        best=known.best if known else None,
        trials=usual_trials(folder.space.d),
        cost=f"the predicted {folder.scenario.seconds} of a training with {steps}",
        licence=FAMILY.licence,
        revision=REVISION,
        tags=frozenset({"surrogate"}),
    )


def _scaled(folder: Folder, instance: str, goals: Sequence[Goal]) -> list[Goal]:
    """The goals with the ends of the front of random draws as ideal and nadir, to 4 digits.

    Where the front is a single point in some goal, the worst draw stands for the nadir.
    """
    X = folder.space.sample(rng_for(0, "yahpo front", folder.name, instance), FRONT_DRAWS)
    found = folder.predict(instance, folder.space.decode(X), [folder.fidelity.high])
    Y = found[:, [folder.scenario.outputs.index(goal.name) for goal in goals]] * [goal.sign for goal in goals]
    ends = Y[front(Y)]
    ideal, nadir = ends.min(axis=0), ends.max(axis=0)
    nadir = np.where(nadir > ideal, nadir, np.maximum(Y.max(axis=0), ideal + 1e-9))
    digits = partial(np.format_float_positional, precision=4, unique=False, fractional=False)
    rows = zip(goals, ideal, nadir, strict=True)
    return [
        Goal(goal.name, goal.sense, ideal=float(digits(goal.sign * low)), nadir=float(digits(goal.sign * high)))
        for goal, low, high in rows
    ]


def _names(data: Path | None) -> list[str]:
    """The data sets of every scenario there, each with the usual goal and with the usual pair."""
    if data is None or not (data / "yahpo").is_dir():
        return []
    found = []
    for path in sorted((data / "yahpo").iterdir()):
        if (path / "model.onnx").is_file() and (path.name in SCENARIOS or (path / "scenario.json").is_file()):
            folder = opened(path.resolve())
            found += [f"{path.name}-{i}" for i in folder.instances]
            pair = "+".join(folder.scenario.pair)
            found += [f"{path.name}-{i}-{pair}" for i in folder.instances if pair]
    return found


FAMILY = Family(
    "yahpo",
    "surrogates of real training runs, with learning curves and several goals; reads the folders of YAHPO Gym 1.0.2",
    _names,
    _make,
    licence="YAHPO Gym: Apache-2.0; lcbench: Apache-2.0",
    data="yahpo",
    extra="bench",
)
