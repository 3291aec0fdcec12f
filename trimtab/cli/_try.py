"""try: one run here and now, with this terminal; nothing is recorded."""

from __future__ import annotations

import sys
import tempfile
import traceback
from collections.abc import Mapping, Sequence
from contextlib import closing
from math import inf
from pathlib import Path
from typing import TYPE_CHECKING, Any, TextIO

import click

from trimtab.cli import _complete as complete
from trimtab.cli._options import NUMBER
from trimtab.cli._run import command
from trimtab.cli._toml import FileError, Plan, load
from trimtab.cli._words import heard, ours, say
from trimtab.errors import TrimtabError

if TYPE_CHECKING:
    from trimtab.space import Space


DRAWS = 100  # tries to fill a configuration that keeps all rules


class ObjectiveFailed(Exception):
    """The user's own function raised: `shown` is its traceback, from the user's code on."""

    def __init__(self, error: BaseException, file: str) -> None:
        super().__init__(str(error))
        frames = traceback.extract_tb(error.__traceback__)
        first = next((i for i, f in enumerate(frames) if not ours(f.filename)), 0)
        first = next((i for i, f in enumerate(frames) if f.filename == file), first)
        told = [*traceback.format_list(frames[first:]), *traceback.format_exception_only(error)]
        self.shown = "Traceback (most recent call last):\n" + "".join(told).rstrip()


@click.command("try")
@click.argument("words", nargs=-1, metavar="[TARGET] [NAME=VALUE …]", shell_complete=complete.try_words)
@click.option("--trial", type=NUMBER, help="Take the configuration of this trial.",
              shell_complete=complete.numbers)  # fmt: skip
def try_(words: tuple[str, ...], trial: int | None) -> int:
    """One run here and now; nothing is recorded.

    \b
    trimtab try study.toml alpha=0.3     the defaults with alpha changed
    trimtab try study.toml --trial 17    the configuration of trial 17
    """
    from trimtab.cli._set import pair
    from trimtab.cli._target import opened, split, to_run

    target, rest = split(words)
    target = heard(to_run(target))
    plan = load(target)
    space = plan.make_space()
    config: dict[str, Any] = {}
    seed = 0
    if trial is not None:
        with closing(opened(target).study) as study:
            config, seed = dict(study.trial(trial).config), study.trial(trial).seed
    typed = [pair(word, "alpha=0.3") for word in rest]
    config |= {name: typed_value(space, name, value) for name, value in typed}
    if space is not None:
        config = _complete(space, config, [name for name, _ in typed])
    if "function" in plan.run:
        with plan.surroundings():
            return _try_function(plan.objective(), config, space, seed)
    return _try_command(plan, config, space, seed)


def typed_value(space: Space | None, name: str, said: str) -> Any:
    """What was typed, as TOML reads it; text where the parameter only knows it as text."""
    from trimtab.cli._line import value_of

    value = value_of(said)
    labels = getattr(space.domains.get(name), "labels", None) if space is not None else None
    return said if labels is not None and value not in labels and said in labels else value


def _complete(space: Space, given: Mapping[str, Any], typed: Sequence[str]) -> dict[str, Any]:
    """The whole configuration. A value that was typed and would not be used is an error, not a surprise.

    What nobody said is its default, or drawn where it has none.
    """
    config = _filled(space, space.check(given, partial=True))
    for name in typed:
        if name not in config and name in space.domains:
            when = getattr(space.domains[name], "when", None)
            needs = f"it needs {when}" if when is not None else "another choice"
            raise FileError(f"{name} is not active in this configuration: {needs}. Give that as well.")
    return dict(config)


