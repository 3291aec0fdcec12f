"""run and init: the commands that begin and go on."""

from __future__ import annotations

import os
import re
import shlex
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import closing, contextmanager, nullcontext
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from trimtab.cli import _complete as complete
from trimtab.cli._options import COUNT, WithProgram
from trimtab.cli._toml import FileError, Plan, load, optimize_keys
from trimtab.cli._words import heard, say, say_json

if TYPE_CHECKING:
    from trimtab.run.command import Command
    from trimtab.space import Space
    from trimtab.study import Study


@click.command(cls=WithProgram)
@click.argument("target", required=False, shell_complete=complete.files)
@click.option("--trials", type=COUNT, help="The study's total. Default: what the file says.")
@click.option("--more", type=COUNT, help="So many beyond those there are.")
@click.option("--workers", type=COUNT, help="Trials at a time.")
@click.option("--timeout", metavar="TIME", help='Time for this run: seconds, "4h", or "slurm".')
@click.option(
    "--set", "settings", multiple=True, metavar="KEY=VALUE", shell_complete=complete.keys,
    help="Override the file, this time: --set run.workers=4.",
)  # fmt: skip
@click.option("--dry-run", type=COUNT, help="Show the first N trials; run and store nothing.")
@click.option("--plain", is_flag=True, help="Lines instead of a live display.")
@click.option("--json", "as_json", is_flag=True, help="What came of it, for programs.")
@click.option("--schema", is_flag=True, help="Print the JSON Schema of study.toml, for editors.")
@click.option(
    "-p", "domains", multiple=True, metavar="NAME=RANGE", shell_complete=complete.placeholders,
    help="Of a program: -p alpha=0.1..10:log -p mode=fast,safe.",
)  # fmt: skip
@click.option(
    "--minimize", metavar="METRIC", help='Of a program: a metric. Default "time".', shell_complete=complete.metrics
)
@click.option("--maximize", metavar="METRIC", help="Of a program: a metric.", shell_complete=complete.metrics)
@click.option(
    "--metric", "metrics", multiple=True, metavar="NAME=SOURCE", help="Of a program: --metric 'gap=regex:gap (\\S+)'."
)
@click.option("--name", metavar="NAME", help="Of a program: the study's name.")
@click.option("--storage", metavar="WHERE", help="Of a program: where to keep it. Default NAME.db.")
@click.option("--searcher", metavar="NAME", help="See `trimtab methods`.", shell_complete=complete.searchers)
@click.option("--save", type=click.Path(dir_okay=False), help="Of a program: write the study.toml that says the same.")
@click.pass_context
def run(
    ctx: click.Context, /, target: str | None, settings: tuple[str, ...], dry_run: int | None, **given: Any
) -> int:  # fmt: skip
    """Run a study; run it again to go on.

    \b
    trimtab run study.toml
    trimtab run -p alpha=0.1..10:log -p threads=1..64 -- ./solver in.dat
    """
    if given["schema"]:
        from trimtab.cli._schema import as_text, study_schema

        say(as_text(study_schema()), nl=False)
        return 0
    if given["trials"] and given["more"]:
        raise FileError("--trials is the study's total, --more comes on top of what there is: give one of the two.")
    program = ctx.meta["program"]
    with _saved(given["save"]) if program else nullcontext():
        plan, target = (_line_plan if program else _file_plan)(program, target, settings, given)
        heard(target)
        if dry_run:
            return _dry_run(plan, dry_run, given["as_json"])
        return execute(plan, target, given)


def _file_plan(
    program: Sequence[str], target: str | None, settings: Sequence[str], given: Mapping[str, Any]
) -> tuple[Plan, str]:
    """What a study file says, with what the line says over it; and what the study is to be called."""
    for word, option in (("domains", "-p"), ("save", "--save"), ("metrics", "--metric")):
        if given[word]:
            raise FileError(f"{option} goes with a program: trimtab run -p alpha=0.1..10:log -- ./solver")
    from trimtab.cli._target import to_run
    from trimtab.cli._write import text

    target = to_run(target)
    over = [f"{k}={text(given[k])}" for k in ("name", "minimize", "maximize", "storage", "searcher") if given[k]]
    plan, over = load(target), [*settings, *over]
    changed = load(target, over) if over else plan
    same = (plan.name, plan.storage) == (changed.name, changed.storage)
    return changed, target if same else _near(changed.storage)  # the file's name doesn't lead there


