"""run, try, init: the commands that execute something."""

from __future__ import annotations

import logging
import shlex
import sys
import tempfile
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import closing, contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any, TextIO

import click

from trimtab.cli._toml import OPTIMIZE, FileError, Plan, load

if TYPE_CHECKING:
    from trimtab.run.command import Command
    from trimtab.space import Space
    from trimtab.study import Study


class WithProgram(click.Command):
    """A command whose words after `--` are a program and its arguments."""

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        ctx.meta["program"] = []
        if "--" in args:
            i = args.index("--")
            ctx.meta["program"], args = args[i + 1 :], args[:i]
        return super().parse_args(ctx, args)


@click.command(cls=WithProgram)
@click.argument("target", required=False)
@click.option("--trials", type=click.IntRange(min=1), help="The study's total. Default: what the file says.")
@click.option("--more", type=click.IntRange(min=1), help="So many beyond those there are.")
@click.option("--workers", type=click.IntRange(min=1), help="Trials at a time.")
@click.option("--timeout", help='Time for this run: seconds, or "4h".')
@click.option("--set", "settings", multiple=True, metavar="KEY=VALUE", help="Overrides the file: --set run.workers=4.")
@click.option(
    "--dry-run", type=click.IntRange(min=1), metavar="N", help="Show the first N trials; run and store nothing."
)
@click.option("--plain", is_flag=True, help="Lines instead of a live display.")
@click.option("-p", "domains", multiple=True, metavar="NAME=RANGE", help="Of a program: -p alpha=0.1..10:log.")
@click.option("--minimize", help='Of a program: a metric. Default "time".')
@click.option("--maximize", help="Of a program: a metric.")
@click.option(
    "--metric", "metrics", multiple=True, metavar="NAME=SOURCE", help="Of a program: --metric 'gap=regex:gap (\\S+)'."
)
@click.option("--name", help="Of a program: the study's name.")
@click.option("--storage", help="Of a program: where to keep it. Default NAME.db.")
@click.option("--searcher", help="Of a program: see `trimtab methods`.")
@click.option("--save", type=click.Path(dir_okay=False), help="Of a program: write the study.toml that says the same.")
@click.pass_context
def run(ctx: click.Context, /, target: str | None, settings: tuple[str, ...], dry_run: int | None, **given: Any) -> int:
    """Run a study; run it again to go on.

    \b
    trimtab run study.toml
    trimtab run -p alpha=0.1..10:log -p threads=1..64 --minimize time -- ./solver in.dat
    """
    if given["trials"] and given["more"]:
        raise FileError("--trials is the study's total, --more comes on top of what there is: give one of the two.")
    plan, target = _plan(ctx.meta["program"], target, settings, given)
    if dry_run:
        return _dry_run(plan, dry_run)
    return execute(plan, target, given)


def _plan(
    program: Sequence[str], target: str | None, settings: Sequence[str], given: Mapping[str, Any]
) -> tuple[Plan, str]:
    if not program:
        for word, option in (("domains", "-p"), ("save", "--save"), ("metrics", "--metric")):
            if given[word]:
                raise FileError(f"{option} goes with a program: trimtab run -p alpha=0.1..10:log -- ./solver")
        from trimtab.cli._target import found

        target = found(target)
        if not target.endswith(".toml"):
            raise FileError(f"{target} holds results, but not what to run. Name the study.toml, or a program after --.")
        over = [f'{k}="{given[k]}"' for k in ("name", "minimize", "maximize", "storage", "searcher") if given[k]]
        return load(target, [*settings, *over]), target
    if target is not None:
        raise FileError(f"{target} and a program after --: one of the two says what to run.")
    from trimtab.cli._line import document_of, plan_for, to_toml
    from trimtab.cli._toml import lay_over

    document = document_of(program, given["domains"], given)
    for setting in settings:
        lay_over(document, setting)
    plan = plan_for(document)
    if given["save"]:
        try:
            Path(given["save"]).write_text(to_toml(document), encoding="utf-8")
        except OSError as error:
            raise FileError(f"{given['save']} can't be written: {error.strerror}.") from None
        click.echo(f"Wrote {given['save']}. From now on: trimtab run {given['save']}", err=True)
    return plan, given["save"] or document["storage"]