def _filled(space: Space, given: Mapping[str, Any]) -> dict[str, Any]:
    from trimtab._random import rng_for
    from trimtab.errors import SpaceError
    from trimtab.space import Const, Derived
    from trimtab.study._status import plain

    usual = {n: d.default for n, d in space.domains.items() if getattr(d, "default", None) is not None}
    for attempt in range(DRAWS):
        try:
            config = space.check(space.complete({**usual, **given}, rng_for(attempt, "cli", "try", 0)))
            break
        except SpaceError:
            if attempt == DRAWS - 1:  # rules that hardly anything keeps: the last refusal says which
                raise
    drawn = [n for n in config if n not in {*usual, *given} and not isinstance(space.domains[n], (Const, Derived))]
    if drawn:
        say("drawn, as nobody said: " + "   ".join(f"{n} {plain(config[n])}" for n in drawn), err=True)
    return dict(config)


def _try_function(objective: Any, config: Mapping[str, Any], space: Any, seed: int) -> int:
    from trimtab.protocol import Run
    from trimtab.run.trial import Trial

    printer = _Printer()
    trial = Trial(Run(0, 1, config, seed, inf, open=space is None), printer, space)
    try:
        value = objective(trial)
    except TrimtabError:
        raise
    except Exception as error:
        code = getattr(objective, "__code__", None)
        raise ObjectiveFailed(error, getattr(code, "co_filename", "")) from error
    say(f"returned {value}" if value is not None else printer.total())
    return 0


class _Printer:
    """The link of a trial that nobody judges: what it reports is printed."""

    def __init__(self) -> None:
        self.last: dict[str, list[float]] = {}  # what the last step said, a value a fold
        self.step: float | None = None

    def total(self) -> str:
        """What would count: the last step's values, over folds their mean and its standard error."""
        from statistics import fmean, stdev

        words = [
            f"{name} {fmean(v):.4g}" + (f" ± {stdev(v) / len(v) ** 0.5:.2g}" if len(v) > 1 else "")
            for name, v in self.last.items()
        ]
        return "ended with " + "   ".join(words) if words else "ended: nothing was reported or returned"

    def post(self, kind: str, body: Mapping[str, Any]) -> None:
        if kind == "reported":
            if body["step"][0] != self.step:
                self.step, self.last = body["step"][0], {}
            for name, values in body["metrics"].items():
                self.last.setdefault(name, []).append(values[0])
            words = [f"{k} {v[0]:g}" for k, v in body["metrics"].items()]
            fold = f" fold {body['fold'][0]}" if "fold" in body else ""
            say(f"step {body['step'][0]:g}{fold}   " + "   ".join(words))

    def wait(self) -> Mapping[str, Any]:
        return {"go": "on"}

    def poll(self) -> None:
        return None


def _try_command(plan: Plan, config: Mapping[str, Any], space: Space | None, seed: int) -> int:
    from trimtab.protocol import Run

    with tempfile.TemporaryDirectory(prefix="trimtab-try-") as folder:
        runner = command(space, plan, {"workers": 1}, Path(folder))
        with closing(runner):
            say(runner.preview(config, seed=seed), err=True)
            runner.submit(Run(0, 1, config, seed, inf))
            ended, seen = None, {"stdout": 0, "stderr": 0}
            while ended is None:
                for event in runner.collect(0.2):
                    ended = event if event.kind == "ended" else ended
                for name, stream in (("stdout", sys.stdout), ("stderr", sys.stderr)):
                    seen[name] += _pass_on(Path(folder) / "000" / name, seen[name], stream)
    if error := ended.body.get("error"):
        say(f"failed: {error.get('kind')}: {error.get('text')}", err=True)
        return 1
    say("   ".join(f"{k} {v:g}" for k, v in (ended.body.get("returned") or {}).items()))
    return 0


def _pass_on(file: Path, start: int, stream: TextIO) -> int:
    """Write what a growing file has from `start` on; how many bytes that were."""
    if not file.exists():
        return 0
    with file.open("rb") as source:
        source.seek(start)
        new = source.read()
    stream.write(new.decode(errors="replace"))
    stream.flush()
    return len(new)
