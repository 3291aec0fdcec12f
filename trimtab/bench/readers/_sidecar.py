"""What the columns of a long-form table mean: as a small TOML or JSON beside it says, or as their names suggest.

parameters = ["lr", "layers"]           # or a table: [parameters.lr] with log, ordered, values or when
goals = {error = "minimize"}
shown = {error = "test_error"}          # what a recommendation is worth; without it, the goal's mean over seeds
metrics = ["latency"]                   # what constraints speak of
constraints = ["latency <= 3"]
fidelity = "epoch"
seconds = "time"                        # since the start of the run; cumulative = false: of each level alone
seed = "seed"                           # tells repetitions apart
instance = "dataset"                    # a task for each: "table/<name>:<instance>"
lookup = "exact"                        # "nearest": rows were drawn, not laid out as a grid
reward = {latency = 0.5, power = 1.0}   # a goal made of targets: the product of target / |target - value|, capped
trials = 100
licence = "CC BY 4.0"
"""

from __future__ import annotations

import json
import re
import tomllib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, fields
from pathlib import Path
from typing import Any

from trimtab.bench.readers._files import WrongFile
from trimtab.errors import did_you_mean

SUFFIXES = (".parquet", ".csv", ".csv.gz")
SENSES = ("minimize", "maximize")
DETAILS = ("log", "ordered", "values", "when")
CAP = 1000.0  # of a reward: within a thousandth of the target is there; without a cap one row would be infinite
SMALLER = {"loss", "error", "err", "mse", "rmse", "mae", "nll", "perplexity", "regret", "cost"}
GREATER = {"accuracy", "acc", "auc", "f1", "r2", "score", "reward", "bleu"}
NOBODY = {"id", "config_id", "trial", "index", ""}  # counts rows, and is no parameter
MEANS = {
    "fidelity": {"epoch", "epochs", "step", "steps", "iteration", "iter", "budget", "fidelity"},
    "seconds": {"seconds", "time", "runtime", "train_time", "elapsed", "duration", "wall_time", "walltime"},
    "seed": {"seed", "repetition", "rep", "repeat", "fold"},
    "instance": {"instance", "dataset", "task", "task_id", "dataset_id", "openml_task_id"},
}


@dataclass(frozen=True)
class Roles:
    """The role of each column; see the head of this file."""

    parameters: Mapping[str, Mapping[str, Any]]
    goals: Mapping[str, str]
    shown: Mapping[str, str] = field(default_factory=dict)
    metrics: Sequence[str] = ()
    constraints: Sequence[str] = ()
    fidelity: str = ""
    seconds: str = ""
    cumulative: bool = True
    seed: str = ""
    instance: str = ""
    lookup: str = "exact"
    reward: Mapping[str, float] = field(default_factory=dict)
    cap: float = CAP
    trials: int = 100
    licence: str = ""

    @property
    def columns(self) -> list[str]:
        """All that the file must have."""
        made = {"reward"} if self.reward else set()
        one = [name for name in (self.fidelity, self.seconds, self.seed, self.instance) if name]
        named = [*self.parameters, *self.goals, *self.shown.values(), *self.metrics, *self.reward, *one]
        return [name for name in dict.fromkeys(named) if name not in made]


def stem(file: Path) -> str:
    """The name of a table: of "a.b.csv.gz" it is "a.b"."""
    return next((file.name.removesuffix(end) for end in SUFFIXES if file.name.endswith(end)), file.stem)


def sidecar(file: Path) -> Path | None:
    """The .toml or .json beside a table."""
    found = (file.with_name(stem(file) + end) for end in (".toml", ".json"))
    return next((path for path in found if path.is_file()), None)


def read_roles(file: Path) -> Roles:
    """A sidecar, checked: every key is known and of the right kind."""
    text = file.read_text(encoding="utf-8")
    try:
        content = tomllib.loads(text) if file.suffix == ".toml" else json.loads(text)
    except ValueError as error:
        raise WrongFile(file, f"broken ({error})", "TOML or JSON that names the columns' roles") from None
    if not isinstance(content, dict):
        raise WrongFile(file, f"a {type(content).__name__} at the top", "a table that names the columns' roles")
    known = {one.name: one for one in fields(Roles)}
    for key in content:
        if key not in known:
            raise WrongFile(file, f"the key {key!r}", f"one of the roles. {did_you_mean(key, list(known))}")
    content.setdefault("goals", {})
    if content.get("reward"):
        content["goals"] = {**content["goals"], "reward": "maximize"}
    if not content.get("parameters") or not content["goals"]:
        lacking = "parameters" if not content.get("parameters") else "goals"
        raise WrongFile(file, f"no {lacking}", 'parameters = ["lr", …] and goals = {error = "minimize"}')
    if isinstance(content["parameters"], list):
        content["parameters"] = {name: {} for name in content["parameters"]}
    roles = Roles(**content)
    _check_roles(file, roles)
    return roles