def _line_plan(
    program: Sequence[str], target: str | None, settings: Sequence[str], given: Mapping[str, Any]
) -> tuple[Plan, str]:
    """What a line with a program says; with --save, the file that says the same."""
    if target is not None:
        raise FileError(f"{target} and a program after --: one of the two says what to run.")
    from trimtab.cli._line import document_of, plan_for, save
    from trimtab.cli._set import lay_over

    document = document_of(program, given["domains"], given)
    for setting in settings:
        lay_over(document, setting)
    plan = plan_for(document)
    if not given["save"]:
        return plan, document["storage"]
    command(plan.make_space(), plan, {"workers": 1}, None).close()  # what can't be run is not written
    if save(document, given["save"]):
        say(f"Wrote {given['save']}. From now on: trimtab run {shlex.quote(given['save'])}", err=True)
    return load(given["save"]), given["save"]


@contextmanager
def _saved(path: str | None) -> Iterator[None]:
    """--save: a file that was written for a study that can't be opened is taken back."""
    from trimtab.errors import SpaceError, StorageError, StudyMismatch, Unsupported

    new = path is not None and not Path(path).exists()
    try:
        yield
    except (FileError, SpaceError, StudyMismatch, Unsupported, StorageError):
        if path is not None and new and Path(path).exists():
            Path(path).unlink()
            say(f"{path} was taken back, as it can't be run like this:", err=True)
        raise


def _near(storage: str) -> str:
    """A path as one would type it here."""
    return storage if "://" in storage else os.path.relpath(storage)


# ── running ──────────────────────────────────────────────────────────────────────────────────────────────────────


def execute(plan: Plan, target: str, given: Mapping[str, Any]) -> int:
    """Run a plan to its end; the exit code."""
    with plan.surroundings():
        return _execute(plan, target, given)


def _execute(plan: Plan, target: str, given: Mapping[str, Any]) -> int:
    objective = plan.objective()  # before the storage is touched: a wrong name should cost nothing
    if objective is None:
        command(plan.make_space(), plan, {"workers": 1}, None).close()  # and a wrong placeholder too
        if told := unused(plan):
            say(told, err=True)
    study = plan.open()
    with closing(study):
        _enqueue(study, plan)
        before = study.counts["counted"]
        if given["more"] and (study._log.ledger.closed or {}).get("rule") == "user":
            study.reopen()  # `trimtab stop` was the user's word, and so is --more
        total = before + given["more"] if given["more"] else given["trials"] or plan.run.get("trials")
        if total is None and not (given["timeout"] or plan.run.get("timeout")):
            raise FileError(f"{plan.where}: how many trials? Give [run] trials = 60, or --trials 60, or a --timeout.")
        began, worked = time.monotonic(), _optimize(study, plan, objective, total, given)
        return _end(study, target, total, before, time.monotonic() - began if worked else None, given["as_json"])


def _end(study: Study, target: str, total: int | None, before: int, seconds: float | None, as_json: bool) -> int:
    """Say what came of a run. seconds: how long it took; None: there was nothing to do."""
    from trimtab.study._summary import bad_line, done_line, paused_line, summary

    any_good = bool(study.counts["finished"] + study.counts["stopped"])
    time_up = total is not None and "time for this run" in study.ended  # without a total that is how a run ends
    left = seconds is not None and (study.ended == "paused" or time_up)
    result = "paused" if left else "done" if any_good else "none finished"
    code = {"paused": 3, "done": 0, "none finished": 1}[result]
    if as_json:
        from trimtab.cli._json import study_json

        say_json({**study_json(study), "result": result, "trials": total, "seconds": seconds})
    elif result == "paused":
        say(paused_line(study, total))
    elif not any_good:
        say(bad_line(study, target))
    elif seconds is None:
        say(done_line(study, total or study.counts["counted"], target))
    else:
        say("\n" + summary(study, target=target, seconds=seconds, before=before, total=total))
    return code


def _enqueue(study: Study, plan: Plan) -> None:
    for config in plan.run.get("enqueue", ()):
        study.enqueue(config, why=f"[[run.enqueue]] of {Path(plan.where).name}")


def _optimize(study: Study, plan: Plan, objective: Any, total: int | None, given: Mapping[str, Any]) -> bool:
    """Whether there was anything to do."""
    from trimtab.study._display import Display

    settings = {k: v for k, v in plan.run.items() if k in optimize_keys() and k != "trials"}
    settings |= {k: given[k] for k in ("workers", "timeout") if given[k] is not None}
    plain = given["plain"] or given["as_json"]
    display: Any = Display(study, total=total, mode="plain" if plain else "auto", keep=False)
    before = study._log.ledger.version
    with _said_here():  # that a study is done, say
        if objective is not None:
            study.optimize(objective, trials=total, display=display, **settings)
        else:
            runner = command(study.space, plan, settings, study._folder)
            with closing(runner):
                kept = {k: v for k, v in settings.items() if k in ("timeout", "grace")}
                nothing: Any = None  # the runner has the command
                study.optimize(nothing, trials=total, runner=runner, display=display, **kept)
    return study._log.ledger.version > before