def execute(plan: Plan, target: str, given: Mapping[str, Any]) -> int:
    """Run a plan to its end; the exit code."""
    from trimtab.study._summary import bad_line, done_line, paused_line, summary

    objective = plan.objective()  # before the storage is touched: a wrong name should cost nothing
    study = plan.open()
    with closing(study):
        for line in study.changes:
            click.echo(f"{study.name}: {line}", err=True)
        _enqueue(study, plan)
        before = study.counts["counted"]
        if given["more"] and (study._log.ledger.closed or {}).get("rule") == "user":
            study.reopen()  # `trimtab stop` was the user's word, and so is --more
        total = before + given["more"] if given["more"] else given["trials"] or plan.run.get("trials")
        if total is None:
            raise FileError(f"{plan.where}: how many trials? Give [run] trials = 60, or --trials 60.")
        began, worked = time.monotonic(), _optimize(study, plan, objective, total, given)
        if not worked:
            click.echo(done_line(study, total, target))
            return 0
        if study.ended == "paused":
            click.echo(paused_line(study, total))
            return 3
        if not study.counts["finished"] + study.counts["stopped"]:
            click.echo(bad_line(study, target))
            return 1
        took = time.monotonic() - began
        click.echo("\n" + summary(study, target=target, seconds=took, before=before, total=total))
        return 0


def _enqueue(study: Study, plan: Plan) -> None:
    for config in plan.run.get("enqueue", ()):
        study.enqueue(config, why=f"[[run.enqueue]] of {Path(plan.where).name}")


def _optimize(study: Study, plan: Plan, objective: Any, total: int, given: Mapping[str, Any]) -> bool:
    """Whether there was anything to do."""
    from trimtab.study._display import Display

    settings = {k: v for k, v in plan.run.items() if k in OPTIMIZE and k != "trials"}
    settings |= {k: given[k] for k in ("workers", "timeout") if given[k] is not None}
    display: Any = Display(study, total=total, mode="plain" if given["plain"] else "auto", keep=False)
    before = study._log.ledger.version
    with _said_here("trimtab.study._optimize"):  # that a study is done, say
        if objective is not None:
            study.optimize(objective, trials=total, display=display, **settings)
        else:
            runner = _command(study.space, plan, settings, study._folder)
            with closing(runner):
                kept = {k: v for k, v in settings.items() if k in ("timeout", "grace")}
                nothing: Any = None  # the runner has the command
                study.optimize(nothing, trials=total, runner=runner, display=display, **kept)
    return study._log.ledger.version > before


@contextmanager
def _said_here(logger: str) -> Iterator[None]:
    """Keep a logger's warnings back where the command says the same itself, in full."""
    log = logging.getLogger(logger)
    level = log.level
    log.setLevel(logging.ERROR)
    try:
        yield
    finally:
        log.setLevel(level)


def _command(space: Space, plan: Plan, settings: Mapping[str, Any], folder: Path | None) -> Command:
    from trimtab.run.command import Command

    if "command" not in plan.run:
        raise FileError(
            f'{plan.where}: [run] says nothing to run. Give function = "file.py:name" or command = ["./program", …].'
        )
    names = [n for key in ("minimize", "maximize") for n in _several(plan.study.get(key))]
    kept = {k: v for k, v in settings.items() if k in ("workers", "per_trial", "trial_timeout", "grace")}
    given = {k: plan.run[k] for k in ("metrics", "repeats", "cwd", "env") if k in plan.run}
    if "workers" not in kept and "per_trial" not in kept:
        kept["workers"] = 1
    if "time" in names and kept.get("workers", 1) > 1:
        click.echo(
            "Note: several programs at a time slow each other down, and their time is what is minimized.", err=True
        )
    return Command(
        plan.run["command"], space, objectives=names, base=plan.base, folder=folder,
        where=f"{plan.where}, run.command", log=f"trimtab log {plan.target}", **given, **kept,
    )  # fmt: skip


def _several(names: Any) -> list[str]:
    return [names] if isinstance(names, str) else list(names or ())


def _dry_run(plan: Plan, n: int) -> int:
    """The first n trials of a fresh study with this plan, as the commands or configurations they would be."""
    from trimtab.storage import Memory

    study = plan.open(Memory())
    if default := study.space.default:
        study.enqueue(default)
    _enqueue(study, plan)
    runner = _command(study.space, plan, {}, Path("runs")) if "command" in plan.run else None
    if runner is None:
        plan.objective()
    for trial in study.ask(n=n):
        shown = runner.preview(trial.config.labels, trial.number, trial.seed, trial.budget) if runner else None
        click.echo(shown or f"trial {trial.number}   " + "   ".join(f"{k} {v}" for k, v in trial.config.labels.items()))
    click.echo(f"Nothing was run or stored. To run: trimtab run {shlex.quote(plan.where)}", err=True)
    return 0