def _check_roles(file: Path, roles: Roles) -> None:
    for key in ("goals", "shown", "reward", "parameters"):
        if not isinstance(getattr(roles, key), Mapping):
            raise WrongFile(file, f"{key} = {getattr(roles, key)!r}", f"a table: {key} = {{name = …}}")
    for key in ("fidelity", "seconds", "seed", "instance"):
        if not isinstance(getattr(roles, key), str):
            raise WrongFile(file, f"{key} = {getattr(roles, key)!r}", "the name of one column")
    for key in ("metrics", "constraints"):
        given = getattr(roles, key)
        if not isinstance(given, list | tuple) or not all(isinstance(one, str) for one in given):
            raise WrongFile(file, f"{key} = {given!r}", f'a list of texts: {key} = ["…"]')
    for name, sense in roles.goals.items():
        if sense not in SENSES:
            raise WrongFile(file, f"goals.{name} = {sense!r}", '"minimize" or "maximize"')
    for name, details in roles.parameters.items():
        if not isinstance(details, Mapping):
            raise WrongFile(file, f"parameters.{name} = {details!r}", "a table: parameters.x = {log = true}")
        for key in details:
            if key not in DETAILS:
                raise WrongFile(file, f"{key!r} of parameter {name!r}", f"one of {', '.join(DETAILS)}")
    if roles.lookup not in ("exact", "nearest"):
        raise WrongFile(file, f"lookup = {roles.lookup!r}", '"exact" or "nearest"')
    for name, target in roles.reward.items():
        if isinstance(target, bool) or not isinstance(target, int | float) or not target > 0:
            raise WrongFile(file, f"reward.{name} = {target!r}", "a target above 0")
    for name in roles.shown:
        if name not in roles.goals:
            raise WrongFile(file, f"shown.{name}", f"the name of a goal: {', '.join(roles.goals)}")


def inferred(file: Path, columns: Sequence[str]) -> Roles:
    """Roles as the names of columns suggest; refuses, with the lines to write, when they don't suggest one goal."""
    words = {name: set(re.findall(r"[a-z0-9]+", name.lower())) | {name.lower()} for name in columns}
    one: dict[str, Any] = {}
    for role, usual in MEANS.items():
        found = [name for name in columns if name.lower() in usual]
        if len(found) > 1:
            raise _refusal(file, f"{', '.join(map(repr, found))} could each be the {role}")
        one[role] = found[0] if found else ""
    taken = set(one.values())
    columns = [name for name in columns if name.lower() not in NOBODY and not name.startswith("Unnamed:")]
    goals = {name: "minimize" for name in columns if words[name] & SMALLER and name not in taken}
    goals |= {name: "maximize" for name in columns if words[name] & GREATER and name not in taken}
    if len(goals) != 1:
        found_ = f"{len(goals)} columns that could be the goal ({', '.join(goals) or 'none'})"
        raise _refusal(file, found_)
    parameters: dict[str, dict[str, Any]] = {name: {} for name in columns if name not in taken | goals.keys()}
    if not parameters:
        raise _refusal(file, "no column that could be a parameter")
    return Roles(parameters, goals, **one)


def _refusal(file: Path, found: str) -> WrongFile:
    lines = 'parameters = ["lr", …]  goals = {error = "minimize"}  fidelity = "epoch"  seconds = "time"  seed = "seed"'
    return WrongFile(file, found, f"a file {stem(file)}.toml beside it that says what its columns are: {lines}")


def as_toml(roles: Roles) -> str:
    """The sidecar that says what was inferred, on one line a role."""
    lines = [f"parameters = {json.dumps(list(roles.parameters))}"]
    lines.append("goals = {" + ", ".join(f"{json.dumps(k)} = {json.dumps(v)}" for k, v in roles.goals.items()) + "}")
    lines += [f"{role} = {json.dumps(getattr(roles, role))}" for role in MEANS if getattr(roles, role)]
    return "\n".join(lines)