@contextmanager
def _said_here() -> Iterator[None]:
    """Keep a logger's warnings back where the command says the same itself, in full."""
    import logging

    log = logging.getLogger("trimtab.study._optimize")
    level = log.level
    log.setLevel(logging.ERROR)
    try:
        yield
    finally:
        log.setLevel(level)


def command(space: Space | None, plan: Plan, settings: Mapping[str, Any], folder: Path | None) -> Command:
    """The runner of a plan's program. folder None: only to see whether it can be made."""
    from trimtab.run.command import Command

    if "command" not in plan.run:
        raise FileError(
            f'{plan.where}: [run] says nothing to run. Give function = "file.py:name" or command = ["./program", …].'
        )
    if space is None:
        raise FileError(f'{plan.where}: a program needs a [space]: what may vary, as [space] alpha = "0.1..10 log".')
    from trimtab.cli._toml import command_keys

    names = [n for key in ("minimize", "maximize") for n in _several(plan.study.get(key))] or ["loss"]
    kept = {k: v for k, v in settings.items() if k in ("workers", "per_trial", "trial_timeout", "grace")}
    given = {k: v for k, v in plan.running().items() if k in command_keys() and k != "command"}
    if "workers" not in kept and "per_trial" not in kept:
        kept["workers"] = 1
        if "time" in names and folder is not None:
            say(
                "One worker: programs that run together slow each other down, and time is what counts. (--workers 2)",
                err=True,
            )
    elif "time" in names and kept.get("workers", 1) > 1:
        say("Note: several programs at a time slow each other down, and their time is what is minimized.", err=True)
    return Command(
        plan.run["command"], space, objectives=names, base=plan.base, folder=folder,
        where=f"{plan.where}, run.command", log=f"trimtab log {shlex.quote(plan.target)}", **given, **kept,
    )  # fmt: skip


def _first(study: Study, n: int) -> Iterator[Any]:
    """The first trials, one after the other as one worker asks for them; fewer where there are no more."""
    from trimtab.errors import StudyFinished

    for _ in range(n):
        try:
            yield study.ask()
        except StudyFinished:
            return


def unused(plan: Plan) -> str:
    """A note on parameters that a command line leaves out while it names others: forgotten, most likely."""
    words = " ".join(w for part in plan.run["command"] for w in ([part] if isinstance(part, str) else part))
    space = plan.make_space()
    names = [] if space is None else list(space.names)
    named = [n for n in names if re.search(rf"(?<!\{{)\{{{re.escape(n)}[?}}]", words)]
    left = [n for n in names if n not in named]
    if not named or not left or "{args}" in words:
        return ""
    return (
        f"Note: the command does not name {', '.join(f'{{{n}}}' for n in left[:5])}{' …' if len(left) > 5 else ''}; "
        "unless the program reads TRIMTAB_CONFIG, it makes no difference."
    )


def _several(names: Any) -> list[str]:
    return [names] if isinstance(names, str) else list(names or ())


def _dry_run(plan: Plan, n: int, as_json: bool) -> int:
    """The first n trials of a fresh study with this plan, as the commands or configurations they would be."""
    from trimtab.storage import Memory
    from trimtab.study._status import plain

    study = plan.open(Memory())
    _enqueue(study, plan)
    if default := study.space.default:
        study.enqueue(default)
    runner = command(study.space, plan, {}, Path("runs")) if "command" in plan.run else None
    if runner is None:
        with plan.surroundings():
            plan.objective()
    rows = []
    for trial in _first(study, n):
        config = trial.config.labels
        line = runner.preview(config, trial.number, trial.seed, trial.budget) if runner else None
        rows.append({"trial": trial.number, "seed": trial.seed, "config": config, "command": line})
        if not as_json:
            say(line or f"trial {trial.number}   " + "   ".join(f"{k} {plain(v)}" for k, v in config.items()))
    if as_json:
        say_json(rows)
    else:
        if runner is not None and (told := unused(plan)):
            say(told, err=True)
        line = "the same line without --dry-run" if plan.where == "-p" else f"trimtab run {shlex.quote(plan.where)}"
        say(f"Nothing was run or stored. To run: {line}", err=True)
    return 0


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
    say(first_file(program), nl=False)
    return 0