# ── one trial, here ──────────────────────────────────────────────────────────────────────────────────────────────


@click.command("try")
@click.argument("words", nargs=-1)
@click.option("--trial", type=click.IntRange(min=0), help="Take the configuration of this trial.")
def try_(words: tuple[str, ...], trial: int | None) -> int:
    """One run here and now; nothing is recorded.

    \b
    trimtab try study.toml alpha=0.3      the default configuration with alpha changed
    trimtab try study.toml --trial 17     the configuration of trial 17
    """
    from trimtab.cli._target import found, opened, split
    from trimtab.cli._toml import toml_value

    target, rest = split(words)
    target = found(target)
    if not target.endswith(".toml"):
        raise FileError(f"{target} does not say what to run. Name the study.toml.")
    plan = load(target)
    space = plan.make_space()
    config: dict[str, Any] = {}
    if trial is not None:
        config = dict(opened(target).study.trial(trial).config)
    for word in rest:
        name, equals, value = word.partition("=")
        if not equals:
            raise FileError(f'"{word}": write name=value, as alpha=0.3.')
        config[name] = toml_value(value)
    if space is not None:
        config = _complete(space, config, [word.partition("=")[0] for word in rest])
    objective = plan.objective()
    if objective is not None:
        return _try_function(objective, config, space)
    assert space is not None
    return _try_command(plan, config, space)


def _complete(space: Space, given: Mapping[str, Any], typed: Sequence[str]) -> dict[str, Any]:
    """The whole configuration. A value that was typed and would not be used is an error, not a surprise."""
    config = space.check(space.complete(given))
    for name in typed:
        if name not in config:
            when = getattr(space.domains[name], "when", None)
            needs = f"it needs {when}" if when is not None else "another choice"
            raise FileError(f"{name} is not active in this configuration: {needs}. Give that as well.")
    return dict(config)


def _try_function(objective: Any, config: Mapping[str, Any], space: Any) -> int:
    from math import inf

    from trimtab.protocol import Run
    from trimtab.run.trial import Trial

    printer = _Printer()
    value = objective(Trial(Run(0, 1, config, 0, inf, open=space is None), printer, space))
    click.echo(f"returned {value}" if value is not None else printer.total())
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
            click.echo(f"step {body['step'][0]:g}{fold}   " + "   ".join(words))

    def wait(self) -> Mapping[str, Any]:
        return {"go": "on"}

    def poll(self) -> None:
        return None


def _try_command(plan: Plan, config: Mapping[str, Any], space: Space) -> int:
    from math import inf

    from trimtab.protocol import Run

    with tempfile.TemporaryDirectory(prefix="trimtab-try-") as folder:
        runner = _command(space, plan, {"workers": 1}, Path(folder))
        with closing(runner):
            click.echo(runner.preview(config), err=True)
            runner.submit(Run(0, 1, config, 0, inf))
            ended, seen = None, {"stdout": 0, "stderr": 0}
            while ended is None:
                for event in runner.collect(0.2):
                    ended = event if event.kind == "ended" else ended
                for name, stream in (("stdout", sys.stdout), ("stderr", sys.stderr)):
                    seen[name] += _pass_on(Path(folder) / "000" / name, seen[name], stream)
    if error := ended.body.get("error"):
        click.echo(f"failed: {error.get('kind')}: {error.get('text')}", err=True)
        return 1
    click.echo("   ".join(f"{k} {v:g}" for k, v in (ended.body.get("returned") or {}).items()))
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


@click.command(cls=WithProgram)
@click.pass_context
def init(ctx: click.Context) -> int:
    """Write a first study.toml from a command line you use.

    \b
    trimtab init -- ./solver --alpha 0.5 --threads 4 in.dat > solver.toml
    """
    from trimtab.cli._line import first_file

    program = ctx.meta["program"]
    if not program:
        raise FileError("Give the command as you use it: trimtab init -- ./solver --alpha 0.5 --threads 4 in.dat")
    click.echo(first_file(program), nl=False)
    return 0
